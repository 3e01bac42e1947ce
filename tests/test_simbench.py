"""SimBench grids: the cache and the errors everywhere, the real package where it is installed.

SimBench pins pandas 2, this repository's other tests want pandas 3: install it in an environment of its own.
"""

from __future__ import annotations

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fastclear.community import load_community
from fastclear.errors import PresetError, StoreError
from fastclear.integrations import simbench as adapter
from fastclear.integrations.simbench import DEFAULT_GRID, load_simbench

QUARTER = 15 * 60 * 10**9
INSTALLED = importlib.util.find_spec("simbench") is not None
real = pytest.mark.skipif(not INSTALLED, reason="the extra `simbench` is not installed in this environment")


def small_net(_code):
    """What `_simbench_net` gives, two connection points, the whole of 2016 in SimBench's own stamps."""
    year = pl.datetime_range(
        pl.datetime(2016, 1, 1, time_zone="Europe/Berlin"),
        pl.datetime(2017, 1, 1, time_zone="Europe/Berlin"),
        "15m",
        closed="left",
        eager=True,
    )
    n = len(year)
    wave = np.arange(n) % 96 / 10_000
    return {
        "stamps": year.dt.strftime("%d.%m.%Y %H:%M").to_list(),
        "load": {"bus": [7, 3, 7], "mw": np.stack([wave, np.full(n, 0.0001), np.full(n, 0.000_001)], axis=1)},
        "pv": {"bus": [3], "mw": np.full((n, 1), 0.000_002), "nominal_mw": [0.005]},
        "batteries": {3: (6800, 3400, 950_000)},
        "feeders": {3: 1, 7: 2},
    }


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(adapter, "_simbench_net", small_net)


def test_conversion_by_hand(fake, tmp_path):
    year = load_simbench("1-LV-small", start="2016-01-01", jitter_ppm=0, cache_dir=tmp_path)
    assert year.participants == ["bus3", "bus7"]
    assert year.n_days == 365
    assert (np.diff(year.slots) == QUARTER).all()
    assert year.slots[0] == np.datetime64("2016-01-01T00:00", "ns").astype(np.int64)
    # 1 MW is 250,000 Wh a quarter-hour; 0.5 Wh of PV goes to the even 0; bus 7 has two loads and one meter
    assert (year.load_wh[:, 0] == 25).all()
    assert (year.pv_wh == 0).all()
    local = (np.arange(len(year.slots)) + 4) % 96  # UTC midnight is 01:00 in winter
    winter = slice(0, 80 * 96)
    np.testing.assert_array_equal(year.load_wh[winter, 1], np.rint(local[winter] * 25.0 + 0.25))
    assert year.members.row(0) == ("bus3", "home", 3, 1, 5000, 6800, 3400, 950_000, False)
    assert year.members.row(1) == ("bus7", "home", 7, 2, 0, 0, 0, 0, False)
    assert "no jitter" in year.source


def test_the_second_load_asks_nobody(fake, tmp_path, monkeypatch):
    first = load_simbench("1-LV-small", days=7, cache_dir=tmp_path)
    monkeypatch.setattr(adapter, "_simbench_net", lambda code: pytest.fail("asked again"))
    assert load_simbench("1-LV-small", days=7, cache_dir=str(tmp_path)).digest == first.digest
    assert sorted(p.suffix for p in tmp_path.iterdir()) == [".parquet", ".parquet"]


def test_jitter_is_seeded_bounded_and_blind_to_the_window(fake, tmp_path):
    def load(**options):
        return load_simbench("1-LV-small", cache_dir=tmp_path, **options)

    plain = load(days=7, jitter_ppm=0)
    one, again, two = load(days=7, seed=1), load(days=7, seed=1), load(days=7, seed=2)
    assert one.digest == again.digest
    assert one.digest != two.digest != plain.digest
    assert (np.abs(one.load_wh - plain.load_wh) <= plain.load_wh * 0.1 + 0.5).all()
    np.testing.assert_array_equal(load(start="2016-07-06", days=1, seed=1).load_wh, one.days(1, start=2).load_wh)
    np.testing.assert_array_equal(one.pv_wh, plain.pv_wh)
    assert abs(one.load_wh.sum() / plain.load_wh.sum() - 1) < 0.01


def test_days_beyond_the_data(fake, tmp_path):
    with pytest.raises(PresetError, match="beyond the data: 1-LV-small has 180 days"):
        load_simbench("1-LV-small", days=181, cache_dir=tmp_path)
    for start in ("2015-12-31", "2016-12-31", "2020-01-01"):
        with pytest.raises(PresetError, match="beyond the data: SimBench has 2016-01-01 to 2016-12-30"):
            load_simbench("1-LV-small", start=start, cache_dir=tmp_path)


def test_stamps_that_are_not_local_time_are_refused(monkeypatch, tmp_path):
    def other(code):
        net = small_net(code)
        net["stamps"] = (
            pl.datetime_range(pl.datetime(2016, 1, 1), pl.datetime(2017, 1, 1), "15m", closed="left", eager=True)
            .dt.strftime("%d.%m.%Y %H:%M")
            .to_list()
        )
        return net

    monkeypatch.setattr(adapter, "_simbench_net", other)
    with pytest.raises(PresetError, match="are not quarter-hours of Europe/Berlin"):
        load_simbench("1-LV-small", cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"code": "1-MV-rural--0-sw"}, "no code of a SimBench low-voltage grid"),
        ({"code": "../1-LV-rural"}, "no code of a SimBench low-voltage grid"),
        ({"code": ""}, "no code of a SimBench low-voltage grid"),
        ({"start": "4 July"}, "start must be a date"),
        ({"start": None}, "start must be a date"),
        ({"seed": -1}, "seed must be"),
        ({"jitter_ppm": 1_000_001}, "jitter_ppm must be"),
        ({"days": 0}, "n must be a whole number"),
    ],
)
def test_bad_arguments(fake, tmp_path, change, message):
    with pytest.raises(PresetError, match=message):
        load_simbench(**{"code": "1-LV-small", "cache_dir": tmp_path, **change})


def test_missing_package_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "simbench", None)  # what Python itself does to say: not importable
    for load in (lambda: load_simbench(cache_dir=tmp_path), lambda: adapter._simbench_net(DEFAULT_GRID)):
        with pytest.raises(PresetError, match=r"pip install 'fastclear\[simbench\]'"):
            load()
    assert not list(tmp_path.iterdir())


def test_by_name(fake, monkeypatch, tmp_path):
    monkeypatch.setattr(adapter, "_cache_folder", lambda cache_dir: tmp_path)
    assert load_community("simbench:1-LV-small").name == "1-LV-small"
    assert load_community("simbench").name == DEFAULT_GRID


def test_cache_that_cannot_be_used(fake, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write the cache"):
        load_simbench("1-LV-small", cache_dir=tmp_path / "file")
    load_simbench("1-LV-small", days=1, cache_dir=tmp_path)
    for file in tmp_path.glob("*.parquet"):
        file.write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"cannot be read.*delete it"):
        load_simbench("1-LV-small", days=1, cache_dir=tmp_path)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/fastclear/simbench"),
        ("linux", {}, "/home/ann/.cache/fastclear/simbench"),
        ("darwin", {"XDG_CACHE_HOME": "/x"}, "/home/ann/Library/Caches/fastclear/simbench"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/fastclear/simbench"),
        ("win32", {}, "/home/ann/AppData/Local/fastclear/simbench"),
    ],
)
def test_cache_folder_of_each_platform(monkeypatch, platform, environment, expected):
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    assert adapter._cache_folder(None) == Path(expected)


@pytest.fixture(scope="module")
def rural(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simbench")
    return folder, load_simbench(start="2016-01-01", jitter_ppm=0, cache_dir=folder)


@real
def test_real_grid_has_the_published_size(rural):
    _, year = rural
    assert year.load_wh.shape == (365 * 96, 118)
    pv = year.members["pv_wp"].to_numpy()
    assert (pv > 0).sum() == 25
    assert (year.battery_wh > 0).sum() == 14
    assert set(year.battery_efficiency_ppm.tolist()) == {0, 950_000}
    assert year.members["feeder"].null_count() == 0
    assert year.members["feeder"].n_unique() == 9


@real
def test_real_energy_equals_simbench_own_numbers(rural):
    """Sums of the year by SimBench's own function, in MWh; what is lost is rounding and the last 23 hours."""
    _, year = rural
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import simbench

        net = simbench.get_simbench_net(DEFAULT_GRID)
        values = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    for name, ours in (("load", year.load_wh), ("sgen", year.pv_wh)):
        table = values[name, "p_mw"].to_numpy()
        # UTC midnight of 1 January is one hour into SimBench's local year
        window = table[4 : 4 + 365 * 96]
        buses = getattr(net, name)["bus"].to_numpy()
        for column, bus in enumerate(year.members["bus"]):
            exact = window[:, buses == bus].sum(axis=1) * 250_000
            assert np.abs(ours[:, column] - exact).max(initial=0) <= 0.5 + 1e-6


@real
def test_real_sun_and_load_are_where_they_belong(rural):
    _, year = rural
    sun = year.pv_wh.sum(axis=1).reshape(365, 96)
    june, december = sun[152:182].mean(axis=0), sun[335:365].mean(axis=0)
    for day in (
        june,
        december,
    ):  # the same noon in UTC in both halves of the year: the clock switch was read right
        middle = (day * np.arange(96)).sum() / day.sum() / 4
        assert 10.5 < middle < 12.5
    assert sun[:, :8].sum() < 0.001 * sun.sum()
    assert june.sum() > 4 * december.sum()
    annual = year.load_wh.sum(axis=0) / 1000
    assert 1500 < np.median(annual) < 5000


@real
def test_real_second_load_needs_no_simbench(rural, monkeypatch):
    folder, year = rural
    monkeypatch.setitem(sys.modules, "simbench", None)
    assert load_simbench(start="2016-01-01", jitter_ppm=0, cache_dir=folder).digest == year.digest
    week = load_simbench(days=7, cache_dir=folder)
    assert repr(week) == (
        "<Community 1-LV-rural3--1-sw: 118 members, 7 days of 15-minute slots, 2016-07-04 to 2016-07-10>"
    )
    # homes shared profiles; jittered, no two are equal or in proportion
    unit = week.load_wh / week.load_wh.sum(axis=0)
    assert len(np.unique(unit, axis=1).T) == 118


@real
def test_real_unknown_grid(tmp_path):
    with pytest.raises(PresetError, match="SimBench has no grid '1-LV-moon--1-sw'"):
        load_simbench("1-LV-moon--1-sw", cache_dir=tmp_path)
