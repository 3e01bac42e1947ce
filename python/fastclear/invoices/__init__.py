"""Invoices: what members owe and are owed for a period, in cents.

| file | what lives there |
|---|---|
| ``charges`` | postings as charges: whose, which line, at which rate of tax |
| ``rounding`` | nano-currency to cents |
| ``period`` | billing periods in local time |
| ``office`` | numbers, invoices and credit notes, cents that are booked |
| ``view`` | the documents as frames |
| ``desk`` | what a bank can be asked |
"""

from __future__ import annotations

from fastclear.invoices.view import Invoices

__all__ = ["Invoices"]
