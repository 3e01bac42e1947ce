"""The six indices of Zhou, Wu & Long for sharing energy, and their mean.

Zhou, Wu & Long 2018, "Evaluation of peer-to-peer energy sharing mechanisms based on a multiagent simulation
framework", Applied Energy 222, 993-1022, judge sharing by three economic indices (value tapping, participation
willingness, equality) and three technical ones (energy balance, power flatness, self-sufficiency), normalised and
combined into one. That list, and that they are normalised and combined, is **the paper's** (from its abstract; its
text was not at hand). The formulas below are **our reading** of the names, each from 0 to 1, 1 the best; figures of
the paper must not be compared with ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastclear.errors import SchemaError
from fastclear.metrics.fairness import gains, gini
from fastclear.metrics.run_figures import exact_sum

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class SharingIndices:
    """Six exact shares of one; None where there is nothing to measure.

    Attributes
    ----------
    value_tapping : Fraction or None
        What members save of what they could: all gains over what the community would save as one household,
        ``sum(gain) / (bills apart - bill behind one meter)``. Below 0 where the community pays more than apart.
    participation_willingness : Fraction or None
        Members that are not worse off than without sharing, of all.
    equality : Fraction or None
        ``1 - gini(max(gain, 0))``.
    energy_balance : Fraction or None
        ``1 - sum_t |import - export| / sum_t (import + export)`` over all members: 1 where in every slot what some
        give is what others take.
    power_flatness : Fraction or None
        Mean over peak of what crosses the border of the community, ``mean_t |net| / max_t |net|``.
    self_sufficiency : Fraction or None
        ``1 - sum_t max(net, 0) / sum_t load``: the share of the load that did not come from the grid.
    """

    value_tapping: Fraction | None
    participation_willingness: Fraction | None
    equality: Fraction | None
    energy_balance: Fraction | None
    power_flatness: Fraction | None
    self_sufficiency: Fraction | None

    def overall(self, weights: Mapping[str, int] | None = None) -> Fraction | None:
        """The weighted mean of those that can be measured, each held to 0 .. 1; by default all weigh the same.

        Raises
        ------
        SchemaError
            If a weight names no index or is below 0.

        Examples
        --------
        >>> one, half = Fraction(1), Fraction(1, 2)
        >>> SharingIndices(one, one, one, half, half, None).overall()
        Fraction(4, 5)
        """
        names = [field.name for field in fields(self)]
        weigh = dict.fromkeys(names, 1) if weights is None else dict(weights)
        for name, weight in weigh.items():
            if name not in names or weight < 0:
                raise SchemaError(f"weights: {name!r} = {weight!r}; give 0 or more for any of {', '.join(names)}")
        measured = [(weigh.get(n, 0), getattr(self, n)) for n in names if getattr(self, n) is not None]
        total = sum(weight for weight, _ in measured)
        if not total:
            return None
        return sum((w * min(max(x, Fraction(0)), Fraction(1)) for w, x in measured), Fraction(0)) / total


def sharing_indices(
    load_wh: Int64,
    metered_wh: Int64,
    bills_nano: Iterable[Any],
    bills_without_nano: Iterable[Any],
    *,
    retail: int,
    feed_in: int,
) -> SharingIndices:
    """The six indices of a run.

    Parameters
    ----------
    load_wh, metered_wh : ndarray of int64, shape (slots, members)
        Consumption, and meters (net, + takes; devices within).
    bills_nano, bills_without_nano : iterable of int
        What each member pays with and without sharing, nano-currency. Without taxes and fees in both, or with them in
        both.
    retail, feed_in : int
        Backstop prices in ticks, for the bill behind one meter.

    Returns
    -------
    SharingIndices

    Examples
    --------
    >>> load, meter = np.array([[1000, 200]]), np.array([[1000, -800]])
    >>> indices = sharing_indices(load, meter, [220_000, -160_000], [300_000, -80_000], retail=300, feed_in=100)
    >>> indices.value_tapping, indices.participation_willingness, indices.energy_balance
    (Fraction(1, 1), Fraction(1, 1), Fraction(8, 9))
    """
    gained = gains(bills_nano, bills_without_nano)
    if load_wh.shape != metered_wh.shape or load_wh.ndim != 2 or load_wh.shape[1] != len(gained):
        raise SchemaError(
            f"load_wh {load_wh.shape} and metered_wh {metered_wh.shape} must have the shape (slots, {len(gained)})"
        )
    imports = np.maximum(metered_wh, 0).sum(axis=1)
    exports = np.maximum(-metered_wh, 0).sum(axis=1)
    net = imports - exports
    both = exact_sum(imports) + exact_sum(exports)
    apart = retail * exact_sum(imports) - feed_in * exact_sum(exports)
    together = retail * exact_sum(np.maximum(net, 0)) - feed_in * exact_sum(np.maximum(-net, 0))
    crossing = exact_sum(np.abs(net))
    peak = int(np.abs(net).max(initial=0))
    load = exact_sum(load_wh)
    unevenness = gini([max(gain, 0) for gain in gained])
    return SharingIndices(
        value_tapping=Fraction(sum(gained), apart - together) if apart != together else None,
        participation_willingness=Fraction(sum(gain >= 0 for gain in gained), len(gained)) if gained else None,
        equality=None if unevenness is None else 1 - unevenness,
        energy_balance=1 - Fraction(crossing, both) if both else None,
        power_flatness=Fraction(crossing, peak * len(net)) if peak else None,
        self_sufficiency=1 - Fraction(exact_sum(np.maximum(net, 0)), load) if load else None,
    )
