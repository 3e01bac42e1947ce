"""Stages of :class:`fastclear.Preference`: who may meet whom, who goes first, at what price."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final, Literal

from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.auction.parameters import PAIR_RULES, PRICE_MAX, Share, fraction, plain, whole, word
from fastclear.errors import MechanismError
from fastclear.preference.pairs import PairTable, check_overlaps

SHARES: Final = ("in_turn", "equal")
LISTED_MAX: Final = 10
"""Sources that a buyer may name at once, by default: Powerpeers' ten."""


def _check_price_and_share(stage: Any) -> None:
    word("share", stage.share, SHARES)
    word("rule", stage.rule, PAIR_RULES)
    object.__setattr__(stage, "k", fraction("k", stage.k))


@dataclass(frozen=True, slots=True)
class Contracts:
    """Deals that are agreed on: first in line, at their own price.

    Parameters
    ----------
    pairs : frame or mapping of columns
        ``buyer``, ``source`` (participants); optional ``price`` (ticks, agreed on; null: by ``rule``), ``rank``,
        ``cap_price`` (ticks), ``cap_quantity`` (lots a bid), ``share_ppm``, ``consent``, ``valid_from``, ``valid_to``:
        :class:`fastclear.preference.PairTable`.
    share : {"in_turn", "equal"}
        Who gets what of a source that is short: bids by price, time and id, each all it can; or rounds of one lot a
        bid.
    rule, k : as in :class:`fastclear.Discriminatory`, default "ask"
        Price of pairs that agreed on none.
    """

    pairs: Any = field(default_factory=PairTable)
    share: Literal["in_turn", "equal"] = "in_turn"
    rule: Literal["k", "bid", "ask", "earlier"] = "ask"
    k: Share = field(default=Fraction(1, 2), kw_only=True)

    def __post_init__(self) -> None:
        plain(self)
        object.__setattr__(self, "pairs", PairTable.of(self.pairs))
        _check_price_and_share(self)
        if self.share == "equal":
            check_overlaps(self.pairs.frame, "pairs")  # shares of deals beside each other would have no order

    @property
    def name(self) -> str:
        """``contracts``."""
        return "contracts"


@dataclass(frozen=True, slots=True)
class Nominated:
    """Sources that a buyer has named, in its order; the mix may change from slot to slot.

    Parameters
    ----------
    pairs : frame or mapping of columns
        As of :class:`Contracts`. Lower ``rank`` comes first; sources of one rank by the price of their asks, or
        together where ``share="equal"``.
    accepts : frame or mapping of columns, optional
        The sources' own lists, with the same columns: a pair counts only where the source has named the buyer too,
        while both rows are valid, up to the lower of their caps.
    most : int, default 10
        Sources that a buyer may name for one instant.
    share, rule, k
        As of :class:`Contracts`.
    """

    pairs: Any = field(default_factory=PairTable)
    accepts: Any = None
    share: Literal["in_turn", "equal"] = "in_turn"
    rule: Literal["k", "bid", "ask", "earlier"] = "ask"
    most: int = LISTED_MAX
    k: Share = field(default=Fraction(1, 2), kw_only=True)

    def __post_init__(self) -> None:
        plain(self)
        whole("most", self.most, 1, 2**31 - 1, "sources")
        pairs = PairTable.of(self.pairs)
        check_overlaps(pairs.frame, "pairs")
        pairs.check_most(self.most)
        object.__setattr__(self, "pairs", pairs)
        if self.accepts is not None:
            object.__setattr__(self, "accepts", PairTable.of(self.accepts, what="accepts"))
        _check_price_and_share(self)

    @property
    def name(self) -> str:
        """``nominated``."""
        return "nominated"


@dataclass(frozen=True, slots=True)
class PreferredTypes:
    """Sources of the types that a bid wants: its column ``wants`` against the asks' column ``source``.

    Parameters
    ----------
    first : {"distance", "price"}
        Nearest first (then the cheapest, then time and id), or cheapest first (then the nearest).
    share, rule, k
        As of :class:`Contracts`.
    """

    first: Literal["distance", "price"] = "distance"
    share: Literal["in_turn", "equal"] = "in_turn"
    rule: Literal["k", "bid", "ask", "earlier"] = "ask"
    k: Share = field(default=Fraction(1, 2), kw_only=True)

    def __post_init__(self) -> None:
        plain(self)
        word("first", self.first, ("distance", "price"))
        _check_price_and_share(self)

    @property
    def name(self) -> str:
        """``preferred types``."""
        return "preferred types"


@dataclass(frozen=True, slots=True)
class Community:
    """Everyone with everyone; bids that are ``strict`` sit it out.

    Parameters
    ----------
    first : {"price", "distance"}
        As of :class:`PreferredTypes`: cheapest first here.
    share, rule, k
        As of :class:`Contracts`. ``share="equal"`` looks at every pair of a market: for some hundreds of orders.
    """

    first: Literal["distance", "price"] = "price"
    share: Literal["in_turn", "equal"] = "in_turn"
    rule: Literal["k", "bid", "ask", "earlier"] = "ask"
    k: Share = field(default=Fraction(1, 2), kw_only=True)

    def __post_init__(self) -> None:
        plain(self)
        word("first", self.first, ("distance", "price"))
        _check_price_and_share(self)

    @property
    def name(self) -> str:
        """``community``."""
        return "community"


@dataclass(frozen=True, slots=True)
class Essential:
    """Essential loads at a fixed rate, from the cheapest asks at or below it (Brooklyn).

    Bids whose column ``essential`` is true trade in this stage, by time and id, and in no other. A bid below the rate
    does not trade.

    Parameters
    ----------
    rate : int
        Ticks: what they pay, and their sellers receive.
    """

    rate: int

    def __post_init__(self) -> None:
        plain(self)
        whole("rate", self.rate, -PRICE_MAX, PRICE_MAX, "ticks")

    @property
    def name(self) -> str:
        """``essential``."""
        return "essential"


@dataclass(frozen=True, slots=True)
class Auction:
    """What is left meets in a call auction; strict and essential bids sit it out, and so do orders outside its caps.

    Parameters
    ----------
    mechanism : Uniform or Discriminatory, default Uniform()
        The auction.
    """

    mechanism: Uniform | Discriminatory = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        _check_auction(self.mechanism)

    @property
    def name(self) -> str:
        """``auction``."""
        return "auction"


@dataclass(frozen=True, slots=True)
class Qualities:
    """One auction a class of the column ``quality``; no bid receives a lower class than its own.

    Parameters
    ----------
    classes : tuple of str or int
        All classes, the best first.
    order : {"high_to_low", "low_to_high", "separate"}
        ``"high_to_low"``: the best class first, bids of a class against unsold asks of it or a better one.
        ``"low_to_high"``: the same from the lowest class up. ``"separate"``: bids against asks of their own class only.
    mechanism : Uniform or Discriminatory, default Uniform()
        The auction of each class.
    """

    classes: tuple[str | int, ...]
    order: Literal["high_to_low", "low_to_high", "separate"] = "high_to_low"
    mechanism: Uniform | Discriminatory = field(default_factory=Uniform)

    def __post_init__(self) -> None:
        if isinstance(self.classes, str) or len({type(name) for name in self.classes}) != 1:
            raise MechanismError(f"classes={self.classes!r}; give a tuple of names of one type, the best class first")
        object.__setattr__(self, "classes", tuple(self.classes))
        if len(set(self.classes)) != len(self.classes):
            raise MechanismError(f"classes={self.classes!r} names a class twice; leave one out")
        word("order", self.order, ("high_to_low", "low_to_high", "separate"))
        _check_auction(self.mechanism)

    @property
    def name(self) -> str:
        """``quality``."""
        return "quality"


def _check_auction(mechanism: object) -> None:
    if not isinstance(mechanism, Uniform | Discriminatory):
        raise MechanismError(
            f"mechanism={mechanism!r} is no auction of a stage; give fc.Uniform() or fc.Discriminatory()"
        )
    if isinstance(mechanism, Uniform) and mechanism.price_rule == "last_pair_midpoint":
        raise MechanismError('price_rule="last_pair_midpoint" has half ticks, which stages do not; use another')


Stage = Contracts | Nominated | PreferredTypes | Community | Essential | Auction | Qualities
STAGES: Final[dict[str, type[Any]]] = {
    "contracts": Contracts,
    "nominated": Nominated,
    "preferred_types": PreferredTypes,
    "community": Community,
    "auction": Auction,
}
"""Stages that can be named without parameters."""


def stage_of(stage: object) -> Stage:
    """A stage, or the one that goes by the name.

    Raises
    ------
    MechanismError
        Neither.
    """
    if isinstance(stage, Stage):
        return stage
    if isinstance(stage, str) and stage in STAGES:
        made: Stage = STAGES[stage]()
        return made
    names = ", ".join(map(repr, STAGES))
    raise MechanismError(f"stages: {stage!r} is no stage; give one of fastclear.preference, or a name of {names}")
