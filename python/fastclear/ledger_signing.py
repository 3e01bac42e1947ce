"""What a ledger does about signatures: consortium, checkpoints, and the roots of sub-chains."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fastclear import _core, light_client
from fastclear.block import RECORD_ENTRY_LEN, Block, Proof
from fastclear.checkpoints import Checkpoint
from fastclear.consortium import Consortium
from fastclear.durable import write_whole
from fastclear.entries import line
from fastclear.errors import LedgerError, expect, natural
from fastclear.keys import Signer

if TYPE_CHECKING:
    from fastclear.settlement import Settlement

CONSORTIA: Final = "validators"
"""Folder of a ledger directory with the bytes of every consortium, by hash."""
CHECKPOINT: Final = "checkpoint"
"""File of a ledger directory with the last checkpoint that a quorum has cosigned."""
_NONE: Final = "00" * 32


class LedgerSigning:
    """The half of :class:`fastclear.Ledger` that has to do with keys; not made by itself."""

    _open: _core.Chain | None
    _place: tuple[str, bool] | None
    _consortia: dict[str, Consortium]
    _accepted: Checkpoint | None

    @property
    def _chain(self) -> _core.Chain:
        raise NotImplementedError

    # -- consortium --------------------------------------------------------------------------------------------

    @property
    def consortium(self) -> Consortium | None:
        """The consortium that cosigns the next block; None where the ledger has none."""
        return self._consortium_of(self._chain.validators.hex())

    def consortium_at(self, height: int) -> Consortium | None:
        """Return the consortium that cosigns the log up to this block; raises LedgerError if it is not known here."""
        found = self._chain.header(natural(height, "height"))
        if found is None:
            raise LedgerError(f"there is no block {height}; the ledger has {self._chain.height} blocks")
        return self._consortium_of(light_client.parse_header(found[0]).validators_hash.hex())

    def change_consortium(
        self, consortium: Consortium, *, bank: Settlement | None = None, slot: int = 0, time: int = 0
    ) -> Block:
        """Seal a block that says who vouches from the next height on.

        The block itself is still cosigned by the consortium before: that is how it agrees to the change.

        Parameters
        ----------
        consortium : Consortium
            The new one, for example ``ledger.consortium.without("bob")``.
        bank : Settlement, optional
            The bank of this ledger, where it seals receipts: the record is one of its postings, and whatever receipts
            it holds ready are sealed in the same block.
        slot, time : int, optional
            As for :meth:`fastclear.Ledger.seal`.

        Raises
        ------
        LedgerError
            It is in force already, or the ledger carries account states and no bank is given.
        """
        expect(consortium, Consortium, "consortium")
        if self._chain.validators.hex() == consortium.hash:
            raise LedgerError(f"this consortium is in force already: {consortium!r}")
        self._learn(consortium)
        return self._seal_hashes("membership", "validators", [bytes.fromhex(consortium.hash)], bank, slot, time)

    def _found(self, consortium: Consortium | None) -> None:
        """Take the consortium that was given when the ledger was made or opened."""
        if consortium is None:
            if self._chain.height == 0 and len(self._consortia) == 1:
                # A ledger begun with a consortium and closed before its first block.
                self._chain.found(bytes.fromhex(next(iter(self._consortia))))
            return
        expect(consortium, Consortium, "consortium")
        if self._chain.height == 0:
            others = [known for known in self._consortia.values() if known != consortium]
            if others:
                raise LedgerError(f"the ledger was begun with another consortium: {others[0]!r}")
            self._learn(consortium)
            self._chain.found(bytes.fromhex(consortium.hash))
        elif self._chain.validators.hex() != consortium.hash:
            raise LedgerError(
                f"another consortium is in force: {self.consortium!r}; a ledger that has blocks changes its consortium "
                "with change_consortium"
            )

    def _consortium_of(self, digest: str) -> Consortium | None:
        if digest == _NONE:
            return None
        found = self._consortia.get(digest)
        if found is None:
            raise LedgerError(f"the consortium {digest[:16]}… is not known here; its file is missing")
        return found

    def _learn(self, consortium: Consortium) -> None:
        """Keep the bytes before a block names their hash."""
        if consortium.hash not in self._consortia:
            if self._place is not None:
                folder = Path(self._place[0], CONSORTIA)
                folder.mkdir(exist_ok=True)
                write_whole(folder / consortium.hash, consortium.encoded)
            self._consortia[consortium.hash] = consortium

    def _load_signing(self) -> None:
        """Read consortia and the last cosigned checkpoint from the directory."""
        self._consortia, self._accepted = {}, None
        if self._place is not None:
            self._consortia = read_consortia(Path(self._place[0]))
            self._accepted = read_checkpoint(Path(self._place[0]))

    # -- checkpoints -------------------------------------------------------------------------------------------

    def block_bytes(self, height: int) -> bytes:
        """Return a whole block for :meth:`fastclear.Validator.replay`: header, record entries, order entries."""
        found = self._chain.header(natural(height, "height"))
        if found is None:
            raise LedgerError(f"there is no block {height}; the ledger has {self._chain.height} blocks")
        return found[0] + self._chain.records(height) + self._chain.orders(height)

    def checkpoint(self, signer: Signer) -> Checkpoint:
        """Sign the log as it stands, in the name of the signer.

        What is signed is kept first (on disk, in a directory): a ledger never signs two histories, nor under two names,
        however often it is opened, copied or set back.

        Raises
        ------
        LedgerError
            There is no block yet; or a checkpoint was signed that these blocks do not contain, or under another name.
        StoreError
            It cannot be kept; nothing is signed then.
        """
        expect(signer, Signer, "signer")
        text = self._chain.release(signer.name)
        return Checkpoint(text + "\n" + _core.sign_log(signer.name, signer.secret, text))

    def accept(self, checkpoint: Checkpoint) -> dict[str, int]:
        """Take back a checkpoint that a quorum has cosigned; it is the :attr:`cosigned` one from then on.

        Returns
        -------
        dict of str to int
            Who has signed, and when, in seconds since 1970 UTC.

        Raises
        ------
        LedgerError
            It is not of this log; the consortium in force at its last block has no quorum under it (a validator that
            had left by then does not count); or one of their signatures does not verify.
        """
        expect(checkpoint, Checkpoint, "checkpoint")
        size = checkpoint.size
        if not 1 <= size <= self._chain.height or self._chain.log_root(size).hex() != checkpoint.root:
            raise LedgerError(f"these blocks have no such checkpoint of {size} blocks")
        signed = self._chain.signed
        if signed is not None and signed.partition("\n")[0] != checkpoint.origin:
            raise LedgerError(f"the checkpoint is in the name of {checkpoint.origin!r}")
        consortium = self.consortium_at(size - 1)
        if consortium is None:
            raise LedgerError(f"block {size - 1} has no consortium; begin a ledger with one, or change_consortium")
        signers = checkpoint.verify(consortium)
        if self._accepted is None or size >= self._accepted.size:
            if self._place is not None:
                write_whole(Path(self._place[0], CHECKPOINT), checkpoint.text.encode())
            self._accepted = checkpoint
        return signers

    @property
    def cosigned(self) -> Checkpoint | None:
        """The largest checkpoint that a quorum has cosigned and :meth:`accept` has taken; None before the first."""
        return self._accepted

    # -- sub-chains --------------------------------------------------------------------------------------------

    def seal_subchains(
        self,
        ledgers: Sequence[LedgerSigning],
        *,
        bank: Settlement | None = None,
        slot: int = 0,
        time: int = 0,
    ) -> Block:
        """Seal where the logs of other ledgers stand: one record each, in their order.

        Parameters are those of :meth:`change_consortium`. A record carries SHA-256(0x09, chain id, size, root).

        Raises
        ------
        LedgerError
            A ledger without blocks, this ledger itself, or one twice.

        Examples
        --------
        >>> import fastclear as fc
        >>> orders = {"side": ["buy", "sell"], "price": [3, 1], "quantity": [5, 5]}
        >>> street, region = fc.Ledger({"feeder": 7}, seed=1), fc.Ledger({"region": 1}, seed=2)
        >>> _ = street.seal(fc.clear(orders, fc.Uniform()), slot=0)
        >>> block = region.seal_subchains([street], slot=0)
        >>> proof = region.prove_through(street.prove(0, 0))
        >>> proof.main.header == block.header
        True
        """
        for number, ledger in enumerate(ledgers):
            if not isinstance(ledger, LedgerSigning):
                raise LedgerError(f"ledgers[{number}] is a {type(ledger).__name__}; give a fastclear.Ledger")
        ids = [ledger._chain.chain_id for ledger in ledgers]
        if len(set(ids)) < len(ids) or self._chain.chain_id in ids:
            raise LedgerError("a sub-chain is another ledger, and stands in a block once")
        hashes = []
        for ledger in ledgers:
            size = ledger._chain.height
            if not size:
                raise LedgerError("a sub-chain without blocks has nothing to be sealed")
            hashes.append(_core.subchain_hash(ledger._chain.chain_id, size, ledger._chain.log_root(size)))
        return self._seal_hashes("parameter", "subchain", hashes, bank, slot, time)

    def prove_through(self, proof: Proof) -> Proof:
        """Lead the proof of a sub-chain's leaf on to this ledger's log.

        Parameters
        ----------
        proof : Proof
            Of the sub-chain, at the size at which :meth:`seal_subchains` found it
            (``street.prove(height, leaf, size=…)``).

        Returns
        -------
        Proof
            The same with :attr:`~fastclear.Proof.main`.

        Raises
        ------
        LedgerError
            No block says that the sub-chain stood there.
        """
        expect(proof, Proof, "proof")
        try:
            chain_id = light_client.parse_header(proof.header).chain_id
        except light_client.Refused as error:
            raise LedgerError(f"the proof has no header: {error}") from error
        wanted = _core.subchain_hash(chain_id, proof.log_size, proof.log_root)
        for height in reversed(range(self._chain.height)):
            entries = self._chain.records(height)
            for index in range(len(entries) // RECORD_ENTRY_LEN):
                record = entries[index * RECORD_ENTRY_LEN :][: light_client.RECORD_LEN]
                said = light_client.parse_record(record)
                if (said.kind, said.code) == light_client.HASH_LINES[1] and light_client.hash_of(said) == wanted:
                    return proof.within(self.prove(height, index))
        raise LedgerError(f"no block says that the sub-chain stood at {proof.log_size} blocks with this root")

    def prove(self, height: int, leaf: int | bytes) -> Proof:
        """See :meth:`fastclear.Ledger.prove`."""
        raise NotImplementedError

    def seal(self, clearing: None, receipts: object, *, slot: int | None = None, time: int | None = None) -> Block:
        """See :meth:`fastclear.Ledger.seal`."""
        raise NotImplementedError

    def _seal_hashes(
        self, kind: str, name: str, hashes: list[bytes], bank: Settlement | None, slot: int, time: int
    ) -> Block:
        natural(slot, "slot"), natural(time, "time")
        numbers = line(kind, name)
        rows = [(*numbers, item) for item in hashes]
        if bank is None:
            header, digest = self._chain.seal_hashes(rows, slot, time)
            return Block(header, digest.hex())
        bank._bank.enter_hashes(rows)
        return self.seal(None, bank.receipts(), slot=slot, time=time or None)


def read_consortia(folder: Path) -> dict[str, Consortium]:
    """Read the consortia of a ledger directory; raises LedgerError for a file that is not what its name says."""
    found = {}
    files = sorted((folder / CONSORTIA).iterdir()) if (folder / CONSORTIA).is_dir() else []
    for file in files:
        if file.suffix == ".tmp":
            continue  # what a crash has left
        consortium = Consortium.decode(file.read_bytes())
        if consortium.hash != file.name:
            raise LedgerError(f"{os.fspath(file)} does not hold the consortium of its name")
        found[consortium.hash] = consortium
    return found


def read_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the cosigned checkpoint of a ledger directory; raises LedgerError if it is none."""
    file = folder / CHECKPOINT
    if not file.is_file():
        return None
    try:
        return Checkpoint(file.read_bytes().decode())
    except ValueError as error:  # LedgerError is one too
        raise LedgerError(f"{os.fspath(file)} is no checkpoint: {error}") from error
