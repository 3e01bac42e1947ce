"""What a ledger proves beyond single leaves: balances at a block, and that a block was cleared right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from fastclear import _core, balance_proof, light_client
from fastclear.balance_proof import ACCOUNT_LEN, Balance
from fastclear.block import Block
from fastclear.certificate import ClearingCertificate, certify_block
from fastclear.errors import LedgerError

_KEPT_TREES: Final = 4


@dataclass(frozen=True)
class BalanceProof:
    """That an account stood so after a block.

    Attributes
    ----------
    leaf : bytes
        The account's 96 bytes.
    index, accounts : int
        Its place among the accounts, and how many there are.
    path : tuple of bytes
        Hashes from the leaf to the block's state root, lowest first.
    header : bytes
        The block's header.
    """

    leaf: bytes
    index: int
    accounts: int
    path: tuple[bytes, ...]
    header: bytes

    @property
    def balance(self) -> Balance:
        """What the leaf says; nothing is checked."""
        return balance_proof.parse_account(self.leaf)

    def to_json(self) -> str:
        """Write the proof as a text."""
        document = {
            "format": "fastclear balance proof",
            "version": 1,
            "leaf": self.leaf.hex(),
            "index": self.index,
            "accounts": self.accounts,
            "path": [item.hex() for item in self.path],
            "header": self.header.hex(),
        }
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> BalanceProof:
        """Read a proof; what it proves is checked by :func:`fastclear.verify_balance`, not here.

        Raises
        ------
        LedgerError
            The text is no balance proof.
        """
        try:
            document = json.loads(text)
            return cls(
                leaf=bytes.fromhex(document["leaf"]),
                index=int(document["index"]),
                accounts=int(document["accounts"]),
                path=tuple(bytes.fromhex(item) for item in document["path"]),
                header=bytes.fromhex(document["header"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
            raise LedgerError(f"this text is no fastclear balance proof: {error!r}") from error


def verify_balance(proof: BalanceProof, header: bytes | Block) -> Balance:
    """Check a balance proof against a header that you trust; the proof's own header is not looked at.

    Raises
    ------
    LedgerError
        The account did not stand so after that block: another account or amount, or another block's state.
    """
    if not isinstance(proof, BalanceProof):
        raise LedgerError(f"proof is a {type(proof).__name__}; give a fastclear.BalanceProof")
    raw = header.header if isinstance(header, Block) else header
    try:
        fields = light_client.parse_header(raw)
        balance = balance_proof.parse_account(proof.leaf)
        holds = fields.has_state and _core.verify_inclusion(
            proof.leaf, proof.index, proof.accounts, list(proof.path), fields.state_root
        )
    except (light_client.Refused, OverflowError, TypeError, ValueError) as error:
        raise LedgerError(f"the balance proof or header is malformed: {error}") from error
    if not holds:
        raise LedgerError(f"account {balance.account} did not stand so after block {fields.height}")
    return balance


class ProofDesk:
    """The part of a ledger that proves balances and clearings."""

    _chain: Any
    block: Any

    def _tree(self, block: Block, of_orders: bool) -> _core.Tree:
        """The tree of a block's leaves; the last ones asked for are kept. Erasing changes no hash."""
        kept: dict[tuple[str, bool], _core.Tree] = self.__dict__.setdefault("_trees", {})
        found = kept.pop((block.hash, of_orders), None)
        if found is None:
            found = self._chain.tree(block.height, of_orders)
        kept[block.hash, of_orders] = found
        while len(kept) > _KEPT_TREES:
            kept.pop(next(iter(kept)), None)
        return found

    def prove_balance(self, height: int, account: int) -> BalanceProof:
        """Prove what an account held after a block.

        Parameters
        ----------
        height : int
            The block.
        account : int
            The account, as records name it.

        Raises
        ------
        LedgerError
            There is no such block, it carries no account states, or the account was not open then.

        Notes
        -----
        Of the last block the states are at hand; those of an earlier one are folded anew from the first record.
        """
        block: Block = self.block(height)
        if not block.fields.has_state:
            raise LedgerError("this ledger carries no account states; seal with the receipts of a bank")
        if isinstance(account, bool) or not isinstance(account, int) or not 0 <= account < 2**64:
            raise LedgerError(f"account is {account!r}; give a whole number from 0 to 2^64-1")
        leaves = self._chain.account_leaves(block.height)
        ids = [int.from_bytes(leaves[at + 8 : at + 16], "little") for at in range(0, len(leaves), ACCOUNT_LEN)]
        if account not in ids:
            raise LedgerError(f"account {account} was not open after block {height}")
        index = ids.index(account)
        tree = _core.Tree.of_entries(leaves, ACCOUNT_LEN)
        leaf = leaves[index * ACCOUNT_LEN : (index + 1) * ACCOUNT_LEN]
        return BalanceProof(leaf, index, len(ids), tuple(tree.prove(index)), block.header)

    def certify(self, height: int) -> ClearingCertificate:
        """Check that a block was cleared by the rule that the ledger's parameters state: :func:`certify_block`.

        Raises
        ------
        CertificateRefusedError
            The block was not cleared by the rule.
        NoCertificateError
            The mechanism, or something in the block, is beyond these checks.
        LedgerError
            There is no such block.
        """
        block: Block = self.block(height)
        chain = self._chain
        return certify_block(block.header, chain.params, chain.orders(height), chain.records(height))
