"""The continuous double auction: :class:`OrderBook` and what it returns."""

from __future__ import annotations

from fastclear.book.events import BookEvents
from fastclear.book.order_book import OrderBook
from fastclear.book.stepping import BookStep

__all__ = ["BookEvents", "BookStep", "OrderBook"]
