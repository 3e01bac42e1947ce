"""The invariants of a clearing, recomputed from orders and result in numpy, sharing no code with the core.

One file a family of mechanisms: what its rule says is worked out again from the orders and held against the result.
`universal` and `refusals` run for every mechanism, before it. `settlement` audits a bank from its postings, `watch`
does so after every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fastclear.audit import double_auction, matching, refusals, rounds, truthful, universal
from fastclear.audit.double_auction import ration
from fastclear.audit.report import AuditError, AuditReport, broken
from fastclear.audit.state import State

if TYPE_CHECKING:
    from fastclear.trades import Clearing

__all__ = ["CHECKS", "AuditError", "AuditReport", "check_clearing", "ration"]

CHECKS = (
    *universal.CHECKS,
    refusals.REFUSALS,
    double_auction.PRIORITY,
    double_auction.SUPPORTED,
    double_auction.PAIRS,
    double_auction.RATIONING,
    double_auction.ONE_PRICE,
)
"""What is checked of a clearing by ``Uniform()``; other mechanisms and options have checks of their own."""

_FAMILIES: dict[str, Callable[[State], tuple[str, ...]]] = {
    "Uniform": double_auction.check,
    "Discriminatory": double_auction.check,
    "MaximalVolume": matching.check_maximal,
    "RandomMatching": matching.check_random,
    "Vickrey": truthful.check_vickrey,
    "TradeReduction": truthful.check_trade_reduction,
    "Huang": truthful.check_huang,
    "Sbba": truthful.check_sbba,
    "Average": truthful.check_average,
    "Muda": truthful.check_muda,
    "MultiRound": rounds.check,
}


def check_clearing(clearing: Clearing) -> AuditReport:
    """Check every invariant of a clearing; see :meth:`Clearing.audit`.

    Cost: of Uniform and Discriminatory a few sorts of the orders in numpy, tens of times the clearing itself; the
    other mechanisms are cleared again market by market in plain Python, some microseconds an order (Vickrey: an order
    and winner). A mechanism that is not known here gets the checks that hold for all.
    """
    if not len(clearing.market_columns["market"]):  # no order named a market
        if clearing.filled.any() or clearing.payment.any() or len(clearing.trade_columns["quantity"]):
            raise broken(universal.QUANTITIES, "something is filled or paid, and no order named a market")
        return AuditReport((universal.QUANTITIES,), clearing.orders.n, 0, 0)
    state = State(clearing)
    checks = universal.check(state)
    checks += refusals.check(state)
    family = _FAMILIES.get(type(clearing.mechanism).__name__)
    if family is not None:
        checks += family(state)
    return AuditReport(checks, clearing.orders.n, len(state.columns["market"]), len(state.trades["quantity"]))
