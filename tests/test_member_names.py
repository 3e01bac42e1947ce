"""Accounts of participants with integer names, with and without gaps, beside a dictionary."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import fastclear as fc
from fastclear import _core
from fastclear.members import Members

LEAST, MOST = -(2**63), 2**63 - 1
NEAR = st.integers(-5, 12)
ANY = NEAR | st.sampled_from([LEAST, LEAST + 1, MOST - 1, MOST])


@given(first=NEAR, several=st.integers(0, 6), gap=st.booleans(), asked=st.lists(ANY))
@example(first=-2, several=3, gap=False, asked=[LEAST, MOST, -3, -2, 0, 1])
def test_every_name_has_its_account_and_no_stranger_has_one(first, several, gap, asked):
    names = [first + at * (2 if gap else 1) for at in range(several)]
    members = Members()
    members.add(names, _core.FIRST_MEMBER)
    accounts = {name: members.account(name) for name in names}
    found = members._of_integers(np.array(asked, np.int64))
    assert found.tolist() == [accounts.get(name, 0) for name in asked]


def test_a_table_of_nothing_is_refused():
    with pytest.raises(fc.SchemaError, match="a table of nothing"):
        _core.looked_up(np.zeros(1, np.int64), 0, np.zeros(0, np.uint64))
