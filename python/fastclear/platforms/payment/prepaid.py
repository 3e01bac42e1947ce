"""Nobody owes anything: an order needs cover that was paid in before."""

from __future__ import annotations

from typing import Any

from fastclear.platforms.payment.payment import Payment
from fastclear.profiles import Prepaid


def _profile(options: Any) -> Prepaid:
    del options
    return Prepaid()


PAYMENT = Payment("prepaid", None, _profile)
