"""The catalogue: everything that the reviews name is in it, and each row says one thing about what became of it."""

from pathlib import Path

import polars as pl

import fastclear as fc
from fastclear.platforms import platforms

NAMED = [
    line
    for line in (Path(__file__).parent / "data" / "reviewed_systems.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


def missing(names: list[str], rows: list[str]) -> list[str]:
    return [name for name in names if not any(name.lower() in row.lower() for row in rows)]


def test_every_system_that_the_reviews_name_has_a_row() -> None:
    rows = fc.catalogue()["name"].to_list()
    assert len(NAMED) > 120
    assert missing(NAMED, rows) == []
    assert missing(["No Such Platform"], rows) == ["No Such Platform"]  # the check can fail


def test_no_row_is_there_that_no_review_names() -> None:
    strangers = [row for row in fc.catalogue()["name"] if not any(name.lower() in row.lower() for name in NAMED)]
    assert strangers == []


def test_every_row_says_one_thing_and_where_it_is_from() -> None:
    rows = fc.catalogue()
    fates = pl.sum_horizontal(pl.col("preset", "waits_for", "out_of_scope").is_not_null())
    assert rows.filter(fates != 1).height == 0
    assert rows["name"].is_unique().all()
    assert rows["source"].str.contains(r"^00[0-4] ").all()
    assert rows["source"].null_count() == 0


def test_presets_that_it_names_are_there_and_each_that_is_there_is_named() -> None:
    named = set(fc.catalogue()["preset"].drop_nulls())
    assert named == set(platforms()["name"])
