"""Reading a preset: whatever is wrong with the file is one error that names the key, the file and the remedy."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from fastclear.errors import PresetError
from fastclear.platforms.parameters import Frozen
from fastclear.platforms.preset import Preset


def _model_of(annotation: Any) -> Any:
    """The section within an annotation such as ``Options | None``."""
    candidates = (annotation, *get_args(annotation))
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, Frozen)), None)


def _known_keys(model: Any, path: tuple[str | int, ...]) -> list[str]:
    """The keys that a preset knows at `path`."""
    for part in path:
        field = getattr(model, "model_fields", {}).get(part)
        model = _model_of(field.annotation) if field else None
    return list(getattr(model, "model_fields", {}))


def _explain(error: ValidationError, where: str) -> str:
    """The first fault of a preset in one line: the key, the file, what to do."""
    # an unknown key first: a misspelt key is both unknown and missing, and only the former names the misspelling
    first = min(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    loc: tuple[str | int, ...] = first["loc"]
    key = ".".join(str(part) for part in loc)
    context: dict[str, Any] = first.get("ctx", {})
    match first["type"]:
        case "extra_forbidden":
            known = _known_keys(Preset, loc[:-1])
            close = difflib.get_close_matches(str(loc[-1]), known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"known keys here: {', '.join(known)}"
            return f"{where}: unknown key {key}: {hint}"
        case "missing":
            remedy = (
                "every parameter needs a value and a source"
                if loc[-1] in ("value", "source")
                else "add it, see `fastclear platforms --show brooklyn`"
            )
            return f"{where}: {key} is missing: {remedy}"
        case "literal_error":
            return f"{where}: {key} must be {context['expected']}"
        case "string_pattern_mismatch" if loc[-1] == "source":
            return f'{where}: {key} must be "stated: ..." or "assumed: ..." with the reason'
        case "model_type" | "model_attributes_type":
            shape = "a section" if len(loc) == 1 else 'like { value = ..., source = "assumed: ..." }'
            return f"{where}: {key} must be {shape}"
        case "value_error":
            message = str(context["error"])
            return f"{where}: {key}: {message}" if key else f"{where}: {message}"
        case _:
            return f"{where}: {key}: {first['msg'][0].lower()}{first['msg'][1:]}"


def parse_preset(data: dict[str, Any], *, where: str = "preset") -> Preset:
    """A preset from the contents of its file.

    Parameters
    ----------
    data : dict
        What :mod:`tomllib` reads.
    where : str
        The file, for messages.

    Raises
    ------
    PresetError
        Naming the first key at fault, the file and the remedy.
    """
    try:
        return Preset.model_validate(data)
    except ValidationError as error:
        raise PresetError(_explain(error, where)) from None


def read_preset(path: Path) -> Preset:
    """The preset in the TOML file at `path`.

    Raises
    ------
    PresetError
        If the file cannot be read, is no TOML, or is no preset.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PresetError(f"{path}: cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PresetError(f"{path}: is no TOML: {error}") from None
    return parse_preset(data, where=str(path))
