"""The platforms of the literature as preset files, and their loader.

A preset is one TOML file beside this module; :func:`platforms` lists them, :func:`load_preset` reads one by name or
from any path.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import polars as pl

from fastclear.errors import PresetError
from fastclear.platforms.catalogue import catalogue
from fastclear.platforms.preset import Preset
from fastclear.platforms.preset_file import parse_preset, read_preset

__all__ = ["Preset", "catalogue", "load_preset", "parse_preset", "platforms", "read_preset"]

_FOLDER = Path(__file__).parent


def _shipped() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def platforms() -> pl.DataFrame:
    """The presets that come with the package.

    Returns
    -------
    polars.DataFrame
        One row a platform: ``name``, ``title``, ``summary``, ``structure`` (of the market, in the words of
        ``docs/5_platforms.md``), ``mechanism``, ``profile`` (String), ``stated`` and ``assumed`` (Int64, parameters
        that a review gives and that we chose).

    Examples
    --------
    >>> from fastclear.platforms import platforms
    >>> platforms().filter(name="brooklyn").select("structure", "mechanism", "profile").row(0)
    ('pool_auction', 'uniform', 'prepaid')
    """
    rows = []
    for path in _shipped().values():
        preset = read_preset(path)
        origins = [origin for _, _, origin, _ in preset.parameters()]
        rows.append(
            {
                "name": preset.name,
                "title": preset.title,
                "summary": preset.summary,
                "structure": preset.information.structure.value,
                "mechanism": preset.market.mechanism.value,
                "profile": preset.settlement.profile.value,
                "stated": origins.count("stated"),
                "assumed": origins.count("assumed"),
            }
        )
    return pl.DataFrame(rows)


def load_preset(platform: str | Path | Preset) -> Preset:
    """A preset by its name, or from a TOML file.

    Parameters
    ----------
    platform : str, Path or Preset
        A name that :func:`platforms` lists, or the path of a TOML file (anything with a suffix ``.toml`` or a
        folder in it). A preset is handed back as it is.

    Raises
    ------
    PresetError
        If there is no such platform (the message lists those there are), or the file is wrong.

    Examples
    --------
    >>> from fastclear.platforms import load_preset
    >>> load_preset("brooklyn").title
    'Brooklyn Microgrid'
    """
    if isinstance(platform, Preset):
        return platform
    shipped = _shipped()
    text = str(platform)
    if isinstance(platform, str) and text in shipped:
        return read_preset(shipped[text])
    path = Path(platform)
    if path.suffix == ".toml" or len(path.parts) > 1:
        return read_preset(path)
    close = difflib.get_close_matches(text, shipped, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there is: {', '.join(shipped)}; or give a .toml file"
    raise PresetError(f"no platform {text!r}: {hint}")


def preset_text(name: str) -> str:
    """The file of a shipped platform, comments and all, to copy and change.

    Raises
    ------
    PresetError
        If there is no such platform.
    """
    load_preset(name)
    return _shipped()[name].read_text(encoding="utf-8") if name in _shipped() else read_preset(Path(name)).to_toml()
