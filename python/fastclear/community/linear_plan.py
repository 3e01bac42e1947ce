"""The cheapest use of all devices over some slots, as a linear program on HiGHS; with switches, a mixed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from fastclear.community.devices.outlook import Outlook, Run
from fastclear.errors import MissingLibraryError, PresetError

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SHORT_PENALTY: Final = 1e8
"""Ticks a Wh that is missing: more than any price, so that nothing is left out to save money."""
_AT_A_TIME: Final = 16


@dataclass(frozen=True, eq=False)
class LinearPlan:
    """A solution.

    Attributes
    ----------
    energy_wh : list of ndarray of float64, shape (steps, members)
        Of each device, + takes, - gives.
    cost : float
        Ticks times Wh: what the plan costs in nano-currency if all comes as expected, what is missing not counted.
    short_wh : float
        What is missing in all.
    """

    energy_wh: list[Float64]
    cost: float
    short_wh: float


class _Builder:
    """Columns and rows as arrays, put together at the end."""

    def __init__(self) -> None:
        self.cost: list[Float64] = []
        self.lower: list[Float64] = []
        self.upper: list[Float64] = []
        self.whole: list[Int64] = []
        self.columns = 0
        self.rows = 0
        self.row_lower: list[Float64] = []
        self.row_upper: list[Float64] = []
        self._entries: list[tuple[Int64, Int64, Float64]] = []

    def column(self, shape: tuple[int, ...], lower: Any, upper: Any, cost: Any = 0.0, *, whole: bool = False) -> Int64:
        count = int(np.prod(shape))
        index = np.arange(self.columns, self.columns + count).reshape(shape)
        for store, value in ((self.lower, lower), (self.upper, upper), (self.cost, cost)):
            store.append(np.broadcast_to(np.asarray(value, np.float64), shape).ravel().copy())
        if whole:
            self.whole.append(index.ravel())
        self.columns += count
        return index

    def row(self, terms: Sequence[tuple[Int64, Any]], lower: Any, upper: Any) -> None:
        """One row for each element of the columns: ``lower <= sum of value * column <= upper``."""
        shape = terms[0][0].shape
        count = int(np.prod(shape))
        index = np.arange(self.rows, self.rows + count)
        for column, value in terms:
            values = np.broadcast_to(np.asarray(value, np.float64), shape).ravel()
            self._entries.append((index, column.ravel(), values))
        for store, bound in ((self.row_lower, lower), (self.row_upper, upper)):
            store.append(np.broadcast_to(np.asarray(bound, np.float64), shape).ravel().copy())
        self.rows += count

    def one_row(self, columns: Int64, values: Float64, lower: float, upper: float) -> None:
        """One row over any columns: ``lower <= sum of value * column <= upper``."""
        self._entries.append((np.full(len(columns), self.rows), columns, values))
        self.row_lower.append(np.array([lower]))
        self.row_upper.append(np.array([upper]))
        self.rows += 1

    def matrix(self) -> tuple[Int64, Int64, Float64]:
        """Row starts, columns, values."""
        row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        keep = value != 0
        row, column, value = row[keep], column[keep], value[keep]
        rank = np.lexsort((column, row))
        return np.searchsorted(row[rank], np.arange(self.rows + 1)), column[rank], value[rank]


def cheapest(net_wh: Int64, outlooks: Sequence[Outlook], retail: Int64, feed_in: Int64) -> LinearPlan:
    """Minimise what import costs, less what export earns, plus fuel.

    ``min sum retail * import - feed_in * export + fuel``, with ``import - export = net + devices`` for each member and
    step. Members do not meet: each has its own bill. Where taking and giving at once would pay (export dearer than
    import, or prices below 0), where a generator has a least load, and where a load runs through once it has begun,
    there are switches of 0 or 1. Stored energy is worth nothing at the end.

    Parameters
    ----------
    net_wh : ndarray of int64, shape (steps, members)
        Load less PV as expected.
    outlooks : sequence of Outlook
        Devices.
    retail, feed_in : ndarray of int64, shape (steps,)
        Ticks.

    Returns
    -------
    LinearPlan

    Raises
    ------
    MissingLibraryError
        If HiGHS (``fastclear[opt]``) is not installed.
    PresetError
        If the solver finds no optimum.

    Examples
    --------
    >>> look = Outlook.still(2, 1, storing=True)
    >>> look.up_wh[:], look.down_wh[:], look.high_wh[:] = 500, 500, 1000
    >>> plan = cheapest(np.array([[0], [400]]), [look], np.array([100, 300]), np.array([50, 50]))
    >>> plan.energy_wh[0].ravel().tolist(), plan.cost
    ([400.0, -400.0], 40000.0)
    """
    waste_pays = bool((np.minimum(retail, feed_in) < 0).any() or (feed_in > retail).any())
    switches = waste_pays or any(look.runs or look.least_down_wh.any() for look in outlooks)
    # members do not meet: one program each where there are switches, else some at a time
    members = net_wh.shape[1]
    parts = np.array_split(np.arange(members), members if switches else -(-members // _AT_A_TIME))
    found = [
        _part(net_wh[:, part], [look.of(part) for look in outlooks], retail, feed_in, waste_pays=waste_pays)
        for part in parts
    ]
    return LinearPlan(
        [np.hstack([one.energy_wh[at] for one in found]) for at in range(len(outlooks))],
        sum(one.cost for one in found),
        sum(one.short_wh for one in found),
    )


def _part(net_wh: Int64, outlooks: Sequence[Outlook], retail: Int64, feed_in: Int64, *, waste_pays: bool) -> LinearPlan:
    """The program of some members."""
    shape = net_wh.shape
    build = _Builder()
    buy, sell = retail[:, None].astype(np.float64), feed_in[:, None].astype(np.float64)
    far = np.abs(net_wh) + sum((look.up_wh + look.down_wh for look in outlooks), np.zeros(shape))
    imported = build.column(shape, 0, far, buy)
    exported = build.column(shape, 0, far, -sell)
    if (feed_in > retail).any():
        taking = build.column(shape, 0, 1, whole=True)
        build.row([(imported, 1), (taking, -far)], -np.inf, 0)
        build.row([(exported, 1), (taking, far)], -np.inf, far)
    balance: list[tuple[Int64, Any]] = [(imported, 1), (exported, -1)]
    flows: list[tuple[Int64, Int64]] = []
    shorts: list[Int64] = []
    for look in outlooks:
        taken = build.column(shape, 0, look.up_wh)
        given = build.column(shape, 0, look.down_wh, look.cost_down)
        stored = build.column(shape, look.low_wh, look.high_wh)
        short = build.column(shape, 0, np.where(look.may_fall_short, np.inf, 0.0), SHORT_PENALTY)
        change = look.change_wh.copy()
        change[0] += look.keep[0] * look.start_wh
        before = np.vstack([stored[:1], stored[:-1]])
        keep = look.keep.copy()
        keep[0] = 0.0
        # a step whose own store is its predecessor in the table is the first, with nothing kept
        terms = [(stored, 1.0), (taken, -look.gain), (given, look.drain), (short, -1.0)]
        if shape[0] > 1:
            terms.append((before, -keep))
        build.row(terms, change, change)
        if look.storing and waste_pays and look.down_wh.any():
            on = build.column(shape, 0, 1, whole=True)
            build.row([(taken, 1), (on, -look.up_wh)], -np.inf, 0)
            build.row([(given, 1), (on, look.down_wh)], -np.inf, look.down_wh)
        if look.least_down_wh.any():
            runs = build.column(shape, 0, 1, whole=True)
            build.row([(given, 1), (runs, -look.down_wh)], -np.inf, 0)
            build.row([(given, 1), (runs, -look.least_down_wh)], 0, np.inf)
        for run in look.runs:
            _begin_once(build, run, taken[:, run.member])
        balance += [(taken, -1), (given, 1)]
        flows.append((taken, given))
        shorts.append(short)
    build.row(balance, net_wh, net_wh)
    value, objective = _solve(build)
    missing = float(sum(value[short].sum() for short in shorts))
    return LinearPlan([value[t] - value[g] for t, g in flows], objective - SHORT_PENALTY * missing, missing)


def _begin_once(build: _Builder, run: Run, taken: Int64) -> None:
    """A switch for each step in which a programme may begin, of which one is on; what it takes follows from that."""
    begins = np.arange(run.first, run.last + 1)
    on = build.column(begins.shape, 0, 1, whole=True)
    build.one_row(on, np.ones(len(on)), 0 if run.may_wait else 1, 1)
    length = len(run.energy_wh)
    for step in range(run.first, min(run.last + length, len(taken))):
        inside = np.flatnonzero((begins <= step) & (step < begins + length))
        energy = run.energy_wh[step - begins[inside]]
        build.one_row(np.append(taken[step], on[inside]), np.append(1.0, -energy), 0.0, 0.0)


def _solve(build: _Builder) -> tuple[Float64, float]:
    try:
        import highspy
    except ImportError as error:
        raise MissingLibraryError(
            "a plan by linear program needs the solver HiGHS: pip install 'fastclear[opt]', or plan by rule"
        ) from error
    program = highspy.HighsLp()
    program.num_col_, program.num_row_ = build.columns, build.rows
    program.col_cost_ = np.concatenate(build.cost)
    program.col_lower_, program.col_upper_ = np.concatenate(build.lower), np.concatenate(build.upper)
    program.row_lower_, program.row_upper_ = np.concatenate(build.row_lower), np.concatenate(build.row_upper)
    starts, columns, values = build.matrix()
    program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    program.a_matrix_.start_, program.a_matrix_.index_, program.a_matrix_.value_ = starts, columns, values
    if build.whole:
        kinds = np.full(build.columns, highspy.HighsVarType.kContinuous, dtype=object)
        kinds[np.concatenate(build.whole)] = highspy.HighsVarType.kInteger
        program.integrality_ = list(kinds)
    solver: Any = cast("Any", highspy).Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.setOptionValue("random_seed", 0)
    solver.setOptionValue("mip_rel_gap", 1e-6)
    solver.passModel(program)
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise PresetError(
            f"no plan was found (HiGHS: {solver.modelStatusToString(solver.getModelStatus())}); "
            "are the bounds of a device consistent?"
        )
    return np.array(solver.getSolution().col_value), float(solver.getInfo().objective_function_value)
