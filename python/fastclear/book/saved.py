"""A book as bytes, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from fastclear import _core
from fastclear.book.names import Names
from fastclear.errors import SchemaError
from fastclear.units import Units

KINDS = ("market", "order", "participant")
"""Ids that may be text, in the order in which they are saved."""


class Saved:
    """What an order book is kept and moved by."""

    if TYPE_CHECKING:
        _core: _core.OrderBook
        _units: Units | None
        _names: dict[str, Names]
        _has_integers: bool

    def save(self) -> bytes:
        """Return the whole state, from which :meth:`restore` makes a book that goes on as this one would.

        Clock, rules, gates, markets, the numbers of the next event and order, and every order where it stands, in the
        book, beside it or waiting: the same commands later give the same events with the same numbers.

        Returns
        -------
        bytes
            A version, a SHA-256 and columns: 16 bytes an order, 16 more with participants and expiries, 25 a market;
            up to 100 more an order that is more than plain. Equal states give equal bytes. Text ids are saved with all
            texts that the book has ever seen, since their numbers decide ties. Not signed: whoever can write the bytes
            can write another book.

        Raises
        ------
        SchemaError
            A text id that is no Unicode.

        Examples
        --------
        >>> import fastclear as fc
        >>> book = fc.OrderBook()
        >>> _ = book.submit({"side": ["buy", "buy"], "price": [7, 7], "quantity": [3, 4]})
        >>> again = fc.OrderBook.restore(book.save())
        >>> again.save() == book.save()
        True
        >>> events = again.place("sell", 7, 5)
        >>> again.snapshot().select("order", "quantity").rows()
        [(1, 2)]
        """
        units = self._units
        words = None if units is None else (units.price, units.quantity, units.rounding)
        names = [self._names[kind] for kind in KINDS]
        try:
            return self._core.save(words, [ids.kind for ids in names], [ids.texts for ids in names])
        except UnicodeEncodeError as error:
            raise SchemaError(f"a text id is no Unicode and cannot be saved: {error}") from error

    @classmethod
    def restore(cls, state: bytes) -> Self:
        """Return the book that :meth:`save` wrote.

        Parameters
        ----------
        state : bytes
            What :meth:`save` returned.

        Raises
        ------
        SchemaError
            Anything else: cut or changed bytes, another version, orders that cross or have one id.
        """
        if not isinstance(state, bytes | bytearray | memoryview):
            raise SchemaError(f"state is a {type(state).__name__}; give the bytes of save()")
        core, words, kinds, texts = _core.OrderBook.restore(bytes(state))
        book = object.__new__(cls)
        book._core = core
        book._units = None if words is None else Units(*words)  # type: ignore[arg-type]  # Units itself checks them
        known = zip(KINDS, kinds, texts, strict=True)
        book._names = {name: Names.of(name, kind, list_of) for name, kind, list_of in known}
        book._has_integers = False
        return book

    def __reduce__(self) -> Any:
        """Pickle the book as its state."""
        return type(self).restore, (self.save(),)
