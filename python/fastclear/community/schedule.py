"""`plan_devices`: what all devices of a community do in every slot, by rule or by linear program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from fastclear.community.devices.device import Device
from fastclear.community.devices.diesel import DieselGenerators
from fastclear.community.devices.heat_pumps import HeatPumps
from fastclear.community.devices.windows import Charging, DeferrableLoads
from fastclear.community.foresight import Forecast, Foresight, knowledge
from fastclear.community.frame import Community
from fastclear.community.linear_plan import cheapest
from fastclear.community.member_columns import ENERGY_LIMIT, member_column
from fastclear.community.plan import Batteries
from fastclear.errors import PresetError

Rule = Literal["self_consumption", "price", "lp"]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class DevicePlan:
    """What devices did, exact in Wh.

    Attributes
    ----------
    net_wh : ndarray of int64, shape (slots, members)
        Load less PV.
    energy_wh : mapping of str to ndarray of int64, shape (slots, members)
        Of each device, + takes, - gives.
    unserved_wh : mapping of str to ndarray of int64, shape (members,)
        What each device had promised and could not give.
    fuel_nano : ndarray of int64, shape (members,)
        What was burnt, nano-currency.
    """

    net_wh: Int64
    energy_wh: Mapping[str, Int64]
    unserved_wh: Mapping[str, Int64]
    fuel_nano: Int64

    @property
    def metered_wh(self) -> Int64:
        """What the meters see: ``net + sum of devices``; int64, shape (slots, members)."""
        total = self.net_wh.copy()
        for energy in self.energy_wh.values():
            total += energy
        return total

    def cost_nano(self, retail: ArrayLike, feed_in: ArrayLike) -> list[int]:
        """What each member pays without a market: retail for import, less feed-in for export, plus fuel.

        Parameters
        ----------
        retail, feed_in : int or array_like of int, shape (slots,)
            Ticks.

        Returns
        -------
        list of int
            Nano-currency a member.
        """
        meter = self.metered_wh
        slots = len(meter)
        buy, sell = (_prices(name, value, slots) for name, value in (("retail", retail), ("feed_in", feed_in)))
        bought, sold = np.maximum(meter, 0), np.maximum(-meter, 0)
        top = max(int(np.abs(prices).max(initial=0)) for prices in (buy, sell)) * int(np.abs(meter).max(initial=0))
        if top * slots >= 2**62:  # beyond 64 bits: slower, and exact all the same
            bought, sold, buy, sell = (column.astype(object) for column in (bought, sold, buy, sell))
        paid = (buy[:, None] * bought).sum(axis=0) - (sell[:, None] * sold).sum(axis=0)
        return [int(money) + int(fuel) for money, fuel in zip(paid, self.fuel_nano, strict=True)]

    def community(self, community: Community) -> Community:
        """The same community with the plan in its profiles, to be run on any platform.

        What devices take is load, what they give is production, so that ``net_wh`` is what the meters of the plan read
        (and self-consumption counts what a battery gives as it counts PV). Its members have no battery left to act
        with.

        Parameters
        ----------
        community : Community
            The one that was planned.

        Examples
        --------
        >>> import fastclear as fc
        >>> from fastclear.community import Batteries
        >>> day = fc.load_community().days(1)
        >>> plan = fc.plan_devices(day, {"battery": Batteries.of(day)})
        >>> planned = plan.community(day)
        >>> bool((planned.net_wh == plan.metered_wh).all()), fc.run("brooklyn", community=planned, days=1).blocks
        (True, 97)
        """
        if not np.array_equal(community.net_wh, self.net_wh):
            raise PresetError("this is not the community that was planned: its load less PV is another")
        taken, given = (
            sum((np.maximum(sign * e, 0) for e in self.energy_wh.values()), np.zeros_like(self.net_wh))
            for sign in (1, -1)
        )
        return replace(
            community,
            source=f"{community.source}; planned: {', '.join(self.energy_wh) or 'nothing'}",
            members=community.members.with_columns(
                pl.lit(0).alias(name) for name in ("battery_wh", "battery_w", "battery_efficiency_ppm")
            ),
            load_wh=community.load_wh + taken,
            pv_wh=community.pv_wh + given,
        )

    def to_frame(self) -> pl.DataFrame:
        """One row a slot and member: slot and member by position, net_wh, one column a device, metered_wh."""
        slots, members = self.net_wh.shape
        return pl.DataFrame(
            {
                "slot": np.repeat(np.arange(slots), members),
                "member": np.tile(np.arange(members), slots),
                "net_wh": self.net_wh.ravel(),
                **{name: energy.ravel() for name, energy in self.energy_wh.items()},
                "metered_wh": self.metered_wh.ravel(),
            }
        )

    def __repr__(self) -> str:
        slots, members = self.net_wh.shape
        return f"<DevicePlan: {', '.join(self.energy_wh) or 'no device'}; {slots} slots, {members} members>"


def plan_devices(
    community: Community,
    devices: Mapping[str, Device],
    *,
    rule: Rule = "self_consumption",
    retail: ArrayLike | None = None,
    feed_in: ArrayLike | None = None,
    forecast: Forecast = "yesterday",
    foresight: Foresight = "none",
    horizon_slots: int | None = None,
    replan_slots: int = 24,
    seed: int = 1,
    error_ppm: int = 100_000,
) -> DevicePlan:
    """Run all devices of a community through its slots.

    Devices act in the order given, each upon what the ones before it left. Prices are public and known ahead; load,
    PV, heat demand and cars to come are not, unless ``foresight="perfect"``. In each slot the load and PV of that slot
    itself are seen, as an inverter sees them.

    Parameters
    ----------
    community : Community
        Load and PV. Batteries among its members act only if they are among `devices`.
    devices : mapping of str to Device
        Fresh devices of all members, by name; they are used up.
    rule : {"self_consumption", "price", "lp"}
        Surplus in, deficit out, and what must be done; the same, but cars and loads that can wait do so for the
        cheapest slots, stores of heat are filled in the cheapest, and batteries at home keep for dearer slots what is
        expected to be needed in them, and buy for them where that pays; or a linear program over the horizon (needs
        ``fastclear[opt]``).
    retail, feed_in : int or array_like of int, shape (slots,), optional
        Ticks. Needed for ``"price"`` and ``"lp"``; for ``"self_consumption"`` only to tell whether a generator pays.
    forecast : {"yesterday", "persistence", "noise"}
        See :func:`fastclear.community.expectation`. ``"noise"`` looks at the truth with an error.
    foresight : {"none", "perfect"}
        ``"perfect"`` knows all load, PV, heat demand and cars: a bound for the others, and no plan that anyone could
        follow.
    horizon_slots : int, optional
        How far ``"price"`` and ``"lp"`` look; by default a day, with perfect foresight to the end.
    replan_slots : int, default 24
        After how many slots ``"lp"`` solves again; in between its plan is followed as far as bounds allow.
    seed, error_ppm : int
        For ``forecast="noise"``.

    Returns
    -------
    DevicePlan

    Raises
    ------
    PresetError
        If an argument is out of range or a device has another number of members.
    MissingLibraryError
        For ``"lp"`` without HiGHS.

    Examples
    --------
    >>> from fastclear.community import Batteries, load_community
    >>> day = load_community().days(1)
    >>> plan = plan_devices(day, {"battery": Batteries.of(day)})
    >>> plan
    <DevicePlan: battery; 96 slots, 61 members>
    >>> bool((plan.metered_wh == day.net_wh + plan.energy_wh["battery"]).all())
    True
    """
    slots, members = community.net_wh.shape
    _check(rule, forecast, foresight, replan_slots, horizon_slots)
    if rule != "self_consumption" and (retail is None or feed_in is None):
        raise PresetError(f"rule={rule!r} needs prices: give retail and feed_in")
    for name, device in devices.items():
        if len(device.bounds()[0]) != members:
            raise PresetError(f"device {name!r} has {len(device.bounds()[0])} members, the community {members}")
    buy = None if retail is None else _prices("retail", retail, slots)
    sell = None if feed_in is None else _prices("feed_in", feed_in, slots)
    ahead = slots if foresight == "perfect" else community.slots_a_day
    horizon = ahead if horizon_slots is None else horizon_slots
    done = {name: np.zeros((slots, members), np.int64) for name in devices}
    fuel = np.zeros(members, np.int64)
    planned: dict[str, Int64] = {}
    solved = 0
    for slot in range(slots):
        steps = min(horizon, slots - slot)
        known = knowledge(
            slot,
            steps,
            foresight=foresight,
            forecast=forecast,
            slots_a_day=community.slots_a_day,
            seed=seed,
            error_ppm=error_ppm,
        )
        if rule == "lp" and (slot - solved >= min(replan_slots, horizon) or not slot):
            assert buy is not None  # checked above, with rule
            assert sell is not None
            looks = [device.outlook(steps, known) for device in devices.values()]
            now = slice(slot, slot + steps)
            answer = cheapest(known.expect(community.net_wh), looks, buy[now], sell[now])
            planned = {
                name: np.rint(energy).astype(np.int64) for name, energy in zip(devices, answer.energy_wh, strict=True)
            }
            solved = slot
        net = community.net_wh[slot].copy()
        expected: Int64 | None = None
        for name, device in devices.items():
            if rule == "lp":
                wish = planned[name][slot - solved]
            elif rule == "price":
                assert buy is not None
                if expected is None:
                    expected = known.expect(community.net_wh)
                wish = _by_price(device, net, buy[slot : slot + steps], expected)
            else:
                wish = _by_surplus(device, net, None if buy is None else int(buy[slot]))
            energy = device.allowed(wish)
            device.take(energy)
            done[name][slot] = energy
            net += energy
            if isinstance(device, DieselGenerators):
                fuel -= energy * device.fuel_price_ticks
    return DevicePlan(
        net_wh=community.net_wh,
        energy_wh=done,
        unserved_wh={name: device.unserved_wh for name, device in devices.items()},
        fuel_nano=fuel,
    )


def _check(rule: str, forecast: str, foresight: str, replan_slots: int, horizon_slots: int | None) -> None:
    for name, value, allowed in (
        ("rule", rule, get_args(Rule)),
        ("forecast", forecast, get_args(Forecast)),
        ("foresight", foresight, get_args(Foresight)),
    ):
        if value not in allowed:
            raise PresetError(f"{name} is one of {', '.join(allowed)}, not {value!r}")
    for name, count in (("replan_slots", replan_slots), ("horizon_slots", horizon_slots)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, (int, np.integer)) or count < 1):
            raise PresetError(f"{name} must be a whole number of at least 1, got {count!r}")


def _prices(name: str, values: ArrayLike, slots: int) -> Int64:
    array = np.asarray(values)
    one = np.broadcast_to(array, slots) if array.ndim == 0 else array
    return member_column(name, one, slots, low=1 - ENERGY_LIMIT, top=ENERGY_LIMIT - 1)


def _by_surplus(device: Device, net: Int64, retail: int | None) -> Int64:
    """Against what is left over or missing; a generator only where fuel is cheaper than the grid."""
    if isinstance(device, DieselGenerators):
        pays = np.zeros(len(net), np.bool_) if retail is None else device.fuel_price_ticks < retail
        return np.where(pays, -net, 0)
    return -net


def _by_price(device: Device, net: Int64, retail: Int64, expected: Int64) -> Int64:
    """Like :func:`_by_surplus`, but the cheapest slots first.

    `retail` and `expected` (net energy) begin with the slot at hand.
    """
    wish = _by_surplus(device, net, int(retail[0]))
    if isinstance(device, DeferrableLoads) and not device.interruptible:
        return _run_by_price(device, wish, retail)
    if isinstance(device, Charging):
        # of the slots that are left, those that are strictly cheaper can still take this much
        need, left = device.needs()
        cheaper = np.concatenate([[0], np.cumsum(retail[1:] < retail[0])])
        room = cheaper[np.clip(left - 1, 0, len(retail) - 1)] * device.bounds()[1]
        first: Int64 = np.maximum(wish, np.maximum(need - room, 0))
        return first
    if isinstance(device, HeatPumps):
        # the store is filled in the cheapest slot in sight, before dearer ones, where no surplus is expected to do it
        fills = (retail[0] <= retail.min()) & (retail[0] < retail.max()) & (expected >= 0).all(axis=0)
        full: Int64 = np.where(fills, device.bounds()[1], wish)
        return full
    if isinstance(device, Batteries):
        return _battery_by_price(device, net, retail, expected)
    return wish


def _run_by_price(device: DeferrableLoads, wish: Int64, retail: Int64) -> Int64:
    """A run that may wait begins where it costs least, or where surplus covers it; as early as that may be."""
    need, _ = device.needs()
    wish = wish.copy()
    for member, left in device.may_begin():
        profile = device.profile(member, int(need[member]))
        begins = min(left, len(retail)) - len(profile) + 1
        if begins < 1:
            continue  # it does not end within what is planned: nothing is known of later prices
        costs = [int((retail[at : at + len(profile)] * profile).sum()) for at in range(begins)]
        if costs[0] <= min(costs):
            wish[member] = profile[0]
    return wish


def _battery_by_price(device: Batteries, net: Int64, retail: Int64, expected: Int64) -> Int64:
    """Keep for dearer slots what they are expected to need, and buy for them where waiting would not be cheaper."""
    least, most = device.bounds()
    deficit = np.minimum(np.maximum(expected[1:], 0), device.power_wh)
    dearer = retail[1:] > retail[0]
    reserved = deficit[dearer].sum(axis=0)
    spare = np.maximum(device.stored_wh - reserved, 0)
    wish = np.where(net > 0, -np.minimum(net, spare), -net)
    # buying pays where a later price, less what is lost, is above this one, and nothing before it is cheaper
    pays = retail[1:, None] * device.efficiency_ppm > np.int64(retail[0]) * 1_000_000
    if pays.any() and len(retail) > 1:
        first = np.where(pays.any(axis=0), pays.argmax(axis=0), 0)
        lowest = np.minimum.accumulate(np.concatenate([retail[:1], retail[1:]]))[first]
        surplus = np.minimum(np.maximum(-expected[1:], 0), device.power_wh).sum(axis=0)
        useful = np.where(pays, deficit, 0).sum(axis=0) - device.stored_wh - surplus
        buys = pays.any(axis=0) & (lowest >= retail[0]) & (useful > 0)
        # what is needed, with what charging loses; the surplus of this slot goes in first either way
        wish = np.where(buys, np.maximum(wish, useful * 1_000_000 // device.efficiency_ppm), wish)
    return np.clip(wish, least, most)
