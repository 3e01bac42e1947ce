"""What :func:`fastclear.run` returns: frames, figures, ledger, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fastclear.community import Community
from fastclear.exports import Exported
from fastclear.metrics import Metric
from fastclear.platforms.preset import Preset

if TYPE_CHECKING:
    from fastclear.ledger import Ledger


@dataclass(frozen=True, eq=False, repr=False)
class RunResult(Exported):
    """A finished run.

    Frames carry exact integers, with the unit in each name: ``_wh``, ``_ticks`` (1e-6 currency/kWh; 10 000 are one
    ct/kWh), ``_nano`` (1e-9 currency). :meth:`readable` turns them into kWh, ct/kWh and currency.

    Attributes
    ----------
    preset : Preset
        The rules, as they were applied.
    community : Community
        Who took part, over the slots of the run.
    data : str
        One line that says what data this is.
    seed, days : int
        What the run was asked for.
    slots, members, trades, orders : polars.DataFrame
        One row a slot, member, trade, order; their columns are documented at
        :mod:`fastclear.platforms.recording` and :mod:`fastclear.platforms.accounts`.
    house : mapping of str to int
        What the run brought ``operator``, ``dso`` (distribution operator), ``tax``, ``backstop`` (supplier),
        ``rounding`` and ``lender`` (a credit bank), nano-currency; they sum to the members' bills.
    metrics : sequence of Metric
        The figures, each with its formula.
    notes : sequence of str
        What a reader must know, such as members who ran out of deposit.
    ledger : Ledger
        The sealed blocks: one of genesis, one a slot.
    head : str
        Hash of the last block's header, hexadecimal.
    seconds : mapping of str to float
        ``"clearing"`` (within ``fc.clear``) and ``"total"``; where nodes vouch for the ledger ``"vouching"``, the time
        that all of them together have spent on the processor.
    version : str
        Version of fastclear.
    policy : str or None
        Where authorised nodes have cosigned the ledger: whose signatures count, for ``fastclear verify --policy`` and
        ``light_client.py``. Their keys come from the seed, so that they vouch for nothing but a simulation.
    """

    _EXPORTED = "table"

    preset: Preset
    community: Community
    data: str
    seed: int
    days: int
    slots: pl.DataFrame
    members: pl.DataFrame
    trades: pl.DataFrame
    orders: pl.DataFrame
    house: Mapping[str, int]
    metrics: Sequence[Metric]
    notes: Sequence[str]
    ledger: Ledger
    head: str
    blocks: int
    records: int
    seconds: Mapping[str, float]
    version: str
    policy: str | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Pickle with the ledger in memory, wherever it is kept: a directory has one writer."""
        return {**self.__dict__, "ledger": self.ledger._in_memory()}

    @property
    def table(self) -> pl.DataFrame:
        """The figures: ``metric``, ``value``, ``without``, ``unit``.

        ``without`` is the same without the market, null where that means nothing.
        Values are Float64 in the unit given, for reading and plotting; exact numbers are in :attr:`metrics`.
        """
        currency = self.preset.price.currency.value
        return pl.DataFrame(
            {
                "metric": [metric.key for metric in self.metrics],
                "value": [metric.readable(metric.value) for metric in self.metrics],
                "without": [metric.readable(metric.without) for metric in self.metrics],
                "unit": [metric.shown_unit(currency) for metric in self.metrics],
            },
            schema={"metric": pl.String, "value": pl.Float64, "without": pl.Float64, "unit": pl.String},
        )

    def frame(self, name: str) -> pl.DataFrame:
        """One of the frames by its name: ``slots``, ``members``, ``trades`` or ``orders``."""
        frames = {"slots": self.slots, "members": self.members, "trades": self.trades, "orders": self.orders}
        return frames[name]

    @property
    def better_off(self) -> int:
        """How many members pay less than they would without the market."""
        return int((self.members["bill_nano"] < self.members["bill_without_nano"]).sum())

    @property
    def provenance(self) -> dict[str, str]:
        """All that is needed to repeat the run and to recognise its result."""
        first, last = (f"{self.slots['slot'][i]:%Y-%m-%d %H:%M} UTC" for i in (0, -1))
        return {
            "fastclear": self.version,
            "platform": self.preset.name,
            "preset SHA-256": self.preset.digest(),
            "community": self.data,
            "community SHA-256": self.community.digest,
            "slots": f"{self.slots.height:,} from {first} to {last}",
            "seed": str(self.seed),
            "blocks": f"{self.blocks:,}",
            "records": f"{self.records:,}",
            "block head": self.head,
        }

    def readable(self, frame: pl.DataFrame) -> pl.DataFrame:
        """A frame of the run in kWh, ct/kWh and currency (Float64), columns renamed to say so.

        Examples
        --------
        >>> import fastclear as fc
        >>> result = fc.run("brooklyn", days=1)
        >>> result.readable(result.trades).columns[-3:]
        ['quantity_kwh', 'buy_price_ct_per_kwh', 'sell_price_ct_per_kwh']
        """
        currency = self.preset.price.currency.value.lower()
        scales = {"_wh": ("_kwh", 1_000), "_ticks": ("_ct_per_kwh", 10_000), "_nano": (f"_{currency}", 10**9)}
        columns = []
        for name in frame.columns:
            for suffix, (readable, scale) in scales.items():
                if name.endswith(suffix):
                    columns.append((pl.col(name) / scale).alias(name.removesuffix(suffix) + readable))
                    break
            else:
                columns.append(pl.col(name))
        return frame.select(columns)

    def report(self, path: str | Path) -> Path:
        """Write the report, one HTML file that opens offline.

        Parameters
        ----------
        path : str or Path
            Where; a file there is replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        from fastclear import report  # brings altair, which takes most of a second to import

        return report.write(self, path)

    def write(self, directory: str | Path) -> Path:
        """Write everything into a new directory, whole or not at all.

        ``slots.parquet``, ``members.parquet``, ``trades.parquet``, ``orders.parquet``, ``preset.toml`` (as applied),
        ``run.json`` (figures, version, seed, digests of the input), ``report.html``, ``ledger/``, and where nodes have
        cosigned it ``policy.txt``.

        Raises
        ------
        StoreError
            If the directory exists already or cannot be written.
        """
        from fastclear.platforms.output import new_directory, write_result
        from fastclear.platforms.simulation import seal_again

        with new_directory(directory) as folder:
            seal_again(self, folder)
            write_result(self, folder)
        return Path(directory)

    def __repr__(self) -> str:
        """The result as a table of at most 100 columns."""
        from fastclear.console import result_text

        return result_text(self)

    def _repr_html_(self) -> str:
        from fastclear.report import figures_html

        return figures_html(self)
