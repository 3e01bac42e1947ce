"""Invariants of every call auction, whatever its rule: what is bought is sold, and paid for as it says."""

from __future__ import annotations

import numpy as np

from fastclear.audit.report import broken, first
from fastclear.audit.state import MARKETS, State

QUANTITIES = "no order is filled beyond its quantity, no refused order at all"
VOLUMES = "in every market what is bought is what is sold, and is the reported volume"
TRADES = "trades add up to fills, order by order, and each lies in one market"
MONEY = "payments are what trades say, and buyer payment - seller revenue = surplus in every market"
RATIONALITY = "nobody buys above their bid or sells below their ask"
WELFARE = "welfare is bids x fills - asks x fills"
AMOUNTS = "a trade's amounts are its prices x its quantity, where the mechanism prices units"
HALVES = "figures are whole ticks, or halves of one where the rule needs a midpoint and some price is at a half"

BALANCED = "buyers pay exactly what sellers receive"
NO_DEFICIT = "sellers never receive more than buyers pay"
NO_SURPLUS = "buyers never pay more than sellers receive"

CHECKS = (QUANTITIES, VOLUMES, TRADES, MONEY, RATIONALITY, WELFARE, AMOUNTS, HALVES, MARKETS)

_EXACT_MIDPOINTS = {"TradeReduction", "Average", "Muda", "MultiRound"}


def check(state: State) -> tuple[str, ...]:
    """Check what holds for every mechanism; return the checks."""
    for part in (_halves, _quantities, _volumes, _trades, _money, _rationality, _welfare, _markets):
        part(state)
    return CHECKS


def check_budget(state: State, rule: str) -> None:
    """Check the sign of every market's surplus: `BALANCED`, `NO_DEFICIT` or `NO_SURPLUS`."""
    surplus = state.columns["surplus"]
    wrong = {BALANCED: surplus != 0, NO_DEFICIT: surplus < 0, NO_SURPLUS: surplus > 0}[rule]
    index = first(np.asarray(wrong, bool))
    if index is not None:
        raise broken(rule, f"market {state.market(index)}: surplus {surplus[index]}")


def _halves(state: State) -> None:
    if state.den not in (1, 2):
        raise broken(HALVES, f"figures are over {state.den}")
    if state.den == 1:
        return
    name = type(state.mechanism).__name__
    midpoint = getattr(state.mechanism, "price_rule", None) == "last_pair_midpoint"
    if not (name in _EXACT_MIDPOINTS or (midpoint and state.mechanism.price_round is None)):
        raise broken(HALVES, f"{name} rounds its prices to ticks, and figures are over 2")
    prices = [state.trades["buy_price"], state.trades["sell_price"]]
    prices += [state.columns[name] for name in ("price", "price_left", "price_right") if name in state.columns]
    if not any((column & 1).any() for column in prices):
        raise broken(HALVES, "figures are over 2, and no price is at a half")


def _quantities(state: State) -> None:
    row = first((state.filled < 0) | (state.filled > state.quantity))
    if row is not None:
        raise broken(QUANTITIES, f"row {row}: filled {state.filled[row]} of {state.quantity[row]}")
    row = first(~state.accepted & (state.payment != 0))
    if row is not None:
        raise broken(QUANTITIES, f"row {row}: refused, and pays {state.payment[row]}")


def _volumes(state: State) -> None:
    bought = state.sums(np.where(state.is_bid, state.filled, 0))
    sold = state.sums(np.where(state.is_bid, 0, state.filled))
    index = first(np.asarray((bought != sold) | (bought != state.columns["volume"]), bool))
    if index is not None:
        raise broken(
            VOLUMES,
            f"market {state.market(index)}: bought {bought[index]}, sold {sold[index]}, "
            f"volume {state.columns['volume'][index]}",
        )


def _trades(state: State) -> None:
    trades = state.trades
    for side in ("buy", "sell"):
        rows = trades[f"{side}_row"]
        strangers = first(
            (state.columns["market"][state.index[rows]] != trades["market"]) | (state.is_bid[rows] != (side == "buy"))
        )
        if strangers is not None:
            raise broken(TRADES, f"trade {strangers} names a {side} order of another market or side")
        renamed = first(trades[f"{side}_order"] != state.ids[rows])
        if renamed is not None:
            raise broken(TRADES, f"trade {renamed} calls its {side} order by another id")
    disorder = first(trades["trade"] != np.arange(len(trades["trade"])))
    if disorder is None:
        disorder = first(trades["market"][1:] < trades["market"][:-1])
    if disorder is not None:
        raise broken(TRADES, f"trade {disorder} is out of sequence")
    total = np.zeros(len(state.filled), np.int64)
    np.add.at(total, trades["buy_row"], trades["quantity"])
    np.add.at(total, trades["sell_row"], trades["quantity"])
    row = first(total != state.filled)
    if row is None and (trades["quantity"] < 1).any():
        raise broken(TRADES, "a trade of no quantity")
    if row is not None:
        raise broken(TRADES, f"row {row}: trades of {total[row]}, filled {state.filled[row]}")


def prices_units(mechanism: object) -> bool:
    """Whether a mechanism's payments are prices x quantities: all but Vickrey's."""
    return type(mechanism).__name__ != "Vickrey" and getattr(mechanism, "variant", None) != "vickrey"


def _money(state: State) -> None:
    trades = state.trades
    amounts = {side: trades[f"{side}_price"] * trades["quantity"] for side in ("buy", "sell")}
    for side, due in amounts.items():
        said = trades.get(f"{side}_amount", due)
        if prices_units(state.mechanism):
            trade = first(said != due)
            if trade is not None:
                raise broken(AMOUNTS, f"trade {trade}: {side} amount {said[trade]}, price x quantity {due[trade]}")
        else:
            trade = first(trades[f"{side}_price"] != 0)
            if trade is not None:
                raise broken(AMOUNTS, f"trade {trade}: a {side} price, and payments are not per unit")
            amounts[side] = said
    owed = np.zeros(len(state.filled), np.int64)
    np.add.at(owed, trades["buy_row"], amounts["buy"])
    np.subtract.at(owed, trades["sell_row"], amounts["sell"])
    row = first(owed != state.payment)
    if row is not None:
        raise broken(MONEY, f"row {row}: pays {state.payment[row]}, trades say {owed[row]}")
    paid, received, surplus = (state.columns[name] for name in ("buyer_payment", "seller_revenue", "surplus"))
    by_bids = state.sums(np.where(state.is_bid, state.payment, 0))
    by_asks = state.sums(np.where(state.is_bid, 0, state.payment))
    index = first(np.asarray((paid != by_bids) | (received != -by_asks) | (by_bids + by_asks != surplus), bool))
    if index is not None:
        raise broken(
            MONEY,
            f"market {state.market(index)}: buyers pay {paid[index]} (orders {by_bids[index]}), sellers receive "
            f"{received[index]} (orders {-by_asks[index]}), surplus {surplus[index]}",
        )


def _rationality(state: State) -> None:
    worst = state.limit * state.filled * state.den  # within 63 bits by the ranges of price and quantity
    harmed = np.where(state.is_bid, state.payment > worst, -state.payment < worst)
    row = first(harmed & (state.filled > 0))
    if row is not None:
        raise broken(
            RATIONALITY,
            f"row {row}: limit {state.limit[row]}, filled {state.filled[row]}, pays {state.payment[row]}"
            + (" halves" if state.den == 2 else ""),
        )


def _welfare(state: State) -> None:
    total = state.sums(np.where(state.is_bid, 1, -1) * state.limit * state.filled)
    if state.den == 2:
        total = total.astype(object) * 2
    index = first(np.asarray(total != state.columns["welfare"], bool))
    if index is not None:
        raise broken(
            WELFARE, f"market {state.market(index)}: {state.columns['welfare'][index]}, recomputed {total[index]}"
        )


def _markets(state: State) -> None:
    """Counts of orders, and the best of each side where nothing traded."""
    named = np.zeros(len(state.columns["market"]), bool)
    named[state.index] = True
    stranger = first(~named)
    if stranger is not None:
        raise broken(MARKETS, f"market {state.market(stranger)}: no order names it")
    for side, is_side in (("buy", state.is_bid), ("sell", ~state.is_bid)):
        count = np.bincount(state.index[state.accepted & is_side], minlength=len(named))
        index = first(count != state.columns[f"{side}_orders"])
        if index is not None:
            raise broken(
                MARKETS,
                f"market {state.market(index)}: {state.columns[f'{side}_orders'][index]} {side} orders, "
                f"{count[index]} accepted",
            )
    still = state.columns["volume"] == 0
    if not still.any():
        return
    rows = state.accepted & still[state.index]
    _, bid = state.worst_and_best(rows & state.is_bid, state.limit)
    ask, _ = state.worst_and_best(rows & ~state.is_bid, state.limit)
    for name, orders, best in (("best_bid", "buy_orders", bid), ("best_ask", "sell_orders", ask)):
        shown = still & (state.columns[orders] > 0)
        index = first(shown & (state.columns[name] != best * state.den))
        if index is not None:
            raise broken(
                MARKETS, f"market {state.market(index)}: {name} {state.columns[name][index]}, recomputed {best[index]}"
            )
