"""Deals in escrow and bonds of tokens, recomputed from the postings of a bank."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fastclear import _core
from fastclear.audit.report import broken

DEALS: Final = "what goes into escrow for a deal comes out to its buyer and seller, all of it and once"

_HOUSE: Final = {name: number for number, name in _core.HOUSE_ACCOUNTS}
_ESCROW: Final = _HOUSE["escrow"]
_BOND: Final = {name: number for number, name in _core.PURSES}["bond"]
_OUT: Final = ("released", "returned", "bond_returned")
_LINES: Final = frozenset({"escrowed", "buyer_bond", "seller_bond", *_OUT, "delivery_penalty", "bonded", "unbonded"})


@dataclass(slots=True)
class _Deal:
    post: int
    payment: int
    energy: int
    parties: dict[str, int] = field(default_factory=dict)  # side -> account
    bonds: dict[str, int] = field(default_factory=dict)
    out: Counter[str] = field(default_factory=Counter)  # line, or whose bond -> amount
    delivered: int = 0


class Deals:
    """Every deal that has money in escrow, from the postings that brought it and took it out."""

    def __init__(self) -> None:
        self._deals: dict[int, _Deal] = {}  # by the seq of the payment
        self._buyers: dict[int, int] = {}  # seq of a post -> who paid; of this call
        self._touched: set[int] = set()

    def note(self, p: Mapping[str, int], kind: str, line: str, where: str) -> None:
        """Follow one posting; those of other lines change nothing.

        Raises
        ------
        AuditError
            Money of a deal that goes to somebody else, a second time, or for no deal.
        """
        if kind == "post":
            self._buyers[p["seq"]] = p["debit"]
        if kind not in ("trade", "net", "imbalance") or line not in _LINES:
            return
        if line in ("bonded", "unbonded"):
            outside, purse = (p["debit"], p["credit"]) if line == "bonded" else (p["credit"], p["debit"])
            if outside != _HOUSE["tokens"] or purse // _core.PURSE_STEP != _BOND:
                raise broken(DEALS, f"{where}: tokens go from {p['debit']} to {p['credit']}")
            return
        if line == "escrowed":
            if p["credit"] != _ESCROW:
                raise broken(DEALS, f"{where}: a payment in escrow goes to account {p['credit']}")
            self._deals[p["seq"]] = _Deal(p["group"], p["amount"], p["quantity"])
            self._touched.add(p["seq"])
            return
        deal = self._deals.get(p["group"])
        if deal is None:
            raise broken(DEALS, f"{where}: it belongs to posting {p['group']}, which holds nothing in escrow")
        self._touched.add(p["group"])
        if line in ("buyer_bond", "seller_bond"):
            self._put_up(deal, p, line.removesuffix("_bond"), where)
        elif line == "delivery_penalty":
            self._penalty(deal, p, where)
        else:
            self._take_out(deal, p, line, where)

    def _put_up(self, deal: _Deal, p: Mapping[str, int], side: str, where: str) -> None:
        if side in deal.parties or p["credit"] != _ESCROW or deal.out:
            raise broken(DEALS, f"{where}: a second bond of the {side}, one that is late, or one that is not in escrow")
        if side == "buyer" and self._buyers.get(deal.post) != p["debit"]:
            raise broken(DEALS, f"{where}: account {p['debit']} did not pay for the deal of posting {p['group']}")
        deal.parties[side], deal.bonds[side] = p["debit"], p["amount"]

    def _take_out(self, deal: _Deal, p: Mapping[str, int], line: str, where: str) -> None:
        to, amount = p["credit"], p["amount"]
        whose = {"released": ("seller",), "returned": ("buyer",)}.get(line, ("buyer", "seller"))
        open_to = [side for side in whose if deal.parties.get(side) == to and _key(line, side) not in deal.out]
        if line == "bond_returned":
            open_to = [side for side in open_to if deal.bonds[side] == amount]
        if p["debit"] != _ESCROW or not open_to:
            raise broken(DEALS, f"{where}: {amount} for the deal of posting {p['group']} is not due to account {to}")
        deal.out[_key(line, open_to[0])] = amount
        deal.delivered += p["quantity"]

    def _penalty(self, deal: _Deal, p: Mapping[str, int], where: str) -> None:
        parties = (deal.parties.get("seller"), deal.parties.get("buyer"))
        if (p["debit"], p["credit"]) != parties or p["amount"] > deal.bonds["seller"] or "penalty" in deal.out:
            raise broken(DEALS, f"{where}: a penalty between others, beyond the bond, or a second one")
        deal.out["penalty"] = p["amount"]

    def check(self, posted: Mapping[int, int]) -> None:
        """Hold every deal of this call, and the escrow account, against what went in.

        Raises
        ------
        AuditError
            A deal without its parties, or paid out in part; an escrow that holds less than its deals.
        """
        for seq in sorted(self._touched):
            deal = self._deals[seq]
            if len(deal.parties) < 2:
                raise broken(DEALS, f"posting {seq}: the deal has no {'seller' if deal.parties else 'buyer'}")
            if not deal.out:
                continue
            held, paid = deal.payment + sum(deal.bonds.values()), deal.out.total() - deal.out["penalty"]
            if held != paid or deal.delivered != deal.energy:
                raise broken(
                    DEALS,
                    f"posting {seq}: {paid} for {deal.delivered} Wh comes out, {held} for {deal.energy} Wh went in",
                )
            del self._deals[seq]
        self._touched.clear()
        self._buyers.clear()
        held = sum(deal.payment + sum(deal.bonds.values()) for deal in self._deals.values())
        if held > posted.get(_ESCROW, 0):
            raise broken(DEALS, f"deals have {held} in escrow, the account holds {posted.get(_ESCROW, 0)}")


def _key(line: str, side: str) -> str:
    return f"{line} {side}"
