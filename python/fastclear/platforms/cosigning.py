"""The authorised nodes of a platform: each replays every block for itself and cosigns the log, or signs nothing."""

from __future__ import annotations

import hashlib
import time
from typing import Final

from fastclear.consortium import Consortium
from fastclear.keys import Signer
from fastclear.ledger import Ledger
from fastclear.platforms.preset import Preset
from fastclear.validator import Validator

_PURPOSE: Final = b"fastclear: key of a simulation, worth nothing outside it\x00"
_NS_PER_SECOND: Final = 10**9


def simulated_signer(name: str, seed: int) -> Signer:
    """The key that a node has in a simulation: SHA-256 of a purpose, the seed of the run and the name.

    Whoever knows the seed can sign in its name. That makes runs repeatable, and is why such a key must never vouch for
    anything but a simulation: :meth:`fastclear.Signer.generate` draws real ones.

    Parameters
    ----------
    name : str
        Of the node.
    seed : int
        Of the run.

    Examples
    --------
    >>> simulated_signer("aggregator-1", 7).public == simulated_signer("aggregator-1", 7).public
    True
    >>> simulated_signer("aggregator-1", 8).public == simulated_signer("aggregator-1", 7).public
    False
    """
    return Signer(name, hashlib.sha256(_PURPOSE + seed.to_bytes(8, "little") + name.encode()).digest())


class Cosigning:
    """The operator that seals, and the nodes that vouch for it.

    Parameters
    ----------
    preset : Preset
        With a section ``information.consortium``, which names the nodes.
    seed : int
        Of the run, from which all keys come.

    Attributes
    ----------
    consortium : Consortium
        The nodes and their quorum.
    cpu_seconds : float
        Time on the processor that all nodes together have spent on replaying and cosigning.
    """

    def __init__(self, preset: Preset, seed: int) -> None:
        options = preset.information.consortium
        if options is None:
            raise ValueError("the preset has no information.consortium")
        self._operator = simulated_signer(f"{preset.name}.simulation", seed)
        self._signers = [simulated_signer(name, seed) for name in options.nodes.value]
        self.consortium = Consortium(self._signers, options.quorum.value)
        self._validators: list[Validator] = []
        self.cpu_seconds = 0.0

    @property
    def policy(self) -> str:
        """Whose signatures count, as ``light_client.py`` and ``fastclear verify --policy`` read it."""
        return self.consortium.policy(self._operator.public)

    def replay(self, ledger: Ledger) -> None:
        """Have every node replay the blocks that are new: every leaf, root and balance of them.

        Parameters
        ----------
        ledger : Ledger
            The same in every call, begun with :attr:`consortium`.

        Raises
        ------
        VerificationError
            If a block does not follow from what went before.
        """
        started = time.thread_time()
        if not self._validators:
            params = ledger.params
            self._validators = [
                Validator(signer, params, log=self._operator.public, consortium=self.consortium)
                for signer in self._signers
            ]
        for height in range(self._validators[0].height, ledger.height):
            block = ledger.block_bytes(height)
            for validator in self._validators:
                validator.replay(block)
        self.cpu_seconds += time.thread_time() - started

    def sign(self, ledger: Ledger, now: int) -> None:
        """Have the log cosigned as it stands: whatever is in it then has the signatures of all nodes.

        Parameters
        ----------
        ledger : Ledger
            As for :meth:`replay`.
        now : int
            The time of the simulation, nanoseconds, which stands beside the signatures.
        """
        self.replay(ledger)
        started = time.thread_time()
        size = self._validators[0].size
        growth = ledger.prove_growth(size, ledger.height) if 0 < size < ledger.height else []
        checkpoint = ledger.checkpoint(self._operator)
        lines = [
            validator.cosign(checkpoint, size, growth, time=now // _NS_PER_SECOND) for validator in self._validators
        ]
        ledger.accept(checkpoint.having(*lines))
        self.cpu_seconds += time.thread_time() - started


def cosigning(preset: Preset, seed: int) -> Cosigning | None:
    """The authorised nodes of a platform with their keys; None where one writer is all there is."""
    return None if preset.information.consortium is None else Cosigning(preset, seed)
