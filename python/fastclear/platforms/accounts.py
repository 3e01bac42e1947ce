"""What a run means for each member's purse: bills, balances, and what deposit would have been enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import metrics
from fastclear.community import Community
from fastclear.platforms.net_metering import without_market
from fastclear.platforms.preset import Preset
from fastclear.platforms.recording import Recording
from fastclear.reject import RejectReason
from fastclear.settlement import Settlement

Int64 = NDArray[np.int64]
_NAMED_IN_A_NOTE = 4


def cover_nano(preset: Preset, price: Int64, quantity: Int64) -> Int64:
    """What the bank sets aside for a bid: ``(price + fees + tax on them, rounded up) * quantity``; nano-currency."""
    unit = np.maximum(price + preset.ticks("platform_fee") + preset.ticks("network_fee"), 0)
    tax = -(-unit * preset.tax_ppm // 1_000_000)
    cover: Int64 = (unit + tax) * quantity
    return cover


@dataclass(frozen=True)
class Purses:
    """What members hold and owe at the end of a run, nano-currency; int64, shape (members,)."""

    posted: Int64
    owed: Int64

    @classmethod
    def of(cls, bank: Settlement, balances: pl.DataFrame, account: Int64) -> Purses:
        """Those of the members whose accounts these are, in ascending order; `balances` are those of the bank."""
        owed = np.zeros(len(account), dtype=np.int64)
        held = balances["account"].to_numpy()
        posted = balances["posted"].cast(pl.Int64).to_numpy()[np.searchsorted(held, account.astype(np.uint64))]
        for one, principal in bank.loans.select("account", "principal").iter_rows():
            owed[np.searchsorted(account, one)] += int(principal)
        return cls(posted, owed)


def deposits_nano(preset: Preset, community: Community) -> Int64:
    """The deposit of each member; int64, shape (members,)."""
    return np.where(community.essential, preset.nano("essential_deposit"), preset.nano("deposit"))


def needed_nano(preset: Preset, recording: Recording) -> Int64 | None:
    """The smallest deposit with which none of a member's bids would have been refused, on what it did pay.

    ``max over slots t of (cover of its bid in t - cash of all slots before t)``, at least 0, and on top what nobody may
    go below. None where cover is not deposits alone: where a bank lends, slots overlap, or nobody bids. Exact for who
    was never refused. For who was, its trades would have changed its cash, to its advantage: a local kWh costs at most
    what the same kWh costs at retail. What it saves itself it may lose as a seller elsewhere, so it is a sound estimate
    and not a bound.
    """
    payment = preset.settlement.payment
    if payment.lends or preset.information.delay_ns or preset.market.rule.pool is not None:
        return None
    needed, before = (np.zeros(recording.members, dtype=np.int64) for _ in range(2))
    bids = np.zeros(recording.members, dtype=np.bool_)  # who never bids needs nothing
    at = 0
    for slot, orders in recording.orders:
        while at < slot:
            before += recording.cash_nano[at]
            at += 1
        buy = orders["buy"].astype(np.bool_)
        cover = np.zeros(recording.members, dtype=np.int64)
        np.add.at(cover, orders["member"][buy], cover_nano(preset, orders["price"][buy], orders["quantity"][buy]))
        needed = np.where(cover > 0, np.maximum(needed, cover - before), needed)
        bids |= cover != 0
    held: Int64 = needed + np.where(bids, payment.holding(preset.settlement.options), 0)
    return held


def member_frame(recording: Recording, community: Community, preset: Preset, money: Purses) -> pl.DataFrame:
    """One row a member; energy in Wh, money in nano-currency, over the whole run.

    ``participant``, ``account`` (in the ledger), ``kind``, ``feeder``, ``essential``; ``load_wh``, ``pv_wh``,
    ``import_wh``, ``export_wh`` (of its meter), ``bought_wh``, ``sold_wh`` (in the local markets); ``bill_nano``
    (+ pays: energy, fees, tax, and what credit cost), ``credit_nano`` (of it: interest and penalties),
    ``bill_without_nano`` (at retail and feed-in alone; under net metering with its credits); ``deposit_nano``,
    ``balance_nano`` (at the end), ``owed_nano`` (principal of loans at the end), ``needed_deposit_nano`` (see
    :func:`needed_nano`; null where it has no meaning); ``refused`` (orders for want of cover), ``first_refused``
    (slot; null if none).
    """
    first = np.full(recording.members, recording.slots, dtype=np.int64)
    refused, bought, sold = (np.zeros(recording.members, dtype=np.int64) for _ in range(3))
    for slot, orders in recording.orders:
        member, buy, reject = orders["member"], orders["buy"].astype(np.bool_), orders["reject"]
        short = member[(reject > 0) & (reject != RejectReason.NETWORK_VETO)]  # all others here are about money
        first[short] = np.minimum(first[short], slot)
        np.add.at(refused, short, 1)
        np.add.at(bought, member[buy], orders["filled"][buy])
        np.add.at(sold, member[~buy], orders["filled"][~buy])
    deposit = deposits_nano(preset, community)
    bill = deposit + money.owed - money.posted
    needed = needed_nano(preset, recording)
    without = metrics.bill_without_market(
        recording.metered_wh, preset.ticks("retail"), preset.ticks("feed_in"), preset.tax_ppm
    )
    more, _ = without_market(preset, community.slots, recording.metered_wh)
    without = [bill + change for bill, change in zip(without, more, strict=True)]
    slots = np.append(community.slots, 0)
    return community.members.select("participant", "kind", "feeder", "essential").select(
        "participant",
        pl.Series("account", recording.account),
        "kind",
        "feeder",
        "essential",
        pl.Series("load_wh", community.load_wh.sum(axis=0)),
        pl.Series("pv_wh", community.pv_wh.sum(axis=0)),
        pl.Series("import_wh", np.maximum(recording.metered_wh, 0).sum(axis=0)),
        pl.Series("export_wh", np.maximum(-recording.metered_wh, 0).sum(axis=0)),
        pl.Series("bought_wh", bought),
        pl.Series("sold_wh", sold),
        pl.Series("bill_nano", bill),
        pl.Series("credit_nano", bill + recording.cash_nano.sum(axis=0)),
        pl.Series("bill_without_nano", without, dtype=pl.Int64),
        pl.Series("deposit_nano", deposit),
        pl.Series("balance_nano", money.posted),
        pl.Series("owed_nano", money.owed),
        pl.Series("needed_deposit_nano", [None] * len(bill) if needed is None else needed, dtype=pl.Int64),
        pl.Series("refused", refused),
        pl.when(pl.Series(first < recording.slots))
        .then(pl.Series(slots[first]).cast(pl.Datetime("ns", "UTC")))
        .alias("first_refused"),
    )


def deposit_notes(members: pl.DataFrame, preset: Preset) -> list[str]:
    """Who ran out of deposit, when, and what would have been enough.

    One line for the homes and one for the essential loads, each only if somebody did. In a pool, which refuses nobody,
    who ends below zero.
    """
    currency = preset.price.currency.value
    remedy = preset.settlement.payment.remedy
    notes = []
    if preset.market.rule.pool is not None:
        below = members.filter(pl.col("balance_nano") < 0).sort("balance_nano")
        if below.height:
            worst = -(-int(-below["balance_nano"][0]) // 10**9)
            count = "1 member ends" if below.height == 1 else f"{below.height} members end"
            notes.append(
                f"{count} below zero, {below['participant'][0]} by {worst} {currency} at most: a pool has no bids to "
                "refuse, and what has flowed is paid whatever a member holds. To change that: raise settlement.deposit."
            )
    for key, rows in (
        ("settlement.deposit", members.filter(~pl.col("essential"))),
        ("settlement.essential_deposit", members.filter(pl.col("essential"))),
    ):
        short = rows.filter(pl.col("refused") > 0).sort("first_refused", "participant")
        if not short.height:
            continue
        named = [
            f"{row['participant']} (from {row['first_refused']:%Y-%m-%d %H:%M} UTC, {row['refused']} bids refused)"
            for row in short.head(_NAMED_IN_A_NOTE).iter_rows(named=True)
        ]
        more = short.height - len(named)
        who = ", ".join(named) + (f" and {more} more" if more else "")
        count = "1 member" if short.height == 1 else f"{short.height} members"
        if rows["needed_deposit_nano"].null_count():
            notes.append(f"{count} had bids refused for want of cover: {who}. To change that: {remedy}.")
            continue
        enough = -(-int(rows["needed_deposit_nano"].max()) // 10**9)  # type: ignore[arg-type]  # an Int64 column
        given = int(short["deposit_nano"][0]) / 10**9
        notes.append(
            f"{count} ran out of the deposit of {given:g} {currency}: {who}. "
            f"{enough} {currency} would have been enough: set {key}."
        )
    return notes
