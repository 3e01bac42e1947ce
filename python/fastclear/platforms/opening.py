"""The bank of a platform on its first day."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fastclear.platforms.parameters import TICKS_PER_CT
from fastclear.platforms.preset import Preset
from fastclear.settlement import Settlement
from fastclear.tariff import Tariff
from fastclear.tariffs import TariffPlan

_ALWAYS = "1970-01-01"


def open_bank(preset: Preset, deposits: Sequence[int], zones: Sequence[int] = ()) -> Settlement:
    """A bank as the preset says, with one account a member, named by its position, and its deposit in it.

    Parameters
    ----------
    preset : Preset
        The platform.
    deposits : sequence of int
        Nano-currency that each member pays in.
    zones : sequence of int
        The network zone of each member; needed where trades within a zone have a network fee of their own.
    """
    rules = preset.settlement
    tariff = _tariff(preset, zones)
    bank = Settlement(rules.payment.profile(rules.options), tariff=tariff, imbalance=rules.policy)
    positions = range(len(deposits))
    bank.open(positions)
    rules.payment.begin(bank, positions, rules.options)
    bank.deposit(positions, deposits)
    return bank


def _tariff(preset: Preset, zones: Sequence[int]) -> Tariff | TariffPlan:
    names = ("retail", "feed_in", "platform_fee", "network_fee")
    prices = {name: preset.ticks(name) for name in names}
    local = preset.regulation.local_fee
    if local is None:
        return Tariff(**prices, tax_ppm=preset.tax_ppm)
    members: dict[str, list[int]] = {}
    for position, zone in enumerate(zones):
        members.setdefault(str(zone), []).append(position)
    version: dict[str, Any] = {name: _ct(value) for name, value in prices.items()}
    pairs = [{"buyer": zone, "seller": zone, "network_fee": _ct(local)} for zone in members]
    return TariffPlan(
        name=preset.name,
        time_zone="UTC",
        versions=[{"since": _ALWAYS, **version, "zone_pairs": pairs}],
        taxes=[{"since": _ALWAYS, "percent": _ct(preset.tax_ppm)}],
        zones=members,
    )


def _ct(value: int) -> str:
    """Ticks as ct/kWh, or parts per million as per cent: text, exactly."""
    return str(Decimal(value) / TICKS_PER_CT)
