"""Pseudonyms that rotate: other ids for the same members in every period, so that public data name nobody for long."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fastclear.errors import LedgerError

Member = int | str


class Pseudonyms:
    """Members' pseudonyms by period, from one secret a member that stands in no ledger and can be erased.

    The pseudonym of a member in a period is the first 63 bits of HMAC-SHA-256 under the member's secret over the
    period. Who does not hold the secret can neither tell whose it is nor which pseudonyms of two periods are one
    member's; when the secret is erased, nobody can.

    Parameters
    ----------
    seed : int, optional
        Makes secrets repeatable, and therefore not secret: for simulations.

    Examples
    --------
    >>> import fastclear as fc
    >>> names = fc.Pseudonyms(seed=1)
    >>> january, february = names.of(["ann", "bob"], "2027-01"), names.of(["ann", "bob"], "2027-02")
    >>> bool(set(january.tolist()) & set(february.tolist()))
    False
    >>> names.member(int(january[1]), "2027-01")
    'bob'
    """

    def __init__(self, seed: int | None = None) -> None:
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**64):
            raise LedgerError(f"seed is {seed!r}; give a whole number from 0 to 2^64-1")
        self._seed = seed
        self._secrets: dict[Member, bytes] = {}
        self._periods: dict[Member, set[str]] = {}
        self._gone: set[bytes] = set()

    def of(self, members: Iterable[Member], period: str) -> NDArray[np.int64]:
        """Pseudonyms of members in a period, shape (n,), int64, never 0; a member met first gets a secret.

        Raises
        ------
        LedgerError
            A member that is neither integer nor text, whose secret was erased, or whose pseudonym another has already
            (one in 2**63; choose another period text).
        """
        _check_period(period)
        known: dict[Member, int] = {}
        out = []
        for member in members:
            if member not in known:
                known[member] = _pseudonym(self._secret(member), period)
                self._periods.setdefault(member, set()).add(period)
            out.append(known[member])
        if len(set(known.values())) < len(known) or 0 in known.values():
            raise LedgerError(f"two members have one pseudonym in period {period!r}; name the period otherwise")
        found = np.array(out, np.int64)
        found.flags.writeable = False
        return found

    def rotate(self, orders: Any, period: str) -> dict[str, Any]:
        """Orders with the period's pseudonyms in the place of their participants.

        Parameters
        ----------
        orders : frame or mapping of columns
            With a column ``participant``.
        period : str
            Name of the period.
        """
        columns = dict(orders) if isinstance(orders, Mapping) else {name: orders[name] for name in orders.columns}
        if "participant" not in columns:
            raise LedgerError("the orders have no column 'participant' to be replaced")
        members = columns["participant"]
        members = members.to_list() if isinstance(members, pl.Series) else np.asarray(members).tolist()
        return columns | {"participant": self.of(members, period)}

    def member(self, pseudonym: int, period: str) -> Member | None:
        """Whose pseudonym it is in a period, or None: nobody's, or of somebody whose secret was erased."""
        _check_period(period)
        for member, secret in self._secrets.items():
            if _pseudonym(secret, period) == pseudonym:
                return member
        return None

    def all(self, member: Member) -> dict[str, int]:
        """Every pseudonym that a member has had, by period: what is to be erased with them."""
        secret = self._secrets.get(member)
        if secret is None:
            raise LedgerError(f"member {member!r} has no secret here; it was erased, or never was")
        return {period: _pseudonym(secret, period) for period in sorted(self._periods.get(member, ()))}

    def erase(self, member: Member) -> None:
        """Forget a member's secret and periods: from now on nobody can link their pseudonyms.

        Raises
        ------
        LedgerError
            There is no such member.
        """
        if self._secrets.pop(member, None) is None:
            raise LedgerError(f"member {member!r} has no secret here; it was erased, or never was")
        self._periods.pop(member, None)
        if self._seed is not None:  # else the secret would come again from the seed
            self._gone.add(_digest(member))

    def to_json(self) -> str:
        """Write all that links pseudonyms to members: keep it off the ledger, encrypted, and erase what is erased here.

        Overwrite the last version; an old copy still links whoever was erased since.
        """
        members = [
            {"member": member, "secret": secret.hex(), "periods": sorted(self._periods.get(member, ()))}
            for member, secret in self._secrets.items()
        ]
        gone = sorted(item.hex() for item in self._gone)
        return json.dumps(
            {"format": "fastclear pseudonyms", "version": 1, "seed": self._seed, "members": members} | {"gone": gone}
        )

    @classmethod
    def from_json(cls, text: str) -> Pseudonyms:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        LedgerError
            The text is something else.
        """
        try:
            document = json.loads(text)
            known = (document["format"], document["version"]) == ("fastclear pseudonyms", 1)
            found = cls(document["seed"])
            for entry in document["members"]:
                member, secret = entry["member"], bytes.fromhex(entry["secret"])
                known &= isinstance(member, int | str) and not isinstance(member, bool) and len(secret) == 32
                found._secrets[member] = secret
                found._periods[member] = set(entry["periods"])
            found._gone = {bytes.fromhex(item) for item in document["gone"]}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise LedgerError(f"this text holds no pseudonyms: {error!r}") from error
        if not known:
            raise LedgerError("this text holds no pseudonyms of version 1")
        return found

    def __len__(self) -> int:
        """Return the number of members that have a secret."""
        return len(self._secrets)

    def __repr__(self) -> str:
        """Show how many there are, and no secret."""
        return f"Pseudonyms of {len(self)} members"

    def _secret(self, member: Member) -> bytes:
        if isinstance(member, bool) or not isinstance(member, int | str):
            raise LedgerError(f"participant {member!r} is a {type(member).__name__}; give an integer or text")
        secret = self._secrets.get(member)
        if secret is None:
            if self._seed is None:
                secret = os.urandom(32)
            elif _digest(member) in self._gone:
                raise LedgerError(f"member {member!r} was erased; with a seed they would get the same pseudonyms again")
            else:
                secret = hmac.digest(self._seed.to_bytes(8, "little"), _digest(member), "sha256")
            self._secrets[member] = secret
        return secret


def _digest(member: Member) -> bytes:
    return hashlib.sha256(repr(member).encode("utf-8", "surrogatepass")).digest()


def _check_period(period: object) -> None:
    if not isinstance(period, str) or not period:
        raise LedgerError(f"period is {period!r}; give a text that names it, for example '2027-01'")


def _pseudonym(secret: bytes, period: str) -> int:
    return int.from_bytes(hmac.digest(secret, period.encode("utf-8", "surrogatepass"), "sha256")[:8], "little") >> 1
