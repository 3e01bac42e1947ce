"""Reader of tests/cases (see the README there)."""

import json
from fractions import Fraction
from pathlib import Path

from reference.naive import naive_discriminatory, naive_uniform

FOLDER = Path(__file__).resolve().parent.parent / "cases"


def load(mechanism):
    cases = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob(f"{mechanism}/*/case.json"))]
    for case in cases:
        case["mechanism"]["k"] = Fraction(*case["mechanism"]["k"])
    return cases


def parameters(case):
    return {key: value for key, value in case["mechanism"].items() if key != "name"}


def naive(case):
    twin = {"uniform": naive_uniform, "discriminatory": naive_discriminatory}[case["mechanism"]["name"]]
    return twin(case["orders"], **parameters(case))


def sides(case):
    """The book as the oracles want it: [(price, quantity)] of bids and of asks."""
    return tuple(
        [(order["price"], order["quantity"]) for order in case["orders"] if order["side"] == side]
        for side in ("buy", "sell")
    )
