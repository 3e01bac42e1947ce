"""The exceptions of fastclear.

A bad order never raises: it gets a ``reject`` code in the result. Only a call that makes no sense raises, and its
message names the column, row, id or file and what to do about it.
"""

from __future__ import annotations


class FastclearError(Exception):
    """Base of every exception that fastclear raises on purpose."""


class SchemaError(FastclearError, ValueError):
    """A frame or column that cannot be read: missing, of the wrong type or length.

    Attributes
    ----------
    column : str or None
        The column at fault.
    row : int or None
        The first row at fault, counted from 0.
    """

    def __init__(self, message: str, *, column: str | None = None, row: int | None = None) -> None:
        super().__init__(message)
        self.column = column
        self.row = row


class MechanismError(FastclearError, ValueError):
    """A mechanism whose parameters contradict each other or its definition."""


class SettlementError(FastclearError, ValueError):
    """A settlement call that makes no sense, such as an account that was never opened."""


class LedgerError(FastclearError, ValueError):
    """A block, record, proof or chain that is malformed or does not verify."""


class ExchangeError(FastclearError, ValueError):
    """A command that an exchange refuses; nothing has changed.

    Attributes
    ----------
    status : str
        Why, in one stable word, such as ``"gate_open"``; ``"invalid"`` where the call itself makes no sense.
    """

    def __init__(self, message: str, status: str = "invalid") -> None:
        super().__init__(message)
        self.status = status


def expect(value: object, kind: type, name: str) -> None:
    """Refuse an argument of another type with a LedgerError that names what to give."""
    if not isinstance(value, kind):
        raise LedgerError(f"{name} is a {type(value).__name__}; give a fastclear.{kind.__name__}")


def natural(value: object, name: str) -> int:
    """Take a whole number of 64 bits; raises LedgerError for anything else, bools and floats too."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise LedgerError(f"{name} is {value!r}; give a whole number from 0 to 2^64-1")
    number = value.__index__()
    if not 0 <= number < 2**64:
        raise LedgerError(f"{name} is {value!r}; give a whole number from 0 to 2^64-1")
    return int(number)


class StoreError(FastclearError, OSError):
    """A directory or file that cannot be opened, read or written."""


class PresetError(FastclearError, ValueError):
    """A platform preset or community that cannot be used as given."""


class MissingLibraryError(FastclearError, ImportError):
    """A library that is not installed, needed for one thing and not for the rest."""
