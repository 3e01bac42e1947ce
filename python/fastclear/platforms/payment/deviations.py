"""What a deviation between metered and traded energy costs, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from fastclear.imbalance import Backup, DualPrice, Imbalance, Pooled, SinglePrice
from fastclear.platforms.parameters import CtPerKwh, Frozen, Parameter, ticks


class DualPriceOptions(Frozen):
    """A penalty on each kWh beyond a dead band."""

    penalty: Parameter[CtPerKwh]
    dead_band_wh: Parameter[Annotated[int, Field(ge=0, le=2**31)]]


@dataclass(frozen=True)
class Deviation:
    """An imbalance policy that a preset can name; `options` is None where it has no parameters."""

    name: str
    options: type[Frozen] | None
    policy: Callable[[Any], Imbalance]


def _dual_price(options: DualPriceOptions) -> DualPrice:
    return DualPrice(penalty=ticks(options.penalty), dead_band_wh=options.dead_band_wh.value)


DEVIATIONS: dict[str, Deviation] = {
    item.name: item
    for item in (
        Deviation("backup", None, lambda _: Backup()),
        Deviation("pooled", None, lambda _: Pooled()),
        Deviation("single_price", None, lambda _: SinglePrice()),
        Deviation("dual_price", DualPriceOptions, _dual_price),
    )
}
"""Every policy by its name."""
