"""The bank of a platform on its first day."""

from __future__ import annotations

from collections.abc import Sequence

from fastclear.platforms.preset import Preset
from fastclear.settlement import Settlement
from fastclear.tariff import Tariff


def open_bank(preset: Preset, deposits: Sequence[int]) -> Settlement:
    """A bank as the preset says, with one account a member, named by its position, and its deposit in it.

    Parameters
    ----------
    preset : Preset
        The platform.
    deposits : sequence of int
        Nano-currency that each member pays in.
    """
    tariff = Tariff(
        retail=preset.ticks("retail"),
        feed_in=preset.ticks("feed_in"),
        platform_fee=preset.ticks("platform_fee"),
        network_fee=preset.ticks("network_fee"),
        tax_ppm=preset.tax_ppm,
    )
    rules = preset.settlement
    bank = Settlement(rules.payment.profile(rules.options), tariff=tariff, imbalance=rules.policy)
    positions = range(len(deposits))
    bank.open(positions)
    rules.payment.begin(bank, positions, rules.options)
    bank.deposit(positions, deposits)
    return bank
