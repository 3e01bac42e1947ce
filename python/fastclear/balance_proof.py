"""Checks what an account held after a block, with nothing but the standard library.

This file and ``light_client.py`` stand alone, as that one does. A balance proof is the account's leaf of 96 bytes and
the path from it to the ``state_root`` of a block's header; the header is the one that *you* trust, never the proof's.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

try:
    from fastclear import light_client
except ImportError:  # both files were copied out of the package
    import light_client  # type: ignore[import-not-found, no-redef]

ACCOUNT_LEN = 96
_ACCOUNT = struct.Struct("<4sHHQ" + "16s" * 4 + "QQ")


class Balance(NamedTuple):
    """What an account leaf says; money in nano-currency."""

    account: int
    asset: int
    is_closed: bool
    posted: int
    pending_out: int
    pending_in: int
    limit: int
    version: int

    @property
    def available(self) -> int:
        """What the account could spend: posted + limit - pending_out."""
        return self.posted + self.limit - self.pending_out


def parse_account(data: bytes) -> Balance:
    """Read the 96 bytes of an account leaf, strictly; raises :class:`light_client.Refused`."""
    if len(data) != ACCOUNT_LEN:
        raise light_client.Refused(f"an account leaf has {ACCOUNT_LEN} bytes, not {len(data)}")
    tag, asset, flags, account, posted, pending_out, pending_in, limit, version, zero = _ACCOUNT.unpack(data)
    if tag != b"FCA1":
        raise light_client.Refused("these bytes are no account leaf")
    if flags & ~1 or zero:
        raise light_client.Refused("undefined bits of the account leaf are not zero")
    money = [int.from_bytes(item, "little", signed=True) for item in (posted, pending_out, pending_in, limit)]
    if min(money[1:]) < 0:
        raise light_client.Refused("an account leaf with a negative reservation or limit")
    return Balance(account, asset, bool(flags), money[0], money[1], money[2], money[3], version)


def check_balance(leaf: bytes, index: int, accounts: int, path: list[bytes], header: bytes) -> Balance:
    """Check that an account leaf is one of the accounts after the block of this header.

    The number of accounts stands in no header, so that the place of the leaf among them is not proven: only that it
    is there. Raises :class:`light_client.Refused`; returns what the leaf says.
    """
    head = light_client.parse_header(header)
    if not head.has_state:
        raise light_client.Refused(f"block {head.height} carries no account states")
    balance = parse_account(leaf)
    if len(path) > 63 or not light_client.verify_inclusion(
        light_client.leaf_hash(leaf), index, accounts, path, head.state_root
    ):
        raise light_client.Refused(f"the account does not stand so in the state of block {head.height}")
    return balance
