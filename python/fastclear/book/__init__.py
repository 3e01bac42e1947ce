"""The continuous double auction: :class:`OrderBook` and what it returns."""

from __future__ import annotations

from fastclear.book.bars import bars
from fastclear.book.events import BookEvents
from fastclear.book.order_book import OrderBook
from fastclear.book.stepping import BookStep
from fastclear.book.view import BookView

__all__ = ["BookEvents", "BookStep", "BookView", "OrderBook", "bars"]
