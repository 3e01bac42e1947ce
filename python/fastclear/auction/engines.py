"""Settings under which other engines clear, by name, so that their users can compare."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fastclear.auction.double_auction import Discriminatory, Uniform
from fastclear.auction.matching import MaximalVolume
from fastclear.auction.parameters import Mechanism
from fastclear.auction.properties import PROPERTIES
from fastclear.errors import MechanismError

ENGINES: Final[dict[str, tuple[Callable[[], Mechanism], str]]] = {
    "amiris": (lambda: Uniform(k=0, rationing="time"), "AMIRIS: price of the cut block, else max(next bid, last ask)"),
    "assume": (
        lambda: Uniform(price_rule="marginal_ask", rationing="time"),
        "ASSUME pay-as-clear: highest accepted ask",
    ),
    "gsy": (
        lambda: Uniform(price_rule="marginal_bid", whole_levels=True, rationing="time"),
        "Grid Singularity pay-as-clear: bid levels trade whole, at the lowest that supply covers",
    ),
    "gsy_dex": (
        lambda: Uniform(price_rule="scarce_side", rationing="time"),
        "GSy DEX pay-as-clear: lowest accepted bid where all supply is sold out, else highest accepted ask",
    ),
    "gsy_pab": (
        lambda: MaximalVolume(rule="bid", pairing="descending"),
        "Grid Singularity pay-as-bid: dearest offers first, so that volume and not welfare is maximal",
    ),
    "lemlab": (
        lambda: Uniform(price_rule="last_pair_midpoint", price_round="floor", rationing="time"),
        "lemlab uniform: midpoint of the last pair, rounded down",
    ),
    "lemlab_discriminatory": (
        lambda: Discriminatory(k=0.5, price_round="floor"),
        "lemlab discriminatory: midpoint of each pair, rounded down",
    ),
    "powertac": (
        lambda: Uniform(price_rule="capped_midpoint", rationing="quantity"),
        "Power TAC: midpoint of the last pair, at most 1.05 x its ask; larger orders first",
    ),
    "simply": (
        lambda: Uniform(price_rule="marginal_ask", rationing="time"),
        "simply pay-as-clear: last matched ask (its grid fee is ours: fee=...)",
    ),
    "simply_pab": (lambda: Discriminatory(rule="bid"), "simply pay-as-bid: each pair at its bid"),
    "tesp": (
        lambda: Uniform(price_rule="cut_order", rationing="time"),
        "TESP: the cut order's price, else the midpoint of the last pair",
    ),
}
"""Names that :func:`mechanism` knows: what makes the mechanism, and what it reproduces."""


def mechanism(name: str) -> Mechanism:
    """Return the mechanism that reproduces another engine's prices and volumes.

    Where that engine breaks ties by chance or by the order of arrival, time and then id decide here; compare prices and
    volumes, not who of equals was served.

    Parameters
    ----------
    name : str
        ``amiris``, ``assume``, ``gsy``, ``gsy_dex``, ``gsy_pab``, ``lemlab``, ``lemlab_discriminatory``, ``powertac``,
        ``simply``, ``simply_pab`` or ``tesp``. A hyphen counts as an underscore.

    Raises
    ------
    MechanismError
        The name is unknown.

    Examples
    --------
    One book, four engines, four prices:

    >>> import fastclear as fc
    >>> book = {
    ...     "side": ["buy"] * 4 + ["sell"] * 3,
    ...     "price": [50, 30, 30, 30, 10, 20, 31],
    ...     "quantity": [6, 10, 10, 10, 8, 12, 10],
    ... }
    >>> for name in ("assume", "lemlab", "tesp", "gsy"):
    ...     row = fc.clear(book, fc.mechanism(name)).markets
    ...     print(f"{name}: {row['volume'][0]} at {row['price'][0]}")
    assume: 20 at 20
    lemlab: 20 at 25
    tesp: 20 at 30
    gsy: 6 at 50
    """
    made = ENGINES.get(name.replace("-", "_")) if isinstance(name, str) else None
    if made is None:
        own = [row.mechanism for row in PROPERTIES if str(name).replace("_", "").lower() == row.mechanism.lower()]
        hint = f"; the mechanism of that name is fc.{own[0]}(...)" if own else ""
        raise MechanismError(f"no engine is called {name!r}{hint}; use {', '.join(ENGINES)}")
    return made[0]()
