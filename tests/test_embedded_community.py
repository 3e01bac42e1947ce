"""The embedded data: what is recorded of it, what it looks like, and that it can be made again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from fastclear.community import embedded as embedded_module
from fastclear.community import load_community
from fastclear.errors import PresetError

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "python" / "fastclear" / "community" / "data"


def test_embedded_shape_and_order():
    community = load_community()
    assert community.load_wh.shape == (28 * 96, 61)
    assert community.n_days == 28
    assert community.participants == ["clinic", *(f"home{i:02d}" for i in range(1, 61))]
    assert (np.diff(community.slots) > 0).all()
    assert community.slots[0] == pd.Timestamp("2024-07-08", tz="UTC").value
    assert {pd.Timestamp(s).weekday() for s in community.slots[:: 96 * 7]} == {0}
    assert "synthetic" in community.source
    assert dict(community.tariff) == {"retail": 320_000, "feed_in": 80_000, "network_fee": 20_000}


def test_embedded_statistics_are_those_of_the_data_card():
    community = load_community()
    homes = community.members["kind"].to_numpy() == "home"
    annual = community.load_wh.sum(axis=0) * 365 / 28 / 1000
    assert homes.sum() == 60
    assert 3300 < annual[homes].mean() < 3700
    assert 1700 <= annual[homes].min() < 2000
    assert 6500 < annual[homes].max() <= 7000
    assert 50_000 < annual[~homes].item() < 70_000
    pv = community.members["pv_wp"].to_numpy()
    assert (pv > 0).sum() == 33
    yields = community.pv_wh.sum(axis=0)[pv > 0] * 365 / 28 / pv[pv > 0]  # kWh a kWp
    assert yields.min() > 550
    assert 800 < yields.mean() < 1000
    assert yields.max() < 1150
    assert (community.pv_wh[:, pv == 0] == 0).all()
    assert (community.pv_wh <= pv // 4).all()  # never above the rating
    assert community.load_wh.min() > 0
    assert (community.battery_wh > 0).sum() == 16
    assert (pv[community.battery_wh > 0] > 0).all()
    assert community.essential.tolist() == [True] + [False] * 60
    assert community.members["feeder"].value_counts().sort("feeder")["count"].to_list() == [21, 20, 20]
    assert community.members["bus"].n_unique() == 61


def test_embedded_looks_like_load_and_sun():
    community = load_community(season="summer")
    day = community.load_wh.sum(axis=1).reshape(7, 96).mean(axis=0)
    assert day[4:16].mean() < 0.55 * day[28:80].mean()  # nights are quiet
    sun = community.pv_wh.sum(axis=1).reshape(7, 96)
    assert (sun[:, :10] == 0).all()  # no sun before 02:30 UTC
    assert (sun[:, 86:] == 0).all()
    assert 40 <= sun.sum(axis=0).argmax() <= 52  # noon at 8.7 degrees east is 11:28 UTC
    seasons = {s: load_community(season=s).pv_wh.sum() for s in ("summer", "autumn", "winter", "spring")}
    assert seasons["winter"] < seasons["autumn"] < min(seasons["spring"], seasons["summer"])
    # homes differ: no two are in proportion, or every order would tie
    unit = community.load_wh[:, 1:] / community.load_wh[:, 1:].sum(axis=0)
    correlation = np.corrcoef(unit.T)
    assert np.triu(correlation, 1).max() < 0.95


def test_embedded_content_is_what_is_recorded():
    """Decoded and hashed here without the package's own digest."""
    recorded = json.loads((DATA / "community.json").read_text())["sha256_of_content"]
    for name in ("profiles", "members"):
        table = pl.read_parquet(DATA / f"{name}.parquet")
        state = hashlib.sha256()
        for column in table.columns:
            values = table[column].to_list()
            state.update(struct.pack("<Q", len(column)) + column.encode())
            if table[column].dtype == pl.String:
                state.update(b"s" + struct.pack("<Q", len(values)))
                for value in values:
                    state.update(struct.pack("<Q", len(value.encode())) + value.encode())
            elif table[column].dtype == pl.Boolean:
                state.update(b"b" + struct.pack("<Q", len(values)) + bytes(values))
            else:
                values = table[column].to_physical().to_list()
                state.update(b"i" + struct.pack(f"<Q{len(values)}q", len(values), *values))
        assert state.hexdigest() == recorded[name]


def test_embedded_is_small():
    assert sum(file.stat().st_size for file in DATA.iterdir()) < 300_000


def test_embedded_damage_is_noticed(tmp_path, monkeypatch):
    for file in DATA.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = pl.read_parquet(tmp_path / "profiles.parquet")
    table.with_columns(load_wh=pl.col("load_wh") + (pl.int_range(pl.len()) == 7)).write_parquet(
        tmp_path / "profiles.parquet"
    )
    monkeypatch.setattr(embedded_module, "_FOLDER", tmp_path)
    with pytest.raises(PresetError, match=r"profiles\.parquet is not what was shipped"):
        load_community()


def _script():
    for library in ("oemof.demand", "pvlib"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pytest.importorskip(library, reason="the group `data` (oemof-demand, pvlib) is not installed")
    spec = importlib.util.spec_from_file_location("make_community", ROOT / "scripts" / "make_community.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_embedded_can_be_made_again(tmp_path):
    script = _script()
    for out in ("one", "two"):
        script.write(tmp_path / out)
    recorded = json.loads((DATA / "community.json").read_text())
    assert json.loads((tmp_path / "one" / "community.json").read_text()) == recorded
    for name in ("profiles.parquet", "members.parquet", "community.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
