"""Exposure: how much of its credit each member uses."""

from __future__ import annotations

from typing import Final

import polars as pl

from fastclear.statements.view import View

_KEPT: Final = ("account", "participant", "posted", "pending_out", "limit", "available", "status")


class Exposure(View):
    """One row a member, ascending account.

    ``account``, ``participant``; ``posted``, ``reserved`` (set aside for open bids), ``limit``, ``available`` (posted
    + limit - reserved), ``exposure`` (what is needed beyond the balance: reserved - posted, at least 0), all of them
    nano-currency, Decimal(38, 0); ``used_share`` (exposure / limit as Float64; null without a limit), ``status``.
    """

    _MONEY = ("posted", "reserved", "limit", "available", "exposure")
    _HIDDEN = ("account",)


def exposure(balances: pl.DataFrame) -> Exposure:
    """Work out the exposure of every member.

    Parameters
    ----------
    balances : DataFrame
        ``bank.balances``.
    """
    money = pl.Decimal(38, 0)
    need = pl.col("reserved") - pl.col("posted")
    zero = pl.lit(0, dtype=money)
    frame = (
        balances.filter(pl.col("role") == "member")
        .select(_KEPT)
        .rename({"pending_out": "reserved"})
        .with_columns(exposure=pl.when(need > zero).then(need).otherwise(zero).cast(money))
        .with_columns(
            used_share=pl.when(pl.col("limit") > zero).then(
                pl.col("exposure").cast(pl.Float64) / pl.col("limit").cast(pl.Float64)
            )
        )
        .select(
            "account", "participant", "posted", "reserved", "limit", "available", "exposure", "used_share", "status"
        )
    )
    over = int((frame["available"] < 0).sum())
    return Exposure(frame, f"Exposure of {len(frame):,} members, {over:,} of them over their limit")
