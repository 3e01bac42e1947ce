"""Tariffs as data: time-of-use prices by the local clock, network fees by zone, tax by line, fixed charges.

| file | what lives there |
|---|---|
| ``model.py`` | what a plan may say, and the message for what it may not |
| ``local_time.py`` | UTC slots in the clock of their place |
| ``calendar.py`` | which windows hold when |
| ``plan.py`` | a plan, and what it comes to in a slot |
| ``network.py`` | network fees by zone pair |
| ``in_force.py`` | the plan of a bank: zones of its members, terms of its calls |
| ``subscriptions.py`` | fixed charges by the month, prorated by local days |
| ``fixed_charges.py`` | the calls of a bank for them |
| ``files.py``, ``picture.py`` | a plan as TOML, and as a plot |
"""

from fastclear.tariffs.network import NetworkFees
from fastclear.tariffs.plan import TariffPlan, Terms

__all__ = ["NetworkFees", "TariffPlan", "Terms"]
