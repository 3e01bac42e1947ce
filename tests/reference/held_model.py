"""Banks with escrow and with access tokens, by hand: dictionaries and fractions, no posting, no account numbers."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from fractions import Fraction
from math import ceil, floor
from typing import Any, NamedTuple


class RefusedError(Exception):
    """What the bank should refuse."""


class Order(NamedTuple):
    buys: bool
    member: str
    price: int
    quantity: int
    number: int


class Trade(NamedTuple):
    bid: Order
    ask: Order
    quantity: int
    price: int


def unless(allowed: Any) -> None:
    if not allowed:
        raise RefusedError


class Money:
    """Who has what, and what is set aside by order."""

    fee = 1
    tax = Fraction(1, 5)

    def __init__(self, members: list[str], minimum: int) -> None:
        self.members, self.minimum = members, minimum
        self.money: Counter[str] = Counter()
        self.aside: dict[Order, int] = {}

    def free(self, member: str) -> int:
        aside = sum(cover for order, cover in self.aside.items() if order.member == member)
        return self.money[member] - aside - self.minimum

    def due(self, energy: int, quantity: int) -> tuple[int, int, int]:
        """Energy, fee, tax: the tax to the even nano."""
        fee = self.fee * quantity
        return energy, fee, round((energy + fee) * self.tax)

    def pay_in(self, rows: list[tuple[str, int]]) -> None:
        unless(all(member in self.members and amount >= 0 for member, amount in rows))
        for member, amount in rows:
            self.money[member] += amount
            self.money["outside"] -= amount

    def pay_out(self, member: str, amount: int) -> None:
        unless(member in self.members and 0 <= amount <= min(self.free(member), self.money[member]))
        self.move(member, "outside", amount)

    def move(self, payer: str, payee: str, amount: int) -> None:
        self.money[payer] -= amount
        self.money[payee] += amount

    def bond(self, amount: int) -> int:
        return 0

    def reserve(self, orders: list[Order]) -> list[bool]:
        """Whether each may go to the market."""
        asked: Counter[str] = Counter()
        taken = []
        for order in orders:
            bond = self.bond(order.price * order.quantity)
            if order.buys:
                unit = order.price + self.fee + ceil((order.price + self.fee) * self.tax)
                taken.append(unit * order.quantity + bond <= self.free(order.member))
                if taken[-1]:
                    self.aside[order] = unit * order.quantity + bond
            else:
                taken.append(not bond or asked[order.member] + bond <= self.free(order.member))
                asked[order.member] += bond * taken[-1]
        return taken

    def settle(self, orders: list[Order], trades: list[Trade]) -> None:
        before = deepcopy(self.__dict__)
        try:
            covered = {order: self.aside.pop(order) for order in orders if order in self.aside}
            cost: Counter[str] = Counter()  # all buyers pay before any seller is paid
            for trade in trades:
                energy = trade.price * trade.quantity
                cost[trade.bid.member] += sum(self.due(energy, trade.quantity)) + self.bond(energy)
            for bid in {trade.bid for trade in trades} - covered.keys():
                unless(self.free(bid.member) >= cost[bid.member])
            for trade in trades:
                self.pay(trade)
            self.check_sellers(trades)
        except RefusedError:
            self.__dict__.update(before)
            raise

    def pay(self, trade: Trade) -> None:
        energy, fee, tax = self.due(trade.price * trade.quantity, trade.quantity)
        self.move(trade.bid.member, "platform", fee)
        self.move(trade.bid.member, "tax", tax)
        self.pay_energy(trade.bid.member, trade.ask.member, energy, trade.quantity)

    def pay_energy(self, buyer: str, seller: str, energy: int, quantity: int) -> None:
        self.move(buyer, seller, energy)

    def check_sellers(self, trades: list[Trade]) -> None:
        """Nothing is asked of sellers here."""


class Escrow(Money):
    """Deals are lists of what is held and by whom; a deal ends by giving all of it back."""

    def __init__(self, members: list[str], minimum: int, share: Fraction, penalty: int, timeout: int) -> None:
        super().__init__(members, minimum)
        self.share, self.penalty, self.timeout = share, penalty, timeout
        self.deals: list[dict[str, Any]] = []
        self.now = 0

    def bond(self, amount: int) -> int:
        return floor(max(amount, 0) * self.share)

    def pay_energy(self, buyer: str, seller: str, energy: int, quantity: int) -> None:
        bond = self.bond(energy)
        self.move(buyer, "escrow", energy + bond)
        self.move(seller, "escrow", bond)
        held = {"buyer": buyer, "seller": seller, "wh": quantity, "payment": energy, "bond": bond}
        self.fresh.append(held)

    def check_sellers(self, trades: list[Trade]) -> None:
        for trade in trades:
            unless(not self.bond(trade.price * trade.quantity) or self.free(trade.ask.member) >= 0)

    def settle(self, orders: list[Order], trades: list[Trade]) -> None:
        self.fresh: list[dict[str, Any]] = []
        super().settle(orders, trades)
        self.deals += [held | {"state": "funded", "until": self.now, "said": {}} for held in self.fresh]

    def fund(self, numbers: list[int]) -> None:
        deals = [self.find(number, "agreed") for number in numbers]
        unless(len(set(numbers)) == len(numbers) and all(self.now < deal["until"] for deal in deals))
        trades = [
            Trade(
                Order(True, deal["buyer"], deal["price"], deal["wh"], -1 - number),
                Order(False, deal["seller"], deal["price"], deal["wh"], -1 - number),
                deal["wh"],
                deal["price"],
            )
            for number, deal in zip(numbers, deals, strict=True)
        ]
        self.fresh = []
        super().settle([], trades)
        for deal, held in zip(deals, self.fresh, strict=True):
            deal.update(held, state="funded", until=self.now)

    def start_clock(self, now: int) -> None:
        """Deals that were funded in this step time out from its end."""
        for deal in self.deals:
            if deal["state"] == "funded" and deal["until"] == self.now:
                deal["until"] = now + self.timeout
        self.now = now

    def find(self, number: int, *states: str) -> dict[str, Any]:
        unless(0 <= number < len(self.deals) and self.deals[number]["state"] in states)
        return self.deals[number]

    def offer(self, buyer: str, seller: str, wh: int, price: int, by: str) -> None:
        unless({buyer, seller} <= set(self.members) and buyer != seller and wh > 0 and price >= 0)
        unless(by in ("buyer", "seller"))
        self.deals.append(
            {"buyer": buyer, "seller": seller, "wh": wh, "price": price, "by": by, "said": {}}
            | {"state": "offer", "until": self.now + self.timeout, "payment": 0, "bond": 0}
        )

    def agree(self, number: int, by: str) -> None:
        deal = self.find(number, "offer")
        unless({by, deal["by"]} == {"buyer", "seller"} and self.now < deal["until"])
        deal["state"] = "agreed"

    def deliver(self, number: int, wh: int) -> None:
        deal = self.find(number, "funded")
        unless(0 <= wh <= deal["wh"])
        deal.update(state="delivered", delivered=wh)

    def approve(self, rows: list[tuple[int, str, int | None]]) -> None:
        before = deepcopy((self.deals, self.money))
        try:
            for number, by, wh in rows:
                self.say(self.find(number, "delivered"), by, wh)
        except RefusedError:
            self.deals, self.money = before
            raise

    def say(self, deal: dict[str, Any], by: str, wh: int | None) -> None:
        wh = deal["delivered"] if wh is None else wh
        unless(by in ("buyer", "seller", "arbiter") and 0 <= wh <= deal["wh"])
        deal["said"][by] = wh
        alike = [role for role in deal["said"] if deal["said"][role] == wh]
        if len(alike) == 2:
            deal["state"] = "ruled" if "arbiter" in alike else "released"
            self.end(deal, wh)

    def end(self, deal: dict[str, Any], wh: int) -> None:
        buyer, seller = deal["buyer"], deal["seller"]
        worth = floor(Fraction(deal["payment"] * wh, deal["wh"]))
        penalty = min(self.penalty * (deal["wh"] - wh), deal["bond"])
        self.move("escrow", seller, worth + deal["bond"] - penalty)
        self.move("escrow", buyer, deal["payment"] - worth + deal["bond"] + penalty)

    def refund(self, number: int) -> None:
        deal = self.find(number, "offer", "agreed", "funded", "delivered")
        unless(self.now >= deal["until"])
        if deal["state"] in ("funded", "delivered"):
            self.move("escrow", deal["buyer"], deal["payment"] + deal["bond"])
            self.move("escrow", deal["seller"], deal["bond"])
        deal["state"] = "refunded"


class Tokens(Money):
    """Hosts by name; what a token carries is one fraction."""

    def __init__(self, members: list[str], minimum: int, peg: Fraction, haircut: Fraction, parts: tuple[Fraction, ...]):
        super().__init__(members, minimum)
        self.peg, self.haircut, self.parts = peg, haircut, parts
        self.price = Fraction(1)
        self.bonds: Counter[str] = Counter()
        self.issued: Counter[str] = Counter()
        self.host = {member: member for member in members}

    def worth(self, tokens: int) -> Fraction:
        """Nano-credit that tokens carry, before any rounding."""
        return tokens * self.price * (1 - self.haircut) / self.peg * 10**9

    def pay_energy(self, buyer: str, seller: str, energy: int, quantity: int) -> None:
        self.move(buyer, seller, energy)
        for house, part in zip(("platform", "dso"), self.parts, strict=True):
            self.move(seller, house, floor(energy * part))

    def pay_in(self, rows: list[tuple[str, int]]) -> None:
        unless(all(member in self.members and amount >= 0 for member, amount in rows))
        issued = self.issued.copy()
        for member, amount in rows:
            issued[self.host[member]] += amount
            unless(not amount or issued[self.host[member]] <= self.worth(self.bonds[self.host[member]]))
        super().pay_in(rows)
        self.issued = issued

    def pay_out(self, member: str, amount: int) -> None:
        unless(amount <= self.issued.total())
        super().pay_out(member, amount)
        own = self.host[member]
        for host in [own, *(other for other in self.members if other != own)]:
            part = min(amount, self.issued[host])
            self.issued[host] -= part
            amount -= part

    def put_up(self, host: str, tokens: int) -> None:
        unless(host in self.members and tokens >= 0)
        self.bonds[host] += tokens

    def give_back(self, host: str, tokens: int) -> None:
        unless(host in self.members and 0 <= tokens <= self.bonds[host])
        unless(not tokens or self.worth(self.bonds[host] - tokens) >= self.issued[host])
        self.bonds[host] -= tokens
