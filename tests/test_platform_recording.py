"""What a run writes down slot by slot, against the same worked out from everything at once."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import fastclear as fc
from fastclear import metrics
from fastclear.metrics import run_figures
from fastclear.platforms import load_preset
from fastclear.platforms.accounts import cover_nano, needed_nano
from fastclear.platforms.pieces import Pieces
from fastclear.platforms.recording import Recording
from fastclear.platforms.rules import staged
from fastclear.reject import RejectReason

EDGES = [0, 1, -1, 127, 128, -128, -129, 2**15, -(2**15) - 1, 2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)]


@given(
    st.lists(
        hnp.arrays(np.int64, st.integers(0, 5), elements=st.sampled_from(EDGES) | st.integers(-300, 300)), max_size=5
    )
)
def test_pieces_are_the_column(parts: list[np.ndarray]) -> None:
    pieces = Pieces(["wide", "flag"])
    for at, part in enumerate(parts):
        pieces.add(2 * at, {"wide": part, "flag": part > 0})
    whole = np.concatenate([np.zeros(0, np.int64), *parts])
    slots = [slot for slot, part in zip(range(0, 99, 2), parts, strict=False) for _ in part]
    assert pieces.slots().tolist() == slots
    read = [(slot, columns["wide"].tolist()) for slot, columns in pieces]
    assert read == [(2 * at, part.tolist()) for at, part in enumerate(parts)]
    for taken, expected in ((pieces.take("flag", np.bool_), whole > 0), (pieces.take("wide"), whole)):
        assert taken.dtype == expected.dtype
        assert taken.tolist() == expected.tolist()
    with pytest.raises(KeyError):
        pieces.take("wide")


def slots_twin(orders: pl.DataFrame, trades: pl.DataFrame, slots: pl.Series) -> pl.DataFrame:
    """The sums of each slot, from the frames of orders and trades."""
    essential = pl.col("tranche") == "essential"
    auction = ~essential & pl.col("buyer").is_not_null()  # of a pool, what it gives
    veto = int(RejectReason.NETWORK_VETO)
    traded = trades.group_by("slot").agg(
        auction_wh=pl.col("quantity_wh").filter(auction).sum(),
        essential_wh=pl.col("quantity_wh").filter(essential).sum(),
        money=(pl.col("quantity_wh") * pl.col("sell_price_ticks")).filter(auction).sum(),
    )
    value = pl.col("price_ticks") * pl.col("filled_wh")
    stated = orders.group_by("slot").agg(
        bid_wh=pl.col("quantity_wh").filter(pl.col("buy")).sum(),
        ask_wh=pl.col("quantity_wh").filter(~pl.col("buy")).sum(),
        refused=((pl.col("reject") > 0) & (pl.col("reject") != veto)).sum().cast(pl.Int64),
        vetoed=(pl.col("reject") == veto).sum().cast(pl.Int64),
        welfare_nano=value.filter(pl.col("buy")).sum() - value.filter(~pl.col("buy")).sum(),
    )
    frame = slots.to_frame().join(traded, on="slot", how="left", maintain_order="left")
    frame = frame.join(stated, on="slot", how="left", maintain_order="left").with_columns(
        pl.all().exclude("slot").fill_null(0)
    )
    price = pl.when(pl.col("auction_wh") > 0).then(pl.col("money") // pl.col("auction_wh"))
    return frame.with_columns(price_ticks=price).drop("money")


@pytest.mark.parametrize("platform", ["brooklyn", "piclo", "vandebron", "community"])
def test_slots_and_members_are_what_orders_and_trades_come_to(platform: str) -> None:
    preset = load_preset(platform)
    result = fc.run(preset.with_values("the test", settlement__deposit=3), days=1, seed=5)
    orders, members = result.orders, result.members
    twin = slots_twin(orders, result.trades, result.slots["slot"])
    assert result.slots.select(twin.columns).equals(twin, null_equal=True)
    by_member = orders.group_by("participant").agg(
        bought_wh=pl.col("filled_wh").filter(pl.col("buy")).sum(),
        sold_wh=pl.col("filled_wh").filter(~pl.col("buy")).sum(),
        refused=((pl.col("reject") > 0) & (pl.col("reject") != int(RejectReason.NETWORK_VETO))).sum().cast(pl.Int64),
        first_refused=pl.col("slot")
        .filter((pl.col("reject") > 0) & (pl.col("reject") != int(RejectReason.NETWORK_VETO)))
        .min(),
    )
    expected = members.select("participant").join(by_member, on="participant", how="left", maintain_order="left")
    expected = expected.with_columns(pl.col("bought_wh", "sold_wh", "refused").fill_null(0))
    assert members.select(expected.columns).equals(expected, null_equal=True)
    if platform == "brooklyn":
        assert members["refused"].sum() > 0, "a deposit that small does not last"


class _Orders:
    """Orders of one slot, as much of a gate and its outcome as a recording reads."""

    def __init__(self, slot: int, member: np.ndarray, buy: np.ndarray, price: np.ndarray, quantity: np.ndarray) -> None:
        self.slot, self.member, self.buy, self.limit, self.quantity = slot, member, buy, price, quantity
        self.order, self.essential = np.arange(len(member)), np.zeros(len(member), np.bool_)
        self.filled = self.served = np.zeros(len(member), np.int64)


@given(st.integers(0, 2**32 - 1))
def test_the_deposit_needed_is_that_of_all_slots_at_once(seed: int) -> None:
    draw = np.random.default_rng(seed)
    slots, members = draw.integers(1, 6, 2)
    preset = load_preset("suncontract")
    recording = Recording(int(slots), int(members))
    recording.cash_nano[:] = draw.integers(-(10**9), 10**9, (slots, members))
    cover = np.zeros((slots, members), np.int64)
    for slot in range(slots):
        if draw.random() < 0.3:
            continue  # a gate without a single order leaves no cover
        member = draw.integers(0, members, draw.integers(0, 6))
        buy, price = draw.random(len(member)) < 0.7, draw.integers(-400_000, 400_000, len(member))
        quantity = draw.integers(1, 3_000, len(member))
        gate = _Orders(slot, member, buy, price, quantity)
        recording.note_orders(gate, gate, np.zeros(len(member), np.uint16))  # type: ignore[arg-type]
        np.add.at(cover[slot], member[buy], cover_nano(preset, price[buy], quantity[buy]))
    before = np.cumsum(recording.cash_nano, axis=0) - recording.cash_nano
    twin = np.maximum((cover - before).max(axis=0, initial=0, where=cover > 0), 0)
    holding = preset.settlement.payment.holding(preset.settlement.options)
    assert holding > 0
    needed = needed_nano(preset, recording)
    assert needed is not None
    assert needed.tolist() == (twin + np.where(cover.any(axis=0), holding, 0)).tolist()


def test_bills_without_a_market_do_not_depend_on_how_many_members_are_looked_at_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meters = np.random.default_rng(2).integers(-(10**6), 10**6, (7, 23))
    meters[:, 0] = 10**11  # whose sum leaves 64 bits
    terms = {"retail": 30_000_000, "feed_in": 50_000, "tax_ppm": 200_000}
    together = metrics.bill_without_market(meters, **terms)
    assert together[0] > 2**63
    monkeypatch.setattr(run_figures, "_MEMBERS_AT_ONCE", 4)
    assert metrics.bill_without_market(meters, **terms) == together


def picks_twin(
    producers: np.ndarray, members: int, sources: int, stream: np.random.PCG64
) -> list[tuple[int, int, int]]:
    """Every member goes through its draws and keeps those of others that it does not have yet."""
    whole = len(producers) <= max(64, 4 * sources)
    width = len(producers) if whole else 4 * sources + 8
    words = stream.random_raw(members * width).reshape(members, width).tolist()
    rows = []
    for buyer, drawn in enumerate(words):
        if whole:
            listed = [int(producers[at]) for at in sorted(range(width), key=drawn.__getitem__)]
        else:
            listed = [int(producers[(word >> 32) * len(producers) >> 32]) for word in drawn]
        others = [source for source in dict.fromkeys(listed) if source != buyer][:sources]
        rows += [(buyer, source, rank) for rank, source in enumerate(others, 1)]
    return rows


@pytest.mark.parametrize(
    ("members", "producers", "sources"),
    [
        (1, 0, 1),
        (1, 1, 1),
        (2, 2, 10),
        (5, 3, 1),
        (40, 40, 10),
        (90, 64, 1),
        (90, 65, 1),
        (300, 120, 10),
        (300, 200, 10),
    ],
)
def test_members_pick_from_their_draws_in_turn(
    monkeypatch: pytest.MonkeyPatch, members: int, producers: int, sources: int
) -> None:
    monkeypatch.setattr(staged, "_BUYERS_AT_ONCE", 64)
    draw = np.random.default_rng(members)
    pv = np.zeros((2, members), np.int64)
    pv[1, draw.permutation(members)[:producers]] = 1
    community = SimpleNamespace(pv_wh=pv, members=SimpleNamespace(height=members))
    for seed, period in ((1, 0), (2, 3)):
        stream = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(16, period)))
        twin = picks_twin(np.flatnonzero(pv.any(axis=0)), members, sources, stream)
        assert staged.picks(community, sources, seed, period).rows() == twin  # type: ignore[arg-type]
