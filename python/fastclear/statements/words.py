"""What a posting is, in words that a member understands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastclear import _core
from fastclear.market_view import exact
from fastclear.statements.view import money_text

KINDS: Final = dict(_core.KIND_NAMES)
LINES: Final = {(kind, code): name for kind, code, name in _core.LINE_NAMES}
KIND_NUMBERS: Final = {name: number for number, name in _core.KIND_NAMES}
LINE_CODES: Final = {(KINDS[kind], name): code for kind, code, name in _core.LINE_NAMES}

_TEXTS: Final = {
    ("account_opened", None): "account opened",
    ("limit", None): "credit limit set to {money}",
    ("deposit", None): "deposit",
    ("withdrawal", None): "withdrawal",
    ("reserve", "provisional"): "{money} of it is provisional",
    ("reserve", "restored"): "{money} set aside again for a bid whose slot was taken back",
    ("reserve", "disputed"): "{money} held until a dispute ends",
    ("void", "disputed"): "{money} is free again: a dispute has ended",
    ("dispute", "opened"): "dispute over {money} opened",
    ("dispute", "evidence"): "evidence in a dispute",
    ("dispute", "ruled"): "ruling in a dispute: {money} is owed",
    ("dispute", "posted"): "dispute ended: {money} is paid",
    ("dispute", "rejected"): "dispute ended: nothing is owed",
    ("void", "confirmed"): "{money} is confirmed",
    ("void", "taken_back"): "{money} is provisional no more",
    ("reserve", None): "{money} set aside for a bid of {energy} at no more than {price}",
    ("post", None): "bought {energy}, with fees and tax",
    ("void", None): "a bid did not trade: {money} is free again",
    ("trade", "seller"): "sold {energy} at {price}",
    ("trade", "buyer"): "paid for taking {energy}",
    ("trade", "sum"): "sold {energy}",
    ("trade", "sum_paid"): "had to pay for giving {energy}",
    ("imbalance", "credited"): "feed-in for {energy} at {price} given back: the energy became credits",
    ("imbalance", "compensated"): "{energy} at {price} set off by energy fed in",
    ("tax", "compensated"): "tax on {energy} that were set off",
    ("fee", "pool"): "fees and fixed cost of a pool",
    ("imbalance", "grid_import"): "{energy} from the grid at {price}, for a pool",
    ("imbalance", "grid_export"): "{energy} to the grid at {price}, from a pool",
    ("fee", "platform"): "platform fee on {energy}",
    ("fee", "network"): "network fee on {energy}",
    ("fee", "spread"): "spread of a trade of {energy}",
    ("fee", "rounding"): "rounding of a trade",
    ("fee", "deficit"): "deficit of a trade of {energy}",
    ("tax", "trade"): "tax on a trade of {energy}",
    ("tax", "residual"): "tax on {energy} from the supplier",
    ("imbalance", "residual"): "{energy} from the supplier at {price}: consumed and not bought",
    ("imbalance", "shortfall"): "{energy} from the supplier at {price}: sold and not delivered",
    ("imbalance", "feed_in"): "{energy} to the supplier at {price}: generated and not sold",
    ("imbalance", "over_bought"): "{energy} to the supplier at {price}: bought and not consumed",
    ("imbalance", "penalty"): "penalty at {price} on {energy} beyond the dead band",
    ("imbalance", "undelivered"): "{energy} that were sold and not delivered, given back to the buyer",
    ("imbalance", "netting"): "share of what was left over in the community",
    ("imbalance", "penalty_share"): "share of the penalties of others",
    ("imbalance", "rounding"): "rounding of a pool",
    ("fee", "platform_share"): "share of the platform fee on {energy}",
    ("fee", "network_share"): "share of the network fee on {energy}",
    ("fee", "subscription"): "fixed charge",
    ("tax", "platform"): "tax on the platform fee on {energy}",
    ("tax", "network"): "tax on the network fee on {energy}",
    ("tax", "subscription"): "tax on the fixed charge",
    ("tax", "undelivered"): "tax given back on {energy} that were not delivered",
    ("net", "draw"): "lent by the treasury",
    ("net", "novation"): "paid by the operator in your place",
    ("net", "interest"): "interest of {money} claimed",
    ("net", "penalty"): "penalty of {money} claimed on what is overdue",
    ("net", "penalty_paid"): "penalty on a loan",
    ("net", "interest_paid"): "interest on a loan",
    ("net", "repaid"): "loan repaid",
    ("net", "written_off"): "a debt of {money} was written off",
    ("net", "collected"): "payment of what was owed for the cycle",
    ("net", "paid_out"): "payout of what was earned in the cycle",
    ("correction", "reversed"): "a provisional slot taken back",
    ("correction", "cents"): "rounding of an invoice to cents",
    ("correction", "ruled"): "ruling in a dispute",
    ("membership", "closed"): "account closed",
    ("membership", "validators"): "other validators vouch for the ledger",
    ("parameter", "subchain"): "a sub-chain sealed in the ledger",
    ("deposit", "pledged"): "pledged as collateral",
    ("deposit", "contributed"): "paid into the default fund",
    ("deposit", "guaranteed"): "operator's guarantee paid in",
    ("withdrawal", "released"): "collateral given back",
    ("withdrawal", "returned"): "given back out of the default fund",
    ("withdrawal", "guarantee_returned"): "operator's guarantee taken out",
    ("net", "margin_taken"): "collateral used for what was not paid",
    ("net", "fund_taken"): "part of the default fund used for what was not paid",
    ("net", "covered"): "part of what another member did not pay",
    ("net", "passed_on"): "part of what was covered for another member, paid back",
    ("net", "put_off"): "charge of {money} put off",
    ("net", "recovered"): "charge of {money} that had been put off is paid",
    ("parameter", "minimum_holding"): "{money} to be kept from here on",
    ("trade", "escrowed"): "payment for {energy} into escrow",
    ("trade", "released"): "paid out of escrow for {energy} delivered",
    ("trade", "returned"): "back out of escrow for {energy} not delivered",
    ("net", "buyer_bond"): "bond as the buyer of {energy}, into escrow",
    ("net", "seller_bond"): "bond as the seller of {energy}, into escrow",
    ("net", "bond_returned"): "bond back out of escrow",
    ("imbalance", "delivery_penalty"): "penalty for {energy} of a deal that were not delivered",
    ("fee", "platform_proceeds"): "the platform's part of a sale of {energy}",
    ("fee", "dso_proceeds"): "the network's part of a sale of {energy}",
    ("net", "bonded"): "access tokens bonded",
    ("net", "unbonded"): "access tokens given back",
}


_TEXTS.update(
    {
        ("correction", line): f"by a later reading: {text}"
        for (kind, line), text in _TEXTS.items()
        if kind == "imbalance" and line not in ("grid_import", "grid_export", "credited", "compensated")
    }
)
_TEXTS.update(
    {
        ("correction", f"tax_{line}"): f"by a later reading: {_TEXTS['tax', line]}"
        for line in ("residual", "undelivered")
    }
)


def energy_text(wh: int) -> str:
    """Energy in kWh, every digit."""
    return f"{exact(wh, 1000)} kWh"


def price_text(ticks: int) -> str:
    """A price in ct/kWh, every digit."""
    return f"{exact(ticks, 10_000)} ct/kWh"


def lined(kind: int, code: int) -> str:
    """The names of a kind and of its line: ``fee, network``."""
    names = KINDS.get(kind, f"kind {kind}"), LINES.get((kind, code))
    return ", ".join(name.replace("_", " ") for name in names if name)


def told(posting: Mapping[str, Any]) -> str:
    """Say in words what one posting is.

    Parameters
    ----------
    posting : mapping
        The fields of :attr:`fastclear.Receipts.columns`, as numbers.
    """
    kind = KINDS.get(posting["kind"], f"kind {posting['kind']}")
    line = LINES.get((posting["kind"], posting["code"]))
    if kind == "meter" and line == "missing":
        return "meter: no reading, though the member traded"
    if kind == "meter" and line == "losses":
        return f"losses: {energy_text(posting['quantity'])}, a share of what the network lost"
    if kind == "meter":
        energy = posting["quantity"]
        later = ", by a later reading" if line == "revised" else ""
        return f"meter: {'generated' if energy < 0 else 'consumed'} {energy_text(abs(energy))}, net{later}"
    if kind == "trade" and line in ("pool_paid", "pool_received"):
        took, pays = posting["quantity"] >= 0, line == "pool_paid"
        how = ("took" if pays else "was paid for taking") if took else ("had to pay for giving" if pays else "gave")
        return f"pool: {how} {energy_text(abs(posting['quantity']))}"
    text = _TEXTS.get((kind, line))
    if text is None:
        return lined(posting["kind"], posting["code"])
    return text.format(
        energy=energy_text(posting["quantity"]),
        price=price_text(posting["price"]),
        money=money_text(posting["amount"]),
    )
