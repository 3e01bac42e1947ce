"""The invariants of a bank, recomputed from its postings in Python integers, sharing no code with the core.

:class:`Books` folds postings by itself, checks each of them, and is then held against the balances that the bank
reports. What is checked has the numbers of the design: L for the accounts, P for credit before the trade.

| number | holds here as |
|---|---|
| L-I1, P-I1 | `CONSERVED`: money moves, it never appears |
| L-I2 | `PENDING`: what is set aside is what open reservations say, on both sides |
| L-I3, P-I2, P-I3 | `COVERED`: what a member starts never takes it below its limit |
| P-I4 | `FORCED`: only energy that has flowed does |
| L-I4, L-I5, P-I7 | `RESOLVED`: a reservation is resolved once, by its own accounts, for no more than it holds |
| L-I6 | `DENSE`: places count up, engine time rises |
| L-I9 | `WHOLE`: what a buyer paid is paid out whole; the clearing account is empty after every call |
| L-I10 | `ENERGY`: bought = sold in every market; metered + lost = traded + imbalance for every member |
| P-I2 | `PURSES`: what is pledged, bonded or in escrow is there |
| 4.iv | `DEALS`: escrow in = escrow out, deal by deal, to whose it is |
| L-I11, P-I6 | `CYCLE`, `BILLS`: what accounts gained is what cycle and bills say, and sums to 0 |
| P-I10 | `PRICED`: an amount is price x quantity where there is a price; nothing else hides in it |
| P-I11 | `FOLD`: the state is the fold of the postings; :func:`state_root` is the root that a block carries |

| P-I2 | `LAYERS`, `ARREARS`: collateral, the layers of a loss, charges that wait |
| P-I5, P-I9 | `LOANS`: what members owe is what their loans and payments come to, and the treasury has the rest |

P-I8 and P-I12 (days of interest, interest that is to come) need the terms of the loans, which no posting carries.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fastclear import _core
from fastclear.audit.corrections import CORRECTED, Correcting, Corrections
from fastclear.audit.deals import DEALS, Deals
from fastclear.audit.disputes import DISPUTED, Disputes
from fastclear.audit.loans import LOANS, Loans
from fastclear.audit.margins import ARREARS, COLLATERAL, LAYERS, Layers
from fastclear.audit.report import broken

DENSE = "postings count up without gaps, and engine time rises with each"
CONSERVED = "the sum over all accounts is 0"
PENDING = "what is set aside is the sum of open reservations, on both sides"
COVERED = "a bid or a withdrawal leaves its member within the credit limit"
FORCED = "only metering and negative prices take a member below its limit"
RESOLVED = "a reservation is resolved once, between its own accounts, for no more than it holds"
WHOLE = "what a buyer pays is paid out whole, and the clearing account is empty after every call"
ENERGY = "bought = sold in every market, and metered + lost = traded + imbalance for every member"
PURSES = "no purse of a member, and no escrow, is ever below zero"
PRICED = "no amount is negative, and it is price x quantity where there is a price"
FOLD = "every account is what its postings come to"
REFUSED = "a call that is refused makes no posting"
HANDED = "every posting that was made is handed out, once"
CYCLE = "a cycle says what each account gained, and that sums to 0"
BILLS = "a bill is what its member's account lost"

CHECKS: Final = (
    *(DENSE, CONSERVED, PENDING, COVERED, FORCED, RESOLVED, WHOLE, ENERGY, CORRECTED),
    *(DISPUTED, PRICED, PURSES, LOANS, DEALS, LAYERS, ARREARS, FOLD),
)
"""What is checked after every call."""

_KIND: Final = dict(_core.KIND_NAMES)
_LINE: Final = {(kind, code): name for kind, code, name in _core.LINE_NAMES}
_HOUSE: Final = {name: number for number, name in _core.HOUSE_ACCOUNTS}
_CLEARING: Final = _HOUSE["clearing"]
_MEMBERS: Final = _core.FIRST_MEMBER
_DEBTS: Final = _core.DEBT_OFFSET
_PAID: Final = frozenset({"trade", "deposit", "withdrawal", "net", "imbalance", "fee", "tax", "correction"})
_COINS: Final = (0, 2)  # money, access tokens; the other assets are claims
_SUMS: Final = frozenset(
    {"buyer", "sum", "sum_paid", "deficit", "rounding", "penalty_share"}
    | {"platform_share", "network_share", "subscription", "platform_proceeds", "dso_proceeds"}
    | {"pool_paid", "pool_received"}
)
_OF_DELIVERY: Final = frozenset({"residual", "shortfall", "feed_in", "over_bought", "undelivered", "netting"})
_OF_DEALS: Final = frozenset({"escrowed", "released", "returned", "delivery_penalty"})
_HALVES: Final = frozenset({*_OF_DELIVERY, *_OF_DEALS, "spread", "platform", "network", "pool"})
"""Lines that are sums where they have no price in whole ticks: halves, shares, shared fees, fixed cost, deals."""
_PRICED: Final = frozenset({*_OF_DELIVERY, "penalty", "penalty_share", "rounding"})
"""Lines that a correction may change."""
_PROCEEDS: Final = ("platform_proceeds", "dso_proceeds")
_FROM_MEMBERS: Final = ("subscription", *_PROCEEDS)
_ON_TOP: Final = ("platform", "platform_share", "network", "network_share")
"""Fees that a member pays itself on a load of a pool."""
_POOLED: Final = ("pool_paid", "pool_received")
_GRID: Final = {"grid_import": 1, "grid_export": -1}
_IMPORTED: Final = {"residual": 1, "shortfall": 1, "feed_in": -1, "over_bought": -1}


@dataclass(frozen=True, slots=True)
class SettlementReport:
    """What the audit of a bank looked at. It exists only where every check held.

    Attributes
    ----------
    checks : tuple of str
        The invariants that were checked.
    postings, accounts, reservations : int
        How many postings were folded, how many accounts and open reservations they came to.
    """

    checks: tuple[str, ...]
    postings: int
    accounts: int
    reservations: int

    def __str__(self) -> str:
        counts = f"{self.postings:,} postings, {self.accounts:,} accounts, {self.reservations:,} open reservations"
        return "\n".join([f"Audit passed over {counts}:", *(f"  - {check}" for check in self.checks)])


@dataclass(slots=True)
class Held:
    """One account as the postings make it; money in nano-currency."""

    posted: int = 0
    pending_out: int = 0
    pending_in: int = 0
    limit: int = 0
    version: int = 0
    asset: int = 0
    closed: bool = False

    @property
    def available(self) -> int:
        """What may still be set aside."""
        return self.posted + self.limit - self.pending_out


@dataclass(slots=True)
class _Call:
    """What the postings of one call have to come to."""

    undrawn: Counter[int] = field(default_factory=Counter)  # seq of a post -> what is not paid out of it yet
    post_of: dict[int, int] = field(default_factory=dict)  # seq of a trade -> its post
    market: Counter[int] = field(default_factory=Counter)  # bought less sold
    contract: Counter[int] = field(default_factory=Counter)  # member -> bought less sold
    released: Counter[int] = field(default_factory=Counter)  # member -> set aside beyond what was drawn
    sold: dict[int, tuple[int, int]] = field(default_factory=dict)  # seq of a trade -> seller, what is left of it
    pooled: dict[int, int] = field(default_factory=dict)  # seq of a load of a pool -> its member
    paid: set[int] = field(default_factory=set)  # accounts that paid or set aside something
    reading: dict[int, tuple[int, int]] = field(default_factory=dict)  # seq of a reading -> member, unexplained Wh
    correcting: Correcting = field(default_factory=Correcting)
    cut: Counter[int] = field(
        default_factory=Counter
    )  # member -> what the contract was changed by for want of delivery
    unread: set[int] = field(default_factory=set)  # seq of those that are missing


class Books:
    """Accounts and reservations, folded from postings; each posting is checked as it comes.

    Attributes
    ----------
    accounts : dict of int to Held
    reservations : dict of int to (debit, credit, amount)
        Open ones, by the ``seq`` that made them.
    next_seq : int
        What the next posting must have.
    """

    def __init__(self) -> None:
        self.accounts: dict[int, Held] = {}
        self.reservations: dict[int, tuple[int, int, int]] = {}
        self.next_seq = 0
        self._time = -1
        self._unanswered: int | None = None
        self._cycle: dict[int, tuple[int, int]] = {}  # opening, deposited
        self._loans = Loans()
        self._layers = Layers()
        self._corrections = Corrections()
        self._deals = Deals()
        self._minimum_holding = 0
        self._disputes = Disputes()

    def report(self) -> SettlementReport:
        """What has been looked at."""
        return SettlementReport(CHECKS, self.next_seq, len(self.accounts), len(self.reservations))

    def follow(self, columns: Mapping[str, Any]) -> None:
        """Fold and check the postings of one call, or of a run of calls that settles one slot at most.

        Raises
        ------
        AuditError
            The first posting, or the call, that breaks an invariant.
        """
        call = _Call()
        names = list(columns)
        for values in zip(*(columns[name].tolist() for name in names), strict=True):
            self._fold(dict(zip(names, values, strict=True)), call)
        if self._unanswered is not None:
            raise broken(COVERED, f"posting {self._unanswered}: a bid of a restricted member stands")
        self._check_whole(call)

    def check_balances(self, rows: Iterable[Sequence[Any]]) -> None:
        """Hold the accounts against ``account, posted, pending out, pending in, available, limit, version`` rows."""
        reported = {account: list(found[:6]) for account, *found in rows}
        total, pending_out, pending_in = (sum(found[index] for found in reported.values()) for index in range(3))
        if total:
            raise broken(CONSERVED, f"the sum is {total}")
        reserved = sum(amount for _, _, amount in self.reservations.values())
        if (pending_out, pending_in) != (reserved, reserved):
            raise broken(PENDING, f"out {pending_out}, in {pending_in}, reservations {reserved}")
        money = {account for account, held in self.accounts.items() if held.asset == 0}
        if reported.keys() != money:
            odd = sorted(reported.keys() ^ money)
            raise broken(FOLD, f"account {odd[0]} is reported and was never opened, or the other way round")
        for account, found in reported.items():
            held = self.accounts[account]
            # What a loan may come to cost is part of what is available with credit.
            available = found[3] if _HOUSE["loans"] in self.accounts else self._free(account)
            expected = [held.posted, held.pending_out, held.pending_in, available, held.limit, held.version]
            if found != expected:
                raise broken(FOLD, f"account {account}: reported {found}, postings come to {expected}")

    def check_cycle(self, lines: Iterable[Sequence[int]]) -> None:
        """Hold ``account, opening, deposited, net, closing`` rows against the accounts; then a cycle begins."""
        total = 0
        for account, *found in lines:
            opening, deposited = self._cycle.get(account, (0, 0))
            closing = self.accounts[account].posted
            expected = [opening, deposited, closing - opening - deposited, closing]
            if found != expected:
                raise broken(CYCLE, f"account {account}: reported {found}, postings come to {expected}")
            total += found[2]
        if total:
            raise broken(CYCLE, f"the nets sum to {total}")
        self.begin_cycle()

    def begin_cycle(self) -> None:
        """What follows belongs to the next cycle."""
        self._cycle = {account: (held.posted, 0) for account, held in self.accounts.items()}

    # -- one posting
    # -----------------------------------------------------------------------------------------

    def _fold(self, p: dict[str, int], call: _Call) -> None:
        where = f"posting {p['seq']}"
        if p["seq"] != self.next_seq or p["time_ns"] <= self._time:
            raise broken(DENSE, f"{where} at {p['time_ns']} ns: expected posting {self.next_seq} after {self._time} ns")
        self.next_seq, self._time = p["seq"] + 1, p["time_ns"]
        kind, line = _KIND.get(p["kind"], ""), _LINE.get((p["kind"], p["code"]), "")
        self._check_price(p, kind, line, where)
        if self._unanswered is not None:
            if kind != "post" or p["group"] != self._unanswered:
                raise broken(COVERED, f"posting {self._unanswered}: a bid of a restricted member stands")
            self._unanswered = None
        if kind == "account_opened":
            if p["debit"] in self.accounts:
                raise broken(FOLD, f"{where}: account {p['debit']} is opened twice")
            self.accounts[p["debit"]] = Held(version=1, asset=p["asset"])
        elif kind == "membership" and line == "closed":
            self._close(p, where)
        elif kind == "limit":
            held = self._account(p["debit"], where)
            held.limit = p["amount"]
            held.version += 1
        elif kind == "meter":
            self._account(p["debit"], where)
            self._read(p, line, call, where)
            self._corrections.note_reading(p, line, call.correcting, where)
        elif kind == "parameter" and line == "minimum_holding":
            self._minimum_holding = p["amount"]
        elif kind in _STEPS:
            if kind == "post":
                call.released[p["debit"]] += self.reservations.get(p["group"], (0, 0, 0))[2] - p["amount"]
            _STEPS[kind](self, p, where)
            call.paid.add(p["debit"])
        elif kind in _PAID:
            self._move(p, p["amount"], 0, where)
            self._check_forced(p, kind, call, where)
            call.paid.add(p["debit"])
        self._note(p, kind, line, call, where)
        self._loans.note(p, kind, line, where)
        self._layers.note(p, kind, line, self.accounts, where)
        self._deals.note(p, kind, line, where)
        self._disputes.note(p, kind, line, where)

    def _read(self, p: dict[str, int], line: str, call: _Call, where: str) -> None:
        """A reading; or losses, which count as if the reading they belong to were so much more."""
        if line != "losses":
            if line != "revised":
                call.reading[p["seq"]] = (p["debit"], p["quantity"])
            if line == "missing":
                call.unread.add(p["seq"])
            return
        member, left = call.reading.get(p["group"], (None, 0))
        if member != p["debit"] or p["quantity"] <= 0:
            raise broken(ENERGY, f"{where}: losses beside no reading of account {p['debit']}, or of nothing")
        if p["group"] not in call.unread:  # what an unread meter's deviation would be is open
            call.reading[p["group"]] = (member, left + p["quantity"])

    def _close(self, p: dict[str, int], where: str) -> None:
        held = self._account(p["debit"], where)
        if held.closed or held.posted or held.pending_out or held.pending_in:
            raise broken(FOLD, f"{where}: account {p['debit']} is closed while it holds or owes something, or twice")
        held.closed = True
        held.version += 1

    def _reserve(self, p: dict[str, int], where: str) -> None:
        self._move(p, 0, p["amount"], where)
        forced = _LINE.get((p["kind"], p["code"])) in ("provisional", "restored")
        if self._free(p["debit"]) < 0 and not forced:
            if p["amount"]:
                raise broken(COVERED, f"{where}: account {p['debit']} sets aside more than it has")
            self._unanswered = p["seq"]  # who is paid for taking energy may be below zero, and is paid at once
        self.reservations[p["seq"]] = (p["debit"], p["credit"], p["amount"])

    def _resolve(self, p: dict[str, int], where: str) -> None:
        found = self.reservations.pop(p["group"], None)
        if found is None:
            raise broken(RESOLVED, f"{where}: reservation {p['group']} is not open")
        drawn = _KIND[p["kind"]] == "post"
        debit, credit, cover = found
        if (debit, credit) != (p["debit"], p["credit"]) or (p["amount"] > cover if drawn else p["amount"] != cover):
            raise broken(RESOLVED, f"{where}: {p['amount']} of the {cover} of reservation {p['group']}")
        self._move(p, p["amount"] if drawn else 0, -cover, where)

    def _move(self, p: dict[str, int], posted: int, pending: int, where: str) -> None:
        payer, payee = self._account(p["debit"], where), self._account(p["credit"], where)
        if payer.closed or payee.closed:
            raise broken(FOLD, f"{where}: account {p['debit'] if payer.closed else p['credit']} is closed")
        if not payer.asset == payee.asset == p["asset"]:
            raise broken(CONSERVED, f"{where}: money and claims are mixed")
        payer.posted -= posted
        payer.pending_out += pending
        payer.version += 1
        payee.posted += posted
        payee.pending_in += pending
        payee.version += payer is not payee

    def _free(self, account: int) -> int:
        """What is available, and beyond what a member has to keep."""
        held = self.accounts[account]
        if not self._minimum_holding or not _MEMBERS <= account < _DEBTS:
            return held.available
        return min(held.available, held.posted - held.pending_out - self._minimum_holding)

    def _account(self, number: int, where: str) -> Held:
        held = self.accounts.get(number)
        if held is None:
            raise broken(FOLD, f"{where}: account {number} was never opened")
        return held

    def _check_forced(self, p: dict[str, int], kind: str, call: _Call, where: str) -> None:
        """Who may pay what without having it."""
        if not _MEMBERS <= p["debit"] < _DEBTS:
            return
        held = self.accounts[p["debit"]]
        line = _LINE.get((p["kind"], p["code"]), "")
        if kind == "withdrawal" or line in COLLATERAL:
            if min(held.posted, self._free(p["debit"])) < 0:
                raise broken(COVERED, f"{where}: account {p['debit']} withdraws more than is free")
        elif line in ("buyer_bond", "seller_bond"):
            # A buyer's was part of what it had set aside.
            if line == "seller_bond" or call.released[p["debit"]] < p["amount"]:
                if p["amount"] and self._free(p["debit"]) < 0:
                    raise broken(COVERED, f"{where}: account {p['debit']} puts up a bond that it does not have")
            else:
                call.released[p["debit"]] -= p["amount"]
        elif kind == "net" and line:
            if held.posted < (0 if line == "paid_out" else held.pending_out):
                raise broken(FORCED, f"{where}: account {p['debit']} pays out of what it has not, or has set aside")
        elif (
            kind not in ("imbalance", "tax", "trade")
            and line not in _FROM_MEMBERS
            and not (kind == "fee" and line in _ON_TOP and call.pooled.get(p["group"]) == p["debit"])
            and not (kind == "correction" and line)
        ):
            raise broken(FORCED, f"{where}: a {kind} is taken from account {p['debit']}")

    def _check_price(self, p: dict[str, int], kind: str, line: str, where: str) -> None:
        amount = p["amount"]
        if amount < 0:
            raise broken(PRICED, f"{where}: {amount}")
        if kind in ("trade", "fee", "imbalance") or (kind == "correction" and line in _PRICED):
            a_sum = line in _SUMS or (line in _HALVES and not p["price"])
            wrong = p["price"] != 0 if a_sum else amount != abs(p["price"] * p["quantity"])
            if wrong:
                raise broken(PRICED, f"{where}: {amount} for {p['quantity']} Wh at {p['price']} ticks")

    # -- one call
    # --------------------------------------------------------------------------------------------

    def _note(self, p: dict[str, int], kind: str, line: str, call: _Call, where: str) -> None:
        """What belongs together: post, its trades, their fees; a reading and its lines; a cycle and its deposits."""
        seq, group, amount = p["seq"], p["group"], p["amount"]
        if kind != "post" or p["credit"] == _CLEARING:
            self._corrections.note_money(p, kind, line, call.correcting)
        if kind == "post" and p["credit"] == _CLEARING:
            call.undrawn[seq] += amount
            call.post_of[seq] = seq
            call.market[p["market"]] += p["quantity"]
            call.contract[p["debit"]] += p["quantity"]
        elif line in _POOLED or (kind == "fee" and line == "pool") or (kind == "imbalance" and line in _GRID):
            self._note_pool(p, line, call, where)
        elif kind in ("trade", "fee", "tax") and _CLEARING in (p["debit"], p["credit"]):
            post = call.post_of.get(group)
            if post is None:
                raise broken(WHOLE, f"{where}: it belongs to posting {group}, which no buyer paid")
            call.post_of[seq] = post
            from_clearing = p["debit"] == _CLEARING
            call.undrawn[post] -= amount if from_clearing else -amount
            if kind == "trade" and line != "buyer":
                call.market[p["market"]] -= p["quantity"]
                if line != "escrowed":  # there the bond says who the seller is
                    seller = p["credit"] if from_clearing else p["debit"]
                    call.contract[seller] -= p["quantity"]
                    call.sold[seq] = (seller, amount if from_clearing else 0)
        elif line == "seller_bond":
            call.contract[p["debit"]] -= p["quantity"]
        elif kind == "fee" and line in _PROCEEDS:
            seller, left = call.sold.get(group, (0, 0))
            if seller != p["debit"] or amount > left:
                raise broken(WHOLE, f"{where}: {amount} of the {left} that a seller received in posting {group}")
            call.sold[group] = (seller, left - amount)
        elif kind == "imbalance" and line in _IMPORTED:
            if group not in call.reading:
                raise broken(ENERGY, f"{where}: it belongs to posting {group}, which is no reading")
            member, left = call.reading[group]
            call.reading[group] = (member, left - _IMPORTED[line] * p["quantity"])
        elif kind == "imbalance" and line == "undelivered":
            seller = call.reading.get(group, (0, 0))[0]
            if seller not in (p["debit"], p["credit"]):
                raise broken(ENERGY, f"{where}: it belongs to posting {group}, which is no reading of the seller")
            buyer = p["credit"] if seller == p["debit"] else p["debit"]
            call.contract[seller] += p["quantity"]  # the contract is cut to what was delivered
            call.contract[buyer] -= p["quantity"]
            call.cut.update({seller: p["quantity"], buyer: -p["quantity"]} if seller != buyer else {})
            self._corrections.note_sale(p["seq"], seller, call.correcting)
        elif kind == "correction":
            self._corrections.note_line(p, line, call.correcting, where)
        elif kind in ("deposit", "withdrawal"):
            for account, moved in ((p["debit"], -amount), (p["credit"], amount)):
                opening, deposited = self._cycle.get(account, (0, 0))
                self._cycle[account] = (opening, deposited + moved)

    def _note_pool(self, p: dict[str, int], line: str, call: _Call, where: str) -> None:
        """Loads of a pool, the grid, the operator: energy adds up market by market, money in the clearing account."""
        other = p["credit"] if p["debit"] == _CLEARING else p["debit"]
        if _CLEARING not in (p["debit"], p["credit"]) or other == _CLEARING:
            raise broken(WHOLE, f"{where}: a line of a pool that does not pass through the clearing account")
        if line in _POOLED:
            if not _MEMBERS <= other < _DEBTS or (line == "pool_paid") != (p["credit"] == _CLEARING):
                raise broken(WHOLE, f"{where}: {line} between accounts {p['debit']} and {p['credit']}")
            call.pooled[p["seq"]] = other
            call.market[p["market"]] += p["quantity"]
            call.contract[other] += p["quantity"]
            if line == "pool_received":
                call.sold[p["seq"]] = (other, p["amount"])
        elif line in _GRID:
            call.market[p["market"]] -= _GRID[line] * p["quantity"]

    def _check_whole(self, call: _Call) -> None:
        for post, left in call.undrawn.items():
            if left:
                raise broken(WHOLE, f"posting {post}: {left} of it went nowhere")
        clearing = self.accounts.get(_CLEARING)
        if clearing is not None and clearing.posted:
            raise broken(WHOLE, f"the clearing account holds {clearing.posted}")
        for account in call.paid:
            held = self.accounts[account]
            if _never_short(account, held) and held.posted < held.pending_out:
                raise broken(PURSES, f"account {account} holds {held.posted}, {held.pending_out} of it reserved")
        for market, left in call.market.items():
            if left:
                raise broken(ENERGY, f"market {market}: {left} Wh were bought beyond what was sold")
        posted = {account: held.posted for account, held in self.accounts.items()}
        self._loans.check(posted)
        self._deals.check(posted)
        for reading, (member, left) in call.reading.items():
            # Who has no reading is noted with what it traded, whatever was delivered of it.
            traded = call.contract[member] - (call.cut[member] if reading in call.unread else 0)
            if left != traded:
                raise broken(ENERGY, f"posting {reading}: account {member} traded {traded} Wh, its lines leave {left}")
        self._disputes.check(self.reservations)
        self._corrections.check(call.correcting, call.contract)


def _never_short(account: int, held: Held) -> bool:
    """Whether this is a purse, or a house account of a profile, that holds coins."""
    purse = account >= 2 * _core.PURSE_STEP or _HOUSE["escrow"] <= account < _MEMBERS
    return purse and account != _HOUSE["tokens"] and held.asset in _COINS


_STEPS: Final[dict[str, Callable[[Books, dict[str, int], str], None]]] = {
    "reserve": Books._reserve,
    "post": Books._resolve,
    "void": Books._resolve,
}


def check_bills(columns: Mapping[str, Any], bills: Mapping[str, Any]) -> None:
    """Hold the bills of whole slots against what the accounts of their members lost.

    Raises
    ------
    AuditError
        A bill that is not what its account lost.
    """
    lost: Counter[int] = Counter()
    fields = (columns[name].tolist() for name in ("kind", "debit", "credit", "amount"))
    for number, debit, credit, amount in zip(*fields, strict=True):
        kind = _KIND.get(number, "")
        if kind == "post" or (kind in _PAID and kind not in ("deposit", "withdrawal", "net")):
            lost[debit] += amount
            lost[credit] -= amount
    billed = dict(zip(bills["account"].tolist(), bills["net"].tolist(), strict=True))
    for account in lost.keys() | billed.keys():
        if account >= _MEMBERS and lost[account] != billed.get(account, 0):
            raise broken(BILLS, f"account {account}: billed {billed.get(account, 0)}, lost {lost[account]}")


def state_root(books: Books) -> str:
    """Root of the tree over all accounts, hexadecimal: what a block sealed at this point carries as `state_root`."""
    leaves = [
        b"FCA1"
        + held.asset.to_bytes(2, "little")
        + int(held.closed).to_bytes(2, "little")
        + number.to_bytes(8, "little")
        + b"".join(
            value.to_bytes(16, "little", signed=True)
            for value in (held.posted, held.pending_out, held.pending_in, held.limit)
        )
        + held.version.to_bytes(8, "little")
        + bytes(8)
        for number, held in sorted(books.accounts.items())
    ]
    return _root([hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]).hex()


def _root(hashes: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1: the left half is the largest power of two below the count."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    half = 1 << (len(hashes) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + _root(hashes[:half]) + _root(hashes[half:])).digest()
