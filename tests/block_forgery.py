"""Forged blocks that are consistent in themselves: leaves are changed, then hashed and counted anew."""

from dataclasses import dataclass

import numpy as np

from fastclear import light_client
from fastclear.leaves import ORDER_DTYPE, RECORD_DTYPE

TRADE, FEE, SPREAD = 1, 11, 3


@dataclass
class Evidence:
    """A block as it is handed out, its leaves as arrays that can be changed."""

    header: bytes
    params: bytes
    orders: np.ndarray
    records: np.ndarray

    @classmethod
    def of(cls, ledger, height=0):
        chain = ledger._chain
        orders, records = chain.orders(height), chain.records(height)
        return cls(
            ledger.block(height).header,
            chain.params,
            np.frombuffer(orders, ORDER_DTYPE).copy(),
            np.frombuffer(records, RECORD_DTYPE).copy(),
        )

    def parts(self):
        return self.header, self.params, self.orders.tobytes(), self.records.tobytes()

    def order(self, number):
        """The one leaf of an order, to be changed."""
        place = int(np.flatnonzero(self.orders["order"] == number)[0])
        return self.orders[place : place + 1]

    def rehashed(self):
        """The same with a header that commits to what stands here now."""
        head = light_client.parse_header(self.header)._asdict()
        trades = self.records[self.records["kind"] == TRADE]
        self.records["seq"] = head["first_seq"] + np.arange(len(self.records), dtype=np.uint64)
        fields = list(light_client._HEADER.unpack(self.header))
        fields[6] = root(self.orders)
        fields[7] = root(self.records)
        fields[9] = light_client.hashlib.sha256(self.params).digest()
        fields[11], fields[12] = len(self.orders), len(self.records)
        fields[16] = int(trades["amount"].sum())
        self.header = light_client._HEADER.pack(*fields)
        light_client.parse_header(self.header)
        return self

    def repriced(self, price, rows=slice(None)):
        """Trades at another price, their amounts with them."""
        self.records["price"][rows] = price
        return self._with_amounts()

    def _with_amounts(self):
        """Amounts are price x quantity where there is a price: not in deposits and the like."""
        priced = (self.records["kind"] == TRADE) | ((self.records["kind"] == FEE) & (self.records["code"] == SPREAD))
        amounts = np.abs(self.records["price"] * self.records["quantity"])
        self.records["amount"] = np.where(priced, amounts, self.records["amount"])
        return self

    def moved(self, row, lots):
        """A trade of other lots, its amount with it."""
        self.records["quantity"][row] = lots
        return self._with_amounts()


def root(entries):
    split = [entry.tobytes() for entry in entries]
    return light_client.tree_root([light_client.leaf_hash(entry) for entry in split])
