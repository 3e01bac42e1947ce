"""The blocks of an exchange, to read and to prove with."""

from __future__ import annotations

from typing import Any, NoReturn

from fastclear import _core
from fastclear.errors import LedgerError
from fastclear.ledger import Ledger


class ExchangeLedger(Ledger):
    """The ledger of an exchange: everything of :class:`fastclear.Ledger` but sealing, which the exchange does."""

    def __init__(self, house: _core.House, folder: str | None = None) -> None:
        self._seed, self._known = None, (0, b"")
        self._place = None if folder is None else (folder, True)
        self._house = house
        self._open = house.chain()
        self._load_signing()

    @property
    def _chain(self) -> _core.Chain:
        _ = self._house.time_ns  # raises once the exchange is closed
        assert self._open is not None
        return self._open

    def seal(self, *_arguments: Any, **_options: Any) -> NoReturn:
        """Refuse: a block that the exchange has not made would cut it off from its ledger.

        Raises
        ------
        LedgerError
            Always.
        """
        raise LedgerError("the exchange seals its own blocks; call its seal()")

    def reopen(self) -> NoReturn:
        """Refuse: the exchange and its ledger are opened together.

        Raises
        ------
        LedgerError
            Always.
        """
        raise LedgerError("the ledger of an exchange is opened with it; close the exchange and open it again")

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise LedgerError("the ledger of an exchange cannot be pickled or copied; open the directory of the exchange")
