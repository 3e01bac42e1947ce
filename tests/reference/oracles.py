"""Independent views of a step auction: linear programs, brute force over ticks, order statistics.

A book is two lists of (price, quantity): bids and asks, in ticks and lots, small enough for a double.
"""

import highspy
import numpy as np


def _highs():
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    return solver


def _solve(solver):
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    value = solver.getInfo().objective_function_value
    # Totally unimodular with integer data: the optimum is an integer, so that comparison is exact after
    # rounding.
    assert abs(value - round(value)) < 1e-6, value
    return round(value)


def _flow(bids, asks, objective, sense):
    """LP0 of the specification: columns are fills; the one row is the balance."""
    solver = _highs()
    orders = [(1, price, quantity) for price, quantity in bids]
    orders += [(-1, -price, quantity) for price, quantity in asks]
    for sign, gain, quantity in orders:
        solver.addVar(0, quantity)
        column = solver.getNumCol() - 1
        solver.changeColCost(column, objective(sign, gain))
    columns = list(range(len(orders)))
    solver.addRow(0, 0, len(orders), columns, [sign for sign, _, _ in orders])
    solver.changeObjectiveSense(sense)
    return solver, orders


def lp_welfare(bids, asks):
    if not bids or not asks:
        return 0
    solver, _ = _flow(bids, asks, lambda sign, gain: gain, highspy.ObjSense.kMaximize)
    return _solve(solver)


def lp_volume(bids, asks, largest=True):
    """The largest (or smallest) volume among the optima of welfare."""
    if not bids or not asks:
        return 0
    sense = highspy.ObjSense.kMaximize if largest else highspy.ObjSense.kMinimize
    solver, orders = _flow(bids, asks, lambda sign, gain: 1 if sign == 1 else 0, sense)
    gains = [gain for _, gain, _ in orders]
    solver.addRow(lp_welfare(bids, asks), highspy.kHighsInf, len(orders), list(range(len(orders))), gains)
    return _solve(solver)


def lp_interval(bids, asks):
    """Smallest and largest price on the dual face of LP0. Needs both sides."""
    welfare = lp_welfare(bids, asks)
    ends = []
    for sense in (highspy.ObjSense.kMinimize, highspy.ObjSense.kMaximize):
        solver = _highs()
        solver.addVar(-highspy.kHighsInf, highspy.kHighsInf)
        solver.changeColCost(0, 1)
        for _ in bids + asks:
            solver.addVar(0, highspy.kHighsInf)
        for i, (price, _) in enumerate(bids):
            solver.addRow(price, highspy.kHighsInf, 2, [0, 1 + i], [1, 1])
        for j, (price, _) in enumerate(asks):
            solver.addRow(-price, highspy.kHighsInf, 2, [0, 1 + len(bids) + j], [-1, 1])
        quantities = [quantity for _, quantity in bids + asks]
        solver.addRow(welfare, welfare, len(quantities), list(range(1, 1 + len(quantities))), quantities)
        solver.changeObjectiveSense(sense)
        ends.append(_solve(solver))
    return tuple(ends)


def lp_max_volume(bids, asks):
    """Largest volume of any matching of bids with asks that they can afford: a flow on the pairs."""
    pairs = [(i, j) for i, (b, _) in enumerate(bids) for j, (a, _) in enumerate(asks) if b >= a]
    if not pairs:
        return 0
    solver = _highs()
    for column in range(len(pairs)):
        solver.addVar(0, highspy.kHighsInf)
        solver.changeColCost(column, 1)
    for end, side in ((0, bids), (1, asks)):
        for number, (_, quantity) in enumerate(side):
            touching = [column for column, edge in enumerate(pairs) if edge[end] == number]
            solver.addRow(0, quantity, len(touching), touching, [1] * len(touching))
    solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
    return _solve(solver)


def demand(bids, price):
    return sum(quantity for limit, quantity in bids if limit >= price)


def supply(asks, price):
    return sum(quantity for limit, quantity in asks if limit <= price)


def brute_force(bids, asks, ticks):
    """Volume max min(D, S) and the set of prices at which what must trade can, over all `ticks`."""
    volume = max(min(demand(bids, p), supply(asks, p)) for p in ticks)
    clearing = [
        p for p in ticks if max(demand(bids, p + 1), supply(asks, p - 1)) <= min(demand(bids, p), supply(asks, p))
    ]
    return volume, clearing


def order_statistics(bids, asks):
    """((M+1)-th, M-th) highest unit price of both sides together, M = units of supply. Needs both sides."""
    units = sorted((price for price, quantity in bids + asks for _ in range(quantity)), reverse=True)
    supplied = sum(quantity for _, quantity in asks)
    return units[supplied], units[supplied - 1]


def welfare_of_many(books):
    """`lp_welfare` of each (bids, asks), as one program with a block a book."""
    costs, uppers, rows, signs = [], [], [], []
    for row, (bids, asks) in enumerate(books):
        for sign, side in ((1, bids), (-1, asks)):
            for price, quantity in side:
                costs.append(sign * price)
                uppers.append(quantity)
                rows.append(row)
                signs.append(sign)
    if not costs:
        return [0] * len(books)
    solution = _solve_columns(costs, uppers, [[row] for row in rows], [[sign] for sign in signs], (0, 0), len(books))
    welfare = [0] * len(books)
    for row, cost, lots in zip(rows, costs, solution, strict=True):
        welfare[row] += cost * lots
    return welfare


def max_volume_of_many(books):
    """`lp_max_volume` of each (bids, asks), as one program with a block a book."""
    owners, touching, limits = [], [], []
    for number, (bids, asks) in enumerate(books):
        first = len(limits)
        limits += [quantity for _, quantity in bids + asks]
        for i, (bid, _) in enumerate(bids):
            for j, (ask, _) in enumerate(asks):
                if bid >= ask:
                    owners.append(number)
                    touching.append([first + i, first + len(bids) + j])
    volume = [0] * len(books)
    if owners:
        ones = [[1, 1]] * len(owners)
        uppers = [highspy.kHighsInf] * len(owners)
        solution = _solve_columns([1] * len(owners), uppers, touching, ones, (0, limits), len(limits))
        for number, lots in zip(owners, solution, strict=True):
            volume[number] += lots
    return volume


def _solve_columns(costs, uppers, rows, values, bounds, height):
    """Maximise `costs` over columns from 0 to `uppers`; column c has `values[c]` in `rows[c]`. Whole numbers only."""
    lower, upper = bounds
    program = highspy.HighsLp()
    program.num_col_ = len(costs)
    program.num_row_ = height
    program.col_cost_ = np.array(costs, dtype=np.float64)
    program.col_lower_ = np.zeros(len(costs))
    program.col_upper_ = np.array(uppers, dtype=np.float64)
    program.row_lower_ = np.full(height, lower, dtype=np.float64)
    program.row_upper_ = np.broadcast_to(np.asarray(upper, dtype=np.float64), height).copy()
    program.sense_ = highspy.ObjSense.kMaximize
    program.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    program.a_matrix_.start_ = np.cumsum([0, *map(len, rows)]).astype(np.int32)
    program.a_matrix_.index_ = np.array([row for column in rows for row in column], dtype=np.int32)
    program.a_matrix_.value_ = np.array([value for column in values for value in column], dtype=np.float64)
    solver = _highs()
    solver.passModel(program)
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    solution = np.array(solver.getSolution().col_value)
    # Blocks of totally unimodular programs: every vertex is whole.
    assert np.abs(solution - np.round(solution)).max() < 1e-6
    return np.round(solution).astype(np.int64).tolist()
