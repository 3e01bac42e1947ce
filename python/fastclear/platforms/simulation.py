"""`run`: a community trades on a platform, slot by slot, is settled and sealed.

Each slot: what members expect of it -> what their batteries do -> orders -> cover reserved -> the gate clears ->
meters are read -> everything is settled -> a block is sealed. The loop works on columns; its frames are built at the
end.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

# numpy imports this at its first use and then swallows an interrupt; a run must not lose a Ctrl-C
import numpy.random
import polars as pl

from fastclear import _core, metrics
from fastclear.community import Community, community_from_frame, load_community
from fastclear.consortium import Consortium
from fastclear.errors import LedgerError, PresetError
from fastclear.ledger import Ledger
from fastclear.metrics import Metric
from fastclear.platforms import load_preset
from fastclear.platforms.accounts import Purses, deposit_notes, deposits_nano, member_frame
from fastclear.platforms.cosigning import Cosigning, cosigning
from fastclear.platforms.net_metering import credit_notes, without_market
from fastclear.platforms.opening import open_bank
from fastclear.platforms.output import new_directory, write_result
from fastclear.platforms.preset import Preset
from fastclear.platforms.progress import Advance, slot_bar
from fastclear.platforms.recording import Recording, order_frame, slot_frame, trade_frame
from fastclear.platforms.result import RunResult
from fastclear.platforms.rules.staged import zones
from fastclear.platforms.sealing import Sealer
from fastclear.platforms.trading import Trading
from fastclear.settlement import Settlement

EMBEDDED: Final = "embedded"
_NS_PER_MINUTE: Final = 60 * 10**9
_HOUSE: Final = {
    "operator": "platform",
    "dso": "dso",
    "tax": "tax",
    "backstop": "backstop",
    "rounding": "rounding",
}
"""Names of the totals in :attr:`RunResult.house`, and of the house accounts behind them. ``lender`` is one more: the
interest and penalties that a credit bank received, less what it wrote off."""


def run(
    platform: str | Path | Preset = "brooklyn",
    *,
    community: Community | str | Path | Any = None,
    days: int = 7,
    seed: int = 1,
    mechanism: str | None = None,
    agent: str | None = None,
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
    mechanism : str, optional
        Another reading of the platform: the name of a market rule that the preset has parameters for, see
        ``preset.market.readings``. Brooklyn has ``"uniform"`` and ``"discriminatory"``.
    agent : {"zero_intelligence", "posted_price", "truthful", "zip", "gjerstad_dickhaut", "roth_erev"}, optional
        How members bid, other than the preset says; see :class:`fastclear.platforms.agents.Agents`.
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
    preset = preset.with_values(f"agent={agent}", market__agent=agent)
    people = choose_community(preset, community).days(days)
    check_seed(seed)
    if out is None:
        with slot_bar(progress, len(people.slots)) as advance:
            return simulate(preset, people, days, seed, None, advance)
    with new_directory(out) as folder:
        with slot_bar(progress, len(people.slots)) as advance:
            result = simulate(preset, people, days, seed, folder, advance)
        write_result(result, folder)
    return result


def seal_again(result: RunResult, folder: Path) -> None:
    """Put the ledger of a run that kept it in memory into a directory: the same run again, which must end alike.

    Raises
    ------
    LedgerError
        If it does not; then something outside the seed has had a say.
    """
    again = simulate(result.preset, result.community, result.days, result.seed, folder, lambda: None)
    if again.head != result.head:
        raise LedgerError(f"the run ended in block head {result.head} at first and in {again.head} now")


def _ledger_in(folder: Path, params: dict[str, Any], seed: int, consortium: Consortium | None) -> Ledger:
    # a half-written directory is thrown away as a whole, so that no block needs to reach the disk before the next
    return Ledger.open(folder / "ledger", params=params, seed=seed, durability="none", consortium=consortium)


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
    return _in_slots_of(chosen, preset)


def _in_slots_of(community: Community, preset: Preset) -> Community:
    """The community in the slots of the platform: as it is, or slots of data added up to longer ones.

    Raises
    ------
    PresetError
        If its slots do not add up to those of the preset.
    """
    minutes = preset.set_up.slot_minutes.value
    wanted = minutes * _NS_PER_MINUTE
    if community.slot_ns == wanted:
        return community
    parts, rest = divmod(wanted, community.slot_ns)
    groups = community.slots[: len(community.slots) // max(parts, 1) * parts].reshape(-1, max(parts, 1))
    whole = not rest and groups.size == len(community.slots) and not bool((groups[:, 0] % wanted).any())
    if not whole or bool((groups[:, -1] - groups[:, 0] != wanted - community.slot_ns).any()):
        raise PresetError(
            f"{community.name}: its slots are {community.slot_ns / _NS_PER_MINUTE:g} minutes long, the platform "
            f"{preset.name} trades slots of {minutes}: resample the profiles"
        )
    shape = (len(groups), parts, community.members.height)
    return replace(
        community,
        slots=groups[:, 0],
        slot_ns=wanted,
        load_wh=community.load_wh.reshape(shape).sum(axis=1),
        pv_wh=community.pv_wh.reshape(shape).sum(axis=1),
    )


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


def check_seed(seed: object) -> None:
    """Refuse a seed that the generator does not take.

    Raises
    ------
    PresetError
        Saying so.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64:
        raise PresetError(f"seed must be a whole number from 0 to 2^64 - 1, got {seed!r}")


def _params(preset: Preset, community: Community) -> dict[str, Any]:
    """What the ledger's genesis commits to. Not the seed: salts come from it, and must not be found from the ledger."""
    return {
        "fastclear": _core.__version__,
        "platform": preset.model_dump(mode="json", exclude_none=True),
        "community": community.digest,
    }


def simulate(
    preset: Preset, community: Community, days: int, seed: int, folder: Path | None, advance: Advance
) -> RunResult:
    """A run over all slots of a community, which are `days` days in the slots of the preset.

    Parameters
    ----------
    folder : Path or None
        Where the ledger is kept, in a directory of its own; None keeps it in memory.
    advance : callable
        Called after every slot.
    """
    started = time.perf_counter()
    params = _params(preset, community)
    nodes = cosigning(preset, seed)
    consortium = None if nodes is None else nodes.consortium
    if folder is None:
        ledger = Ledger(params=params, seed=seed, consortium=consortium)
    else:
        ledger = _ledger_in(folder, params, seed, consortium)
    slots, members = community.load_wh.shape
    recording = Recording(slots, members)
    bank = open_bank(preset, deposits_nano(preset, community).tolist(), zones(community).tolist())
    recording.account[:] = [bank.account(position) for position in range(members)]
    first = int(community.slots[0])
    bank.advance(first)
    genesis = bank.receipts()
    recording.other_records = len(genesis)
    ledger.seal([], genesis, slot=first)
    seconds_clearing = 0.0
    with Sealer(ledger, recording) as sealer:
        house = Trading(preset, community, seed, bank, sealer, recording)
        for slot in range(slots):
            house.confirm(int(community.slots[slot]))
            if nodes is not None:
                sealer.finish()  # nodes replay what has been sealed
                _vouch(nodes, ledger, community, slot)
            seconds_clearing += house.trade(slot)
            advance()
        house.confirm(None)
        house.close_month()
        house.charge_subscriptions()
        sealer.finish()
    if nodes is not None:
        nodes.sign(ledger, int(community.slots[-1]) + community.slot_ns + preset.information.delay_ns)
    bank.close_cycle()  # recounts every account
    balances = bank.balances
    flows = metrics.energy_flows(community.load_wh, community.pv_wh, recording.metered_wh, recording.contract_wh)
    pooled = preset.market.rule.pool is not None
    # orders and trades last: the recording forgets them
    frames = {
        "slots": slot_frame(recording, community, flows),
        "members": member_frame(recording, community, preset, Purses.of(bank, balances, recording.account)),
        "trades": trade_frame(recording, community),
        "orders": order_frame(recording, community, pooled=pooled),
    }
    totals = _house_totals(bank, balances)
    credited = without_market(preset, community.slots, recording.metered_wh)[1]
    seconds = {"clearing": seconds_clearing, "total": time.perf_counter() - started}
    if nodes is not None:
        seconds["vouching"] = nodes.cpu_seconds
    sealed = {"blocks": len(ledger), "records": int(recording.records.sum()) + recording.other_records}
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
        house=totals,
        metrics=_metrics(preset, flows, frames, totals, sealed, seconds, credited),
        notes=[
            *_notes(preset, frames["members"], days),
            *([house.virtual_pool.note()] if house.virtual_pool else []),
            *credit_notes(house.metering),
        ],
        ledger=ledger,
        head=ledger.head,
        blocks=sealed["blocks"],
        records=sealed["records"],
        seconds=seconds,
        version=_core.__version__,
        policy=None if nodes is None else nodes.policy,
    )


def _vouch(nodes: Cosigning, ledger: Ledger, community: Community, slot: int) -> None:
    """Nodes replay every block at once, and cosign the log when a day is over."""
    nodes.replay(ledger)
    if slot and slot % community.slots_a_day == 0:
        nodes.sign(ledger, int(community.slots[slot]))


def _house_totals(bank: Settlement, balances: pl.DataFrame) -> dict[str, int]:
    """What each house account has earned at the end, nano-currency."""
    house = balances.filter(pl.col("role") != "member").select("role", "posted")
    posted = {role: int(held) for role, held in house.iter_rows()}
    treasury = bank.treasury
    earned = {name: posted[role] for name, role in _HOUSE.items()}
    return {**earned, "lender": treasury["interest"] + treasury["penalty"] - treasury["written_off"]}


def _notes(preset: Preset, members: pl.DataFrame, days: int) -> list[str]:
    """What a reader must know: who lacked cover, and what the profile has to say."""
    rules = preset.settlement
    more = rules.payment.notes(members, days, preset.price.currency.value, rules.options)
    return [*deposit_notes(members, preset), *more]


def _describe(community: Community) -> str:
    """One line that says what data a run used."""
    first, last = (np.datetime64(int(community.slots[i]), "ns").astype("datetime64[D]") for i in (0, -1))
    count = community.members.height
    essential = int(community.essential.sum())
    who = f"{count} members trade" + (f", {essential} with essential load" if essential else "")
    days = "1 day" if community.n_days == 1 else f"{community.n_days} days"
    when = f"{first}" if first == last else f"{first} to {last}"
    return f"{community.source}; {who}; {days}, {when}"


def _metrics(
    preset: Preset,
    flows: metrics.EnergyFlows,
    frames: dict[str, Any],
    house: dict[str, int],
    sealed: dict[str, int],
    seconds: dict[str, float],
    credited: int,
) -> list[Metric]:
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
        pooled=preset.market.rule.pool is not None,
        credited=credited,
    )
