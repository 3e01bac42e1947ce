"""Sharing R lots among the orders of one price class, the obvious way. Orders come sorted by (time, id)."""

from fractions import Fraction


def by_time(lots, quantities):
    fills = []
    for quantity in quantities:
        fill = min(quantity, lots)
        fills.append(fill)
        lots -= fill
    return fills


def by_quantity(lots, quantities):
    """The larger first, ties by (time, id); the last one partial."""
    fills = [0] * len(quantities)
    for i in sorted(range(len(quantities)), key=lambda i: -quantities[i]):
        fills[i] = min(quantities[i], lots)
        lots -= fills[i]
    return fills


def pro_rata(lots, quantities):
    """Hamilton's method: floors of the exact shares, then one lot each to the largest remainders."""
    total = sum(quantities)
    shares = [Fraction(lots * quantity, total) for quantity in quantities]
    fills = [share.numerator // share.denominator for share in shares]
    left = lots - sum(fills)
    # Python's sort is stable: among equal remainders the earlier (time, id) comes first.
    ranked = sorted(range(len(fills)), key=lambda i: fills[i] - shares[i])
    for i in ranked[:left]:
        fills[i] += 1
    return fills


def equal(lots, quantities):
    """Water filling: equal parts for all that still want some, round by round."""
    fills = [0] * len(quantities)
    while lots > 0:
        active = [i for i in range(len(fills)) if fills[i] < quantities[i]]
        if lots < len(active):
            for i in active[:lots]:
                fills[i] += 1
            return fills
        part = min(lots // len(active), min(quantities[i] - fills[i] for i in active))
        for i in active:
            fills[i] += part
        lots -= part * len(active)
    return fills


RULES = {"time": by_time, "quantity": by_quantity, "pro_rata": pro_rata, "equal": equal}


def split_money(total, weights, den):
    """`total` in proportion to `weights`, in whole units of 1/den, by largest remainder, the earlier first in a tie."""
    units = total * den
    assert units == int(units)
    return [Fraction(part, den) for part in pro_rata(int(units), weights)]
