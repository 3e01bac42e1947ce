"""Validator: replays every block of a ledger for itself before it signs."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from fastclear import _core, light_client
from fastclear.block import Block, VerificationError
from fastclear.checkpoints import Checkpoint
from fastclear.consortium import Consortium
from fastclear.durable import write_whole
from fastclear.errors import LedgerError, StoreError, expect, natural
from fastclear.keys import PublicKey, Signer
from fastclear.ledger import _canonical


class CosignError(LedgerError):
    """A checkpoint that a validator does not cosign; its state is as before.

    Attributes
    ----------
    reason : str
        ``"not_signed"`` (by its log), ``"old_size"`` (not the size cosigned last: ask again from :attr:`size`),
        ``"inconsistent"`` (no proof that the log has grown from that), ``"not_replayed"`` (blocks are missing here),
        ``"other_root"`` (its own blocks give another root), ``"no_member"`` (not in the consortium in force),
        ``"not_agreed"`` (a block names a next consortium that the validator has not been told of).
    size : int
        Number of blocks that the validator has cosigned.
    """

    def __init__(self, reason: str, size: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.size = size


class Validator:
    """A replica of a ledger with a key: it cosigns what it has replayed itself, and never two histories.

    Parameters
    ----------
    signer : Signer
        Its key.
    params : mapping
        The parameters of the ledger, as :attr:`fastclear.Ledger.params` has them: blocks under others are refused.
    log : PublicKey
        The log's key; its name is the origin of the log's checkpoints.
    consortium : Consortium, optional
        The consortium of genesis. Without it the validator cosigns as a witness, whoever is in the consortium.
    path : path, optional
        File that keeps what was cosigned last, and is on disk before a signature is given out. Without it a validator
        that is started again has forgotten, and asks to be told from the beginning.

    Examples
    --------
    >>> import fastclear as fc
    >>> operator, ann = fc.Signer("market", bytes(32)), fc.Signer("ann", bytes([1] * 32))
    >>> ledger = fc.Ledger({"market": "demo"}, seed=1, consortium=fc.Consortium([ann]))
    >>> _ = ledger.seal(None, slot=0)
    >>> validator = fc.Validator(ann, ledger.params, log=operator.public, consortium=ledger.consortium)
    >>> validator.replay(ledger.block_bytes(0)).height
    0
    >>> checkpoint = ledger.checkpoint(operator)
    >>> checkpoint = checkpoint.having(validator.cosign(checkpoint, time=1_700_000_000))
    >>> checkpoint.verify(ledger.consortium)
    {'ann': 1700000000}
    """

    def __init__(
        self,
        signer: Signer,
        params: Mapping[str, object],
        *,
        log: PublicKey,
        consortium: Consortium | None = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        expect(signer, Signer, "signer")
        expect(log, PublicKey, "log")
        if consortium is not None:
            expect(consortium, Consortium, "consortium")
        if signer.public.key == log.key:
            raise LedgerError("a validator needs a key of its own: the log cannot vouch for itself")
        self._signer, self._log = signer, log
        self._replica = _core.Replica(_canonical(params) or b"{}")
        self._known = {} if consortium is None else {consortium.hash: consortium}
        self._member = consortium is not None
        self._path = None if path is None else Path(path)
        self._lock = Lock()
        self._cosigned = self._read()

    @property
    def name(self) -> str:
        """Name of its key."""
        return self._signer.name

    @property
    def height(self) -> int:
        """Number of blocks replayed."""
        return self._replica.height

    @property
    def size(self) -> int:
        """Number of blocks cosigned: the ``old_size`` that :meth:`cosign` asks for."""
        return 0 if self._cosigned is None else self._cosigned.size

    def replay(self, block: bytes) -> Block:
        """Replay the next block, as :meth:`fastclear.Ledger.block_bytes` gives it: every leaf, root and balance.

        Raises
        ------
        VerificationError
            What is wrong, and where; nothing has changed then.
        """
        if not isinstance(block, bytes):
            raise LedgerError(f"block is a {type(block).__name__}; give bytes")
        with self._lock:
            fault = self._replica.append(block)
            if fault is not None:
                raise VerificationError(*fault)
            header, digest = self._replica.header(self._replica.height - 1) or (b"", b"")
            return Block(header, digest.hex())

    def learn(self, consortium: Consortium) -> None:
        """Agree to a later consortium: a block that names it will be cosigned. When it is in force the blocks say."""
        expect(consortium, Consortium, "consortium")
        self._known[consortium.hash] = consortium

    def cosign(
        self,
        checkpoint: Checkpoint,
        old_size: int = 0,
        growth: Sequence[str] = (),
        *,
        time: int | None = None,
    ) -> str:
        """Cosign a checkpoint of the log: the line to be added to it.

        The rules are those of c2sp.org/tlog-witness, and one more: the validator's own blocks have to give this root.

        Parameters
        ----------
        checkpoint : Checkpoint
            Signed by the log.
        old_size : int
            :attr:`size` of this validator.
        growth : sequence of str
            :meth:`fastclear.Ledger.prove_growth` from ``old_size`` to the checkpoint's size; empty from 0, and where
            nothing has grown.
        time : int, optional
            Seconds since 1970 UTC; the clock's by default.

        Raises
        ------
        CosignError
            Says by its ``reason`` why not.
        StoreError
            The file of what was cosigned cannot be written, or another process has written it. Nothing is signed then.
        """
        expect(checkpoint, Checkpoint, "checkpoint")
        seconds = int(clock.time()) if time is None else natural(time, "time")
        with self._lock:
            self._check(checkpoint, old_size, growth)
            cosigned = light_client.parse_note(checkpoint.text.encode()).checkpoint
            line = _core.cosign(self._signer.name, self._signer.secret, checkpoint.body, seconds)
            self._keep(cosigned, checkpoint.body)
            return line

    def _check(self, checkpoint: Checkpoint, old_size: int, growth: Sequence[str]) -> None:
        def refuse(reason: str, message: str) -> CosignError:
            return CosignError(reason, self.size, message)

        if checkpoint.origin != self._log.name or not checkpoint.signed_by(self._log):
            raise refuse("not_signed", f"the checkpoint is not signed by the log {self._log.name!r}")
        size, root = checkpoint.size, bytes.fromhex(checkpoint.root)
        if old_size != self.size or size < self.size:
            raise refuse(
                "old_size", f"{self.size} blocks were cosigned last, not {old_size}, and no fewer are cosigned"
            )
        path = _path(growth)
        if self._cosigned is None:
            grown = path == []
        else:
            known = self._cosigned.root
            grown = path is not None and light_client.verify_consistency(old_size, size, path, known, root)
        if not grown:
            raise refuse("inconsistent", f"nothing shows that the {old_size} blocks cosigned last begin this log")
        own = self._replica.log_root(size)
        if own is None or size == 0:
            raise refuse("not_replayed", f"{self.height} blocks are replayed here, and {size} are to be cosigned")
        if own != root:
            raise refuse("other_root", f"the {size} blocks that were replayed here have another root")
        if self._member:
            for height in range(self.size, size):
                changed = self._next_of(height)
                if changed is not None and changed not in self._known:
                    why = f"block {height} names the next consortium {changed[:16]}…; learn() it if you agree to it"
                    raise refuse("not_agreed", why)
            header, _ = self._replica.header(size - 1) or (b"", b"")
            named = light_client.parse_header(header).validators_hash.hex()
            consortium = self._known.get(named)
            if consortium is None or self._signer.public not in consortium.validators:
                why = "is not known here: learn() it" if consortium is None else f"does not have {self.name!r}"
                raise refuse("no_member", f"the consortium of block {size - 1} {why}")

    def _next_of(self, height: int) -> str | None:
        """Hash of the consortium after this block, if it is another one than that of the block."""
        header, _ = self._replica.header(height) or (b"", b"")
        following = self._replica.header(height + 1)
        after = light_client.parse_header(following[0]).validators_hash if following else self._replica.validators
        now = light_client.parse_header(header).validators_hash
        return None if after is None or after == now else after.hex()

    def _read(self) -> light_client.Checkpoint | None:
        if self._path is None:
            return None
        try:
            text = self._path.read_bytes() if self._path.exists() else b""
            return light_client.parse_checkpoint(text.decode()) if text else None
        except OSError as error:
            raise StoreError(f"cannot read what was cosigned last: {error}") from error
        except ValueError as error:
            raise LedgerError(f"{self._path} does not say what was cosigned last: {error}") from error

    def _keep(self, cosigned: light_client.Checkpoint, text: str) -> None:
        """Put on disk what is about to be signed."""
        if self._path is not None:
            if self._read() != self._cosigned:
                raise StoreError(f"another process cosigns with {self._path}; a validator has one")
            write_whole(self._path, text.encode())
        self._cosigned = cosigned


def _path(growth: Sequence[str]) -> list[bytes] | None:
    try:
        return [bytes.fromhex(item) for item in growth]
    except (TypeError, ValueError):
        return None
