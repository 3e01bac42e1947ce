"""Mechanisms built for truthful reports: each gives up efficiency, budget balance or certainty for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from fastclear import _core
from fastclear.auction.parameters import by_parameters, plain, price, seed_of, unit_lots, word, yes_or_no
from fastclear.auction.properties import described
from fastclear.errors import MechanismError, SchemaError

if TYPE_CHECKING:
    from fastclear.orders import Orders


@described
@dataclass(frozen=True, slots=True)
class Vickrey:
    """Vickrey-Clarke-Groves double auction: efficient trades, each participant at what its presence costs others.

    A participant is taken out with all its orders, on one side of a market: ``both_sides`` are refused. A buyer pays
    the welfare that the others lose by its presence, a seller receives what they gain. What an order pays is a sum,
    not a price a unit: an agent's sum is split over its orders in proportion to what they are filled.

    Parameters
    ----------
    deficit_to : {"platform", "dso", "backstop"}
        The account that settlement lets pay what sellers receive beyond what buyers pay.

    Raises
    ------
    MechanismError
        An account that is unknown.

    Notes
    -----
    No mechanism can be truthful, efficient, individually rational and free of deficit (Myerson & Satterthwaite 1983).

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "side": ["buy"] * 4 + ["sell"] * 4,
    ...     "price": [33, 28, 24, 15, 8, 13, 18, 22],
    ...     "quantity": [1] * 8,
    ... }
    >>> clearing = fc.clear(orders, fc.Vickrey())
    >>> clearing.payment
    array([ 18,  18,  18,   0, -22, -22, -22,   0])
    >>> int(clearing.market_columns["surplus"][0])
    -12
    """

    deficit_to: Literal["platform", "dso", "backstop"] = "platform"
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        word("deficit_to", self.deficit_to, ("platform", "dso", "backstop"))
        object.__setattr__(self, "core", _core.Mechanism.vickrey())

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class TradeReduction:
    """McAfee's double auction: all efficient pairs trade at the price of the pair behind them, or all but the last.

    With k efficient pairs, the midpoint ``p0`` of bid and ask k + 1 is the price of all k, if it lies between ask k and
    bid k. Otherwise pair k gives its trade up and sets the prices: buyers pay its bid, sellers receive its ask.

    Parameters
    ----------
    use_p0 : bool, default True
        False: pure trade reduction, which always gives up pair k.
    unit : int, default 1
        Lots that every order trades: orders of another quantity are refused (``not_one_unit``), and so are participants
        with several orders (``several_orders``) or on both sides (``both_sides``).
    cap_low, cap_high : int, optional
        Ends of the support of values, in ticks: they stand in for bid and ask k + 1 where there is none, and limits
        outside are refused (``price_outside_caps``). Without them a missing one means that pair k gives up.

    Raises
    ------
    MechanismError
        A parameter that is out of range.

    Notes
    -----
    Prices and money are over ``clearing.den``, since ``p0`` may be a half tick. Column ``branch`` of the markets says
    which way it went: ``all_trade`` or ``reduced``.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy"] * 4 + ["sell"] * 4, "price": [40, 34, 27, 25, 10, 14, 20, 33], "quantity": [1] * 8}
    >>> columns = ["branch", "volume", "price_buy", "price_sell", "surplus"]
    >>> fc.clear(orders, fc.TradeReduction()).markets.select(columns).rows()
    [('reduced', 2, 27, 20, Decimal('14'))]
    """

    use_p0: bool = True
    unit: int = 1
    cap_low: int | None = None
    cap_high: int | None = None
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        core = _core.Mechanism.trade_reduction(
            yes_or_no("use_p0", self.use_p0),
            unit_lots(self.unit),
            price("cap_low", self.cap_low),
            price("cap_high", self.cap_high),
        )
        object.__setattr__(self, "core", core)

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class Huang:
    """Huang's multi-unit double auction: the marginal bid and ask set the prices and do not trade.

    Buyers before the marginal one pay its bid, sellers before the marginal one receive its ask. The longer of the two
    sides gives up its excess in equal parts; an order smaller than its part gives up all. Lots that do not divide come
    one each from the latest orders.

    A participant has one order: several (``several_orders``) or both sides (``both_sides``) are refused.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "side": ["buy"] * 4 + ["sell"] * 4,
    ...     "price": [45, 40, 33, 20, 10, 15, 24, 38],
    ...     "quantity": [10, 8, 6, 9, 7, 9, 12, 5],
    ... }
    >>> fc.clear(orders, fc.Huang()).filled
    array([9, 7, 0, 0, 7, 9, 0, 0])
    """

    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "core", _core.Mechanism.huang())

    __reduce__ = by_parameters


@described
@dataclass(frozen=True, slots=True)
class Sbba:
    """Strongly budget-balanced double auction: one price, no surplus, and at most one deal lost.

    With k efficient pairs: if seller k + 1 asks no more than buyer k bids, its ask is the price and all k trade.
    Otherwise buyer k's bid is the price, buyer k does not trade, and neither does one of the k sellers, drawn by lot.

    Parameters
    ----------
    seed : int
        Of the lottery, 0 to 2**64 - 1; every market draws from a stream of its own.
    unit : int, default 1
        As in :class:`fastclear.TradeReduction`.

    Raises
    ------
    MechanismError
        A parameter that is out of range.

    Notes
    -----
    Column ``branch`` of the markets says who set the price: ``seller_sets_price`` or ``buyer_sets_price``.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {"side": ["buy"] * 4 + ["sell"] * 4, "price": [38, 33, 29, 14, 7, 12, 19, 26], "quantity": [1] * 8}
    >>> fc.clear(orders, fc.Sbba(seed=1)).markets.select("branch", "price", "volume", "surplus").rows()
    [('seller_sets_price', 26, 3, Decimal('0'))]
    """

    seed: int
    unit: int = 1
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        object.__setattr__(self, "core", _core.Mechanism.sbba(seed_of(self.seed), unit_lots(self.unit)))

    __reduce__ = by_parameters


Names = Sequence[int] | Sequence[str]
"""Participants, as the ``participant`` column names them."""


@described
@dataclass(frozen=True, slots=True)
class Muda:
    """Multi-unit double auction: two halves, each at the price that clears the other.

    A fair coin sends each participant, with all its orders, to the left or the right half. Each half's price is the
    exact midpoint of its clearing interval, and the *other* half trades at it: units whose bid is above or whose ask
    is below that price are willing, the short side trades whole, and the long side by ``variant``.

    Parameters
    ----------
    variant : {"lottery", "vickrey"}
        The long side in random order of participants, or best units first, each winner paying a fee for whom it keeps
        out: for as many of the best willing units of others as it won, what they would have gained.
    seed : int, optional
        Of coins and lottery, 0 to 2**64 - 1; every market draws from a stream of its own.
    partition : sequence of participants, or a pair of such sequences, optional
        Who stands in the left half (or in the left and in the right), in place of coins; all others stand in the right.
    permutation : sequence of participants, optional
        In which turn participants of the long side are served, in place of the lottery; those not named come last, by
        id.

    Raises
    ------
    MechanismError
        A parameter that is unknown, or neither seed nor what stands in its place.

    Notes
    -----
    A participant may have several orders (decreasing marginal values) on one side; both sides are refused
    (``both_sides``). ``partition`` and ``permutation`` need the column ``participant``. Columns ``price_left`` and
    ``price_right`` of the markets are the prices found in each half. Prices and money are over ``clearing.den``.

    Examples
    --------
    >>> import fastclear as fc
    >>> orders = {
    ...     "participant": ["B1", "B2", "B3", "B4", "S1", "S2", "S3", "S4"],
    ...     "side": ["buy"] * 4 + ["sell"] * 4,
    ...     "price": [40, 30, 20, 10, 5, 15, 25, 35],
    ...     "quantity": [2] * 8,
    ... }
    >>> turns = orders["participant"]
    >>> clearing = fc.clear(orders, fc.Muda(partition=["B1", "B3", "S1", "S3"], permutation=turns))
    >>> clearing.den, clearing.markets.select("price_left", "price_right").row(0)
    (2, (45, 45))
    """

    variant: Literal["lottery", "vickrey"] = "lottery"
    seed: int | None = None
    partition: Names | None = None
    permutation: Names | None = None
    core: _core.Mechanism = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        plain(self)
        vickrey = word("variant", self.variant, ("lottery", "vickrey")) == "vickrey"
        object.__setattr__(self, "partition", _left_half(self.partition))
        object.__setattr__(self, "permutation", _names("permutation", self.permutation))
        if vickrey and self.permutation is not None:
            raise MechanismError("permutation is for the lottery; leave it out with variant='vickrey'")
        drawn = self.partition is None or not (vickrey or self.permutation is not None)
        if self.seed is None and drawn:
            missing = "coins" if self.partition is None else "lottery"
            raise MechanismError(f"nothing says how the {missing} fall; give a seed, such as seed=1")
        object.__setattr__(self, "core", _core.Mechanism.muda(vickrey, 0 if self.seed is None else seed_of(self.seed)))

    __reduce__ = by_parameters

    def warn_of_strangers(self, orders: Orders) -> None:
        """Warn where a parameter names a participant that has no order: it may be a slip of the pen."""
        for parameter in ("partition", "permutation"):
            names = getattr(self, parameter)
            if names is None or orders.participant is None:
                continue
            here = set(orders.names("participant", np.unique(orders.participant)).to_list())
            strangers = [name for name in names if name not in here]
            if strangers:
                and_more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
                message = f"{parameter} names participant {strangers[0]!r}{and_more}, who has no order here"
                warnings.warn(message, UserWarning, stacklevel=3)

    def places(self, orders: Orders) -> tuple[NDArray[np.uint8] | None, NDArray[np.int64] | None]:
        """Half (1 = right) and turn of each order's participant, where the parameters say so.

        Raises
        ------
        SchemaError
            The orders name no participants, or name them by another type.
        """
        half = turn = None
        if self.partition is not None:
            half = (_turns("partition", self.partition, orders) == len(self.partition)).astype(np.uint8)
        if self.permutation is not None:
            turn = _turns("permutation", self.permutation, orders)
        return half, turn


def _turns(parameter: str, names: Names, orders: Orders) -> NDArray[np.int64]:
    """Index of each order's participant in ``names``; their number where it is not among them."""
    if orders.participant is None:
        raise SchemaError(f"{parameter} names participants and the orders do not; give column 'participant'")
    texts = orders.texts.get("participant")
    if names and isinstance(names[0], str) != (texts is not None):
        kinds = ("text", "whole numbers") if texts is None else ("whole numbers", "text")
        raise SchemaError(f"{parameter} names participants by {kinds[0]} and column 'participant' by {kinds[1]}")
    turn_of = {name: turn for turn, name in enumerate(names)}
    ids, rows = np.unique(orders.participant, return_inverse=True)
    known = ids.tolist() if texts is None else texts.gather(ids).to_list()
    turns = np.array([turn_of.get(name, len(names)) for name in known], np.int64)
    return turns[rows]


def _left_half(partition: object) -> tuple[int, ...] | tuple[str, ...] | None:
    """Return the participants of the left half, of whom the right half, where it is given, has none."""
    halves = partition if isinstance(partition, list | tuple) else ()
    if len(halves) != 2 or any(isinstance(half, str) or not isinstance(half, Iterable) for half in halves):
        return _names("partition", partition)
    left, right = (_names("partition", half) or () for half in halves)
    both = [name for name in left if name in right]
    if both:
        raise MechanismError(f"partition puts {both[0]!r} into both halves; name everyone once")
    return left


def _names(parameter: str, names: object) -> tuple[int, ...] | tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, np.ndarray) and names.ndim == 1:
        names = names.tolist()
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise MechanismError(f"{parameter}={names!r} is no list of participants")
    try:
        listed = tuple(name.item() if isinstance(name, np.generic) else name for name in names)
    except TypeError as error:  # an array without dimensions
        raise MechanismError(f"{parameter}={names!r} is no list of participants") from error
    if not (all(isinstance(name, str) for name in listed) or all(type(name) is int for name in listed)):
        raise MechanismError(
            f"{parameter} mixes kinds of names; give texts or whole numbers, as in column 'participant'"
        )
    if len(set(listed)) < len(listed):
        raise MechanismError(f"{parameter} names a participant twice")
    return listed
