"""Orders that were refused."""

from __future__ import annotations

from fastclear.explanation.story import Story
from fastclear.market_view import shown
from fastclear.reject import RejectReason, remedy


def refused(story: Story, code: int) -> str:
    """What is wrong with it, and the remedy."""
    orders = story.clearing.orders
    title = story.title if code != RejectReason.UNKNOWN_SIDE else f"Order {shown(orders.order_ids()[story.row])}"
    missing = orders.missing.get("market")
    where = "" if missing is not None and missing[story.row] else story.where
    return f"{title}{where} was refused ({RejectReason(code).name.lower()}): {remedy(code)}."
