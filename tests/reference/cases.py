"""Reader of tests/cases (see the README there)."""

import json
from fractions import Fraction
from pathlib import Path

from reference.twins import TWINS

FOLDER = Path(__file__).resolve().parent.parent / "cases"


def load(mechanism):
    cases = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob(f"{mechanism}/*/case.json"))]
    for case in cases:
        if "k" in case["mechanism"]:
            case["mechanism"]["k"] = Fraction(*case["mechanism"]["k"])
    return cases


def parameters(case):
    return {key: value for key, value in case["mechanism"].items() if key != "name"}


def naive(case, **changed):
    return TWINS[case["mechanism"]["name"]](case["orders"], **parameters(case) | changed)


def fraction(stated):
    """A stated number: an integer, or [numerator, denominator]."""
    return Fraction(*stated) if isinstance(stated, list) else stated


def sides(case):
    """The book as the oracles want it: [(price, quantity)] of bids and of asks."""
    return tuple(
        [(order["price"], order["quantity"]) for order in case["orders"] if order["side"] == side]
        for side in ("buy", "sell")
    )
