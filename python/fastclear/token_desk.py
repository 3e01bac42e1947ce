"""The token desk of a bank: hosts, bonds of access tokens, and the pegged credit that they carry."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any, Final, cast

import polars as pl
from numpy.typing import NDArray

from fastclear import _core
from fastclear.audit.report import broken
from fastclear.columns import INT64_MAX, Participant, checked_name, items, whole
from fastclear.desks import Desk
from fastclear.entries import HOUSE, Entry, enter, purse
from fastclear.errors import SettlementError
from fastclear.members import participant_series
from fastclear.netting import money as money_series
from fastclear.ratio import Ratio
from fastclear.token_bonds import Bonds, DualToken, token_price

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

_SHOWN: Final = 10**38 - 1  # the largest number of Decimal(38, 0)


ISSUED: Final = "what hosts have outstanding is what was paid in and not redeemed"


class BondBook(Desk):
    """The bonds of a bank, within which money is issued."""

    def __init__(self, profile: DualToken) -> None:
        self.bonds = Bonds(profile)

    def __copy__(self) -> BondBook:
        """Return a book of its own."""
        twin = BondBook(self.bonds.profile)
        twin.bonds = copy(self.bonds)
        return twin

    def deposit(self, bank: Settlement, accounts: NDArray[Any], amounts: NDArray[Any]) -> None:
        """Money is issued, within what bonds carry."""
        rows = list(zip(accounts.tolist(), amounts.tolist(), strict=True))
        after = self.bonds.issued(rows, bank._bonded, lambda account: bank.names([account])[0])
        bank._bank.deposit(accounts, amounts)
        self.bonds.outstanding = after

    def withdraw(self, bank: Settlement, accounts: NDArray[Any], amounts: NDArray[Any]) -> None:
        """Money is burnt."""
        after = self.bonds.burnt(zip(accounts.tolist(), amounts.tolist(), strict=True))
        bank._bank.withdraw(accounts, amounts)
        self.bonds.outstanding = after

    def check(self, bank: Settlement) -> None:
        """What hosts have outstanding is what came in from outside less what went out."""
        outside = -int(bank._bank.available(HOUSE["boundary"]) or 0)
        if outside != (issued := sum(self.bonds.outstanding.values())):
            raise broken(ISSUED, f"{issued} is outstanding, {outside} came in")


class TokenDesk:
    """What a bank with the profile ``dual_token`` can do beside what every bank does."""

    _bank: _core.Bank
    _desk: Desk

    def join(self, participant: Participant | Iterable[Participant], host: Participant) -> None:
        """Say whose customers members are: their deposits are issued against the bond of their host.

        Parameters
        ----------
        participant : str, int, or an iterable of them
            Members. Without this call a member is its own host; with another one it changes its host, and what was
            issued before stays with the old one.
        host : str or int
            A member.

        Raises
        ------
        SettlementError
            Another profile, or a stranger; then nobody joins.
        """
        bonds = self._tokens()
        to = self._self.account(host)
        bonds.host_of.update({self._self.account(checked_name(name)): to for name in items(participant)})

    def bond(self, host: Participant, tokens: int) -> None:
        """Bond access tokens of a host; they come from the outside.

        Parameters
        ----------
        host : str or int
            Whose.
        tokens : int
            0 or more.

        Raises
        ------
        SettlementError
            Another profile, a stranger, a number that is negative or no integer, or a bond past 64 bits.
        """
        self._tokens()
        account = self._self.account(host)
        if self._bonded(account) + _count(tokens) > INT64_MAX:
            raise SettlementError(
                f"participant {host}: {tokens} tokens more do not fit 64 bits; count them in larger units"
            )
        self._move_tokens("bonded", HOUSE["tokens"], purse("bond", account), tokens)

    def release_bond(self, host: Participant, tokens: int) -> None:
        """Give bonded tokens back to a host, down to what carries the credit that it has outstanding.

        Parameters
        ----------
        host : str or int
            Whose.
        tokens : int
            0 or more.

        Raises
        ------
        SettlementError
            Another profile, a stranger, or more than may be released; then nothing is.
        """
        bonds, account = self._tokens(), self._self.account(host)
        free = self._releasable(bonds, account)
        if _count(tokens) > free:
            raise SettlementError(
                f"participant {host}: {tokens} tokens cannot be released; {free} of {self._bonded(account)} can, the "
                "others carry what is outstanding; have credit redeemed first"
            )
        self._move_tokens("unbonded", purse("bond", account), HOUSE["tokens"], tokens)

    def set_token_price(self, price: Ratio) -> None:
        """Say what one access token is worth now, in outside currency, as an oracle attests it.

        Credit that members have is not touched. Where a bond carries less than is outstanding, its host issues nothing
        until more is bonded or credit is redeemed.

        Parameters
        ----------
        price : int, str, Decimal or Fraction
            0 or more.

        Raises
        ------
        SettlementError
            Another profile, a float, or a negative price.
        """
        self._tokens().price = token_price(price)

    @property
    def hosts(self) -> pl.DataFrame:
        """One row a member that has bonded tokens or has credit outstanding, ascending account.

        ``participant``, ``account``; ``bond`` (tokens, Int64); ``capacity`` (credit that it carries at the price now),
        ``outstanding``, ``issuable`` (what may still be issued; nano-credit, Decimal(38, 0)); ``frozen`` (more is
        outstanding than the bond carries); ``tokens_needed`` (to end that; null where no 64-bit number would),
        ``tokens_free`` (what may be released); ``reserve`` (outside money behind what is outstanding, in its
        nano-currency, a fraction rounded up; Decimal(38, 0)). What leaves 38 digits is shown as the largest number of
        38.
        """
        bonds = self._tokens()
        members = [self._self.account(name) for name in self._self._members.names]
        accounts = [account for account in members if self._bonded(account) or bonds.outstanding.get(account)]
        bond = [self._bonded(account) for account in accounts]
        outstanding = [bonds.outstanding.get(account, 0) for account in accounts]
        capacity = [bonds.capacity(tokens) for tokens in bond]
        needed = [bonds.needed(amount) for amount in outstanding]
        room = [max(most - amount, 0) for most, amount in zip(capacity, outstanding, strict=True)]
        more = [None if need is None else max(need - have, 0) for need, have in zip(needed, bond, strict=True)]
        more = [None if lacks is None or lacks > INT64_MAX else lacks for lacks in more]
        return pl.DataFrame(
            [
                participant_series(self._self.names(accounts)),
                pl.Series("account", accounts, dtype=pl.UInt64),
                pl.Series("bond", bond, dtype=pl.Int64),
                money_series("capacity", [min(most, _SHOWN) for most in capacity]),
                money_series("outstanding", outstanding),
                money_series("issuable", [min(most, _SHOWN) for most in room]),
                pl.Series(
                    "frozen", [a > most for a, most in zip(outstanding, capacity, strict=True)], dtype=pl.Boolean
                ),
                pl.Series("tokens_needed", more, dtype=pl.Int64),
                pl.Series("tokens_free", [self._releasable(bonds, account) for account in accounts], dtype=pl.Int64),
                money_series("reserve", [min(ceil(bonds.reserve(amount)), _SHOWN) for amount in outstanding]),
            ]
        )

    @property
    def fiat_reserve(self) -> Fraction:
        """Outside money that stands behind all credit: what is outstanding x peg, in its nano-currency, exactly."""
        bonds = self._tokens()
        return bonds.reserve(sum(bonds.outstanding.values()))

    def _bonded(self, account: int) -> int:
        return int(self._bank.available(purse("bond", account)) or 0)

    def _releasable(self, bonds: Bonds, account: int) -> int:
        needed = bonds.needed(bonds.outstanding.get(account, 0))
        return 0 if needed is None else max(self._bonded(account) - needed, 0)

    def _move_tokens(self, line: str, debit: int, credit: int, tokens: int) -> None:
        if tokens:
            enter(self._bank, [Entry("net", line, debit, credit, tokens)])

    @property
    def _bonds(self) -> Bonds | None:
        return self._desk.bonds if isinstance(self._desk, BondBook) else None

    def _tokens(self) -> Bonds:
        if self._bonds is None:
            raise SettlementError("this bank has no access tokens; use profile dual_token")
        return self._bonds

    @property
    def _self(self) -> Settlement:
        return cast("Settlement", self)


def _count(tokens: object) -> int:
    if (count := whole("tokens", tokens)) < 0:
        raise SettlementError(f"tokens = {tokens}; give 0 or more")
    return count
