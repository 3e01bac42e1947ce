"""Bidding agents: columns over traders, seeded, each rule with its source.

`Truthful`, `ZeroIntelligence` (constrained or not), `Zip`, `GjerstadDickhaut`, `RothErev` and `OwnRule`, which asks a
function of yours. `call_rounds` and `book_rounds` let them meet.
"""

from __future__ import annotations

from fastclear.community.bidders.belief_bidders import GjerstadDickhaut
from fastclear.community.bidders.bidder import Bidder, Columns, OwnRule, Seen, Truthful
from fastclear.community.bidders.margin_bidders import Zip
from fastclear.community.bidders.random_bidders import ZeroIntelligence
from fastclear.community.bidders.reinforced_bidders import RothErev
from fastclear.community.bidders.rounds import BookSession, best_gain, book_rounds, call_rounds

__all__ = [
    "Bidder",
    "BookSession",
    "Columns",
    "GjerstadDickhaut",
    "OwnRule",
    "RothErev",
    "Seen",
    "Truthful",
    "ZeroIntelligence",
    "Zip",
    "best_gain",
    "book_rounds",
    "call_rounds",
]
