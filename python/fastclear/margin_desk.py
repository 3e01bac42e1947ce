"""The margin desk of a bank: collateral, margin calls, and who bears what a member leaves unpaid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.columns import INT64_MAX, Participant, whole
from fastclear.desks import DAY_NS, CycleRow, Desk, all_or_none
from fastclear.entries import HOUSE, Entry, enter, purse
from fastclear.errors import SettlementError
from fastclear.margins import CcpMargin, Waterfall, shared, waterfall
from fastclear.members import participant_series
from fastclear.netting import money as money_series
from fastclear.statements.view import View

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

_NOBODY: Final = np.empty(0, np.uint64)
_LAYERS: Final = ("margin", "default_fund", "guarantee")
_UNLIMITED: Final = frozenset({"closed", "defaulted"})


class Margins(View):
    """One row a member, ascending account: what it has pledged, and what it needs.

    ``account``, ``participant``; ``collateral``, ``value`` (what counts of it after the haircut), ``initial_margin``,
    ``exposure`` (what it owes and has reserved beyond its money), ``requirement`` (the sum of both), ``call`` (what it
    has to pledge on top; 0 where it has enough), ``limit``, ``default_fund`` (its part), all of them nano-currency,
    Decimal(38, 0); ``status``.
    """

    _MONEY = ("collateral", "initial_margin", "exposure", "call", "limit", "default_fund")
    _HIDDEN = ("account", "value", "requirement")


@dataclass(frozen=True, slots=True)
class Default:
    """One member that failed: the seq of what the operator paid in its place, who bore it, and who got it back."""

    account: int
    loan: int
    fell: Waterfall
    kept: int = 0
    """Of what the member paid later, the operator's."""
    others: Mapping[int, int] = field(default_factory=dict)
    guarantee: int = 0
    written_off: bool = False

    def risen(self, outstanding: int) -> Default:
        """Let what the member has paid since go up the layers again: the operator's part, the others, the guarantee."""
        fell = self.fell
        own = fell.layers["margin"] + fell.layers["default_fund"]
        left = fell.loss - own - outstanding - self.kept - sum(self.others.values()) - self.guarantee
        if left <= 0 or self.written_off:
            return self
        keep = min(left, fell.uncovered - self.kept)
        borne = cast("dict[int, int]", fell.others)
        lacking = {other: share - self.others.get(other, 0) for other, share in borne.items()}
        back = cast("dict[int, int]", shared(left - keep, cast("dict[Participant, int]", lacking)))
        return replace(
            self,
            kept=self.kept + keep,
            others={other: self.others.get(other, 0) + share for other, share in back.items()},
            guarantee=self.guarantee + left - keep - sum(back.values()),
        )


@dataclass(frozen=True, slots=True)
class _Standing:
    """One member as the core has it."""

    posted: int
    available: int
    limit: int
    status: str

    @property
    def exposure(self) -> int:
        """What it owes and has reserved beyond its money."""
        return max(self.limit - self.available, 0)


class _Held:
    """What all accounts hold now."""

    def __init__(self, core: _core.Bank) -> None:
        rows = core.balances()
        self.posted = {row[0]: row[1] for row in rows}
        self.members = {row[0]: _Standing(row[1], row[4], row[5], row[7]) for row in rows if row[7] is not None}

    def of(self, purpose: str, member: int) -> int:
        return self.posted.get(purse(purpose, member), 0)


class MarginBook(Desk):
    """What margins are worked out from: what members came to owe day by day; and those who failed."""

    def __init__(self, terms: CcpMargin) -> None:
        self.terms = terms
        self.initial: Mapping[int, int] = {}
        self.defaults: tuple[Default, ...] = ()
        self._days: Mapping[int, tuple[int, ...]] = {}
        # What a member had gained in this cycle, less its loans, when the day began; what it gained in earlier cycles
        # of the day is taken off.
        self._began: Mapping[int, int] = {}

    def __copy__(self) -> MarginBook:
        """Return one of its own: mappings are replaced, never changed."""
        twin = MarginBook(self.terms)
        twin.__dict__.update(self.__dict__)
        return twin

    def advance(self, bank: Settlement, time_ns: int) -> None:
        """Move the clock; where a day ends, work out every margin and limit anew."""
        days = time_ns // DAY_NS - bank._bank.today()
        if days <= 0:
            bank._bank.advance(time_ns)
            return
        with all_or_none(bank):
            gains = _gains(bank._bank, bank._bank.copy().close_cycle(_NOBODY))
            bank._bank.advance(time_ns)
            self._end_days(gains, days)
            self.set_limits(bank)

    def close_cycle(self, bank: Settlement, failed: NDArray[Any]) -> list[CycleRow]:
        """Collect and pay out; what the members in ``failed`` owe falls down the layers."""
        with all_or_none(bank):
            owed = _owed(bank._bank)
            lines = bank._bank.close_cycle(failed)
            losses = {account: -closing for account, *_, closing in lines if account in set(failed.tolist())}
            self._cover(bank, losses)
            now = _owed(bank._bank)
            self._began = {
                account: self._began.get(account, 0) - net + owed.get(account, 0) - now.get(account, 0)
                for account, _, _, net, _ in lines
                if _core.FIRST_MEMBER <= account < _core.PURSE_STEP
            }
            self.set_limits(bank)
        return lines

    def write_off(self, bank: Settlement, account: int) -> None:
        """Give up what a member owes: what it has paid until now goes up the layers, and nothing after that."""
        with all_or_none(bank):
            self.pass_on(bank)
            bank._bank.write_off(account)
            self.defaults = tuple(
                replace(item, written_off=True) if item.account == account else item for item in self.defaults
            )

    def pass_on(self, bank: Settlement) -> None:
        """Hand what failed members have paid since to those who bore their losses."""
        outstanding = {row[1]: row[6] for row in bank._bank.loans()}
        closed = {account for account, standing in _Held(bank._bank).members.items() if standing.status == "closed"}
        platform, entries, defaults = HOUSE["platform"], [], []
        for before in self.defaults:
            after = before.risen(outstanding.get(before.loan, 0))
            defaults.append(after)
            entries += [
                Entry(
                    "net",
                    "passed_on",
                    platform,
                    purse("default_fund", other),
                    total - before.others.get(other, 0),
                    after.loan,
                )
                for other, total in after.others.items()
                if other not in closed
            ]
            entries.append(
                Entry("net", "passed_on", platform, HOUSE["guarantee"], after.guarantee - before.guarantee, after.loan)
            )
        enter(bank._bank, [entry for entry in entries if entry.amount])
        self.defaults = tuple(defaults)

    def set_limits(self, bank: Settlement, only: int | None = None) -> None:
        """Give every member, or one, the limit that its collateral bears."""
        held = _Held(bank._bank)
        for account, standing in held.members.items():
            if standing.status in _UNLIMITED or only not in (None, account):
                continue
            limit = self.terms.value(held.of("margin", account)) - self.initial.get(account, 0)
            limit = min(max(limit, 0), INT64_MAX)
            if limit != standing.limit:
                bank._bank.set_limit(account, limit)

    def _end_days(self, gains: Mapping[int, int], days: int) -> None:
        """A day has ended, and after it days on which nothing happened."""
        kept = self.terms.days
        idle = (0,) * min(days - 1, kept)
        self._days = {
            account: (*self._days.get(account, ()), max(self._began.get(account, 0) - gained, 0), *idle)[-kept:]
            for account, gained in gains.items()
        }
        self._began = gains
        self.initial = {account: self.terms.margin(history) for account, history in self._days.items()}

    def _cover(self, bank: Settlement, losses: Mapping[int, int]) -> None:
        """Let each loss, which the operator has paid, fall down the layers, one member after the other."""
        if not losses:
            return
        held = _Held(bank._bank)
        platform, guarantee = HOUSE["platform"], HOUSE["guarantee"]
        left = held.posted.get(guarantee, 0)
        funds = {account: held.of("default_fund", account) for account in held.members if account not in losses}
        loans = {row[0]: row[1] for row in bank._bank.loans() if row[2] == platform}  # the newest of each comes last
        entries = []
        for account, loss in losses.items():
            own = {name: held.of(name, account) for name in _LAYERS[:2]}
            fell = waterfall(loss, {**own, "guarantee": left}, cast("dict[Participant, int]", funds))
            group = loans[account]
            self.defaults += (Default(account, group, fell),)
            left -= fell.layers["guarantee"]
            shares = cast("dict[int, int]", fell.others)
            funds = {other: fund - shares[other] for other, fund in funds.items()}
            taken = zip(_LAYERS, ("margin_taken", "fund_taken"), strict=False)
            entries += [
                *(Entry("net", line, purse(name, account), account, fell.layers[name], group) for name, line in taken),
                Entry("net", "covered", guarantee, platform, fell.layers["guarantee"], group),
                *(
                    Entry("net", "covered", purse("default_fund", other), platform, share, group)
                    for other, share in shares.items()
                ),
            ]
        enter(bank._bank, [entry for entry in entries if entry.amount])


class MarginDesk:
    """What a bank with the profile ``ccp_margin`` can do beside what every bank does."""

    _bank: _core.Bank
    _desk: Desk

    def pledge(self, participant: Participant, amount: int) -> None:
        """Pledge money as collateral; the limit rises by what counts of it.

        Parameters
        ----------
        participant : str or int
            Whose.
        amount : int
            Nano-currency above 0: what is posted and leaves open bids covered.

        Raises
        ------
        SettlementError
            Another profile, a stranger, or more than is free; then nothing changes.
        """
        book, account, money = self._asked("pledge", participant, amount)
        self._check_free(participant, account, money)
        self._move_collateral(book, account, Entry("deposit", "pledged", account, purse("margin", account), money))

    def release(self, participant: Participant, amount: int) -> None:
        """Give collateral back, as far as what is left still counts as much as is required; the limit falls at once.

        Raises
        ------
        SettlementError
            Another profile, a stranger, or more than can be spared; then nothing changes.
        """
        book, account, money = self._asked("release", participant, amount)
        held = _Held(self._bank)
        required = book.initial.get(account, 0) + held.members[account].exposure
        spare = max(held.of("margin", account) - book.terms.needed(required), 0)
        if money > spare:
            raise SettlementError(
                f"participant {participant!r} can spare {spare} of its collateral, not {money}: {required} are required"
            )
        self._move_collateral(book, account, Entry("withdrawal", "released", purse("margin", account), account, money))

    def contribute(self, participant: Participant, amount: int) -> None:
        """Pay into the default fund (``amount`` > 0), or take a contribution out of it (< 0).

        It is taken out by who owes nothing and has no bid open.

        Raises
        ------
        SettlementError
            Another profile, a stranger, more than is free, or a member that still owes; then nothing changes.
        """
        book, account, money = self._asked("contribute", participant, abs(whole("amount", amount)))
        fund = purse("default_fund", account)
        if amount > 0:
            self._check_free(participant, account, money)
            self._move_collateral(book, account, Entry("deposit", "contributed", account, fund, money))
            return
        held = _Held(self._bank)
        exposure, most = held.members[account].exposure, held.of("default_fund", account)
        if exposure or money > most:
            raise SettlementError(
                f"participant {participant!r} has {most} in the default fund and is exposed by {exposure}; "
                "take no more than that, and settle first"
            )
        self._move_collateral(book, account, Entry("withdrawal", "returned", fund, account, money))

    def guarantee(self, amount: int) -> None:
        """Put the operator's own money behind the members' (``amount`` > 0), or take it out (< 0), in nano-currency.

        Raises
        ------
        SettlementError
            Another profile, or more than is there.
        """
        self._margin_book("guarantee")
        money = whole("amount", amount)
        boundary, house = HOUSE["boundary"], HOUSE["guarantee"]
        if money > 0:
            enter(self._bank, [Entry("deposit", "guaranteed", boundary, house, money)])
        elif money < 0:
            enter(self._bank, [Entry("withdrawal", "guarantee_returned", house, boundary, -money)])

    def pass_on(self) -> None:
        """Hand what failed members have paid since they failed to those who bore their losses.

        First the operator has its own part back, then the others theirs into the default fund, in proportion to what
        they bore, then the guarantee. The part of an account that is closed stays with the operator.

        Raises
        ------
        SettlementError
            Another profile.
        """
        self._margin_book("pass_on").pass_on(self._settlement)

    @property
    def margins(self) -> Margins:
        """What each member has pledged and what it needs: a frame to print, export and write; see its class.

        Raises
        ------
        SettlementError
            Another profile.
        """
        book = self._margin_book("margins")
        held = _Held(self._bank)
        members = held.members
        initial = {account: book.initial.get(account, 0) for account in members}
        collateral = {account: held.of("margin", account) for account in members}
        need = {account: initial[account] + standing.exposure for account, standing in members.items()}
        money = {
            "collateral": list(collateral.values()),
            "value": [book.terms.value(amount) for amount in collateral.values()],
            "initial_margin": list(initial.values()),
            "exposure": [standing.exposure for standing in members.values()],
            "requirement": list(need.values()),
            "call": [max(book.terms.needed(need[account]) - collateral[account], 0) for account in members],
            "limit": [standing.limit for standing in members.values()],
            "default_fund": [held.of("default_fund", account) for account in members],
        }
        frame = pl.DataFrame(
            [
                pl.Series("account", list(members), dtype=pl.UInt64),
                participant_series(self._settlement.names(members)),
                *(money_series(name, values) for name, values in money.items()),
                pl.Series("status", [standing.status for standing in members.values()], dtype=pl.String),
            ]
        )
        return Margins(frame, f"Margins of {len(frame):,} members")

    @property
    def margin_calls(self) -> Margins:
        """Rows of :attr:`margins` of members that have to pledge more. Errors as there."""
        frame = self.margins.frame.filter(pl.col("call") > 0)
        return Margins(frame, f"{len(frame):,} members have to pledge more")

    @property
    def defaults(self) -> pl.DataFrame:
        """One row a member that failed, in the order in which it did, and who bore the loss.

        ``participant``, ``account``, ``loan`` (seq of what the operator paid in its place), ``loss``, ``margin`` and
        ``default_fund`` (its own), ``guarantee`` (the operator's), ``others`` (parts of the others), ``platform`` (left
        to the operator); these five sum to the loss; ``passed_on`` (given back to others and guarantee since).
        Nano-currency, Decimal(38, 0).

        Raises
        ------
        SettlementError
            Another profile.
        """
        defaults = self._margin_book("defaults").defaults
        fell = [default.fell for default in defaults]
        return pl.DataFrame(
            [
                participant_series(self._settlement.names([default.account for default in defaults])),
                pl.Series("account", [default.account for default in defaults], dtype=pl.UInt64),
                pl.Series("loan", [default.loan for default in defaults], dtype=pl.UInt64),
                money_series("loss", [each.loss for each in fell]),
                *(money_series(name, [each.layers[name] for each in fell]) for name in _LAYERS),
                money_series("others", [sum(each.others.values()) for each in fell]),
                money_series("platform", [each.uncovered for each in fell]),
                money_series("passed_on", [sum(each.others.values()) + each.guarantee for each in defaults]),
            ]
        )

    def _margin_book(self, call: str) -> MarginBook:
        if not isinstance(self._desk, MarginBook):
            raise SettlementError(
                f"{call}: this bank takes no collateral; give it profile='ccp_margin' or a fc.CcpMargin"
            )
        return self._desk

    def _asked(self, call: str, participant: Participant, amount: int) -> tuple[MarginBook, int, int]:
        """The book, the account and the amount of a call, checked."""
        book = self._margin_book(call)
        account, money = self._settlement.account(participant), whole("amount", amount)
        if money <= 0:
            raise SettlementError(f"{call}: amount {money}; give nano-currency above 0")
        if _Held(self._bank).members[account].status == "closed":
            raise SettlementError(f"{call}: the account of participant {participant!r} is closed")
        return book, account, money

    def _check_free(self, participant: Participant, account: int, money: int) -> None:
        """Credit is for trading: what is pledged is money that is posted."""
        standing = _Held(self._bank).members[account]
        free = min(standing.posted, standing.available)
        if money > free:
            raise SettlementError(f"participant {participant!r} has {free} free, not {money}; deposit it first")

    def _move_collateral(self, book: MarginBook, account: int, entry: Entry) -> None:
        with all_or_none(self._settlement):
            enter(self._bank, [entry])
            book.set_limits(self._settlement, only=account)

    @property
    def _settlement(self) -> Settlement:
        return cast("Settlement", self)


def _gains(core: _core.Bank, lines: list[CycleRow]) -> dict[int, int]:
    """What each member gained in a cycle, less what it owes: paying a loan off is neither gain nor loss."""
    first, purses, owed = _core.FIRST_MEMBER, _core.PURSE_STEP, _owed(core)
    return {account: net - owed.get(account, 0) for account, _, _, net, _ in lines if first <= account < purses}


def _owed(core: _core.Bank) -> Counter[int]:
    """What each member owes out of loans."""
    owed: Counter[int] = Counter()
    for account, *_, principal, interest, penalty in core.loans():
        owed[account] += principal + interest + penalty
    return owed
