"""Checkpoints: what a header log signs, what validators cosign, and what shows that one of them has lied."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from fastclear import _core, light_client
from fastclear.consortium import Consortium
from fastclear.errors import LedgerError, expect
from fastclear.keys import PublicKey, Signer

_FORMAT: Final = "fastclear equivocation"
_Role = Literal["validator", "log"]
_ROLES: Final[tuple[_Role, ...]] = ("validator", "log")


@dataclass(frozen=True)
class Checkpoint:
    """Name, size and root of a header log, with signatures: a signed note of c2sp.org.

    :meth:`fastclear.Ledger.checkpoint` makes one, :meth:`fastclear.Validator.cosign` a line to be added.

    Attributes
    ----------
    text : str
        The whole note.

    Raises
    ------
    LedgerError
        The text is no checkpoint, strictly read.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise LedgerError(f"a checkpoint is text, not {type(self.text).__name__}")
        _ = self._read

    @cached_property
    def _read(self) -> tuple[str, int, bytes, list[tuple[str, bytes, bytes]]]:
        return _core.read_note(self._bytes)[:4]

    @property
    def _bytes(self) -> bytes:
        try:
            return self.text.encode()
        except UnicodeEncodeError as error:
            raise LedgerError(f"a checkpoint is UTF-8: {error}") from error

    @property
    def origin(self) -> str:
        """Name of the log."""
        return self._read[0]

    @property
    def size(self) -> int:
        """Number of blocks."""
        return self._read[1]

    @property
    def root(self) -> str:
        """Root over their header hashes, hexadecimal."""
        return self._read[2].hex()

    @property
    def body(self) -> str:
        """The three lines that are signed."""
        return light_client.parse_note(self._bytes).text

    @property
    def signers(self) -> tuple[str, ...]:
        """Names beside the signatures, none of them checked."""
        return tuple(line[0] for line in self._read[3])

    def signed_by(self, log: PublicKey) -> bool:
        """Whether a log has signed; raises LedgerError if a signature of its key does not verify."""
        return _core.note_signed_by_log(self._bytes, log.name, log.key)

    def cosigners(self, consortium: Consortium) -> dict[str, int]:
        """Return who of a consortium has cosigned, and when, in seconds since 1970 UTC.

        Lines of others are passed over, and nobody counts twice. Raises LedgerError if a line of a validator does not
        verify.
        """
        found = _core.read_note(self._bytes, consortium.encoded)[4]
        return {consortium.names[index]: time for index, time in found}

    def verify(self, consortium: Consortium) -> dict[str, int]:
        """Return :meth:`cosigners` if they make a quorum; raises LedgerError if they do not."""
        found = _core.read_note(self._bytes, consortium.encoded, True)[4]
        return {consortium.names[index]: time for index, time in found}

    def having(self, *lines: str) -> Checkpoint:
        """Return the checkpoint with more signature lines; a line that it has already is not repeated."""
        text = self.text
        for line in lines:
            if line not in text:
                text += line
        return Checkpoint(text)


@dataclass(frozen=True)
class Equivocation:
    """Evidence that a key has signed two logs: one name, one size, two roots.

    Anybody can check it with :meth:`verify`, without trusting whoever shows it.

    Attributes
    ----------
    key : PublicKey
        Whose signatures these are.
    role : {"validator", "log"}
        Whether it cosigned them, or signed them as the log.
    first, second : Checkpoint
        Both checkpoints.
    """

    key: PublicKey
    role: _Role
    first: Checkpoint
    second: Checkpoint

    def verify(self) -> bool:
        """Whether it is one: both signatures verify, and the checkpoints contradict each other."""
        return _contradict(self.first, self.second) and all(
            _signed(one, self.key, self.role) for one in (self.first, self.second)
        )

    def to_json(self) -> str:
        """Write it as text, for whoever has to decide."""
        text = self.key.as_validator if self.role == "validator" else self.key.as_log
        document = {"format": _FORMAT, "version": 1, "key": text, "role": self.role}
        return json.dumps({**document, "checkpoints": [self.first.text, self.second.text]}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Equivocation:
        """Read what :meth:`to_json` wrote; raises LedgerError for other text. Whether it holds, :meth:`verify` says."""
        try:
            document = json.loads(text)
            _ = {(_FORMAT, 1): None}[document["format"], document["version"]]
            first, second = document["checkpoints"]
            role = _ROLES[_ROLES.index(document["role"])]
            return cls(PublicKey.parse(document["key"]), role, Checkpoint(first), Checkpoint(second))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LedgerError(f"this text is no evidence of an equivocation: {error!r}") from error


def equivocations(
    first: Checkpoint, second: Checkpoint, keys: Consortium | PublicKey | Signer | list[PublicKey]
) -> list[Equivocation]:
    """Find who has signed both of two checkpoints that contradict each other.

    Parameters
    ----------
    first, second : Checkpoint
        Two checkpoints, for example one of a member and one of its neighbour.
    keys : Consortium, PublicKey or list of PublicKey
        Whose signatures are looked for: as validators, and a key that is given alone also as the log.

    Returns
    -------
    list of Equivocation
        One a key and role; empty where the checkpoints agree, are of other logs or of other sizes. (Two sizes of one
        log contradict each other if no consistency proof relates them; only the logs themselves can show that.)

    Examples
    --------
    >>> import fastclear as fc
    >>> ann, log = fc.Signer("ann", bytes(32)), fc.Signer("market", bytes([1] * 32))
    >>> one, other = fc.Ledger({"truth": 1}, seed=1), fc.Ledger({"truth": 2}, seed=1)
    >>> notes = []
    >>> for ledger in (one, other):
    ...     _ = ledger.seal(None, slot=0)
    ...     validator = fc.Validator(ann, ledger.params, log=log.public)
    ...     _ = validator.replay(ledger.block_bytes(0))
    ...     note = ledger.checkpoint(log)
    ...     notes.append(note.having(validator.cosign(note, time=1)))
    >>> [(found.key.name, found.role, found.verify()) for found in fc.equivocations(*notes, ann)]
    [('ann', 'validator', True)]
    """
    expect(first, Checkpoint, "first")
    expect(second, Checkpoint, "second")
    if isinstance(keys, Consortium):
        listed = list(keys.validators)
    else:
        given = keys if isinstance(keys, list) else [keys]
        listed = [key.public if isinstance(key, Signer) else key for key in given]
        for key in listed:
            expect(key, PublicKey, "a key")
    if not _contradict(first, second):
        return []
    return [
        Equivocation(key, role, first, second)
        for key in listed
        for role in _ROLES
        if all(_signed(one, key, role) for one in (first, second))
    ]


def _contradict(first: Checkpoint, second: Checkpoint) -> bool:
    return (first.origin, first.size) == (second.origin, second.size) and first.root != second.root


def _signed(checkpoint: Checkpoint, key: PublicKey, role: str) -> bool:
    """Whether a key has signed; a signature that does not verify is none."""
    try:
        if role == "log":
            return checkpoint.signed_by(key)
        return bool(checkpoint.cosigners(Consortium([key])))
    except LedgerError:
        return False
