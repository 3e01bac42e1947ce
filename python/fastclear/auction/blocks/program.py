"""The linear relaxation of the choice of blocks, and upper bounds from it that hold in integers.

HiGHS only proposes. Its dual values, rounded to fractions over 2^40, are multipliers in the Lagrangian of the program;
over the box of the columns that is a sum of one maximum a column, and it bounds the welfare whatever the multipliers
are. It is evaluated in Python integers. So no tolerance of the solver reaches a result: bad dual values only cost time.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np

from fastclear.auction.blocks.model import Book
from fastclear.errors import MissingLibraryError

_SCALE: Final = 2**40
_PENALTY: Final = 64

Entries = list[tuple[int, int]]


class Program:
    """Welfare of fills and blocks together with prices that support them.

    Columns are filled lots of every price level, acceptance of every block, the price of every hour, the surplus a lot
    of every level, and the surplus that every block keeps or hands to its parent. Hourly orders and accepted blocks
    together earn no more than welfare (strong duality), and an accepted block keeps and hands on no less than it earns
    and is handed; so prices support the fills and no family loses. Source: Madani & Van Vyve 2015.

    Raises
    ------
    MissingLibraryError
        highspy is not installed.
    """

    def __init__(self, book: Book) -> None:
        self._book = book
        self._cost: list[int] = []
        self._lower: list[int] = []
        self._upper: list[int] = []
        self._column_scale: list[int] = []
        self._rows: list[tuple[Entries, int, bool, int]] = []  # entries, right-hand side, whether equal, scale
        rows = [row for block in book.blocks for row in block.rows]
        levels = [level for hour in book.hours for level in hour.bids + hour.asks]
        self._price = _power(max([1, *(abs(p) for p, _ in levels), *(abs(row.price) for row in rows)]))
        self._lots = _power(max([1, *(q for _, q in levels), *(row.quantity for row in rows)]))
        self._money = self._price * self._lots
        bulk = 2 * (sum(q for _, q in levels) + sum(row.quantity for row in rows))

        self._accept = [self._column(block.worth, 0, 1, 1) for block in book.blocks]
        self._prices = [self._column(0, hour.low, hour.high, self._price) for hour in book.hours]
        duality: Entries = [(x, block.worth) for x, block in zip(self._accept, book.blocks, strict=True)]
        balances = self._add_levels(duality)
        self._add_blocks(duality)
        for rank, block in enumerate(book.blocks):
            for row in block.rows:
                balances[row.hour].append((self._accept[rank], row.sign * row.quantity))
        # Ways out at a penalty, so that every node has a solution and every bound is finite.
        for balance in balances:
            balance += [(self._column(-_PENALTY * self._price, 0, bulk, self._lots), sign) for sign in (1, -1)]
            self._rows.append((balance, 0, True, self._lots))
        duality.append((self._column(-_PENALTY, 0, 4 * bulk * self._price, self._money), 1))
        self._rows.append((duality, 0, False, self._money))
        self._solver, self._highspy = self._load()

    def _column(self, cost: int, lower: int, upper: int, scale: int) -> int:
        self._cost.append(cost)
        self._lower.append(lower)
        self._upper.append(upper)
        self._column_scale.append(scale)
        return len(self._cost) - 1

    def _add_levels(self, duality: Entries) -> list[Entries]:
        """Fills and surplus of every hourly price level; returns what each hour buys less what it sells."""
        balances: list[Entries] = []
        for price, hour in zip(self._prices, self._book.hours, strict=True):
            balance: Entries = []
            for sign, levels in ((1, hour.bids), (-1, hour.asks)):
                for limit, lots in levels:
                    filled = self._column(sign * limit, 0, lots, self._lots)
                    most = limit - hour.low if sign == 1 else hour.high - limit
                    surplus = self._column(0, 0, most, self._price)
                    self._rows.append(([(surplus, 1), (price, sign)], sign * limit, False, self._price))
                    balance.append((filled, sign))
                    duality += [(filled, sign * limit), (surplus, -lots)]
            balances.append(balance)
        return balances

    def _add_blocks(self, duality: Entries) -> None:
        """Links, groups, and what a block keeps of its surplus or hands to its parent."""
        book = self._book
        most = [max(0, surplus) for surplus in book.most_surplus()]
        kept = [self._column(0, 0, most[rank], self._money) for rank in range(len(book.blocks))]
        handed = [
            self._column(0, 0, most[rank] if block.parent is not None else 0, self._money)
            for rank, block in enumerate(book.blocks)
        ]
        for rank, block in enumerate(book.blocks):
            # kept + handed - handed by children >= surplus at the prices, where the block is accepted
            idle = max(0, book.own_surplus_max(rank))
            entries = [(kept[rank], 1), (handed[rank], 1), *((handed[child], -1) for child in book.children[rank])]
            entries += [(self._prices[row.hour], row.sign * row.quantity) for row in block.rows]
            entries.append((self._accept[rank], -idle))
            self._rows.append((entries, block.worth - idle, False, self._money))
            duality.append((kept[rank], -1))
            if block.parent is not None:
                self._rows.append(([(self._accept[block.parent], 1), (self._accept[rank], -1)], 0, False, 1))
        for members in book.groups.values():
            self._rows.append(([(self._accept[rank], -1) for rank in members], -1, False, 1))

    def _load(self) -> tuple[Any, Any]:
        try:
            import highspy
        except ImportError as error:
            raise MissingLibraryError(
                "branch and bound over blocks needs the solver HiGHS: pip install 'fastclear[opt]', "
                'or list all sets of a few blocks with fc.Blocks(method="enumerate")'
            ) from error
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self._cost), len(self._rows)
        program.col_cost_ = [-c * s / self._money for c, s in zip(self._cost, self._column_scale, strict=True)]
        program.col_lower_ = [x / s for x, s in zip(self._lower, self._column_scale, strict=True)]
        program.col_upper_ = [x / s for x, s in zip(self._upper, self._column_scale, strict=True)]
        program.row_lower_ = [low / scale for _, low, _, scale in self._rows]
        program.row_upper_ = [low / scale if equal else highspy.kHighsInf for _, low, equal, scale in self._rows]
        matrix = program.a_matrix_
        matrix.format_ = highspy.MatrixFormat.kRowwise
        starts, index, value = [0], [], []
        for entries, _, _, scale in self._rows:
            index += [column for column, _ in entries]
            value += [a * self._column_scale[column] / scale for column, a in entries]
            starts.append(len(index))
        matrix.start_, matrix.index_, matrix.value_ = starts, index, value
        solver: Any = cast("Any", highspy.Highs)()
        for option, setting in (("output_flag", False), ("random_seed", 0)):
            solver.setOptionValue(option, setting)
        solver.passModel(program)
        return solver, highspy

    def solve(self, node: tuple[int, ...]) -> tuple[int, list[float]] | None:
        """Bound the welfare of every supported set of a node.

        Parameters
        ----------
        node : tuple of int
            Of each block: 1 accepted, 0 rejected, -1 open.

        Returns
        -------
        tuple of int and list of float, or None
            The bound, exact, and how far the program accepts each block; None where the solver gave no solution.
        """
        lower = [max(value, 0) for value in node]
        upper = [abs(value) for value in node]
        solver = self._solver
        solver.changeColsBounds(
            len(node), np.array(self._accept, np.int32), np.array(lower, np.float64), np.array(upper, np.float64)
        )
        solver.run()
        if solver.getModelStatus() != self._highspy.HighsModelStatus.kOptimal:
            return None
        solution = solver.getSolution()
        lowest, highest = list(self._lower), list(self._upper)
        for column, low, high in zip(self._accept, lower, upper, strict=True):
            lowest[column], highest[column] = low, high
        shares = [float(solution.col_value[column]) for column in self._accept]
        return self._bound(list(solution.row_dual), lowest, highest), shares

    def _bound(self, duals: list[float], lower: list[int], upper: list[int]) -> int:
        reduced = [cost * _SCALE for cost in self._cost]
        total = 0
        for (entries, low, equal, scale), dual in zip(self._rows, duals, strict=True):
            multiplier = round(dual * _SCALE) * (self._money // scale)
            if not multiplier or (multiplier < 0 and not equal):
                continue
            total -= multiplier * low
            for column, a in entries:
                reduced[column] += multiplier * a
        total += sum(c * (high if c > 0 else low) for c, low, high in zip(reduced, lower, upper, strict=True))
        return total // _SCALE


def _power(value: int) -> int:
    """The power of two at or below ``value``."""
    return 1 << (value.bit_length() - 1)
