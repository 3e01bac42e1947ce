"""R46: who takes energy past the meter is seen in the records of a ledger, and honest feeders are left in peace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import fastclear as fc
from fastclear import metrics
from fastclear.errors import SchemaError

LOSS_PPM = 40_000
NOISE_WH = 60


def naive(supplied: Any, metered: Any, feeder: Any, noise: int, loss_ppm: int, window: int) -> list[tuple[Any, ...]]:
    """One slot after the other."""
    z = 2.5758293035489  # the quantile of 0.995
    rows = []
    for column in range(len(supplied[0])):
        for first in range(0, len(supplied), window):
            total, went, flagged = 0, 0, None
            slots = range(first, min(first + window, len(supplied)))
            bound = int(z * noise * len(slots) ** 0.5) + 1
            for slot in slots:
                gone = int(supplied[slot][column])
                lost = (gone * loss_ppm * 2 + 10**6) // (2 * 10**6)
                read = sum(int(wh) for wh, at in zip(metered[slot], feeder, strict=True) if at == column)
                total += gone - lost - read
                went += gone
                if total > bound and flagged is None:
                    flagged = slot - first + 1
            rows.append((column, first, went, total, bound, flagged))
    return rows


def test_random_feeders_are_judged_as_slot_by_slot() -> None:
    random = np.random.default_rng(3)
    flagged = 0
    for window in (1, 7, 96, 200):
        metered = random.integers(-500, 2000, (150, 9))
        feeder = random.integers(0, 3, 9)
        supplied = np.stack([metered[:, feeder == at].sum(axis=1) for at in range(3)], axis=1)
        supplied = supplied + random.integers(-100, 150, supplied.shape)
        found = metrics.feeder_balance(
            supplied, metered, feeder, noise_wh=NOISE_WH, loss_ppm=5_000, window_slots=window
        ).rows()
        assert found == naive(supplied, metered, feeder, NOISE_WH, 5_000, window)
        flagged += sum(row[-1] is not None for row in found)
    assert flagged > 5


@pytest.fixture(scope="module")
def homes() -> fc.Community:
    return fc.load_community()


def transformers(community: fc.Community, taken: Any, seed: int) -> Any:
    """What the meter at the head of each feeder reads: what homes take, losses on top, and an error."""
    at = community.members["feeder"].to_numpy()
    took = np.stack([taken[:, at == number].sum(axis=1) for number in sorted(set(at))], axis=1)
    exact = np.rint(took / (1 - LOSS_PPM / 1e6))
    return (exact + np.rint(np.random.default_rng(seed).normal(0, NOISE_WH, took.shape))).astype(np.int64)


def test_three_per_cent_stolen_on_one_feeder_are_flagged_within_a_day_from_the_records(homes: fc.Community) -> None:
    day = homes.days(1)
    at = day.members["feeder"].to_numpy()
    feeder = np.searchsorted(sorted(set(at)), at)
    # one home takes three per cent of what its feeder supplies past its meter, and its batteries stay at rest
    still = day.members.with_columns(battery_wh=pl.lit(0, pl.Int64), battery_w=pl.lit(0, pl.Int64))
    honest = replace(day, members=still)
    thief = int(np.flatnonzero((feeder == 1) & ~day.essential)[0])
    stolen = day.load_wh[:, feeder == 1].sum(axis=1) * 3 // 100
    took = honest.net_wh.copy()
    took[:, thief] += stolen
    result = fc.run("brooklyn", community=honest, days=1)
    # what the ledger has on record, not what anybody says later
    meters = np.zeros_like(took)
    account = {number: position for position, number in enumerate(result.members["account"].to_list())}
    for slot, height in enumerate(result.slots["block"].to_list()):
        records = result.ledger.records(height).filter(pl.col("kind") == "meter")
        for who, energy in records.select("debit", "quantity").iter_rows():
            meters[slot, account[who]] = energy
    assert (meters == honest.net_wh).all()
    supplied = transformers(honest, took, seed=1)
    judged = metrics.feeder_balance(supplied, meters, feeder, noise_wh=NOISE_WH + 1, loss_ppm=LOSS_PPM)
    assert judged.select("feeder", pl.col("flagged_after").is_not_null()).rows() == [(0, False), (1, True), (2, False)]
    assert judged["flagged_after"][1] <= 96
    assert abs(judged["unaccounted_wh"][1] - int(stolen.sum())) < judged["bound_wh"][1]


def test_of_honest_windows_at_most_one_in_a_hundred_is_flagged() -> None:
    windows = 3000
    noise = np.rint(np.random.default_rng(11).normal(0, NOISE_WH, (96, windows))).astype(np.int64)
    nobody = np.zeros((96, 0), np.int64)
    judged = metrics.feeder_balance(noise, nobody, np.zeros(0, np.int64), noise_wh=NOISE_WH)
    flagged = judged["flagged_after"].count()
    assert judged.height == windows
    assert 3 <= flagged <= 30  # one in a hundred is the bound, and it is not far away
    strict = metrics.feeder_balance(noise, nobody, np.zeros(0, np.int64), noise_wh=NOISE_WH, false_alarms=1e-6)
    assert strict["flagged_after"].count() == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"supplied_wh": [[1], [2]]}, "supplied_wh has 2 slots and metered_wh 1"),
        ({"supplied_wh": [[1.5]]}, "supplied_wh must be whole numbers"),
        ({"supplied_wh": [[2**40]]}, "below 2\\^40"),
        ({"feeder": [1]}, "feeder names a column from 1 to 1, supplied_wh has 1"),
        ({"feeder": [0, 0]}, "one whole number for each of the 1 members"),
        ({"noise_wh": 0}, "noise_wh must be a whole number from 1"),
        ({"loss_ppm": True}, "loss_ppm must be"),
        ({"false_alarms": 1.0}, "false_alarms must lie between 0 and 1"),
    ],
)
def test_calls_that_make_no_sense(change: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"supplied_wh": [[1]], "metered_wh": [[1]], "feeder": [0], "noise_wh": 1}
    with pytest.raises(SchemaError, match=message):
        metrics.feeder_balance(**(given | change))
