"""Clearing certificates: whether a block was cleared right, from the block alone; and the parameters that say how."""

from __future__ import annotations

import importlib.metadata
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl

from fastclear import _core, clearing_proof
from fastclear.auction.parameters import fraction
from fastclear.errors import LedgerError

__all__ = ["CertificateRefusedError", "ClearingCertificate", "NoCertificateError", "certify_block", "sealed_parameters"]


class CertificateRefusedError(LedgerError):
    """A block that is not what its header commits to, or that was not cleared by its rule.

    Attributes
    ----------
    code : str
        What is wrong, in one word: ``digest``, ``malformed``, ``sequence``, ``gross``, ``amount``, ``stranger``,
        ``inadmissible``, ``overfilled``, ``outside_money``, ``left_out``, ``rationing``, ``pairing``, ``price`` or
        ``spread``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NoCertificateError(LedgerError):
    """A block that certificates cannot judge; it may be right or wrong."""


@dataclass(frozen=True)
class ClearingCertificate:
    """What a block that was cleared right holds.

    Attributes
    ----------
    rule : clearing_proof.Rule
        The rule that the sealed parameters state.
    markets : polars.DataFrame
        One row a market: ``market`` (its id as the ledger has it, Int64), ``price`` (what sellers receive, ticks; null
        where nothing traded or pairs have their own), ``volume``, ``orders`` (that took part) and ``refused``.
    """

    rule: clearing_proof.Rule
    markets: pl.DataFrame

    @property
    def volume(self) -> int:
        """Lots traded in the block."""
        return int(self.markets["volume"].sum())


_ROWS = {"market": pl.Int64, "price": pl.Int64, "volume": pl.Int64, "orders": pl.UInt32, "refused": pl.UInt32}


def certify_block(header: bytes, params: bytes, orders: bytes, records: bytes) -> ClearingCertificate:
    """Check that a block was cleared by the rule that its sealed parameters state, from the block alone.

    Parameters
    ----------
    header : bytes
        The 280 bytes of a header that you trust.
    params : bytes
        The text of ``params.json``.
    orders, records : bytes
        The block's order and record entries, 80 and 112 bytes each, salts included.

    Raises
    ------
    CertificateRefusedError
        The block is not what the header commits to, or was not cleared by the rule; ``error.code`` names the flaw.
    NoCertificateError
        The mechanism, or something in the block, is beyond these checks.

    Notes
    -----
    One pass over orders and records and a search a trade; only orders at the margin are ranked. What is checked stands
    in ``docs/4d_privacy_and_proofs.md``. :func:`fastclear.clearing_proof.certify` is the second implementation.

    Examples
    --------
    >>> import fastclear as fc
    >>> rule = fc.Uniform(k=0.5)
    >>> ledger = fc.Ledger(fc.sealed_parameters(rule), seed=1)
    >>> orders = {"side": ["buy", "buy", "sell"], "price": [30, 25, 10], "quantity": [5, 4, 6]}
    >>> block = ledger.seal(fc.clear(orders, rule), slot=0)
    >>> ledger.certify(block.height).markets.select("price", "volume", "orders").rows()
    [(25, 6, 3)]
    """
    for name, value in (("header", header), ("params", params), ("orders", orders), ("records", records)):
        if not isinstance(value, bytes):
            raise LedgerError(f"{name} is a {type(value).__name__}; give bytes")
    try:
        rule = clearing_proof.stated_rule(params)
    except clearing_proof.NoCertificate as error:
        raise NoCertificateError(str(error)) from error
    for entries, size in ((orders, clearing_proof.ORDER_ENTRY), (records, clearing_proof.RECORD_ENTRY)):
        if clearing_proof.ERASED in entries[::size]:
            raise NoCertificateError("no certificate for a block with erased leaves")
    found = _core.certify_block(header, params, orders, records, rule._asdict())
    if isinstance(found, tuple):
        code, message = found
        raise NoCertificateError(message) if code == "unsupported" else CertificateRefusedError(code, message)
    rows = [(market - 2**64 if market >= 2**63 else market, *rest) for market, *rest in found]
    return ClearingCertificate(rule, pl.DataFrame(rows, schema=_ROWS, orient="row"))


def sealed_parameters(
    mechanism: Any, *, tariff: Mapping[str, object] | str | None = None, **more: object
) -> dict[str, object]:
    """Parameters of a ledger that say how its markets are cleared: what every header commits to by digest.

    Parameters
    ----------
    mechanism : Mechanism
        The mechanism of every clearing of the ledger, with all its options.
    tariff : mapping or str, optional
        The tariff in words or numbers that JSON can hold.
    **more
        Further entries, for example ``platform="brooklyn"``.

    Returns
    -------
    dict
        ``mechanism`` (name and options), ``engine`` (version of fastclear), ``tzdata`` (version of the time zones),
        ``tariff`` and what was given.

    Raises
    ------
    LedgerError
        The mechanism is none of fastclear's, or an entry has a name of those above.

    Examples
    --------
    >>> import fastclear as fc
    >>> fc.sealed_parameters(fc.Uniform(k=0.25))["mechanism"]["k"]
    [1, 4]
    """
    taken = {"mechanism", "engine", "tzdata"} & more.keys()
    if taken:
        raise LedgerError(f"{', '.join(sorted(taken))} is filled in by sealed_parameters; choose another name")
    try:
        options = {item.name: getattr(mechanism, item.name) for item in fields(mechanism) if item.init}
    except TypeError as error:
        raise LedgerError(f"mechanism is a {type(mechanism).__name__}; give one such as fc.Uniform()") from error
    if "k" in options:
        options["k"] = fraction("k", options["k"])
    return {
        "mechanism": {"name": type(mechanism).__name__} | {name: _plain(value) for name, value in options.items()},
        "engine": _core.__version__,
        "tzdata": tz_version(),
        "tariff": tariff,
        **more,
    }


def _plain(value: object) -> object:
    if isinstance(value, Fraction):
        return list(value.as_integer_ratio())
    return value if value is None or isinstance(value, bool | int | float | str) else repr(value)


def tz_version() -> str:
    """Version of the time zones that Python reads: of the system's, else of the package tzdata, else ``unknown``."""
    for folder in zoneinfo.TZPATH:
        for name in ("tzdata.zi", "+VERSION"):
            try:
                with (Path(folder) / name).open(encoding="utf-8") as file:
                    return file.readline().removeprefix("# version").strip()
            except OSError:
                continue
    try:
        return importlib.metadata.version("tzdata")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
