"""The slow obvious twin of an exchange: a dictionary of slots that drives clear, Settlement and Ledger one by one."""

import json
from dataclasses import replace

import numpy as np

import fastclear as fc
from fastclear.orders import encode

CANCELLED, CLOSED, NOT_OPEN, UNKNOWN = (
    int(fc.RejectReason[name]) for name in ("CANCELLED", "MARKET_CLOSED", "GATE_NOT_OPEN", "UNKNOWN_ORDER")
)
RANGE = 2**31


class RefusedError(Exception):
    """A whole command that the twin refuses."""


class Book:
    """Orders with their codes, in the shape in which bank and ledger read a clearing without trades."""

    def __init__(self, rows):
        names = ("side", "price", "quantity", "market", "order", "participant", "time")
        self.orders = encode(
            {name: np.array([row[name] for row in rows], np.int64) for name in names}
            | {"side": np.array([row["side"] for row in rows], np.int8)}
        )
        self.orders.refused = None
        self.reject = np.array([row["reject"] for row in rows], np.uint16)
        self.trade_columns = {
            name: np.empty(0, np.int64) for name in ("buy_row", "sell_row", "quantity", "buy_price", "sell_price")
        }


class History:
    """Postings of several calls as one run."""

    def __init__(self, parts, bank):
        names = parts[0].columns if parts else {}
        self.columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
        self._bank = bank

    def pseudonyms(self, clearing):
        return self._bank.pseudonyms(clearing.orders)


class Twin:
    """What an exchange should do. All names and ids are integers, and no order id comes back in another slot."""

    def __init__(self, params, mechanism, tariff, gate, slot_ns, seed, imbalance=None):
        self.mechanism, self.gate, self.slot_ns = mechanism, gate, slot_ns
        self.bank = fc.Settlement(tariff=tariff, imbalance=imbalance)
        self.ledger = fc.Ledger(json.loads(params), seed=seed)
        self.members, self.slots, self.sealed, self.unsealed, self.time = set(), {}, set(), [], 0

    def at(self, time):
        self.time = time
        self.bank.advance(time)

    def take(self):
        receipts = self.bank.receipts()
        self.unsealed.append(receipts)
        return receipts

    def open(self, names):
        if len(set(names)) < len(names) or self.members & set(names):
            raise RefusedError
        self.bank.open(names)
        self.members |= set(names)

    def phase(self, slot):
        if slot in self.sealed:
            return "sealed"
        return self.slots[slot]["phase"] if slot in self.slots else "open"

    def gate_code(self, slot, time):
        opens, closes = self.gate.of(slot) if self.gate else (-(2**80), 2**80)
        if self.phase(slot) != "open" or time >= closes:
            return CLOSED
        return NOT_OPEN if time < opens else 0

    def is_slot(self, slot):
        if slot < 0 or slot % self.slot_ns:
            raise RefusedError

    def slot(self, slot):
        return self.slots.setdefault(slot, {"phase": "open", "book": [], "refused": [], "readings": None})

    def standing(self, slot):
        book = self.slots[slot]["book"] if slot in self.slots else []
        return {(row["market"], row["order"]): row for row in book if row["reject"] == 0}

    def submit(self, slot, rows):
        self.is_slot(slot)
        codes, batch = [], []
        taken = set(self.standing(slot))
        for row in rows:
            code = self.gate_code(slot, row["time"])
            code = code or (row["side"] not in (0, 1) and fc.RejectReason.UNKNOWN_SIDE)
            code = code or (not -RANGE < row["price"] < RANGE and fc.RejectReason.PRICE_OUT_OF_RANGE)
            code = code or (not 1 <= row["quantity"] < RANGE and fc.RejectReason.QUANTITY_OUT_OF_RANGE)
            unit = getattr(self.mechanism, "unit", None)
            code = code or (unit not in (None, row["quantity"]) and fc.RejectReason.NOT_ONE_UNIT)
            code = code or (row["participant"] not in self.members and fc.RejectReason.UNKNOWN_PARTICIPANT)
            code = code or ((row["market"], row["order"]) in taken and fc.RejectReason.DUPLICATE_ORDER)
            if not code:
                taken.add((row["market"], row["order"]))
            codes.append(int(code))
            batch.append(row | {"reject": int(code)})
        sound = [row for row in batch if row["reject"] == 0]
        if sound:
            for row, code in zip(sound, self.bank.reserve(Book(sound).orders).tolist(), strict=True):
                row["reject"] = code
        for row in batch:
            if self.gate_code(slot, row["time"]) == 0:
                found = self.slot(slot)
                found["refused" if row["reject"] else "book"].append(row)
        return [row["reject"] for row in batch]

    def cancel(self, slot, rows):
        self.is_slot(slot)
        gone, codes = [], []
        for row in rows:
            found = self.standing(slot).get((row["market"], row["order"]))
            code = self.gate_code(slot, self.time)
            if not code and (found is None or found["participant"] != row["participant"]):
                code = UNKNOWN
            if not code:
                gone.append(dict(found))
                found["reject"] = CANCELLED
            codes.append(code)
        if gone:
            self.take()
            self.bank.settle(Book(gone))
            self.unsealed.append(self.bank.last_receipts)
        return codes

    def close_gate(self, slot):
        self.is_slot(slot)
        if self.phase(slot) != "open" or (self.gate and self.time < self.gate.of(slot)[1]):
            raise RefusedError
        found = self.slot(slot)
        found["phase"] = "cleared"
        rows = [row for row in found["book"] if row["reject"] == 0]
        found["rows"] = rows
        mechanism, seed = self.mechanism, getattr(self.mechanism, "seed", None)
        if seed is not None:
            mechanism = replace(mechanism, seed=(seed + slot) % 2**64)
        found["clearing"] = fc.clear(Book(rows).orders, mechanism) if rows else None
        if rows:
            for row, code in zip(rows, found["clearing"].reject.tolist(), strict=True):
                row["reject"] = code
        return found["clearing"]

    def meter(self, slot, readings):
        self.is_slot(slot)
        if self.phase(slot) in ("settled", "sealed") or not set(readings) <= self.members:
            raise RefusedError
        found = self.slot(slot)
        found["readings"] = (found["readings"] or {}) | readings

    def settle(self, slot):
        self.is_slot(slot)
        if self.phase(slot) != "cleared":
            raise RefusedError
        found = self.slots[slot]
        readings = found["readings"]
        meter = None
        if readings is not None:
            who = sorted(readings, key=self.bank.account)
            meter = {"participant": who, "energy_wh": np.array([readings[name] for name in who], np.int64)}
        clearing = found["clearing"]
        self.take()
        receipts = self.bank.settle([] if clearing is None else clearing, meter)
        self.unsealed.append(receipts)
        found["phase"] = "settled"
        return receipts

    def seal(self, slot=None):
        books = []
        if slot is not None:
            self.is_slot(slot)
            if self.phase(slot) != "settled":
                raise RefusedError
            found = self.slots.pop(slot)
            self.sealed.add(slot)
            rows = found["book"] + found["refused"]
            books = [Book(rows)] if rows else []
        self.take()
        history = History(self.unsealed, self.bank)
        block = self.ledger.seal(books, history, slot=slot, time=self.time)
        self.unsealed = []
        return block
