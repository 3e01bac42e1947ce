"""The slots of a run, one after the other: traded at a gate, settled and sealed when they are confirmed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fastclear.community import Batteries, Community, forecast
from fastclear.ledger import Ledger
from fastclear.losses import network_losses
from fastclear.platforms.agents import Agents
from fastclear.platforms.gate import Gate, Outcome, clear_gate, mechanisms, refused_orders, vetoed
from fastclear.platforms.parameters import ppm
from fastclear.platforms.preset import Preset
from fastclear.platforms.recording import Recording
from fastclear.platforms.rules.staged import zones
from fastclear.platforms.storing import shared_storage
from fastclear.platforms.virtual_pool import virtual_pool
from fastclear.reject import RejectReason
from fastclear.settlement import Settlement
from fastclear.tariffs import TariffPlan

_NS_PER_HOUR: Final = 3600 * 10**9

Int64 = NDArray[np.int64]


@dataclass
class Delivered:
    """A slot that has been delivered and not confirmed yet."""

    slot: int
    gate: Gate
    refused: NDArray[np.uint16]
    outcome: Outcome
    metered: Int64


class Trading:
    """The slots of a run, one after the other: each is traded at its gate, and settled and sealed when confirmed."""

    def __init__(
        self,
        preset: Preset,
        community: Community,
        seed: int,
        bank: Settlement,
        ledger: Ledger,
        recording: Recording,
    ) -> None:
        self.preset, self.community, self.seed = preset, community, seed
        self.bank, self.ledger, self.recording = bank, ledger, recording
        self.rules = mechanisms(preset)
        self.batteries = Batteries.of(community)
        self.shared = shared_storage(preset, community)
        self.virtual_pool = virtual_pool(preset, self.batteries)
        self.error_ppm = ppm(preset.set_up.forecast_error_percent)
        options = preset.settlement.options
        kept = 10**6 - preset.settlement.payment.seller_share(options)
        # a seller asks for what leaves it the feed-in price after others have had their share
        self.feed_in = -(-preset.ticks("feed_in") * 10**6 // kept) if kept else preset.ticks("retail")
        self.agents = Agents(
            preset.market.agent.value,
            recording.members,
            retail=preset.ticks("retail"),
            feed_in=self.feed_in,
            fees=preset.fees,
            seed=seed,
        )
        first = community.essential if preset.market.essential_first.value else np.zeros_like(community.essential)
        self.first = first
        self.rate = preset.ticks("essential_rate") if first.any() else 0
        self.waiting: deque[Delivered] = deque()
        rule = preset.market.rule
        self.stager = rule.staged(preset.market.options, community, seed) if rule.staged else None
        self.zones = zones(community)
        self.dated = isinstance(bank.tariff, TariffPlan)

    def trade(self, slot: int) -> float:
        """One slot from forecast to meters; seconds within ``fc.clear``."""
        net = self.community.net_wh[slot]
        start = int(self.community.slots[slot])
        expected = forecast(net, seed=self.seed, slot=slot, error_ppm=self.error_ppm)
        battery = self.batteries.step(expected)
        if self.shared is not None:
            # what home batteries leave goes to the member's share, and what they lack comes from it
            part = self.shared.allowed(-(expected + battery))
            self.shared.take(part)
            battery = battery + part
        if self.virtual_pool is not None:
            battery = battery + self.virtual_pool.step(net + battery, battery)
        metered = net + battery
        if self.preset.market.rule.pool is None:
            self.bank.advance(start)
            gate = self._bids(slot, expected + battery)
        else:
            self.bank.advance(start + self.community.slot_ns)
            gate = self._meters(slot, metered)
        every = np.arange(len(gate))
        refused = self.bank.reserve(gate.columns(every, gate.market, gate.quantity), slot=start if self.dated else None)
        refused = self._with_veto(gate, refused)
        essential, auction = self.rules
        if self.stager is not None:
            gate, auction = replace(gate, zone=self.zones[gate.member]), self.stager(slot)
        outcome = clear_gate(gate, refused == 0, essential, auction)
        self.agents.observe(gate, outcome)
        self.recording.battery_wh[slot] = battery
        self.recording.metered_wh[slot] = metered
        self.recording.note_orders(gate, outcome, refused)
        self.recording.note_trades(gate, outcome)
        self.waiting.append(Delivered(slot, gate, refused, outcome, metered))
        return outcome.seconds

    def _with_veto(self, gate: Gate, refused: NDArray[np.uint16]) -> NDArray[np.uint16]:
        """Reject codes with those of the network operator: it has a say on asks, which nothing is reserved for."""
        veto = self.preset.regulation.veto
        if veto is None:
            return refused
        limit_wh = veto.zone_export_kw.value * 1000 * self.community.slot_ns // _NS_PER_HOUR
        rejected = vetoed(gate, self.zones[gate.member], limit_wh) & (refused == 0)
        return np.where(rejected, np.uint16(RejectReason.NETWORK_VETO), refused)

    def _bids(self, slot: int, expected: Int64) -> Gate:
        return Gate.of(self.agents.quotes(expected, slot), slot, self.first, self.rate)

    def _meters(self, slot: int, metered: Int64) -> Gate:
        """Nobody bids: what was metered, at the price of the pool; nothing where all have one sign."""
        market, retail, feed_in = self.preset.market, self.preset.ticks("retail"), self.preset.ticks("feed_in")
        shared = metered if (metered > 0).any() and (metered < 0).any() else np.zeros_like(metered)
        price = 0
        if market.rule.pool is not None and shared.any():
            price = market.rule.pool(market.options, retail, feed_in, shared)
        return Gate.of_meters(shared, slot, price, retail - self.preset.fees, feed_in)

    def confirm(self, now: int | None) -> None:
        """Settle and seal every slot that is confirmed by `now`; all of them where there is no later slot."""
        while self.waiting:
            done = self.waiting[0]
            start = int(self.community.slots[done.slot])
            due = start + self.community.slot_ns + self.preset.information.delay_ns
            if now is not None and due > now:
                return
            self.waiting.popleft()
            self.bank.advance(due)
            receipts = self.bank.settle(
                done.outcome.clearings,
                {"participant": np.arange(len(done.metered), dtype=np.int64), "energy_wh": done.metered},
                slot=start if self.dated else None,
                losses=self._lost(done.outcome),
            )
            refused = refused_orders(done.gate, done.refused)
            block = self.ledger.seal([*done.outcome.clearings, *refused], receipts, slot=start)
            self.recording.note_money(done.slot, receipts.bill_columns)
            self.recording.records[done.slot] = len(receipts)
            self.recording.height[done.slot] = block.height

    def charge_subscriptions(self) -> None:
        """Charge what members pay by the month, for the days of the run, and seal it in a block of its own."""
        fixed = self.preset.subscription_nano
        if fixed is None:
            return
        first, last = (int(self.community.slots[at]) for at in (0, -1))
        days = [np.datetime64(slot, "ns").astype("datetime64[D]").astype(date) for slot in (first, last)]
        until = days[1] + timedelta(days=1)
        self.bank.subscribe(range(self.recording.members), days[0], per_month=fixed)
        receipts = self.bank.charge_subscriptions((days[0], until))
        self.ledger.seal([], receipts, slot=last)
        self.recording.note_money(self.recording.slots - 1, receipts.bill_columns)
        self.recording.other_records += len(receipts)

    def _lost(self, outcome: Outcome) -> int:
        if not self.preset.loss_ppm:
            return 0
        sent = [clearing.trade_columns["quantity"] for clearing in outcome.clearings]
        return int(network_losses(np.concatenate(sent), self.preset.loss_ppm).sum()) if sent else 0
