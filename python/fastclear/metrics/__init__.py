"""What a run is judged by: each metric is one formula over integers.

Energy is in Wh, prices in ticks (1e-6 currency/kWh), money in nano-currency; ticks times Wh is nano-currency exactly.
Shares are exact fractions. Flows and figures of a run; fairness of gains; the market from outside; the indices of
Zhou, Wu & Long 2018; Shapley values and the core.
"""

from __future__ import annotations

from fastclear.metrics.coalitions import (
    CoreCheck,
    SampledShapley,
    core_check,
    sampled_shapley,
    shapley,
    sharing_value,
    tabulated,
)
from fastclear.metrics.fairness import gains, gini, jain_index, max_regret, min_gain, worse_off
from fastclear.metrics.feeder_balance import feeder_balance
from fastclear.metrics.market_figures import grid_peak_w, hhi, settled_after, smiths_alpha
from fastclear.metrics.run_figures import (
    EnergyFlows,
    Metric,
    Unit,
    bill_without_market,
    by_key,
    energy_flows,
    exact_sum,
    figures,
    mean_price,
    self_consumption,
    self_sufficiency,
    tax_nano,
    welfare_nano,
)
from fastclear.metrics.sharing_indices import SharingIndices, sharing_indices

__all__ = [
    "CoreCheck",
    "EnergyFlows",
    "Metric",
    "SampledShapley",
    "SharingIndices",
    "Unit",
    "bill_without_market",
    "by_key",
    "core_check",
    "energy_flows",
    "exact_sum",
    "feeder_balance",
    "figures",
    "gains",
    "gini",
    "grid_peak_w",
    "hhi",
    "jain_index",
    "max_regret",
    "mean_price",
    "min_gain",
    "sampled_shapley",
    "self_consumption",
    "self_sufficiency",
    "settled_after",
    "shapley",
    "sharing_indices",
    "sharing_value",
    "smiths_alpha",
    "tabulated",
    "tax_nano",
    "welfare_nano",
    "worse_off",
]
