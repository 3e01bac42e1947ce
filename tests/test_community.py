"""`Community`, and a user's own frames."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastclear.community import Community, community_from_frame, load_community
from fastclear.community.digest import columns_digest
from fastclear.errors import FastclearError, PresetError

QUARTER = 15 * 60 * 10**9


def frame(slots=4, names=("ann", "bob"), start="2024-07-08T10:00Z", **changes) -> pl.DataFrame:
    """A small good frame, sorted by participant, then slot."""
    first = np.datetime64(start.rstrip("Z"), "ns").astype("int64")
    n = slots * len(names)
    columns = {
        "slot": pl.Series(np.tile(first + QUARTER * np.arange(slots), len(names))).cast(pl.Datetime("ns", "UTC")),
        "participant": [name for name in names for _ in range(slots)],
        "load_wh": np.arange(100, 100 + n),
        "pv_wh": np.arange(n),
    }
    return pl.DataFrame({**columns, **changes})


# --- Community --------------------------------------------------------------------------------------------


def test_days_and_seasons_agree():
    whole = load_community()
    assert whole.days(7).digest == load_community(season="summer").digest
    assert whole.days(7, start=14).digest == load_community(season="winter").digest
    assert whole.days(28).digest == whole.digest
    assert whole.days(1).digest != whole.days(1, start=1).digest


@pytest.mark.parametrize(("n", "start"), [(29, 0), (1, 28), (28, 1), (10**9, 0)])
def test_days_beyond_the_data(n, start):
    with pytest.raises(PresetError, match=r"beyond the data: embedded has 28 days .*ask for at most"):
        load_community().days(n, start)


@pytest.mark.parametrize("n", [0, -1, 1.5, "7", True, None])
def test_days_must_be_a_number_of_days(n):
    with pytest.raises(PresetError, match="n must be a whole number of at least 1"):
        load_community().days(n)


def test_arrays_are_read_only_and_right():
    community = load_community().days(1)
    for name in ("slots", "load_wh", "pv_wh", "net_wh", "battery_wh", "battery_w", "battery_efficiency_ppm"):
        array = getattr(community, name)
        assert array.dtype == np.int64
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    with pytest.raises(ValueError, match="read-only"):
        community.essential[0] = False
    with pytest.raises(TypeError):
        community.tariff["retail"] = 0
    community.participants.clear()
    assert len(community.participants) == 61
    np.testing.assert_array_equal(community.net_wh, community.load_wh - community.pv_wh)
    assert repr(community) == ("<Community embedded: 61 members, 1 days of 15-minute slots, 2024-07-08 to 2024-07-08>")


def test_communities_travel_to_other_processes():
    community = load_community().days(1)
    again = pickle.loads(pickle.dumps(community))
    assert again.digest == community.digest
    assert again.source == community.source
    assert copy.deepcopy(community).digest == community.digest


def test_digest_sees_every_column():
    base = community_from_frame(frame())
    changes = {
        "load_wh": base.load_wh + 1,
        "pv_wh": base.pv_wh + 1,
        "slots": base.slots + QUARTER,
        "tariff": {"retail": 1},
    }
    digests = {base.digest}
    kept = {
        f: getattr(base, f) for f in ("name", "source", "slots", "slot_ns", "members", "load_wh", "pv_wh", "tariff")
    }
    for key, value in changes.items():
        digests.add(Community(**{**kept, key: value}).digest)
    for column, value in (
        ("bus", 7),
        ("feeder", 2),
        ("pv_wp", 1),
        ("battery_wh", 1),
        ("kind", "shop"),
        ("essential", True),
    ):
        members = base.members.with_columns(pl.lit(value).alias(column))
        if column == "battery_wh":
            members = members.with_columns(battery_efficiency_ppm=pl.lit(900_000))
        digests.add(Community(**{**kept, "members": members}).digest)
    assert len(digests) == 1 + len(changes) + 6
    assert Community(**{**kept, "name": "other", "source": "other"}).digest == base.digest


def test_digest_tells_shapes_apart():
    one, two = np.array([1], dtype=np.int64), np.array([1, 2], dtype=np.int64)
    tables = [
        {"a": one, "b": two},
        {"a": two, "b": one},
        {"ab": one, "": two},
        {"a": ["1"]},
        {"a": ["", "1"]},
    ]
    assert len({columns_digest(table) for table in tables}) == len(tables)


@pytest.mark.parametrize("name", ["nowhere", "", "simbenchx", "EMBEDDED"])
def test_unknown_community(name):
    with pytest.raises(PresetError, match="no community is called"):
        load_community(name)


def test_unknown_season():
    with pytest.raises(PresetError, match="summer, autumn, winter, spring"):
        load_community(season="monsoon")
    with pytest.raises(PresetError, match="season is a choice of the embedded data"):
        load_community("some.csv", season="summer")


# --- a user's own frames ----------------------------------------------------------------------------------


def test_every_kind_of_frame_gives_the_same(tmp_path):
    table = frame()
    table.write_csv(tmp_path / "c.csv")
    table.write_parquet(tmp_path / "c.parquet")
    made = {
        "polars": community_from_frame(table),
        "lazy": community_from_frame(table.lazy()),
        "pandas": community_from_frame(pd.DataFrame(table.to_dict(as_series=False))),
        "pyarrow": community_from_frame(table.to_arrow()),
        "batches": community_from_frame(
            pa.RecordBatchReader.from_batches(table.to_arrow().schema, table.to_arrow().to_batches())
        ),
        "mapping": community_from_frame({c: table[c].to_list() for c in table.columns}),
        "numpy": community_from_frame({c: table[c].to_physical().to_numpy() for c in table.columns}),
        "csv": community_from_frame(tmp_path / "c.csv"),
        "parquet": community_from_frame(str(tmp_path / "c.parquet")),
        "by name": load_community(str(tmp_path / "c.csv")),
        "int32": community_from_frame(table.cast({"load_wh": pl.Int32, "pv_wh": pl.UInt16})),
        "float": community_from_frame(table.cast({"load_wh": pl.Float64, "pv_wh": pl.Float32})),
        "categorical": community_from_frame(table.cast({"participant": pl.Categorical})),
        "microseconds": community_from_frame(table.cast({"slot": pl.Datetime("us", "America/New_York")})),
        "chunks": community_from_frame(pl.concat([table[:3], table[3:]], rechunk=False)),
        "more columns": community_from_frame(table.with_columns(remark=pl.lit("x"))),
    }
    assert {community.digest for community in made.values()} == {made["polars"].digest}
    assert "c.csv" in made["csv"].source
    assert "polars" in made["polars"].source
    assert "mapping" in made["mapping"].source


def test_a_file_of_naive_times_by_name(tmp_path):
    frame(slot=NAIVE).write_csv(tmp_path / "naive.csv")
    with pytest.raises(PresetError, match="naive datetimes"):
        load_community(str(tmp_path / "naive.csv"))
    assert load_community(str(tmp_path / "naive.csv"), tz="UTC").digest == community_from_frame(frame()).digest


def test_values_land_where_they_belong():
    community = community_from_frame(frame().sample(fraction=1.0, shuffle=True, seed=3))
    assert community.load_wh.tolist() == [[100, 104], [101, 105], [102, 106], [103, 107]]
    assert community.pv_wh.tolist() == [[0, 4], [1, 5], [2, 6], [3, 7]]
    assert community.slot_ns == QUARTER
    assert community.members["bus"].null_count() == 2


@settings(max_examples=50, deadline=None)
@given(
    st.integers(2, 12),
    st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=5, unique=True),
    st.integers(0, 2**32),
    st.data(),
)
def test_round_trip_in_any_row_order(slots, names, seed, data):
    n = slots * len(names)
    energy = st.lists(st.integers(0, 2**31 - 1), min_size=n, max_size=n)
    table = frame(slots, names, load_wh=data.draw(energy), pv_wh=data.draw(energy))
    community = community_from_frame(table.sample(fraction=1.0, shuffle=True, seed=seed))
    assert community.participants == sorted(names, key=str.encode)
    again = community.to_frame()
    assert again.sort("participant", "slot").equals(
        table.sort("participant", "slot").with_columns(pl.col("load_wh", "pv_wh").cast(pl.Int64))
    )
    assert community_from_frame(again).digest == community.digest


def test_integer_participants_sort_as_numbers():
    community = community_from_frame(frame(2, (10, 9)))
    assert community.participants == ["9", "10"]
    assert community.load_wh.tolist() == [[102, 100], [103, 101]]


def test_members_by_column_and_by_frame_agree():
    table = frame().with_columns(
        battery_wh=pl.when(pl.col("participant") == "bob").then(5000).otherwise(0),
        battery_w=pl.when(pl.col("participant") == "bob").then(2500).otherwise(0),
        battery_efficiency_ppm=pl.lit(900_000),
        essential=pl.col("participant") == "ann",
    )
    inside = community_from_frame(table)
    members = {
        "participant": ["bob", "ann"],
        "battery_wh": [5000, 0],
        "battery_w": [2500, 0],
        "battery_efficiency_ppm": [900_000, 900_000],
        "essential": [False, True],
    }
    assert community_from_frame(frame(), members=members).digest == inside.digest
    assert inside.battery_wh.tolist() == [0, 5000]
    assert inside.essential.tolist() == [True, False]


@pytest.mark.parametrize(("day", "slots"), [("2024-03-31", 92), ("2024-10-27", 100), ("2024-07-08", 96)])
def test_switch_days_of_local_time(day, slots):
    """Local days of 23, 24 and 25 hours: zoned, naive with tz, and text without give the same slots."""
    local = pd.date_range(day, periods=slots, freq="15min", tz="Europe/Berlin")
    assert local[-1].strftime("%H:%M") == "23:45"
    rest = {"participant": ["ann"] * slots, "load_wh": range(slots), "pv_wh": [0] * slots}
    zoned = community_from_frame({"slot": pl.Series(local.as_unit("ns").asi8).cast(pl.Datetime("ns", "UTC")), **rest})
    assert (np.diff(zoned.slots) == QUARTER).all()
    text = [t.isoformat() for t in local]
    assert community_from_frame({"slot": text, **rest}).digest == zoned.digest
    naive = [t[:16].replace("T", " ") for t in text]
    assert community_from_frame({"slot": naive, **rest}, tz="Europe/Berlin").digest == zoned.digest
    stamps = pl.Series(naive).str.to_datetime("%Y-%m-%d %H:%M")
    assert community_from_frame({"slot": stamps, **rest}, tz="Europe/Berlin").digest == zoned.digest


def test_rounding_on_request_goes_to_even():
    table = frame(load_wh=[0.5, 1.5, 2.5, 3.49, 4.0, 5.51, 6.0, 7.0])
    with pytest.raises(PresetError, match=r'load_wh, row 0: 0\.5 is not a whole number of Wh; .*rounding="half_even"'):
        community_from_frame(table)
    community = community_from_frame(table, rounding="half_even")
    assert community.load_wh.T.ravel().tolist() == [0, 2, 2, 3, 4, 6, 6, 7]
    with pytest.raises(PresetError, match="rounding is"):
        community_from_frame(table, rounding="up")


def test_gaps_on_request():
    table = pl.concat([frame(), frame(start="2024-10-14T00:00Z")])
    with pytest.raises(PresetError, match=r"a gap: the slot 2024-07-08T11:00Z is missing for everyone.*allow_gaps"):
        community_from_frame(table)
    assert len(community_from_frame(table, allow_gaps=True).slots) == 8


def test_one_slot_needs_its_length():
    with pytest.raises(PresetError, match=r"one slot only.*slot_minutes=15"):
        community_from_frame(frame(1))
    assert community_from_frame(frame(1), slot_minutes=30).slot_ns == 2 * QUARTER


def test_a_slot_that_does_not_divide_a_day_has_no_days():
    table = frame().with_columns(
        slot=pl.Series(np.tile(10**18 + 7 * 60 * 10**9 * np.arange(4), 2)).cast(pl.Datetime("ns", "UTC"))
    )
    community = community_from_frame(table)
    assert "4 slots of 7-minute" in repr(community)
    with pytest.raises(PresetError, match="does not divide a day"):
        community.days(1)


NAIVE = frame()["slot"].dt.replace_time_zone(None)
BAD = {
    "no slot": (frame().drop("slot"), "lacks the column 'slot'"),
    "no participant": (frame().drop("participant"), "lacks the column 'participant'"),
    "no load": (frame().drop("load_wh"), "lacks the column 'load_wh'.*has slot, participant, pv_wh"),
    "no pv": (frame().drop("pv_wh"), "lacks the column 'pv_wh'"),
    "empty": (frame()[:0], "is empty: it has columns but no row"),
    "no columns": ({}, "lacks the column 'slot'.*has none"),
    "ragged": (
        {"slot": [1, 2], "participant": ["a"], "load_wh": [1], "pv_wh": [1]},
        "cannot be read as columns",
    ),
    "not a frame": (7, "is a int; give a polars"),
    "text load": (frame(load_wh=["1"] * 8), "column load_wh has the type String"),
    "bool pv": (frame(pv_wh=[True] * 8), "column pv_wh has the type Boolean"),
    "naive": (frame(slot=NAIVE), 'slot holds naive datetimes .*tz="Europe/Berlin"'),
    "naive text": (frame(slot=["2024-07-08 10:00"] * 8), "slot holds naive datetimes"),
    "date": (frame(slot=NAIVE.dt.date()), "column slot has the type Date"),
    "float slot": (frame(slot=[1.0] * 8), "column slot has the type Float64"),
    "nonsense slot": (frame(slot=["2024-07-08T10:00Z"] * 7 + ["noonZ"]), "slot, row 7: cannot read 'noonZ'"),
    "mixed offsets": (frame(slot=["2024-07-08T10:00Z"] * 7 + ["2024-07-08T10:00"]), r"mixes .* \(row 7"),
    "seconds": (
        frame(slot=[1_720_000_000 + 900 * i for i in range(4)] * 2),
        "looks like seconds or milliseconds",
    ),
    "null slot": (frame(slot=[None, *frame()["slot"][1:]]), "column slot, row 0: a value is missing"),
    "null name": (frame(participant=["a", None] * 4), "column participant, row 1: a value is missing"),
    "null load": (frame(load_wh=[1] * 5 + [None] * 3), "column load_wh, row 5: a value is missing"),
    "NaN": (frame(pv_wh=[0.0] * 6 + [float("nan"), 0.0]), "column pv_wh, row 6: nan is not a number"),
    "infinite": (frame(pv_wh=[float("inf")] + [0.0] * 7), "column pv_wh, row 0: inf is not a number"),
    "fraction": (
        frame(load_wh=[1.0] * 7 + [0.25]),
        "column load_wh, row 7: 0.25 is not a whole number of Wh",
    ),
    "negative load": (frame(load_wh=[1] * 3 + [-1] * 5), "column load_wh, row 3: -1 is negative"),
    "negative pv": (frame(pv_wh=[-0.0] * 2 + [-5.0] * 6), "column pv_wh, row 2: -5.0 is negative"),
    "too much": (frame(load_wh=[2**31] * 8), "column load_wh, row 0: 2147483648 is 2\\^31 Wh or more"),
    "uint64": (frame(load_wh=pl.Series([2**64 - 1] * 8, dtype=pl.UInt64)), "is 2\\^31 Wh or more"),
    "twice": (
        pl.concat([frame(), frame()[2:3]]),
        "duplicate slot: 'ann' has 2024-07-08T10:30Z in rows 2 and 8",
    ),
    "hole": (frame()[:7], "a gap: 'bob' has no row for the slot 2024-07-08T10:45Z"),
    "hole for all": (
        frame().filter(pl.col("slot").dt.minute() != 15),
        "a gap|uneven slots",
    ),
    "uneven": (
        frame().with_columns(
            pl.when(pl.col("slot").dt.minute() == 45)
            .then(pl.col("slot") + pl.duration(minutes=5))
            .otherwise(pl.col("slot"))
            .alias("slot")
        ),
        "uneven slots: from 2024-07-08T10:30Z to 2024-07-08T10:50Z are 20 minutes",
    ),
    "float names": (frame(participant=[1.0] * 8), "column participant has the type Float64"),
    "battery changes": (frame(battery_wh=range(8)), "column battery_wh changes between slots for 'ann'"),
    "essential text": (
        frame(essential=["no"] * 8),
        "column essential has the type String; it must be true or false",
    ),
    "battery float": (
        frame(battery_wh=[0.5] * 8),
        "column battery_wh has the type Float64; it must be whole",
    ),
    "battery negative": (frame(battery_wh=[-1] * 8), "battery_wh of 'ann' is -1; it must be from 0"),
    "efficiency": (frame(battery_efficiency_ppm=[2_000_000] * 8), "must be from 0 to 1000000"),
    "no efficiency": (frame(battery_wh=[5000] * 8), "battery with battery_efficiency_ppm 0"),
    "null essential": (
        frame(essential=pl.Series([None] * 8, dtype=pl.Boolean)),
        "essential is null for 'ann'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_frames_are_refused_with_the_place_and_the_remedy(case):
    bad, message = BAD[case]
    with pytest.raises(PresetError, match=message) as caught:
        community_from_frame(bad)
    assert isinstance(caught.value, FastclearError)
    assert len(str(caught.value)) > 40  # says what to do, not only what is wrong


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"participant": ["ann"]}, "'bob' of the community frame is missing"),
        ({"participant": ["ann", "bob", "eve"]}, "'eve' has no row in the community frame"),
        ({"participant": ["ann", "bob", "bob"]}, "'bob' is there twice"),
        ({"name": ["ann", "bob"]}, "members lack the column 'participant'"),
        ({"participant": ["ann", None]}, "participant, row 1: a value is missing"),
        ({"participant": ["ann", "bob"], "bus": ["x", "y"]}, "column bus has the type String"),
    ],
)
def test_bad_members(members, message):
    with pytest.raises(PresetError, match=message):
        community_from_frame(frame(), members=members)


def test_members_in_two_places():
    with pytest.raises(PresetError, match="say it in one place"):
        community_from_frame(frame(essential=[False] * 8), members={"participant": ["ann", "bob"]})


@pytest.mark.parametrize("tz", ["Europe/Nowhere", "", "../etc"])
def test_unknown_zone(tz):
    with pytest.raises(PresetError, match="is no time zone"):
        community_from_frame(frame(slot=NAIVE), tz=tz)


def test_a_time_that_does_not_exist():
    times = ["2024-03-31T01:45", "2024-03-31T02:00", "2024-03-31T02:15", "2024-03-31T02:30"] * 2
    with pytest.raises(PresetError, match=r"row 1: 2024-03-31 02:00:00 does not exist in Europe/Berlin"):
        community_from_frame(frame(slot=times), tz="Europe/Berlin")


def test_three_times_the_same_wall_time_is_a_duplicate():
    times = ["2024-10-27T02:00"] * 3
    table = {"slot": times, "participant": ["a"] * 3, "load_wh": [1] * 3, "pv_wh": [0] * 3}
    with pytest.raises(PresetError, match="duplicate slot: 'a'"):
        community_from_frame(table, tz="Europe/Berlin")


def test_bad_files(tmp_path):
    with pytest.raises(PresetError, match="there is no file"):
        community_from_frame(tmp_path / "none.csv")
    (tmp_path / "bad.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(PresetError, match="cannot be read"):
        community_from_frame(tmp_path / "bad.parquet")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(PresetError, match="cannot be read"):
        community_from_frame(tmp_path / "empty.csv")
    (tmp_path / "data.xlsx").write_bytes(b"x")
    with pytest.raises(PresetError, match=r"neither \.csv nor \.parquet"):
        community_from_frame(tmp_path / "data.xlsx")


@pytest.mark.parametrize("slot_minutes", [0, -15, 1.5, 2000, True])
def test_bad_slot_minutes(slot_minutes):
    with pytest.raises(PresetError, match="slot_minutes must be"):
        community_from_frame(frame(), slot_minutes=slot_minutes)


def test_community_refuses_what_does_not_fit():
    good = community_from_frame(frame())
    kept = {f: getattr(good, f) for f in ("name", "source", "slots", "slot_ns", "members", "load_wh", "pv_wh")}
    for change, message in (
        ({"load_wh": good.load_wh[1:]}, "must have one row a slot"),
        ({"slots": good.slots[::-1]}, "slots must rise"),
        ({"slot_ns": QUARTER + 1}, "slots must rise"),
        ({"members": good.members.drop("bus")}, "members lack the column 'bus'"),
        ({"members": good.members.with_columns(pv_wp=pl.lit("x"))}, "of the wrong type"),
    ):
        with pytest.raises(PresetError, match=message):
            Community(**{**kept, **change})
    with pytest.raises(PresetError, match="at least one slot"):
        good.take(slice(0, 0))
    with pytest.raises(PresetError, match="step 1"):
        good.take(slice(None, None, 2))
