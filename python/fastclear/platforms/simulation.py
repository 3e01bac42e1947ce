"""`run`: a community trades on a platform, slot by slot, is settled and sealed.

Each slot: what members expect of it -> what their batteries do -> orders -> cover reserved -> the gate clears ->
meters are read -> everything is settled -> a block is sealed. The loop works on columns; its frames are built at the
end.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

# numpy imports this at its first use and then swallows an interrupt; a run must not lose a Ctrl-C
import numpy.random

from fastclear import _core, metrics
from fastclear.community import (
    Batteries,
    Community,
    community_from_frame,
    forecast,
    load_community,
    zero_intelligence,
)
from fastclear.errors import LedgerError, PresetError
from fastclear.ledger import Ledger
from fastclear.metrics import Metric
from fastclear.platforms import load_preset
from fastclear.platforms.accounts import deposit_notes, deposits_nano, member_frame
from fastclear.platforms.gate import Gate, clear_gate, mechanisms, refused_orders
from fastclear.platforms.output import new_directory, write_result
from fastclear.platforms.preset import Preset
from fastclear.platforms.recording import Recording, order_frame, slot_frame, trade_frame
from fastclear.platforms.result import RunResult
from fastclear.settlement import Settlement
from fastclear.tariff import Tariff

EMBEDDED: Final = "embedded"
_NS_PER_MINUTE: Final = 60 * 10**9
_HOUSE: Final = {
    "operator": "platform",
    "dso": "dso",
    "tax": "tax",
    "backstop": "backstop",
    "rounding": "rounding",
}
"""Names of the totals in :attr:`RunResult.house`, and of the house accounts behind them."""

Advance = Callable[[], None]


def run(
    platform: str | Path | Preset = "brooklyn",
    *,
    community: Community | str | Path | Any = None,
    days: int = 7,
    seed: int = 1,
    mechanism: str | None = None,
    out: str | Path | None = None,
    progress: bool = False,
) -> RunResult:
    """Let a community trade on a platform: orders, clearing, settlement and a sealed block in every slot.

    Parameters
    ----------
    platform : str, Path or Preset
        A name that :func:`fastclear.platforms.platforms` lists, a preset's TOML file, or a preset.
    community : Community, str, Path or frame, optional
        Who trades: a community; a name or file that :func:`fastclear.community.load_community` knows; or a frame as
        :func:`fastclear.community.community_from_frame` takes. By default (and by the name ``"embedded"``) the
        built-in one, of which as many homes trade as the preset says; any other trades whole.
    days : int
        How many days of the data, from its start.
    seed : int
        Everything random comes from it: forecast errors, bids, and the salts of the ledger.
    mechanism : {"uniform", "discriminatory"}, optional
        Another reading of the auction than the preset's.
    out : str or Path, optional
        A new directory for everything a run leaves, see :meth:`RunResult.write`. It appears when the run is done.
    progress : bool
        Whether to show a progress bar on standard error.

    Returns
    -------
    RunResult
        Frames, figures, ledger and report. Same arguments, same bytes: block heads are equal.

    Raises
    ------
    PresetError
        If the platform, the community or the number of days cannot be used.
    StoreError
        If `out` exists already or cannot be written.

    Examples
    --------
    >>> import fastclear as fc
    >>> result = fc.run("brooklyn", days=1, seed=1)
    >>> result.slots.height, result.blocks
    (96, 97)
    >>> result.head == fc.run("brooklyn", days=1, seed=1).head
    True
    """
    preset = load_preset(platform).with_values(f"mechanism={mechanism}", market__mechanism=mechanism)
    people = choose_community(preset, community).days(days)
    _check_seed(seed)
    params = _params(preset, people)
    if out is None:
        ledger = Ledger(params=params, seed=seed)
        return _simulate(preset, people, days, seed, ledger, progress=progress)
    with new_directory(out) as folder:
        ledger = _ledger_in(folder, params, seed)
        result = _simulate(preset, people, days, seed, ledger, progress=progress)
        write_result(result, folder)
    return result


def seal_again(result: RunResult, folder: Path) -> None:
    """Put the ledger of a run that kept it in memory into a directory: the same run again, which must end alike.

    Raises
    ------
    LedgerError
        If it does not; then something outside the seed has had a say.
    """
    ledger = _ledger_in(folder, _params(result.preset, result.community), result.seed)
    again = _simulate(result.preset, result.community, result.days, result.seed, ledger, progress=False)
    if again.head != result.head:
        raise LedgerError(f"the run ended in block head {result.head} at first and in {again.head} now")


def _ledger_in(folder: Path, params: dict[str, Any], seed: int) -> Ledger:
    # a half-written directory is thrown away as a whole, so that no block needs to reach the disk before the next
    return Ledger.open(folder / "ledger", params=params, seed=seed, durability="none")


def choose_community(preset: Preset, community: Any) -> Community:
    """The community that a run means, whole days not yet cut.

    Raises
    ------
    PresetError
        If it cannot be read, or its slots are not those of the preset.
    """
    if community is None or (isinstance(community, str) and community == EMBEDDED):
        chosen = _some_homes(load_community(EMBEDDED), preset.set_up.members.value)
    elif isinstance(community, Community):
        chosen = community
    elif isinstance(community, str | Path):
        chosen = load_community(str(community))
    else:
        chosen = community_from_frame(community)
    minutes = preset.set_up.slot_minutes.value
    if chosen.slot_ns != minutes * _NS_PER_MINUTE:
        raise PresetError(
            f"{chosen.name}: its slots are {chosen.slot_ns / _NS_PER_MINUTE:g} minutes long, the platform "
            f"{preset.name} trades slots of {minutes}: resample the profiles"
        )
    return chosen


def _some_homes(community: Community, homes: int) -> Community:
    """The essential loads and the first `homes` of the others."""
    ordinary = ~community.essential
    keep = community.essential | (ordinary & (np.cumsum(ordinary) <= homes))
    return replace(
        community,
        members=community.members.filter(keep),
        load_wh=community.load_wh[:, keep],
        pv_wh=community.pv_wh[:, keep],
    )


def _check_seed(seed: object) -> None:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise PresetError(f"seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")


def _params(preset: Preset, community: Community) -> dict[str, Any]:
    """What the ledger's genesis commits to. Not the seed: salts come from it, and must not be found from the ledger."""
    return {
        "fastclear": _core.__version__,
        "platform": preset.model_dump(mode="json"),
        "community": community.digest,
    }


def _simulate(
    preset: Preset, community: Community, days: int, seed: int, ledger: Ledger, *, progress: bool
) -> RunResult:
    started = time.perf_counter()
    slots, members = community.load_wh.shape
    recording = Recording(slots, members)
    bank = _open_bank(preset, community, recording)
    first = int(community.slots[0])
    bank.advance(first)
    genesis = bank.receipts()
    recording.genesis_records = len(genesis)
    ledger.seal([], genesis, slot=first)
    seconds_clearing = 0.0
    rules = mechanisms(preset)
    batteries = Batteries.of(community)
    with _progress(progress, slots) as advance:
        for slot in range(slots):
            seconds_clearing += _one_slot(slot, preset, community, seed, rules, batteries, bank, ledger, recording)
            advance()
    bank.close_cycle()  # recounts every account
    orders = order_frame(recording, community)
    trades = trade_frame(recording, community)
    frames = {
        "slots": slot_frame(recording, community, orders, trades),
        "members": member_frame(recording, community, preset),
        "trades": trades,
        "orders": orders,
    }
    house = _house_totals(bank)
    seconds = {"clearing": seconds_clearing, "total": time.perf_counter() - started}
    sealed = {"blocks": len(ledger), "records": int(recording.records.sum()) + recording.genesis_records}
    return RunResult(
        preset=preset,
        community=community,
        data=_describe(community),
        seed=seed,
        days=days,
        slots=frames["slots"],
        members=frames["members"],
        trades=frames["trades"],
        orders=frames["orders"],
        house=house,
        metrics=_metrics(preset, community, recording, frames, house, sealed, seconds),
        notes=deposit_notes(frames["members"], preset),
        ledger=ledger,
        head=ledger.head,
        blocks=sealed["blocks"],
        records=sealed["records"],
        seconds=seconds,
        version=_core.__version__,
    )


def _open_bank(preset: Preset, community: Community, recording: Recording) -> Settlement:
    """A bank with one account a member, named by its position, and the deposits of the preset in it."""
    tariff = Tariff(
        retail=preset.ticks("retail"),
        feed_in=preset.ticks("feed_in"),
        platform_fee=preset.ticks("platform_fee"),
        network_fee=preset.ticks("network_fee"),
        tax_ppm=preset.tax_ppm,
    )
    bank = Settlement(preset.settlement.profile.value, tariff=tariff)
    positions = range(recording.members)
    bank.open(positions)
    bank.deposit(positions, deposits_nano(preset, community).tolist())
    recording.account[:] = [bank.account(position) for position in positions]
    return bank


def _one_slot(
    slot: int,
    preset: Preset,
    community: Community,
    seed: int,
    rules: tuple[Any, Any],
    batteries: Batteries,
    bank: Settlement,
    ledger: Ledger,
    recording: Recording,
) -> float:
    """One slot from forecast to block; seconds within ``fc.clear``."""
    net = community.net_wh[slot]
    start = int(community.slots[slot])
    expected = forecast(net, seed=seed, slot=slot, error_ppm=int(preset.set_up.forecast_error_percent.value * 10_000))
    battery = batteries.step(expected)
    quotes = zero_intelligence(
        expected + battery,
        retail=preset.ticks("retail"),
        feed_in=preset.ticks("feed_in"),
        fees=preset.ticks("platform_fee") + preset.ticks("network_fee"),
        seed=seed,
        slot=slot,
    )
    first = community.essential if preset.market.essential_first.value else np.zeros_like(community.essential)
    gate = Gate.of(quotes, slot, first, preset.ticks("essential_rate"))
    every = np.arange(len(gate))
    bank.advance(start)
    refused = bank.reserve(gate.columns(every, gate.market, gate.quantity))
    outcome = clear_gate(gate, refused == 0, *rules)
    metered = net + battery
    bank.advance(start + community.slot_ns)
    receipts = bank.settle(
        outcome.clearings, {"participant": np.arange(len(metered), dtype=np.int64), "energy_wh": metered}
    )
    block = ledger.seal([*outcome.clearings, *refused_orders(gate, refused)], receipts, slot=start)
    recording.battery_wh[slot] = battery
    recording.metered_wh[slot] = metered
    recording.note_orders(gate, outcome, refused)
    recording.note_trades(gate, outcome)
    recording.note_money(slot, receipts.bill_columns)
    recording.records[slot] = len(receipts)
    recording.height[slot] = block.height
    return outcome.seconds


def _house_totals(bank: Settlement) -> dict[str, int]:
    """What each house account holds at the end, nano-currency."""
    posted = {row["role"]: int(row["posted"]) for row in bank.balances.iter_rows(named=True) if row["role"] != "member"}
    return {name: posted[role] for name, role in _HOUSE.items()}


def _describe(community: Community) -> str:
    """One line that says what data a run used."""
    first, last = (np.datetime64(int(community.slots[i]), "ns").astype("datetime64[D]") for i in (0, -1))
    count = community.members.height
    essential = int(community.essential.sum())
    who = f"{count} members trade" + (f", {essential} with essential load" if essential else "")
    days = "1 day" if community.n_days == 1 else f"{community.n_days} days"
    return f"{community.source}; {who}; {days}, {first} to {last}"


def _metrics(
    preset: Preset,
    community: Community,
    recording: Recording,
    frames: dict[str, Any],
    house: dict[str, int],
    sealed: dict[str, int],
    seconds: dict[str, float],
) -> list[Metric]:
    flows = metrics.energy_flows(community.load_wh, community.pv_wh, recording.metered_wh, recording.contract_wh)
    return metrics.figures(
        flows,
        frames["members"],
        frames["trades"],
        frames["orders"],
        house,
        sealed,
        seconds,
        retail=preset.ticks("retail"),
        feed_in=preset.ticks("feed_in"),
    )


@contextmanager
def _progress(show: bool, slots: int) -> Iterator[Advance]:
    """A bar on standard error, or nothing; hands out the function that moves it by one slot."""
    if not show:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as bar:
        task = bar.add_task("slots", total=slots)
        yield lambda: bar.advance(task)
