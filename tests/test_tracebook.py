"""The suites of tracebook-conformance against an order book in a process of its own, over the external adapter."""

import sys

import pytest

import fastclear as fc
from fastclear.integrations.tracebook import Candidate

conformance = pytest.importorskip("tracebook.conformance", reason="tracebook-conformance is not installed")

COMMAND = [sys.executable, "-m", "fastclear.integrations.tracebook"]

# `replace` as this book has it: fewer lots at the same price keep their place
OURS = """
import os, sys
from fastclear.integrations import tracebook
def replace(self, event, symbol, own):
    price = None if event.get("price") is None else self._ticks(event["price"])
    lots = None if event.get("quantity") is None else tracebook._lots(event["quantity"])
    return tracebook._applied(), self._trades(self._book.replace(own["order"], price=price, quantity=lots), symbol)
tracebook.Candidate._replace = replace
os._exit(tracebook.serve(sys.stdin, sys.stdout))
"""


def difference(case, command):
    """Where the candidate first says something else than the reference; None if it never does."""
    return conformance.run_conformance(
        case.load_events(),
        lambda config: conformance.ExternalProcessAdapter(command, config, timeout_seconds=30),
        config=case.config,
        trace_name=case.name,
    ).divergence


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    suite = conformance.copy_bundled_conformance_suite(tmp_path_factory.mktemp("suite") / "v2", suite_version="v2")
    assert len(suite.cases) == 9
    return {case.name: case for case in suite.cases}


def test_every_case_of_trading_by_price_and_time_agrees(cases):
    mine = [case for case in cases.values() if case.config.matching_algorithm == "fifo"]
    assert len(mine) == 8
    assert {case.name: difference(case, COMMAND) for case in mine} == dict.fromkeys(case.name for case in mine)


def test_pro_rata_is_declined(cases):
    with pytest.raises(conformance.AdapterProtocolError, match="not by pro_rata"):
        difference(cases["pro-rata-allocation"], COMMAND)


def test_the_suite_sees_the_one_rule_that_differs(cases):
    """A replacement with fewer lots at the same price keeps its place here (docs/2c); the adapter translates it."""
    found = difference(cases["fifo-lifecycle"], [sys.executable, "-c", OURS])
    assert (found.event["op"], found.event_index) == ("replace", 4)


@pytest.mark.parametrize("profile", ["fifo-full-v1", "fifo-partial-fill-v1"])
def test_campaigns_of_drawn_orders_agree(profile):
    campaign = conformance.run_campaign(
        lambda config: conformance.ExternalProcessAdapter(COMMAND, config, timeout_seconds=30),
        profile=profile,
        seed=20261122,
        traces=2,
        events_per_trace=150,
    )
    assert campaign.failure is None
    assert len(campaign.traces) == 2


def test_what_the_book_has_no_rule_for_is_declined():
    with pytest.raises(ValueError, match="by price and time"):
        Candidate({"matching_algorithm": "pro_rata"})
    with pytest.raises(ValueError, match="policy"):
        Candidate({"self_trade_policy": "DECREMENT"})
    with pytest.raises(ValueError, match="whole number"):
        Candidate({}).obey({"op": "new", "symbol": "A", "order_id": 1, "side": "BUY", "price": 1, "quantity": 1e-9})
    assert fc.OrderBook().best() == (None,) * 4
