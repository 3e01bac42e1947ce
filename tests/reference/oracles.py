"""Independent views of a step auction: linear programs, brute force over ticks, order statistics.

A book is two lists of (price, quantity): bids and asks, in ticks and lots, small enough for a double.
"""

import highspy


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
