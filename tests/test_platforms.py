"""Presets and runs: same seed, same roots; bills recomputed from the sealed bytes; nobody loses without errors."""

import pickle
import struct
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear.platforms import load_preset, parse_preset, platforms, preset_text
from fastclear.platforms.accounts import cover_nano
from fastclear.platforms.preset import Preset
from fastclear.platforms.simulation import choose_community

BROOKLYN = load_preset("brooklyn")


def changed(**values: object) -> Preset:
    return BROOKLYN.with_values("the test", **values)


# -- presets ------------------------------------------------------------------------------------------------------


def test_every_parameter_is_stated_or_assumed_and_the_reviews_four_are_stated() -> None:
    origins = {key: origin for key, _, origin, _ in BROOKLYN.parameters()}
    assert set(origins.values()) == {"stated", "assumed"}
    assert len(origins) == 27
    stated = ("set_up.members", "set_up.feeders", "price.essential_rate", "price.platform_fee")
    assert [origins[key] for key in stated] == ["stated"] * 4
    assert (BROOKLYN.set_up.members.value, BROOKLYN.set_up.feeders.value) == (50, 3)


def test_prices_become_ticks_exactly() -> None:
    assert BROOKLYN.ticks("retail") == 300_000
    assert BROOKLYN.ticks("platform_fee") == 5_000
    assert BROOKLYN.ticks("network_fee") == 20_000
    assert BROOKLYN.tax_ppm == 200_000
    assert changed(price__retail="30.0001").ticks("retail") == 300_001


def test_a_preset_survives_its_own_toml() -> None:
    again = parse_preset(tomllib.loads(BROOKLYN.to_toml()))
    assert again == BROOKLYN
    assert again.digest() == BROOKLYN.digest()
    assert parse_preset(tomllib.loads(preset_text("brooklyn"))) == BROOKLYN
    assert changed(price__retail="31").digest() != BROOKLYN.digest()


def test_the_listing_names_what_there_is() -> None:
    listing = platforms()
    assert listing["name"].to_list() == sorted(listing["name"])
    row = listing.filter(name="brooklyn").row(0, named=True)
    assert row["stated"] + row["assumed"] == len(BROOKLYN.parameters())


def _set(section: str, key: str, field: str, value: object) -> Callable[[dict[str, Any]], None]:
    def spoil(data: dict[str, Any]) -> None:
        for part in section.split("."):
            data = data[part]
        data[key].update({field: value})

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda d: d["price"].update(retial=d["price"].pop("retail")),
            ["unknown key price.retial", "retail"],
        ),
        (lambda d: d["price"].update(zzz={"value": 1}), ["unknown key price.zzz", "known keys", "feed_in"]),
        (lambda d: d.update(pricing={}), ["unknown key pricing", "did you mean price"]),
        (_set("price", "retail", "vlaue", 1), ["unknown key price.retail.vlaue", "value"]),
        (lambda d: d.pop("settlement"), ["settlement is missing"]),
        (lambda d: d["market"]["uniform"].pop("k"), ["market.uniform.k is missing"]),
        (lambda d: d["price"]["retail"].pop("source"), ["price.retail.source is missing", "source"]),
        (lambda d: d["price"].update(retail="30"), ["price.retail", "value = "]),
        (_set("price", "retail", "value", 0.3), ["price.retail.value", "text"]),
        (_set("price", "retail", "value", "dear"), ["price.retail.value", "decimal"]),
        (_set("price", "retail", "value", "30.00001"), ["price.retail.value", "drop decimals"]),
        (_set("price", "retail", "value", "NaN"), ["price.retail.value", "finite"]),
        (_set("price", "retail", "value", "7"), ["price.retail", "no local trade"]),
        (_set("price", "essential_rate", "value", "29"), ["price.essential_rate", "lower it"]),
        (_set("price", "platform_fee", "value", "-1"), ["platform_fee", "negative"]),
        (_set("price", "retail", "source", "somewhere"), ["price.retail.source", "stated", "assumed"]),
        (_set("set_up", "members", "value", "50"), ["set_up.members.value", "integer"]),
        (_set("set_up", "members", "value", 0), ["set_up.members.value", "greater than or equal to 1"]),
        (_set("set_up", "slot_minutes", "value", 7), ["set_up.slot_minutes.value must be 15, 30 or 60"]),
        (
            _set("market", "mechanism", "value", "vcg"),
            ["market.mechanism.value", "'uniform', 'discriminatory'"],
        ),
        (_set("market.uniform", "k", "value", "3/2"), ["market.uniform.k.value", "between 0"]),
        (_set("market.uniform", "k", "vlaue", "1/2"), ["unknown key market.uniform.k.vlaue", "value"]),
        (lambda d: d["market"].pop("uniform"), ["market", "[market.uniform]", "discriminatory"]),
        (_set("market", "agent", "value", "none"), ["market", "needs bids", "agent must not be none"]),
        (_set("settlement", "profile", "value", "credit_bank"), ["settlement", "[settlement.credit_bank]"]),
        (lambda d: d["price"].pop("essential_rate"), ["price.essential_rate is missing", "essential_first"]),
        (_set("regulation", "tax_percent", "value", "101"), ["regulation.tax_percent.value", "100"]),
        (_set("settlement", "deposit", "value", "-1"), ["settlement.deposit.value", "between 0"]),
    ],
)
def test_a_wrong_preset_names_key_file_and_remedy(
    spoil: Callable[[dict[str, Any]], None], words: list[str], tmp_path: Path
) -> None:
    data = tomllib.loads(BROOKLYN.to_toml())
    spoil(data)
    with pytest.raises(fc.PresetError) as caught:
        parse_preset(data, where="my_rules.toml")
    for word in ["my_rules.toml", *words]:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_preset_file_that_is_none() -> None:
    with pytest.raises(fc.PresetError, match="did you mean brooklyn"):
        load_preset("broklyn")
    with pytest.raises(fc.PresetError, match="there is: brooklyn"):
        load_preset("xyz")
    with pytest.raises(fc.PresetError, match=r"no_such\.toml: cannot be read"):
        load_preset("no_such.toml")


def test_a_preset_file_that_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[price\n")
    with pytest.raises(fc.PresetError, match=r"mine\.toml: is no TOML"):
        fc.run(path, days=1)


def test_a_preset_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(preset_text("brooklyn").replace('platform_fee = { value = "0.5"', 'platform_fee = { value = "0"'))
    assert fc.run(path, days=1).house["operator"] == 0


# -- runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["uniform", "discriminatory"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[fc.RunResult, Path]:
    out = tmp_path_factory.mktemp("runs") / request.param
    return fc.run("brooklyn", days=2, seed=3, mechanism=request.param, out=out), out


def roots(ledger: fc.Ledger) -> list[tuple[str, str, str | None]]:
    return [(block.orders_root, block.records_root, block.state_root) for block in ledger.headers]


def test_same_seed_same_roots_whether_in_memory_or_on_disk(run: tuple[fc.RunResult, Path]) -> None:
    result, out = run
    again = fc.run("brooklyn", days=2, seed=3, mechanism=result.preset.market.mechanism.value)
    # the source of `mechanism` is worded alike, so that the parameters and with them every header are too
    assert roots(again.ledger) == roots(result.ledger)
    assert again.head == result.head == fc.verify_directory(out / "ledger").head
    for name in ("slots", "members", "trades", "orders"):
        assert getattr(again, name).equals(getattr(result, name))
        assert pl.read_parquet(out / f"{name}.parquet").equals(getattr(result, name))


def test_a_result_is_pickled_whole_whether_in_memory_or_on_disk(run: tuple[fc.RunResult, Path]) -> None:
    for result in (run[0], fc.run("brooklyn", days=1)):
        again = pickle.loads(pickle.dumps(result))
        assert again.preset == result.preset
        assert again.provenance == result.provenance
        assert again.community.digest == result.community.digest
        for name in ("slots", "members", "trades", "orders", "table"):
            assert getattr(again, name).equals(getattr(result, name))
        assert again.ledger.headers == result.ledger.headers
        assert again.ledger.records(5).equals(result.ledger.records(5))
        assert repr(again) == repr(result)


def test_figures_in_other_frames(run: tuple[fc.RunResult, Path]) -> None:
    result = run[0]
    assert result.to_polars().equals(result.table)
    assert pl.DataFrame(result).equals(result.table)
    assert pl.DataFrame(result.to_arrow()).equals(result.table)
    assert pl.from_pandas(result.to_pandas()).equals(result.table)


def test_another_seed_other_roots() -> None:
    first, second = (fc.run("brooklyn", days=1, seed=seed) for seed in (1, 2))
    assert first.head != second.head
    assert not first.orders.equals(second.orders)


def test_days_are_a_prefix_of_more_days() -> None:
    one, two = (fc.run("brooklyn", days=days, seed=1) for days in (1, 2))
    assert two.slots.head(96).drop("block").equals(one.slots.drop("block"))


def test_a_block_covers_every_order_and_posting_of_its_slot(run: tuple[fc.RunResult, Path]) -> None:
    result, out = run
    report = fc.verify_directory(out / "ledger")
    assert (report.blocks, report.records) == (result.blocks, result.records) == (1 + 192, result.records)
    # asks stand in both markets of a slot when essential loads left something of them
    per_slot = result.orders.group_by("slot").len().height
    assert per_slot <= 192
    assert report.orders >= result.orders.height
    assert result.slots["block"].to_list() == list(range(1, 193))


def oracle_bills(ledger: Path, preset: Preset) -> dict[int, int]:
    """Bills from the sealed bytes: trades and meters by the rules of the page, in plain Python."""
    retail, feed_in = preset.ticks("retail"), preset.ticks("feed_in")
    fees = preset.ticks("platform_fee") + preset.ticks("network_fee")

    def tax(base: int) -> int:
        return round(Fraction(base * preset.tax_ppm, 10**6))  # half-even

    names = "kind seq time market buy_order sell_order debit credit quantity price amount group"
    rows = []
    raw = (ledger / "records.bin").read_bytes()
    assert len(raw) % 112 == 0
    for at in range(0, len(raw), 112):
        tag, version, kind, _, _, _, *rest = struct.unpack_from("<4B2H7Q3qQ", raw, at)
        assert (tag, version) == (0xFC, 1)
        rows.append(dict(zip(names.split(), [kind, *rest], strict=True)))
    paid_by = {row["seq"]: row["debit"] for row in rows if row["kind"] == 3}
    bills: dict[int, int] = {}
    contract: dict[int, int] = {}
    for row in rows:
        if row["kind"] == 1:  # a trade: buyer by its Post, seller credited
            buyer, seller, quantity = paid_by[row["group"]], row["credit"], row["quantity"]
            base = (row["price"] + fees) * quantity
            bills[buyer] = bills.get(buyer, 0) + base + tax(base)
            bills[seller] = bills.get(seller, 0) - row["price"] * quantity
            contract[buyer] = contract.get(buyer, 0) + quantity
            contract[seller] = contract.get(seller, 0) - quantity
        elif row["kind"] == 9:  # a meter reading: the last thing of a member in a slot
            account, metered = row["debit"], row["quantity"]
            open_wh = metered - contract.pop(account, 0)
            residual = min(max(open_wh, 0), max(metered, 0))
            shortfall = max(open_wh, 0) - residual
            bill = retail * (residual + shortfall) + tax(retail * residual) - feed_in * max(-open_wh, 0)
            bills[account] = bills.get(account, 0) + bill
    assert not contract  # everybody who traded was metered
    return bills


def test_bills_are_those_of_the_sealed_records(run: tuple[fc.RunResult, Path]) -> None:
    result, out = run
    bills = oracle_bills(out / "ledger", result.preset)
    got = dict(result.members.select("account", "bill_nano").iter_rows())
    assert got == bills
    assert len(got) == 51
    assert sum(got.values()) == sum(result.house.values())
    balances = result.members.select(pl.col("deposit_nano") - pl.col("bill_nano")).to_series()
    assert balances.to_list() == result.members["balance_nano"].to_list()


def test_essential_loads_pay_their_fixed_rate_and_come_first(run: tuple[fc.RunResult, Path]) -> None:
    result, _ = run
    essential = result.trades.filter(pl.col("tranche") == "essential")
    assert essential.height > 0
    assert essential["buyer"].unique().to_list() == ["clinic"]
    assert set(essential["buy_price_ticks"]) == set(essential["sell_price_ticks"]) == {200_000}
    # where the clinic got less than it asked for, no ask at or below its rate is left to the auction
    orders = result.orders
    short = orders.filter((pl.col("tranche") == "essential") & (pl.col("filled_wh") < pl.col("quantity_wh")))
    assert short.height > 0
    cheap = orders.filter(~pl.col("buy") & (pl.col("price_ticks") <= 200_000)).join(short.select("slot"), on="slot")
    assert cheap.height > 0
    assert (cheap["essential_wh"] == cheap["quantity_wh"]).all()


def test_prices_and_fills_keep_to_the_orders(run: tuple[fc.RunResult, Path]) -> None:
    result, _ = run
    slots = result.slots.filter(pl.col("price_ticks").is_not_null())
    assert slots.height > 50
    assert (slots["price_low_ticks"] <= slots["price_ticks"]).all()
    assert (slots["price_ticks"] <= slots["price_high_ticks"]).all()
    uniform = result.preset.market.mechanism.value == "uniform"
    spread = (
        result.trades.filter(pl.col("tranche") == "auction").group_by("slot").agg(pl.col("sell_price_ticks").n_unique())
    )
    assert (spread["sell_price_ticks"].max() == 1) is uniform
    assert (result.orders["filled_wh"] <= result.orders["quantity_wh"]).all()


@pytest.mark.parametrize("mechanism", ["uniform", "discriminatory"])
def test_nobody_is_worse_off_when_forecasts_are_right(mechanism: str) -> None:
    preset = changed(set_up__forecast_error_percent="0")
    result = fc.run(preset, community=fc.load_community(), days=3, mechanism=mechanism)
    # tax is rounded once a line: a bill in more lines may differ by half a nano each, up or down
    lines = result.trades.height + result.slots.height
    worse = result.members.filter(pl.col("bill_nano") > pl.col("bill_without_nano") + lines)
    assert worse.height == 0
    assert result.better_off > 40
    flows = result.slots
    # with right forecasts, all that is traded is delivered and used
    assert (flows["local_wh"] == flows["auction_wh"] + flows["essential_wh"]).all()


def test_all_of_a_community_trades_and_the_week_takes_seconds() -> None:
    result = fc.run("brooklyn", community=fc.load_community())
    assert result.members.height == 61
    assert result.slots.height == 672
    assert result.seconds["clearing"] < result.seconds["total"] < 20  # half a second on two slow cores


# -- deposits -----------------------------------------------------------------------------------------------------


def test_who_runs_out_of_deposit_is_named_with_what_would_have_been_enough() -> None:
    poor = fc.run(changed(settlement__deposit="4"), days=2)
    refused = poor.members.filter(pl.col("refused") > 0)
    assert refused.height > 3
    assert len(poor.notes) == 1
    assert refused.sort("first_refused", "participant")["participant"][0] in poor.notes[0]
    assert "settlement.deposit" in poor.notes[0]
    assert (poor.orders["reject"] == fc.RejectReason.CREDIT_EXCEEDED).sum() == refused["refused"].sum()
    assert refused["refused"].sum() == poor.slots["refused"].sum()
    # the sealed orders say so too: in the block of the slot, with its code
    slot, height = poor.slots.filter(pl.col("refused") > 0).select("slot", "block").row(0)
    sealed = poor.ledger.orders(height)
    assert (sealed["reject"] == fc.RejectReason.CREDIT_EXCEEDED).sum() == poor.orders.filter(
        (pl.col("slot") == slot) & (pl.col("reject") > 0)
    ).height

    enough = poor.notes[0].split(" USD would have been enough")[0].rsplit(" ", 1)[1]
    rich = fc.run(changed(settlement__deposit=enough), days=2)
    assert rich.members["refused"].sum() == 0
    assert not rich.notes


def test_the_needed_deposit_is_the_smallest_for_who_was_never_refused() -> None:
    result = fc.run("brooklyn", days=1)
    homes = result.members.filter(~pl.col("essential"))
    needed = int(homes["needed_deposit_nano"].max())  # type: ignore[arg-type]
    for nano, refused in ((needed, 0), (needed - 1, 1)):
        text = f"{nano // 10**9}.{nano % 10**9:09d}"
        assert int(fc.run(changed(settlement__deposit=text), days=1).members["refused"].sum()) == refused


def test_cover_is_what_the_bank_sets_aside() -> None:
    result = fc.run("brooklyn", days=1)
    bids = result.orders.filter(pl.col("buy"))
    cover = cover_nano(BROOKLYN, bids["price_ticks"].to_numpy(), bids["quantity_wh"].to_numpy())
    reserves = pl.concat([result.ledger.records(height) for height in range(result.blocks)]).filter(
        pl.col("kind") == "reserve"
    )
    assert sorted(cover.tolist()) == sorted(reserves["amount"].to_list())


def test_an_essential_load_out_of_deposit_is_told_its_own_parameter() -> None:
    result = fc.run(changed(settlement__essential_deposit="1"), days=1)
    assert "clinic" in result.notes[0]
    assert "settlement.essential_deposit" in result.notes[0]


# -- communities --------------------------------------------------------------------------------------------------


def profiles(days: int = 1, minutes: int = 15) -> pl.DataFrame:
    start = np.datetime64("2024-07-08T00:00", "ns")
    slots = start + np.arange(days * 1440 // minutes) * np.timedelta64(minutes, "m")
    people = ["ann", "bob", "<b>eve</b>"]
    return pl.DataFrame(
        {
            "slot": np.repeat(slots, 3),
            "participant": people * len(slots),
            "load_wh": [100, 200, 300] * len(slots),
            "pv_wh": [900, 0, 0] * len(slots),
        }
    ).with_columns(pl.col("slot").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC"))


def test_a_frame_of_ones_own_trades_whole() -> None:
    result = fc.run("brooklyn", community=profiles(), days=1)
    assert result.members["participant"].to_list() == ["<b>eve</b>", "ann", "bob"]
    assert result.trades.height > 0
    assert "own data" in result.data or "3 members" in result.data


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: f.drop("pv_wh"), "lacks the column 'pv_wh'"),
        (lambda f: pl.concat([f, f.head(1)]), "duplicate slot"),
        (lambda f: f[:100].vstack(f[101:]), "no row|missing|lacks|gap"),
        (lambda f: f.filter(pl.col("slot") != f["slot"][30]), "gap|missing"),
        (lambda f: f.with_columns(pl.lit(None, dtype=pl.Int64).alias("load_wh")), "load_wh"),
        (lambda f: f.with_columns(pl.col("load_wh") * -1), "load_wh"),
        (lambda f: f.with_columns(pl.col("slot").dt.replace_time_zone(None)), "tz|zone"),
        (lambda f: f.head(0), "empty"),
    ],
)
def test_a_bad_frame_is_refused(spoil: Callable[[pl.DataFrame], pl.DataFrame], words: str) -> None:
    with pytest.raises(fc.PresetError, match=words):
        fc.run("brooklyn", community=spoil(profiles()), days=1)


def test_days_beyond_the_data() -> None:
    with pytest.raises(fc.PresetError, match="beyond the data"):
        fc.run("brooklyn", days=29)
    with pytest.raises(fc.PresetError, match="at least 1"):
        fc.run("brooklyn", days=0)


def test_slots_of_another_length() -> None:
    hours = BROOKLYN.with_values("the test", set_up__slot_minutes=60)
    summed = choose_community(hours, None)
    assert summed.load_wh.sum() == choose_community(BROOKLYN, None).load_wh.sum()
    assert (np.diff(summed.slots[:24]) == 3600 * 10**9).all()
    assert fc.run(hours, days=1).slots.height == 24
    with pytest.raises(fc.PresetError, match=r"60 minutes long.*resample"):
        fc.run("brooklyn", community=profiles(minutes=60), days=1)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**64, "1"])
def test_a_seed_that_is_none(seed: Any) -> None:
    with pytest.raises(fc.PresetError, match="seed"):
        fc.run("brooklyn", days=1, seed=seed)


def test_a_mechanism_that_is_none() -> None:
    with pytest.raises(fc.PresetError, match=r"market\.mechanism.*'uniform', 'discriminatory'"):
        fc.run("brooklyn", days=1, mechanism="vcg")
    with pytest.raises(fc.PresetError, match=r"no section \[market\.vickrey\].*choose of uniform, discriminatory"):
        fc.run("brooklyn", days=1, mechanism="vickrey")


def test_the_preset_says_how_many_homes_of_the_built_in_community_trade() -> None:
    assert choose_community(BROOKLYN, None).members.height == 51
    assert choose_community(changed(set_up__members=10), "embedded").members.height == 11
    assert choose_community(changed(set_up__members=999), None).members.height == 61
    assert choose_community(BROOKLYN, fc.load_community()).members.height == 61


# -- directories --------------------------------------------------------------------------------------------------


def test_an_existing_directory_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(fc.StoreError, match="exists already"):
        fc.run("brooklyn", days=28, out=tmp_path)
    with pytest.raises(fc.StoreError, match="does not exist"):
        fc.run("brooklyn", days=28, out=tmp_path / "no" / "where")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_run_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (KeyboardInterrupt, RuntimeError):

        def stop(*_: object, error: type[BaseException] = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("fastclear.platforms.simulation.write_result", stop)
        with pytest.raises(error):
            fc.run("brooklyn", days=1, out=tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


def test_a_run_kept_in_memory_can_be_written_later(tmp_path: Path) -> None:
    result = fc.run("brooklyn", days=1)
    path = result.write(tmp_path / "out")
    assert fc.verify_directory(path / "ledger").head == result.head
    assert load_preset(path / "preset.toml") == result.preset
    with pytest.raises(fc.StoreError, match="exists already"):
        result.write(path)


def test_frames_read_in_the_units_of_people(run: tuple[fc.RunResult, Path]) -> None:
    result, _ = run
    readable = result.readable(result.members)
    assert readable["bill_usd"].to_list() == (result.members["bill_nano"] / 10**9).to_list()
    assert "load_kwh" in readable.columns
    assert result.table.columns == ["metric", "value", "without", "unit"]
    assert result.table.filter(pl.col("metric") == "local")["value"][0] == result.slots["local_wh"].sum() / 1000
