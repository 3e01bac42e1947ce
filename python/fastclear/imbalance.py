"""Imbalance policies: what a deviation between metered and traded energy costs, and who has what is left over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from fastclear import _core
from fastclear.columns import INT64_MAX, whole
from fastclear.errors import SettlementError

OWNERS: Final = {name: account for account, name in _core.HOUSE_ACCOUNTS if name in ("platform", "dso", "backstop")}
"""House accounts that may own what members leave over, or make up for what they lack, by name."""

Owner = Literal["backstop", "platform", "dso", "members"]
"""Who has what is left over: a house account, or the metered members in proportion to abs(metered)."""

_TO: Final = {**OWNERS, "members": 0}
_PENALTY_MAX: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Backup:
    """Energy lacking is bought at retail and energy left over sold at feed-in, member by member.

    What the members could have netted among themselves earns (retail - feed-in) x min(total lacking, total left over)
    beyond the bill of the grid connection. Source: lemlab; Kostmann & Härdle 2019.

    Parameters
    ----------
    residual_to : {"backstop", "platform", "dso", "members"}, default "backstop"
        Who has that. Members share it in proportion to abs(metered), in whole nano-currency by largest remainder, ties
        to the account opened first; evenly in a slot in which nobody consumed or generated. Source of the key: GB
        Balancing and Settlement Code, section T, residual cashflow reallocation, by credited energy.

    Raises
    ------
    SettlementError
        An unknown receiver.

    Examples
    --------
    Ada consumes 2 Wh and Bo feeds in 1, and nobody traded; the backstop sells 2 at 30 and buys 1 at 5.

    >>> import fastclear as fc
    >>> def bills(policy):
    ...     bank = fc.Settlement(tariff=fc.Tariff(30, 5), imbalance=policy)
    ...     bank.open(["Ada", "Bo"])
    ...     receipts = bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [2, -1]})
    ...     return receipts.by_participant()["net"].to_list()
    >>> bills(fc.Backup())
    [60, -5]
    >>> bills(fc.Backup(residual_to="members"))  # 30 - 5 come back, 2/3 and 1/3 of it
    [43, -13]
    """

    residual_to: Owner = "backstop"

    def __post_init__(self) -> None:
        _check_owner(self.residual_to)


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
    residual_to : {"backstop", "platform", "dso", "members"}, default "platform"
        Who receives the penalties; members share those of the slot as in :class:`Backup`, whoever paid them. What
        :class:`Backup` leaves stays with the backstop.

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
    residual_to: Owner = "platform"

    def __post_init__(self) -> None:
        for name, most in (("penalty", _PENALTY_MAX), ("dead_band_wh", INT64_MAX)):
            if not 0 <= (value := whole(name, getattr(self, name))) <= most:
                raise SettlementError(f"{name} = {value}; keep it between 0 and {most}")
        _check_owner(self.residual_to)


@dataclass(frozen=True, slots=True)
class Pooled:
    """Deviations are netted among the metered members at half of retail + feed-in, the rest is :class:`Backup`.

    The pool takes the lesser of all that is lacking and all that is left over. The shorter side is netted whole, the
    longer one in proportion to its deviations, in whole Wh by largest remainder, ties to the account opened first. The
    backstop earns no more than the bill of the grid connection; where the price has a half, buyers pay the next whole
    nano-currency and sellers have the last, and the rounding account has the difference, less than 1 a line.

    What a member nets is its own consumption or generation first, then what it sold and did not deliver or bought and
    did not consume. Consumption is taxed on what it costs. Source: the mid-market rate of Long et al., IEEE PES General
    Meeting 2017, taken on deviations; netting inside a balancing group.

    Examples
    --------
    >>> import fastclear as fc
    >>> bank = fc.Settlement(tariff=fc.Tariff(30, 5), imbalance=fc.Pooled())
    >>> bank.open(["Ada", "Bo"])
    >>> receipts = bank.settle([], {"participant": ["Ada", "Bo"], "energy_wh": [2, -1]})
    >>> receipts.frame.filter(kind="imbalance").select("line", "payer", "payee", "quantity", "amount").rows()[:2]
    [('residual', 'Ada', 'clearing', 1, 18), ('residual', 'Ada', 'backstop', 1, 30)]
    >>> receipts.by_participant()["net"].to_list()
    [48, -17]
    """


@dataclass(frozen=True, slots=True)
class ShortfallAllocation:
    """:class:`Backup`, and what a seller sold and did not deliver is told trade by trade.

    What a seller delivered, all it sold but its shortfall, is divided over its trades in proportion to their
    quantities, in whole Wh by largest remainder, ties to the earlier trade. A seller without a reading has delivered.
    Generation beyond what was sold has feed-in.

    Parameters
    ----------
    rule : {"buyer_made_whole", "buyer_pays_retail"}
        ``"buyer_made_whole"``: the seller pays retail for what a trade lacks and keeps the price, retail - price on
        balance; its buyer pays the contract. Bills are those of :class:`Backup`. ``"buyer_pays_retail"``: the contract
        is cut to what was delivered. The seller gives back what it received for the rest, and the tax on that is given
        back too; fees and spread stay. What the buyer consumes beyond the delivered contract is its residual, at retail
        and taxed. No reservation covers that: like all metering it may take a member below zero.
    residual_to : {"backstop", "platform", "dso", "members"}, default "backstop"
        As in :class:`Backup`, of deviations from the contracts as they are after that.

    Raises
    ------
    SettlementError
        An unknown rule or receiver.

    Notes
    -----
    A member that sells on what it bought has delivered it, whether or not its own seller did: under
    ``"buyer_pays_retail"`` it pays retail for what it was not delivered, as a shortfall. One seller's shortfall is
    never passed down a chain.

    Source: settlement of metered against traded energy in the P2P literature (Kostmann & Härdle 2019), divided by
    largest remainder (Hamilton).

    Examples
    --------
    Bo sells 8 Wh to Ada and delivers 6.

    >>> import fastclear as fc
    >>> def bills(rule):
    ...     bank = fc.Settlement(tariff=fc.Tariff(30, 5), imbalance=fc.ShortfallAllocation(rule))
    ...     bank.open(["Ada", "Bo"])
    ...     bank.deposit("Ada", 1000)
    ...     orders = {"side": [1, 0], "price": [20, 20], "quantity": [8, 8], "participant": ["Ada", "Bo"]}
    ...     meter = {"participant": ["Ada", "Bo"], "energy_wh": [8, -6]}
    ...     return bank.settle(fc.clear(orders, fc.Uniform()), meter).by_participant()["net"].to_list()
    >>> bills("buyer_made_whole")
    [160, -100]
    >>> bills("buyer_pays_retail")
    [180, -120]
    """

    rule: Literal["buyer_made_whole", "buyer_pays_retail"]
    residual_to: Owner = "backstop"

    def __post_init__(self) -> None:
        if self.rule not in ("buyer_made_whole", "buyer_pays_retail"):
            raise SettlementError(f"rule={self.rule!r}; use 'buyer_made_whole' or 'buyer_pays_retail'")
        _check_owner(self.residual_to)


Imbalance = Backup | SinglePrice | DualPrice | Pooled | ShortfallAllocation


def encoded(policy: object) -> tuple[str, tuple[int, int, int]]:
    """Return a policy as the core takes it: its word; penalty, dead band, and account of what is left over.

    What a policy does not have is 0; account 0 is the members.

    Raises
    ------
    SettlementError
        What is no policy.
    """
    match policy:
        case Backup():
            return "backup", (0, 0, _TO[policy.residual_to])
        case SinglePrice():
            return "single", (0, 0, 0)
        case DualPrice():
            return "dual", (policy.penalty, policy.dead_band_wh, _TO[policy.residual_to])
        case Pooled():
            return "pooled", (0, 0, 0)
        case ShortfallAllocation():
            return policy.rule, (0, 0, _TO[policy.residual_to])
    listed = "fc.Backup, SinglePrice, DualPrice, Pooled or ShortfallAllocation"
    raise SettlementError(f"imbalance is a {type(policy).__name__}; give {listed}")


def _check_owner(name: object) -> None:
    if name not in tuple(_TO):  # a tuple: it may be of a type that has no hash
        raise SettlementError(f"residual_to={name!r}; use 'backstop', 'platform', 'dso' or 'members'")
