"""`compare`: the same homes on several platforms, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from fastclear import metrics
from fastclear.community import Community
from fastclear.errors import PresetError
from fastclear.exports import Exported
from fastclear.metrics import by_key, jain_index
from fastclear.platforms import load_preset, platforms
from fastclear.platforms.output import FRAMES, new_directory, summary, write_frames
from fastclear.platforms.preset import Preset
from fastclear.platforms.progress import slot_bar
from fastclear.platforms.result import RunResult
from fastclear.platforms.simulation import EMBEDDED, check_seed, choose_community, simulate

_FROM_METRICS: Final = ("self_consumption", "self_sufficiency")


def grid_peak_w(result: RunResult) -> int:
    """The largest power that the community as a whole took from the grid or gave to it, in W, slot means.

    :func:`fastclear.metrics.grid_peak_w`, the larger of both, rounded down. Trading moves no energy by itself: it
    differs between platforms only with the length of their slots, or where members respond to prices.
    """
    net = (result.slots["import_wh"] - result.slots["export_wh"]).to_numpy()
    return int(max(metrics.grid_peak_w(net, result.community.slot_ns)))


def _figures(result: RunResult) -> dict[str, Any]:
    """One row of :attr:`Comparison.figures`."""
    found = by_key(result.metrics)
    members = result.members
    saving = (members["bill_without_nano"] - members["bill_nano"]).to_numpy()
    jain = jain_index(np.maximum(saving, 0).tolist())

    def share(key: str) -> float | None:
        value = found[key].value
        return None if value is None else float(value)

    return {
        "platform": result.preset.name,
        "mechanism": result.preset.market.mechanism.value,
        "profile": result.preset.settlement.profile.value,
        "currency": result.preset.price.currency.value,
        "bills_nano": found["bills"].value,
        "bills_without_nano": found["bills"].without,
        "worse_off": int((saving < 0).sum()),
        "largest_loss_nano": max(-int(saving.min()), 0),
        "jain": None if jain is None else float(jain),
        "price_ticks": share("price_mean"),
        "local_wh": found["local"].value,
        **{key: share(key) for key in _FROM_METRICS},
        "welfare_nano": found["welfare"].value,
        "grid_peak_w": grid_peak_w(result),
        "operator_nano": result.house["operator"],
        "dso_nano": result.house["dso"],
        "tax_nano": result.house["tax"],
        "supplier_nano": result.house["backstop"],
        "lender_nano": result.house["lender"],
        "blocks": result.blocks,
        "records": result.records,
        "seconds_clearing": result.seconds["clearing"],
        "seconds_total": result.seconds["total"],
        "head": result.head,
    }


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Exported):
    """The same community on several platforms.

    Attributes
    ----------
    runs : mapping of str to RunResult
        By the name of the platform, in the order asked for.
    days, seed : int
        Of every run.
    """

    _EXPORTED = "figures"

    runs: Mapping[str, RunResult]
    days: int
    seed: int

    @property
    def figures(self) -> pl.DataFrame:
        """One row a platform: its rules and figures.

        ``platform``, ``mechanism``, ``profile``, ``currency`` (String); ``bills_nano``, ``bills_without_nano`` (all
        members' bills, and without the market); ``worse_off`` (members that pay more than without it),
        ``largest_loss_nano`` (of the worst off), ``jain`` (:func:`fastclear.metrics.jain_index` of savings,
        where who loses counts as 0); ``price_ticks`` (mean,
        Float64), ``local_wh``, ``self_consumption``, ``self_sufficiency`` (shares of one, Float64), ``welfare_nano``,
        ``grid_peak_w``; ``operator_nano``, ``dso_nano``, ``tax_nano``, ``supplier_nano``, ``lender_nano``; ``blocks``,
        ``records``, ``seconds_clearing``, ``seconds_total``, ``head`` (of the ledger). Nano-currency is that of the
        platform, and no exchange rate stands between them.
        """
        return pl.DataFrame([_figures(result) for result in self.runs.values()], infer_schema_length=None)

    @property
    def members(self) -> pl.DataFrame:
        """The members of all runs: ``platform`` and the columns of :attr:`RunResult.members`."""
        return self._stacked("members")

    def _stacked(self, frame: str) -> pl.DataFrame:
        parts = [
            result.frame(frame).select(pl.lit(name).alias("platform"), pl.all()) for name, result in self.runs.items()
        ]
        return pl.concat(parts)

    @property
    def data(self) -> str:
        """One line that says what data this is."""
        return next(iter(self.runs.values())).data

    def summary(self) -> dict[str, Any]:
        """All of it as one JSON document: the figures of every run, as ``run.json`` has them, and of the comparison."""
        return {
            "days": self.days,
            "seed": self.seed,
            "data": self.data,
            "figures": self.figures.to_dicts(),
            "runs": {name: summary(result) for name, result in self.runs.items()},
        }

    def report(self, path: str | Path) -> Path:
        """Write the report, one HTML file that opens offline; a file there is replaced.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        from fastclear import comparison_report  # brings altair

        return comparison_report.write(self, path)

    def __repr__(self) -> str:
        """The figures as tables of at most 100 columns."""
        from fastclear.console import as_text, comparison_view

        return as_text(comparison_view(self))

    def _repr_html_(self) -> str:
        from fastclear.comparison_report import figures_html

        return figures_html(self)


def compare(
    names: Iterable[str | Path | Preset] | None = None,
    *,
    community: Community | str | Path | Any = None,
    days: int = 7,
    seed: int = 1,
    out: str | Path | None = None,
    progress: bool = False,
) -> Comparison:
    """Let the same community trade on several platforms.

    Parameters
    ----------
    names : iterable of str, Path or Preset, optional
        Platforms as :func:`fastclear.run` takes them; by default every preset of the package. Each needs a name of its
        own: :meth:`Preset.renamed` gives a changed copy one.
    community : Community, str, Path or frame, optional
        As in :func:`fastclear.run`. By default as many homes of the built-in one as the first platform says, for all.
        A platform with longer slots than the data trades sums of them.
    days, seed : int
        As in :func:`fastclear.run`.
    out : str or Path, optional
        A new directory: ``figures.parquet``, ``members.parquet``, ``slots.parquet``, ``trades.parquet``,
        ``orders.parquet`` (each with a column ``platform``), ``comparison.json``, ``report.html``, and a directory a
        platform with its frames, preset and ledger. It appears when all is done.
    progress : bool
        Whether to show a progress bar on standard error.

    Returns
    -------
    Comparison
        The runs, and their figures side by side. Same arguments, same bytes.

    Raises
    ------
    PresetError
        If a platform, the community or the number of days cannot be used, or two platforms have one name.
    StoreError
        If `out` exists already or cannot be written.

    Examples
    --------
    >>> import fastclear as fc
    >>> both = fc.compare(["brooklyn", "suncontract"], days=1)
    >>> both.figures.select("platform", "mechanism", "worse_off").rows()
    [('brooklyn', 'uniform', 0), ('suncontract', 'discriminatory', 0)]
    """
    presets = _presets(names)
    check_seed(seed)
    people = _for_all(presets, community, days)
    slots = sum(len(homes.slots) for homes in people.values())
    with nullcontext() if out is None else new_directory(out) as folder:
        runs = {}
        with slot_bar(progress, slots, "slots of all platforms") as advance:
            for name, preset in presets.items():
                if folder is not None:
                    (folder / name).mkdir()
                runs[name] = simulate(
                    preset, people[name], days, seed, None if folder is None else folder / name, advance
                )
        comparison = Comparison(runs, days, seed)
        if folder is not None:
            _write(comparison, folder)
    return comparison


def _presets(names: Iterable[str | Path | Preset] | None) -> dict[str, Preset]:
    if isinstance(names, str | Path | Preset):
        names = [names]
    presets: dict[str, Preset] = {}
    for name in platforms()["name"] if names is None else names:
        preset = load_preset(name)
        if preset.name in presets:
            raise PresetError(
                f"two platforms are called {preset.name!r}: rename one, Preset.renamed gives a copy a name"
            )
        presets[preset.name] = preset
    if not presets:
        raise PresetError("there is no platform to compare: name some, or leave the list out for all")
    return presets


def _for_all(presets: Mapping[str, Preset], community: Any, days: int) -> dict[str, Community]:
    """The same members on every platform, in the slots of each."""
    first = next(iter(presets.values()))
    if community is None or (isinstance(community, str) and community == EMBEDDED):
        # the finest slots of the data: each platform adds up what it needs
        members = {"set_up__members": first.set_up.members.value, "set_up__slot_minutes": 15}
        community = choose_community(first.with_values("the comparison", **members), None)
    return {name: choose_community(preset, community).days(days) for name, preset in presets.items()}


def _write(comparison: Comparison, folder: Path) -> None:
    for name, result in comparison.runs.items():
        write_frames(result, folder / name)
    comparison.figures.write_parquet(folder / "figures.parquet")
    for frame in FRAMES:
        comparison._stacked(frame).write_parquet(folder / f"{frame}.parquet")
    text = json.dumps(comparison.summary(), indent=2)
    (folder / "comparison.json").write_text(text + "\n", encoding="utf-8")
    comparison.report(folder / "report.html")
