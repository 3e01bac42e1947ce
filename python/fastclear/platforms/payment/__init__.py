"""Ways of payment that a preset can name, one file each. A new one is a file here and a line below."""

from __future__ import annotations

from fastclear.platforms.payment import credit_bank, dual_token, prepaid, token_holding
from fastclear.platforms.payment.deviations import DEVIATIONS
from fastclear.platforms.payment.payment import Payment

__all__ = ["DEVIATIONS", "PAYMENTS", "Payment"]

PAYMENTS: dict[str, Payment] = {
    module.PAYMENT.name: module.PAYMENT for module in (prepaid, token_holding, credit_bank, dual_token)
}
"""Every profile by its name."""
