"""Zhou, Wu & Long 2018: which sharing rule is best, by the share of members that have PV.

Their six indices of sharing (value tapping, participation willingness, equality; energy balance, power flatness,
self-sufficiency), and the mean of them, of bill sharing, the mid-market rate and the supply-demand ratio over homes of
which ever more have PV. Only orderings are compared: formulas of the indices, homes and tariff are not the study's.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import fastclear as fc
from fastclear.metrics import SharingIndices, sharing_indices
from fastclear.reproduce.draws import whole
from fastclear.reproduce.figure import Estimate, Figure, Relation, Step, mean_of
from fastclear.sharing import SharingMechanism

NAME: Final = "pv_share"
TITLE: Final = "Which sharing rule is best, by the share of homes with PV"
SOURCE: Final = "Zhou, Wu & Long 2018, abstract: SDR best, MMR good at moderate PV"
UNIT: Final = "overall index in per cent of the best; differences in points"
READING: Final = (
    "60 homes of the built-in community over its 28 days; in each run homes get PV in a random order, each the roof of "
    "a home drawn at random; no batteries, and nobody responds to prices; retail 30, feed-in 5 ct/kWh; the overall "
    "index is the plain mean of six, in our own formulas. That SDR outperforms the others is read as: its index is "
    "above theirs, at every share; that MMR is good at moderate PV as: from 30 to 50 % it is above bill sharing. BS is "
    "bill sharing, MMR the mid-market rate, SDR the supply-demand ratio"
)
RUNS: Final = 10

SHARES: Final = tuple(range(10, 101, 10))
"""Per cent of the homes that have PV."""
MODERATE: Final = (30, 40, 50)
RETAIL: Final = 300_000
FEED_IN: Final = 50_000
RULES: Final[dict[str, SharingMechanism]] = {
    "BS": fc.BillSharing(retail=RETAIL, feed_in=FEED_IN),
    "MMR": fc.MidMarketRate(retail=RETAIL, feed_in=FEED_IN),
    "SDR": fc.SupplyDemandRatio(retail=RETAIL, feed_in=FEED_IN),
}

Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """One rule at one share of PV in one run.

    Attributes
    ----------
    overall : Fraction
        Mean of the six indices.
    indices : SharingIndices
        Each of them.
    to_consumers : Fraction or None
        What homes without PV have of all that is saved; above 1 where homes with PV lose. None where all have PV.
    """

    overall: Fraction
    indices: SharingIndices
    to_consumers: Fraction | None


def work(runs: int) -> int:
    """Markets that are cleared."""
    return len(RULES) * len(SHARES) * len(_homes()[0]) * runs


def sweep(runs: int, seed: int, step: Step = lambda _: None) -> dict[tuple[int, str], list[Outcome]]:
    """Outcomes of every share and rule, one a run.

    Examples
    --------
    >>> found = sweep(1, 1)[50, "MMR"][0]
    >>> found.indices.participation_willingness
    Fraction(1, 1)
    """
    found: dict[tuple[int, str], list[Outcome]] = {(share, rule): [] for share in SHARES for rule in RULES}
    for run in range(runs):
        for share in SHARES:
            load, net, owns = homes_with_pv(share, run, seed)
            for rule in RULES:
                found[share, rule].append(outcome(rule, load, net, owns))
                step(len(net))
    return found


def homes_with_pv(share: int, run: int, seed: int) -> tuple[Int64, Int64, NDArray[np.bool_]]:
    """Load and meters (Wh, slots by homes), and who has PV, where `share` per cent have it.

    In one run whoever has PV at one share has it at every larger one, with the same roof.
    """
    load, roofs = _homes()
    homes = load.shape[1]
    turn = np.argsort(whole(seed, (0, run), (homes,), 0, 2**31), kind="stable")
    roof = whole(seed, (1, run), (homes,), 0, roofs.shape[1] - 1)
    owns = np.zeros(homes, np.bool_)
    owns[turn[: (homes * share + 50) // 100]] = True
    return load, load - np.where(owns, roofs[:, roof], 0), owns


def outcome(rule: str, load: Int64, net: Int64, owns: NDArray[np.bool_]) -> Outcome:
    """Clear every slot by a rule and judge the bills."""
    slots, homes = net.shape
    loads = {
        "market": np.repeat(np.arange(slots), homes),
        "participant": np.tile(np.arange(homes), slots),
        "net_load": net.ravel(),
    }
    bills = fc.clear(loads, RULES[rule]).payment.reshape(slots, homes).sum(axis=0)
    alone = RETAIL * np.maximum(net, 0).sum(axis=0) - FEED_IN * np.maximum(-net, 0).sum(axis=0)
    indices = sharing_indices(load, net, bills, alone, retail=RETAIL, feed_in=FEED_IN)
    overall = indices.overall()
    assert overall is not None, "there is load"
    saved = [int(saving) for saving in alone - bills]
    part = sum(saving for saving, has in zip(saved, owns, strict=True) if not has)
    return Outcome(overall, indices, None if owns.all() or not sum(saved) else Fraction(part, sum(saved)))


def figures(runs: int, seed: int, step: Step) -> list[Figure]:
    """Indices by share and rule, and the orderings that were published."""
    found = sweep(runs, seed, step)
    rows = [
        _row(f"{share:3} %, {rule}", mean_of([100 * one.overall for one in found[share, rule]]))
        for share in SHARES
        for rule in RULES
    ]
    for better, worse, shares in (("SDR", "MMR", SHARES), ("SDR", "BS", SHARES), ("MMR", "BS", MODERATE)):
        for share in shares:
            pairs = zip(found[share, better], found[share, worse], strict=True)
            points = mean_of([100 * (one.overall - other.overall) for one, other in pairs])
            rows.append(_row(f"{share:3} %, {better} - {worse}", points, ">"))
    return rows


def plot(runs: int, seed: int) -> Any:
    """The overall index over the share of PV, and beside it what homes without PV have of the saving, as a chart."""
    return picture(sweep(runs, seed))


def picture(found: dict[tuple[int, str], list[Outcome]]) -> Any:
    """The chart of a sweep."""
    import altair as alt

    from fastclear.charts import BLUE, GREEN, ORANGE, THEME, inline

    names = {"BS": "bill sharing", "MMR": "mid-market rate", "SDR": "supply-demand ratio"}
    points: list[dict[str, Any]] = []
    for (share, rule), outcomes in found.items():
        indices = [one.overall for one in outcomes]
        parts = [one.to_consumers for one in outcomes if one.to_consumers is not None]
        points.append(
            {
                "share": share,
                "rule": names[rule],
                "overall": 100 * float(sum(indices) / len(indices)),
                "least": 100 * float(min(indices)),
                "most": 100 * float(max(indices)),
                "part": 100 * float(sum(parts) / len(parts)) if parts else None,
            }
        )
    base = alt.Chart(inline(points)).encode(
        x=alt.X("share:Q", title="homes with PV (%)", axis=alt.Axis(values=list(SHARES))),
        color=alt.Color(
            "rule:N",
            title=None,
            scale=alt.Scale(domain=list(names.values()), range=[ORANGE, BLUE, GREEN]),
            legend=alt.Legend(orient="top", symbolOpacity=1),
        ),
    )
    overall = alt.Y("overall:Q", title="overall index (%)", scale=alt.Scale(zero=False))
    left = alt.layer(
        base.mark_area(opacity=0.15).encode(y=alt.Y("least:Q", title="overall index (%)"), y2="most:Q"),
        base.mark_line(point=True).encode(y=overall),
    )
    right = base.mark_line(point=True).encode(
        y=alt.Y("part:Q", title="to homes without PV (% of what is saved)", scale=alt.Scale(zero=False))
    )
    size = {"width": 330, "height": 290}
    return alt.hconcat(left.properties(**size), right.properties(**size)).configure(**THEME)


def _row(quantity: str, found: Estimate, relation: Relation = "=") -> Figure:
    return Figure(
        quantity=quantity,
        ours=found.value,
        error=found.error,
        runs=found.runs,
        published=0.0 if relation == ">" else None,
        relation=relation,
    )


@cache
def _homes() -> tuple[Int64, Int64]:
    """Load of each home and every roof of the built-in community, Wh, slots by homes."""
    community = fc.load_community()
    homes = ~community.essential
    pv = community.pv_wh[:, homes]
    return community.load_wh[:, homes], pv[:, pv.any(axis=0)]
