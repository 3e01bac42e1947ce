"""What an exchange runs under: a platform by name, or its terms one by one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from fastclear import _core
from fastclear.auction import Uniform
from fastclear.auction.engines import mechanism as named_mechanism
from fastclear.auction.parameters import Mechanism
from fastclear.errors import ExchangeError, MechanismError
from fastclear.imbalance import OWNERS, Backup, Imbalance, encoded
from fastclear.platforms import Preset, load_preset
from fastclear.platforms.gate import mechanisms
from fastclear.tariff import Tariff

QUARTER_HOUR: Final = timedelta(minutes=15)
_INT64_MAX: Final = 2**63 - 1


def nanoseconds(name: str, value: object) -> int:
    """A length of time in whole nanoseconds.

    Raises
    ------
    ExchangeError
        What is neither a whole number nor a timedelta, or does not fit 64 bits.
    """
    if isinstance(value, timedelta):
        value = value // timedelta(microseconds=1) * 1000
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ExchangeError(f"{name} = {value!r}; give nanoseconds as an integer, or a datetime.timedelta")
    if abs(int(value)) > _INT64_MAX:
        raise ExchangeError(f"{name} = {value} ns does not fit 64 bits")
    return int(value)


@dataclass(frozen=True, slots=True)
class Gate:
    """When orders for a slot are taken: the half-open interval [open, close) relative to its start.

    An order before it is refused with ``gate_not_open``, one at its end or later with ``market_closed``.

    Parameters
    ----------
    opens_before, closes_before : int or timedelta
        How long before the start of a slot the gate opens and closes; nanoseconds where an integer, negative for a
        gate that closes after the slot has begun.

    Raises
    ------
    ExchangeError
        A gate that closes before it opens, or at once.

    Examples
    --------
    >>> from datetime import timedelta
    >>> import fastclear as fc
    >>> gate = fc.Gate(timedelta(days=1), timedelta(minutes=5))
    >>> gate.of(86_400_000_000_000)
    (0, 86100000000000)
    """

    opens_before: int | timedelta
    closes_before: int | timedelta

    def __post_init__(self) -> None:
        opens, closes = self.ns
        if opens <= closes:
            raise ExchangeError(
                f"a gate that opens {opens} ns before the slot and closes {closes} ns before it is never open; "
                "let it open earlier, or close later"
            )

    @property
    def ns(self) -> tuple[int, int]:
        """Both in nanoseconds."""
        return nanoseconds("opens_before", self.opens_before), nanoseconds("closes_before", self.closes_before)

    def of(self, slot: int) -> tuple[int, int]:
        """First nanosecond at which an order for ``slot`` is taken, and the first at which none is any more."""
        opens, closes = self.ns
        return slot - opens, slot - closes


@dataclass(frozen=True)
class Terms:
    """The terms of an exchange as Python knows them, and as the core has checked them."""

    core: _core.Genesis
    mechanism: Mechanism


def terms_of(
    platform: str | Path | Preset | None,
    *,
    mechanism: Mechanism | str | None,
    tariff: Tariff | None,
    imbalance: Imbalance | None,
    gate: Gate | None,
    slot: int | timedelta | None,
    remember: int,
) -> Terms | None:
    """The terms that these say, None if they say none.

    Raises
    ------
    ExchangeError
        Terms that cannot be, or no tariff.
    PresetError
        No such platform.
    """
    if platform is None and mechanism is None and tariff is None and imbalance is None and gate is None:
        return None
    name, rule, prices, length = "", mechanism, tariff, slot
    if platform is not None:
        preset = load_preset(platform)
        name = preset.name
        rule = mechanisms(preset)[1] if rule is None else rule
        prices = _tariff(preset) if prices is None else prices
        length = timedelta(minutes=preset.set_up.slot_minutes.value) if length is None else length
    if isinstance(rule, str):
        rule = named_mechanism(rule)
    rule = Uniform() if rule is None else rule
    core = getattr(rule, "core", None)
    if not isinstance(core, _core.Mechanism):
        raise MechanismError(f"mechanism={rule!r} cannot run an exchange; give fc.Uniform() or fc.Discriminatory()")
    if not isinstance(prices, Tariff):
        raise ExchangeError(f"tariff={prices!r}; say a platform, or give tariff=fc.Tariff.from_ct_per_kwh(30, 5)")
    if gate is not None and not isinstance(gate, Gate):
        raise ExchangeError(f"gate={gate!r}; give fc.Gate(opens_before, closes_before), or leave it out")
    if isinstance(remember, bool) or not isinstance(remember, int) or not 0 <= remember < 2**32:
        raise ExchangeError(f"remember={remember!r}; give a whole number from 0 to 2^32-1")
    slot_ns = nanoseconds("slot", QUARTER_HOUR if length is None else length)
    if slot_ns < 1:
        raise ExchangeError(f"slot={slot!r}; a slot lasts at least a nanosecond")
    genesis = _core.Genesis(
        name,
        core,
        OWNERS[getattr(rule, "deficit_to", "platform")],
        (prices.retail, prices.feed_in, prices.platform_fee, prices.network_fee, prices.tax_ppm),
        *encoded(Backup() if imbalance is None else imbalance),
        slot_ns,
        None if gate is None else gate.ns,
        remember,
    )
    return Terms(genesis, rule)


def _tariff(preset: Preset) -> Tariff:
    ticks: Any = preset.ticks
    return Tariff(ticks("retail"), ticks("feed_in"), ticks("platform_fee"), ticks("network_fee"), preset.tax_ppm)
