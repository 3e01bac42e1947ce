"""Ed25519 keys with names: who signs, and whose signature it is.

A key has the name of its owner in it, as notes of c2sp.org/signed-note want it: a log's name is the origin of its
checkpoints, a validator's name stands beside its cosignatures. One key signs in one role: a log under its own
checkpoints, or a validator under those of the logs that it follows.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastclear import _core, light_client
from fastclear.errors import LedgerError, StoreError

_SECRET: Final = "PRIVATE+KEY+"


@dataclass(frozen=True)
class PublicKey:
    """A named Ed25519 public key.

    Attributes
    ----------
    name : str
        1 to 255 visible ASCII characters without ``+``, best a name that nobody else has, such as ``example.com/ann``.
    key : bytes
        The 32 bytes.

    Raises
    ------
    LedgerError
        Another name, or bytes for which anybody could sign: no point of the curve, or one of small order.
    """

    name: str
    key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not isinstance(self.key, bytes) or len(self.key) != 32 or not _core.ed25519_is_key(self.key):
            raise LedgerError(f"the key of {self.name!r} is no Ed25519 public key of 32 bytes, or a weak one")

    @property
    def as_log(self) -> str:
        """The key as the ``log`` line of a policy has it (signature type 1)."""
        return self._text(light_client.TYPE_LOG)

    @property
    def as_validator(self) -> str:
        """The key as the ``witness`` line of a policy has it (signature type 4)."""
        return self._text(light_client.TYPE_COSIGNATURE)

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read a key from :attr:`as_log` or :attr:`as_validator`; raises LedgerError if it is neither."""
        try:
            found = light_client.parse_key(text.strip())
        except light_client.Refused as error:
            raise LedgerError(str(error)) from error
        return cls(found.name, found.key)

    def _text(self, kind: int) -> str:
        key = light_client.Key(self.name, kind, self.key)
        return f"{self.name}+{light_client.key_id(key).hex()}+{base64.b64encode(bytes([kind]) + self.key).decode()}"


@dataclass(frozen=True)
class Signer:
    """A named Ed25519 secret: what a log or a validator signs with.

    Parameters
    ----------
    name : str
        As for :class:`PublicKey`.
    secret : bytes
        32 random bytes, never shown by ``repr``. :meth:`generate` draws them, :meth:`load` reads them from a file.

    Examples
    --------
    >>> import fastclear as fc
    >>> ann = fc.Signer("ann.example", bytes(range(32)))
    >>> ann
    Signer(name='ann.example')
    >>> ann.public.as_validator
    'ann.example+c28c28b7+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4'
    """

    name: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        if not isinstance(self.secret, bytes) or len(self.secret) != 32:
            raise LedgerError(f"the secret of {self.name!r} is not 32 bytes; Signer.generate(name) draws one")

    @classmethod
    def generate(cls, name: str) -> Signer:
        """Draw a new secret from the operating system's randomness."""
        return cls(name, os.urandom(32))

    @property
    def public(self) -> PublicKey:
        """The public half, for policies and consortia."""
        return PublicKey(self.name, _core.ed25519_public_key(self.secret))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the secret to a new file that only its owner can read; raises StoreError where a file stands already.

        The file holds one line in the form that other tools for signed notes read too.
        """
        kind = bytes([light_client.TYPE_LOG])
        ident = light_client.key_id(light_client.Key(self.name, kind[0], self.public.key)).hex()
        line = f"{_SECRET}{self.name}+{ident}+{base64.b64encode(kind + self.secret).decode()}\n"
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:  # noqa: PTH123 - of a descriptor
                file.write(line)
        except OSError as error:
            raise StoreError(f"cannot write the secret of {self.name!r} to {os.fspath(path)}: {error}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Signer:
        """Read what :meth:`save` wrote.

        Raises
        ------
        StoreError
            The file cannot be read.
        LedgerError
            It holds no such secret.
        """
        try:
            text = Path(path).read_bytes()
        except OSError as error:
            raise StoreError(f"cannot read the secret in {os.fspath(path)}: {error}") from error
        try:
            prefix, name, ident, encoded = _parts(text.decode("ascii").removesuffix("\n"))
            data = base64.b64decode(encoded, validate=True)
        except ValueError:
            prefix, name, ident, data = "", "", "", b""
        if prefix == _SECRET and len(data) == 33 and data[0] == light_client.TYPE_LOG:
            signer = cls(name, data[1:])
            if light_client.key_id(light_client.Key(name, data[0], signer.public.key)).hex() == ident:
                return signer
        raise LedgerError(f"{os.fspath(path)} holds no secret of a signer")


def _parts(line: str) -> tuple[str, str, str, str]:
    name, ident, encoded = line.removeprefix(_SECRET).split("+", 2)
    return line[: len(_SECRET)], name, ident, encoded


def _check_name(name: object) -> None:
    visible = isinstance(name, str) and all("!" <= letter <= "~" and letter != "+" for letter in name)
    if not isinstance(name, str) or not visible or not 1 <= len(name) <= 255:
        raise LedgerError(f"{name!r} cannot be a key's name; give 1 to 255 visible ASCII characters without '+'")
