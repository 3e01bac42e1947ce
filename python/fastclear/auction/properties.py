"""What each mechanism promises: one table, of which docstrings, the command line and docs/2_mechanisms.md are made.

A claim is about reports as given, for each market by itself, and each is held against a search for counter-examples in
the tests. ``scripts/mechanism_table.py`` rewrites the table of docs/2_mechanisms.md.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

_WIDTH = 112  # of a docstring's lines, with their indentation of 4


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim in a word or two, and its exact terms."""

    short: str
    detail: str = ""

    def __str__(self) -> str:
        """Both parts."""
        return f"{self.short}; {self.detail}" if self.detail else self.short


@dataclass(frozen=True, slots=True)
class Properties:
    """What one mechanism promises.

    Attributes
    ----------
    mechanism : str
        Name of its class.
    variant : str
        Value of its parameter ``variant``, where the claims depend on that; else empty.
    summary : str
        The rule in one line.
    budget : Claim
        ``balanced`` (buyers pay what sellers receive), ``surplus`` (never less) or ``deficit`` (never more).
    rationality : Claim
        Whether, after the event, nobody pays more or receives less than their limit times what they traded.
    truthfulness : Claim
        Whether no other report than the true one can pay, and under what terms.
    efficiency : Claim
        Welfare against the best allocation of the reported orders.
    complexity : str
        Time for N orders.
    source : str
        Who proved or proposed it.
    """

    mechanism: str
    summary: str
    budget: Claim
    rationality: Claim
    truthfulness: Claim
    efficiency: Claim
    complexity: str
    source: str
    variant: str = ""

    @property
    def name(self) -> str:
        """Class and variant."""
        return f"{self.mechanism}, {self.variant}" if self.variant else self.mechanism

    def claims(self) -> dict[str, Claim]:
        """The four claims by the name of their column."""
        return {
            "budget_balance": self.budget,
            "individual_rationality": self.rationality,
            "truthfulness": self.truthfulness,
            "efficiency": self.efficiency,
        }


_EX_POST: Final = Claim("yes")
_NO: Final = Claim("no")
_OPTIMAL: Final = Claim("optimal")

PROPERTIES: Final[tuple[Properties, ...]] = (
    Properties(
        mechanism="Uniform",
        summary="dearest bids meet cheapest asks, all at one price",
        budget=Claim("balanced", "with a fee, surplus = fee x volume"),
        rationality=_EX_POST,
        truthfulness=Claim(
            "no",
            "with price_rule=interval a trader of one lot gains at most price_high - price_low; one of several, more",
        ),
        efficiency=Claim(
            "optimal", "with a fee, welfare less fees is; a reserve price, minimum quantities and whole_levels can lose"
        ),
        complexity="O(N) and a sort of the orders near the price",
        source="Satterthwaite & Williams 1989; Wurman, Walsh & Wellman 1998",
    ),
    Properties(
        mechanism="Discriminatory",
        summary="the same pairs as under price priority, each at a price of its own",
        budget=Claim("balanced", "with a fee, surplus = fee x volume; with spread_to=operator, the spreads on top"),
        rationality=_EX_POST,
        truthfulness=_NO,
        efficiency=Claim(
            "optimal", "with a fee, welfare less fees is; a reserve price and minimum quantities can lose"
        ),
        complexity="O(N + W log W) for W orders that trade",
        source="Chatterjee & Samuelson 1983; Nicolaisen, Petrov & Tesfatsion 2001; Federico & Rahman 2003",
    ),
    Properties(
        mechanism="MaximalVolume",
        summary="as many lots as limits allow, pair by pair",
        budget=Claim("balanced"),
        rationality=_EX_POST,
        truthfulness=_NO,
        efficiency=Claim(
            "lower", "volume is the largest there is, at most twice that of the optimum; welfare pays for it"
        ),
        complexity="O(N log N)",
        source="Niu & Parsons 2013",
    ),
    Properties(
        mechanism="RandomMatching",
        summary="partners are drawn by lot until nobody left can trade",
        budget=Claim("balanced"),
        rationality=_EX_POST,
        truthfulness=_NO,
        efficiency=Claim("random", "only this is sure: no bid and ask that are left could trade"),
        complexity="O(N log N) a round",
        source="Blouin & Serrano 2001, in the form of pymarket's p2p market",
    ),
    Properties(
        mechanism="Vickrey",
        summary="the optimal allocation; each pays what its trade costs the others",
        budget=Claim("deficit", "surplus <= 0, paid by the account that deficit_to names"),
        rationality=_EX_POST,
        truthfulness=Claim("yes", "dominant strategy, also with several orders a participant, all on one side"),
        efficiency=_OPTIMAL,
        complexity="O(N log N), and O(log N) for each that trades",
        source="Vickrey 1961; Clarke 1971; Groves 1973",
    ),
    Properties(
        mechanism="TradeReduction",
        summary="one unit each; where no price of losers separates, the marginal pair is left out",
        budget=Claim("surplus", "0, or (k - 1)(b_k - s_k) where the marginal pair is left out"),
        rationality=_EX_POST,
        truthfulness=Claim("yes", "dominant strategy, one unit a participant"),
        efficiency=Claim("one pair lost", "at most the marginal one, b_k - s_k: no more than 1/k of the optimum"),
        complexity="O(N log N)",
        source="McAfee 1992 (J. Economic Theory 56, 434-450)",
    ),
    Properties(
        mechanism="Huang",
        summary="the marginal bid and ask set the prices and do not trade; the long side is cut equally",
        budget=Claim("surplus", "volume x (marginal bid - marginal ask) >= 0"),
        rationality=_EX_POST,
        truthfulness=Claim("price only", "dominant strategy for the limit; a false quantity can pay"),
        efficiency=Claim("margin lost", "both marginal orders, and what the long side is cut by"),
        complexity="O(N log N)",
        source="Huang, Scheller-Wolf & Sycara 2002 (Computational Intelligence 18, 596-617)",
    ),
    Properties(
        mechanism="Sbba",
        summary="one unit each, one price, that of an order which does not trade at it",
        budget=Claim("balanced"),
        rationality=_EX_POST,
        truthfulness=Claim("in expectation", "over the lottery that leaves out a seller, one unit a participant"),
        efficiency=Claim("one deal lost", "at most"),
        complexity="O(N log N)",
        source="Segal-Halevi, Hassidim & Aumann 2016 (arXiv 1607.05139)",
    ),
    Properties(
        mechanism="Muda",
        variant="lottery",
        summary="traders are split by coins; each half trades at the price that the other makes",
        budget=Claim("balanced"),
        rationality=_EX_POST,
        truthfulness=Claim("given the halves", "for a participant of one order, no other limit pays"),
        efficiency=Claim("asymptotic", "goes to the optimum as the market grows; small markets may lose all"),
        complexity="O(N log N)",
        source="Segal-Halevi, Hassidim & Aumann 2018 (AAAI, arXiv 1712.06848)",
    ),
    Properties(
        mechanism="Muda",
        variant="vickrey",
        summary="the same halves; the best of the long side win and pay what they displace",
        budget=Claim("surplus", "the fees of the long side, >= 0"),
        rationality=_EX_POST,
        truthfulness=Claim("given the halves", "for a participant of one order, no other limit pays"),
        efficiency=Claim("asymptotic", "goes to the optimum as the market grows; small markets may lose all"),
        complexity="O(N log N)",
        source="Segal-Halevi, Hassidim & Aumann 2018 (AAAI, arXiv 1712.06848)",
    ),
    Properties(
        mechanism="Average",
        summary="one unit each, all that gain trade at half way between the last bid and the last ask",
        budget=Claim("balanced"),
        rationality=_EX_POST,
        truthfulness=_NO,
        efficiency=_OPTIMAL,
        complexity="O(N log N)",
        source="the average mechanism of the double-auction literature; no single source",
    ),
    Properties(
        mechanism="MultiRound",
        summary="rounds at the midpoint of quotes that move towards each other",
        budget=Claim("balanced", "in every round"),
        rationality=_EX_POST,
        truthfulness=_NO,
        efficiency=Claim("path dependent", "opening quotes and steps decide; volume is at most that of MaximalVolume"),
        complexity="O(N log N) a round",
        source="our reading of Haggi & Sun 2021 (IEEE Trans. Smart Grid 12, 4403-4414)",
    ),
    Properties(
        mechanism="Blocks",
        summary="hourly markets with all-or-none, linked and exclusive profiles on top",
        budget=Claim("balanced"),
        rationality=Claim("yes", "no order and no accepted block (a parent together with its children) loses"),
        truthfulness=_NO,
        efficiency=Claim("constrained", "the highest welfare of all choices of blocks that one price an hour supports"),
        complexity="a mixed-integer program, exponential at worst",
        source="EUPHEMIA public description; Madani & Van Vyve 2015",
    ),
    Properties(
        mechanism="Preference",
        summary="stages one after the other: contracts, named sources, wanted types, the community, auctions",
        budget=Claim("balanced", "but for the network's fees, which are the surplus"),
        rationality=Claim("yes", "ex post, in every stage"),
        truthfulness=Claim("no", "lists and limits decide who is served"),
        efficiency=Claim("by preference", "a stage leaves no two orders that it could have brought together"),
        complexity="O(N log N + pairs), network flows where equal rounds cross",
        source="our reading of the rules of Powerpeers, Vandebron, Piclo and Enosi (reviews 002 and 003)",
    ),
)
"""Every auction, in the order of docs/2_mechanisms.md."""


def every() -> tuple[Properties, ...]:
    """Rows of all mechanisms: auctions, then those without bids."""
    from fastclear.sharing.properties import SHARING  # which stands on this file

    return (*PROPERTIES, *SHARING)


class MechanismTable(pl.DataFrame):
    """A frame that prints whole: every row, no types, as wide as the terminal."""

    def __str__(self) -> str:
        """All rows as a table."""
        with pl.Config(
            tbl_rows=-1,
            tbl_width_chars=max(120, shutil.get_terminal_size((140, 24)).columns),
            tbl_hide_dataframe_shape=True,
            tbl_hide_column_data_types=True,
            fmt_str_lengths=400,
        ):
            return str(pl.DataFrame(self).drop("class", strict=False))  # which the name begins with

    __repr__ = __str__


def mechanisms(*, terms: bool = False) -> pl.DataFrame:
    """List every mechanism and what it promises.

    Parameters
    ----------
    terms : bool, default False
        Give each claim with its exact terms, after a semicolon, and cost and source in full.

    Returns
    -------
    polars.DataFrame
        One row a mechanism (two for ``Muda``, whose variants differ), all String: ``name``, ``class`` (in
        ``fastclear``), ``budget_balance``, ``individual_rationality`` (ex post; of pools, against the grid alone),
        ``truthfulness``, ``efficiency`` (of the orders as reported), ``complexity``, ``source``.

    Examples
    --------
    >>> import fastclear as fc
    >>> table = fc.mechanisms()
    >>> table.filter(table["name"] == "Vickrey").select("budget_balance", "truthfulness", "source").row(0)
    ('deficit', 'yes', 'Vickrey 1961')
    >>> print(fc.mechanisms(terms=True).filter(table["name"] == "Vickrey")["budget_balance"].item())
    deficit; surplus <= 0, paid by the account that deficit_to names
    """

    def brief(text: str) -> str:
        return text.partition(";")[0].partition(",")[0].partition(" and ")[0]

    def cited(source: str) -> str:
        found = re.match(r"[^;(]*?\d{4}|[^;(]*", source)
        return source if found is None else found.group().strip()

    return MechanismTable(
        [
            {
                "name": row.name,
                "class": row.mechanism,
                **{column: str(claim) if terms else claim.short for column, claim in row.claims().items()},
                "complexity": row.complexity if terms else brief(row.complexity),
                "source": row.source if terms else cited(row.source),
            }
            for row in every()
        ]
    )


def markdown(rows: tuple[Properties, ...] = PROPERTIES) -> str:
    """Render a table of the documentation, without its markers."""
    head = "| mechanism | budget | individually rational | truthful | welfare as reported | time for N orders |"
    lines = [head, "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [f"`{row.mechanism}`{f' ({row.variant})' if row.variant else ''}"]
        cells += [str(claim) for claim in row.claims().values()]
        lines.append(f"| {' | '.join([*cells, row.complexity])} |")
    return "\n".join(lines)


def section(name: str, table: tuple[Properties, ...] = PROPERTIES) -> str:
    """The ``Properties`` section of a class's docstring, indented like one.

    Raises
    ------
    KeyError
        The table has no such mechanism.
    """
    rows = [row for row in table if row.mechanism == name]
    if not rows:
        raise KeyError(name)
    lines = ["Properties", "----------"]
    for row in rows:
        label = f"{row.variant}, " if row.variant else ""
        for column, claim in row.claims().items():
            text = f"{label}{column.replace('_', ' ')}: {claim}."
            text = text[0].upper() + text[1:]
            lines += textwrap.wrap(text, _WIDTH - 4, subsequent_indent="    ")
    lines += textwrap.wrap(f"Time: {rows[0].complexity}.", _WIDTH - 4, subsequent_indent="    ")
    lines += textwrap.wrap(f"Source: {rows[0].source}.", _WIDTH - 4, subsequent_indent="    ")
    return textwrap.indent("\n".join(lines), "    ")


C = TypeVar("C", bound=type)


def described(cls: C, table: tuple[Properties, ...] = PROPERTIES) -> C:
    """Append the class's properties to its docstring; the outermost decorator, since slots make a class anew.

    Raises
    ------
    KeyError
        The table has no such mechanism.
    """
    text = section(cls.__name__, table)
    if cls.__doc__ is not None:  # it is None under python -OO
        cls.__doc__ = f"{cls.__doc__.rstrip()}\n\n{text}\n    "
    return cls
