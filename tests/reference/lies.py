"""Exhaustive lies: every misreport of every agent is a market of one call of `fastclear.clear`.

`Books` holds many small books of one shape, as arrays. `search` clears each of them once truthfully and once a lie, and
says what the liar's utility, at the true values, gains. Utilities are integers over the clearing's `den`.
"""

import os
from dataclasses import dataclass

import numpy as np

import fastclear as fc

TOP = 60
BOOKS = float(os.environ.get("FASTCLEAR_BOOKS", "1"))


def count(books):
    """How many books a search takes: the environment variable FASTCLEAR_BOOKS multiplies it."""
    return max(1, round(books * BOOKS))


@dataclass(frozen=True)
class Books:
    """Books of one shape: `buy` and `participant` have one entry an order, the rest a row a book."""

    buy: np.ndarray
    participant: np.ndarray
    price: np.ndarray
    quantity: np.ndarray
    order: np.ndarray
    time: np.ndarray

    def __len__(self):
        return len(self.price)

    @property
    def agents(self):
        return range(int(self.participant.max()) + 1)

    def rows(self, agent):
        return np.flatnonzero(self.participant == agent)

    def __getitem__(self, which):
        return Books(
            self.buy,
            self.participant,
            *(column[which] for column in (self.price, self.quantity, self.order, self.time)),
        )

    def sides(self, book):
        """Book number `book` as the lists of (price, quantity) that the linear programs take."""
        pairs = list(zip(self.price[book].tolist(), self.quantity[book].tolist(), strict=True))
        bids = [pair for pair, buy in zip(pairs, self.buy, strict=True) if buy]
        asks = [pair for pair, buy in zip(pairs, self.buy, strict=True) if not buy]
        return bids, asks


def draw(seed, books, buyers, sellers, *, orders=1, most=1, top=TOP, distinct=False):
    """Random books: half of them of a few price levels, so that ties are everywhere.

    `orders` an agent, up to `most` lots each. Ids and times are in no particular order, and times repeat.
    """
    rng = np.random.default_rng([seed, buyers, sellers, orders, most])
    n = (buyers + sellers) * orders
    if distinct:
        price = np.argsort(rng.random((books, top + 1)), axis=1)[:, :n]
    else:
        price = rng.integers(0, top + 1, (books, n))
        levels = rng.integers(0, top + 1, (books, 4))
        tied = np.take_along_axis(levels, rng.integers(0, 4, (books, n)), axis=1)
        price = np.where(rng.random((books, 1)) < 0.5, price, tied)
    return Books(
        buy=np.arange(n) < buyers * orders,
        participant=np.repeat(np.arange(buyers + sellers), orders),
        price=price.astype(np.int64),
        quantity=rng.integers(1, most + 1, (books, n)),
        order=np.argsort(rng.random((books, n)), axis=1).astype(np.int64),
        time=rng.integers(0, 3, (books, n)),
    )


def book(*rows):
    """One book from (side, price, quantity) or (side, price, quantity, agent) rows; ids and times are row numbers."""
    n = len(rows)
    numbers = np.arange(n)[None, :]
    return Books(
        buy=np.array([row[0] == "buy" for row in rows]),
        participant=np.array([row[3] if len(row) > 3 else number for number, row in enumerate(rows)]),
        price=np.array([[row[1] for row in rows]], dtype=np.int64),
        quantity=np.array([[row[2] for row in rows]], dtype=np.int64),
        order=numbers.astype(np.int64),
        time=numbers.astype(np.int64),
    )


def columns(books, price, quantity, **more):
    """The columns of one call: `price` and `quantity` are (book, world, order)."""
    shape = price.shape
    worlds = shape[0] * shape[1]

    def wide(values):
        return np.ascontiguousarray(np.broadcast_to(values, shape)).reshape(-1)

    made = {
        "market": np.repeat(np.arange(worlds), shape[2]),
        "side": wide(books.buy).astype(np.int8),
        "price": wide(price),
        "quantity": wide(quantity),
        "participant": wide(books.participant),
        "order": wide(books.order[:, None, :]),
        "time": wide(books.time[:, None, :]),
    }
    return made | {name: wide(values) for name, values in more.items()}


def price_lies(books, top=TOP):
    """Every report 0..top of any one order: lists of (row, price)."""
    return [[(row, price, None)] for row in range(len(books.buy)) for price in range(top + 1)]


def quantity_lies(books, most):
    """Every quantity 1..most of any one order."""
    return [[(row, None, quantity)] for row in range(len(books.buy)) for quantity in range(1, most + 1)]


def joint_lies(books, seed, number, *, top=TOP, most=None):
    """Random reports of all orders of an agent at once, quantities too where `most` is given."""
    rng = np.random.default_rng([seed, number])

    def lie(row):
        return row, int(rng.integers(0, top + 1)), None if most is None else int(rng.integers(1, most + 1))

    return [[lie(row) for row in books.rows(agent)] for agent in books.agents for _ in range(number)]


@dataclass(frozen=True)
class Found:
    """What `search` saw: utilities (book, world, agent) over `den`, world 0 being the truth; columns (book, world)."""

    books: Books
    lies: list
    utility: np.ndarray
    gain: np.ndarray
    den: int
    volume: np.ndarray
    width: np.ndarray

    @property
    def largest(self):
        """The largest gain of each book, over `den`."""
        return self.gain.max(axis=1, initial=0)

    def worst(self):
        """The most profitable lie, in words."""
        number, lie = np.unravel_index(self.gain.argmax(), self.gain.shape)
        book = [
            (("sell", "buy")[int(buy)], *rest)
            for buy, *rest in zip(
                self.books.buy,
                self.books.price[number].tolist(),
                self.books.quantity[number].tolist(),
                self.books.participant.tolist(),
                self.books.order[number].tolist(),
                self.books.time[number].tolist(),
                strict=True,
            )
        ]
        return (
            f"gain {self.gain[number, lie]}/{self.den} by (row, price, quantity) {self.lies[lie]} in the book "
            f"(side, price, quantity, participant, order, time) {book}"
        )


ROWS = 2_000_000


def search(mechanism, books, lies, utility_of=None, **more):
    """Clear the truth and every lie in one call, or in a few where one would be too long.

    `utility_of(books, clearing, prices)` overrides the realised utility; `more` are further columns.
    """
    chunk = max(1, ROWS // ((1 + len(lies)) * len(books.buy)))
    parts = [one_call(mechanism, books[i : i + chunk], lies, utility_of, **more) for i in range(0, len(books), chunk)]
    den = max(part.den for part in parts)
    scaled = {
        name: np.concatenate([getattr(part, name) * (den // part.den) for part in parts])
        for name in ("utility", "gain", "width")
    }
    return Found(books, lies, den=den, volume=np.concatenate([part.volume for part in parts]), **scaled)


def one_call(mechanism, books, lies, utility_of=None, **more):
    n, worlds = len(books), 1 + len(lies)
    price = np.repeat(books.price[:, None, :], worlds, axis=1)
    quantity = np.repeat(books.quantity[:, None, :], worlds, axis=1)
    for world, lie in enumerate(lies, start=1):
        for row, new_price, new_quantity in lie:
            if new_price is not None:
                price[:, world, row] = new_price
            if new_quantity is not None:
                quantity[:, world, row] = new_quantity
    clearing = fc.clear(columns(books, price, quantity, **more), mechanism)
    utility = (utility_of or realised)(books, clearing, price)
    liars = np.array([books.participant[lie[0][0]] for lie in lies], dtype=np.int64)
    told = np.take_along_axis(utility[:, 1:, :], np.broadcast_to(liars[None, :, None], (n, len(lies), 1)), axis=2)
    gain = told[:, :, 0] - utility[:, 0, :][:, liars]
    markets = clearing.market_columns
    width = np.where(markets["has_price"], markets["price_high"] - markets["price_low"], 0)
    volume = markets["volume"].reshape(n, worlds)
    return Found(books, lies, utility, gain, clearing.den, volume, width.reshape(n, worlds))


def realised(books, clearing, price):
    """Utility of every agent in every world: what its lots are worth to it at its true prices, less what it pays."""
    filled = clearing.filled.reshape(price.shape)
    payment = clearing.payment.reshape(price.shape)
    return np.stack(
        [
            clearing.den * worth(books, agent, filled[:, :, books.rows(agent)].sum(axis=2))
            - payment[:, :, books.rows(agent)].sum(axis=2)
            for agent in books.agents
        ],
        axis=2,
    )


def worth(books, agent, lots):
    """Value of `lots` (book, world) to a buyer, minus their cost to a seller: its best true orders come first."""
    rows = books.rows(agent)
    sign = 1 if books.buy[rows[0]] else -1
    merit = np.argsort(-sign * books.price[:, rows], axis=1, kind="stable")
    prices = np.take_along_axis(books.price[:, rows], merit, axis=1)
    quantities = np.take_along_axis(books.quantity[:, rows], merit, axis=1)
    total = np.zeros_like(lots)
    left = lots.copy()
    for price, quantity in zip(prices.T, quantities.T, strict=True):
        taken = np.minimum(left, quantity[:, None])
        total += sign * price[:, None] * taken
        left -= taken
    # Beyond its true quantity a buyer has no use for a lot, and a seller cannot deliver it at any price.
    return total if sign == 1 else total - 10**6 * left


def assert_truthful(found):
    assert found.gain.size > 0
    assert found.gain.max() <= 0, found.worst()
    # Taking part costs nobody anything.
    assert found.utility[:, 0, :].min() >= 0
    return found


def shapes(buyers=3, sellers=3):
    """Numbers of buyers and sellers up to the given ones."""
    return [(b, s) for b in range(1, buyers + 1) for s in range(1, sellers + 1)]


def traded(founds):
    """How many of the truthful worlds of the searches traded at all: a search of idle markets proves nothing."""
    return sum(int((found.volume[:, 0] > 0).sum()) for found in founds)
