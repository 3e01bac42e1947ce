"""Names as places: whatever kind of column they come in."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclear.errors import SchemaError
from fastclear.names import NOBODY, Names

integers = st.lists(st.integers(-5, 5) | st.integers(-(2**63), 2**63 - 1), max_size=30)
texts = st.lists(st.sampled_from(["", "a", "b", "ä", "1"]) | st.none(), max_size=30)


def twin(listed, values, add):
    found = []
    for value in values:
        if value is not None and value not in listed and add:
            listed.append(value)
        found.append(listed.index(value) if value in listed else NOBODY)
    return found


@given(integers, st.lists(st.integers(-5, 5), unique=True), st.booleans())
def test_integers(values, known, add):
    names, listed = Names(known), list(known)
    expected = twin(listed, values, add)
    for column in (values, np.array(values, np.int64), pl.Series(values, dtype=pl.Int64)):
        again = names.copy()
        assert again.places("x", column, add=add).tolist() == expected
        assert again.listed == listed
        assert again.series("x", np.array(expected, np.uint32)).to_list() == [
            None if place == NOBODY else listed[place] for place in expected
        ]


@given(texts, st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.booleans())
def test_texts(values, known, add):
    names, listed = Names(known), list(known)
    expected = twin(listed, values, add)
    for column in (values, pl.Series(values, dtype=pl.String), pl.Series(values, dtype=pl.Categorical)):
        again = names.copy()
        assert again.places("x", column, add=add).tolist() == expected
        assert again.listed == listed


def test_one_is_not_its_text():
    names = Names()
    assert names.places("x", [1, "1", None, "1", np.int32(1)], add=True).tolist() == [0, 1, NOBODY, 1, 0]
    assert names.series("x", np.array([0, 1, NOBODY], np.uint32)).to_list() == ["1", "1", None]
    assert (names.place("1"), names.place(2), len(names)) == (1, NOBODY, 2)


@pytest.mark.parametrize("column", [[1.5], np.array([1.5]), [True], pl.Series([True]), [[1]], pl.Series([None, 1.5])])
def test_what_is_no_name(column):
    with pytest.raises(SchemaError, match="column 'x'"):
        Names().places("x", column)
