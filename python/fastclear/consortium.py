"""Consortium: the validators that vouch for a ledger's blocks, and how many of them it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from fastclear import _core
from fastclear.errors import LedgerError
from fastclear.keys import PublicKey, Signer


@dataclass(frozen=True, init=False)
class Consortium:
    """Validators and a threshold: the quorum that a block needs.

    Parameters
    ----------
    validators : iterable of PublicKey or Signer
        1 to 100, each name and each key once. Their order does not matter: they stand by name.
    threshold : int, optional
        How many signatures make a quorum; more than two thirds by default, which is what keeps any two quorums from
        being disjoint as long as fewer than a third of the validators cheat.

    Raises
    ------
    LedgerError
        Validators, names or keys that cannot be, or a threshold outside 1 … number of validators.

    Examples
    --------
    >>> import fastclear as fc
    >>> signers = [fc.Signer(name, bytes([number] * 32)) for number, name in enumerate(["ann", "bob", "cy", "dee"])]
    >>> consortium = fc.Consortium(signers)
    >>> consortium.threshold, consortium.names
    (3, ('ann', 'bob', 'cy', 'dee'))
    >>> consortium.without("cy").threshold
    3
    """

    validators: tuple[PublicKey, ...]
    threshold: int
    encoded: bytes

    def __init__(self, validators: Iterable[PublicKey | Signer], threshold: int | None = None) -> None:
        keys = [one.public if isinstance(one, Signer) else one for one in validators]
        if not all(isinstance(key, PublicKey) for key in keys):
            raise LedgerError("a consortium consists of fastclear.PublicKey or fastclear.Signer objects")
        whole = isinstance(threshold, int) and not isinstance(threshold, bool)
        if threshold is not None and not (whole and 1 <= threshold <= len(keys)):
            raise LedgerError(f"threshold is {threshold!r}; give a whole number from 1 to {len(keys)}, or nothing")
        for part in ("name", "key"):
            given = [getattr(key, part) for key in keys]
            twice = next((item for item in given if given.count(item) > 1), None)
            if twice is not None:
                who = [key.name for key in keys if getattr(key, part) == twice]
                raise LedgerError(f"one {part} stands twice, at {' and '.join(map(repr, who))}; nobody counts twice")
        if not 1 <= len(keys) <= 100:
            raise LedgerError(f"a consortium has 1 to 100 validators, not {len(keys)}")
        self._set(_core.consortium_bytes([(key.name, key.key) for key in keys], threshold))

    def _set(self, encoded: bytes) -> None:
        threshold, keys = _core.consortium_parts(encoded)
        for name, value in (
            ("validators", tuple(PublicKey(*key) for key in keys)),
            ("threshold", threshold),
            ("encoded", encoded),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def decode(cls, encoded: bytes) -> Consortium:
        """Read :attr:`encoded`, strictly; raises LedgerError for anything else."""
        if not isinstance(encoded, bytes):
            raise LedgerError(f"encoded is a {type(encoded).__name__}; give bytes")
        consortium = cls.__new__(cls)
        consortium._set(encoded)
        return consortium

    @cached_property
    def hash(self) -> str:
        """What headers carry as validators hash, hexadecimal."""
        return _core.consortium_hash(self.encoded).hex()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the validators."""
        return tuple(key.name for key in self.validators)

    def having(self, *validators: PublicKey | Signer, threshold: int | None = None) -> Consortium:
        """Return the consortium with more validators; the threshold is worked out anew unless given."""
        return Consortium([*self.validators, *validators], threshold)

    def without(self, *names: str, threshold: int | None = None) -> Consortium:
        """Return the consortium without some validators; the threshold is worked out anew unless given."""
        strangers = [name for name in names if name not in self.names]
        if strangers:
            raise LedgerError(f"{strangers[0]!r} is no validator of this consortium")
        return Consortium([key for key in self.validators if key.name not in names], threshold)

    def policy(self, *logs: PublicKey) -> str:
        """Write the policy that asks for this quorum under checkpoints of these logs, for ``light_client.py``.

        The format is c2sp.org/tlog-policy; tools for other transparency logs read it too.
        """
        lines = [f"log {log.as_log}" for log in logs]
        lines += [f"witness {key.name} {key.as_validator}" for key in self.validators]
        group = "quorum"
        while group in self.names:
            group += "-"
        lines += [f"group {group} {self.threshold} {' '.join(self.names)}", f"quorum {group}"]
        return "\n".join(lines) + "\n"

    def __hash__(self) -> int:
        """Equal consortia have equal bytes."""
        return hash(self.encoded)

    def __repr__(self) -> str:
        """Show who is in it."""
        return f"Consortium of {', '.join(self.names)}: {self.threshold} of {len(self.validators)}"
