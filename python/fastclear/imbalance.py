"""Imbalance policies: what a deviation between metered and traded energy costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastclear import _core
from fastclear.columns import INT64_MAX, whole
from fastclear.errors import SettlementError

OWNERS: Final = {name: account for account, name in _core.HOUSE_ACCOUNTS if name in ("platform", "dso", "backstop")}
"""House accounts that may own what members leave over, or make up for what they lack, by name."""

_PENALTY_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Backup:
    """Energy lacking is bought at retail and energy left over sold at feed-in, member by member.

    The backstop keeps what members could have netted among themselves. Source: lemlab; Kostmann & Härdle 2019.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.Settlement(tariff=fc.Tariff(30, 5)).imbalance
    Backup()
    """


@dataclass(frozen=True, slots=True)
class SinglePrice:
    """All deviations of a slot have one price, which leaves nobody a residual.

    It is retail where the deviations of the metered members sum to more than 0, else feed-in. Source: Thomas et
    al., CIRED 2017 (deviations are rewarded or penalised by whether they help the system).

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.Settlement(tariff=fc.Tariff(30, 5), imbalance=fc.SinglePrice()).imbalance
    SinglePrice()
    """


@dataclass(frozen=True, slots=True)
class DualPrice:
    """:class:`Backup`, and a penalty on each Wh beyond a dead band on either side of the contract.

    Parameters
    ----------
    penalty : int
        Ticks (10**-6 currency per kWh), 0 or more; untaxed.
    dead_band_wh : int, default 0
        Deviation of a member and slot that is free of it, in Wh, 0 or more.
    residual_to : {"platform", "dso", "backstop"}, default "platform"
        Who receives the penalty.

    Raises
    ------
    SettlementError
        A value that is no integer or out of range, or an unknown receiver.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.DualPrice(penalty=20_000, dead_band_wh=50)
    DualPrice(penalty=20000, dead_band_wh=50, residual_to='platform')
    """

    penalty: int
    dead_band_wh: int = 0
    residual_to: Literal["platform", "dso", "backstop"] = "platform"

    def __post_init__(self) -> None:
        for name, most in (("penalty", _PENALTY_MAX), ("dead_band_wh", INT64_MAX)):
            if not 0 <= (value := whole(name, getattr(self, name))) <= most:
                raise SettlementError(f"{name} = {value}; keep it between 0 and {most}")
        if self.residual_to not in tuple(OWNERS):  # a tuple: it may be of a type that has no hash
            raise SettlementError(f"residual_to={self.residual_to!r}; use 'platform', 'dso' or 'backstop'")


Imbalance = Backup | SinglePrice | DualPrice


def encoded(policy: object) -> tuple[str, tuple[int, int, int]]:
    """Return a policy as the core takes it: its word; penalty, dead band and account of ``DualPrice``, else zeros.

    Raises
    ------
    SettlementError
        What is no policy.
    """
    match policy:
        case Backup():
            return "backup", (0, 0, 0)
        case SinglePrice():
            return "single", (0, 0, 0)
        case DualPrice():
            return "dual", (policy.penalty, policy.dead_band_wh, OWNERS[policy.residual_to])
    raise SettlementError(f"imbalance is a {type(policy).__name__}; give fc.Backup, SinglePrice or DualPrice")
