"""Statements: what the postings of a bank say to its members, its operator and its bookkeeper.

| view | from | what it shows |
|---|---|---|
| :class:`Statement` | ``history.statement(participant)`` | every posting of one member, with the balance after each |
| :class:`Summary` | ``history.summary()`` | every member: deposits, each line of the bill, the balance after it |
| :class:`Exposure` | ``bank.exposure`` | every member: reserved, limit, what is used of it |
| :class:`Journal` | ``history.journal()`` | double entry for a general ledger; beancount text |

A :class:`History` is a run of receipts, or a ledger read back.
"""

from __future__ import annotations

from fastclear.statements.exposure import Exposure, exposure
from fastclear.statements.history import History
from fastclear.statements.journal import Journal
from fastclear.statements.statement import Statement
from fastclear.statements.summary import Summary
from fastclear.statements.view import View

__all__ = ["Exposure", "History", "Journal", "Statement", "Summary", "View", "exposure"]
