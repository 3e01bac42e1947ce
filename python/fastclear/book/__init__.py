"""The continuous double auction: :class:`OrderBook` and what it returns."""

from __future__ import annotations

from fastclear.book.events import BookEvents
from fastclear.book.order_book import OrderBook

__all__ = ["BookEvents", "OrderBook"]
