"""A model of bilateral offers that knows no state: what happened is read from the list of all that has happened."""

NAMED = ("offer", "counter")


def answer(past, event):
    """The code of an event after those of `past`, all of which happened; all are dictionaries of columns."""
    kind, time = event["kind"], event["time"]
    if kind not in ("offer", "counter", "accept", "refuse", "withdraw", "veto"):
        return "UNKNOWN_KIND"
    if past and time < past[-1]["time"]:
        return "TIME_BACKWARDS"
    own = [then for then in past if then["offer"] == event["offer"]]
    if kind == "offer":
        if own:
            return "DUPLICATE_OFFER"
        return "WITH_ONESELF" if event["party"] == event["counterparty"] else fault(event) or "OK"
    if not own:
        return "UNKNOWN_OFFER"
    spoke = [then for then in own if then["kind"] in NAMED][-1]
    dealt = any(then["kind"] == "accept" for then in own)
    dead = any(then["kind"] in ("refuse", "withdraw", "veto") for then in own)
    late = not dealt and not dead and spoke["expires"] <= time
    if kind == "veto":
        return "OFFER_CLOSED" if dead or late else "OK"
    if event["party"] not in (own[0]["party"], own[0]["counterparty"]):
        return "NOT_A_PARTY"
    if dealt or dead or late:
        return "OFFER_CLOSED"
    if (event["party"] == spoke["party"]) != (kind == "withdraw"):
        return "NOT_THEIR_TURN"
    if kind == "counter":
        return fault(event) or "OK"
    if kind == "accept" and spoke["share_ppm"]:
        slots = range(spoke["valid_from"], spoke["valid_to"])
        if any(promised(past, own[0], slot) + spoke["share_ppm"] > 1_000_000 for slot in slots):
            return "SHARE_EXCEEDED"
    return "OK"


def fault(event):
    quantity, share = event["quantity"], event["share_ppm"]
    sound = (1 <= quantity < 2**31 and share == 0) or (quantity == 0 and 1 <= share <= 1_000_000)
    if not sound or abs(event["price"]) >= 2**31 or event["valid_from"] >= event["valid_to"]:
        return "TERMS_INVALID"
    return "EXPIRES_TOO_SOON" if event["expires"] <= event["time"] else None


def seller(made):
    return made["party"] if made["sells"] else made["counterparty"]


def promised(past, made, slot):
    """What the seller of an offer has promised of a slot."""
    total = 0
    for number in {then["offer"] for then in past}:
        own = [then for then in past if then["offer"] == number]
        kinds = {then["kind"] for then in own}
        last = [then for then in own if then["kind"] in NAMED][-1]
        if "accept" in kinds and "veto" not in kinds and seller(own[0]) == seller(made):
            total += last["share_ppm"] * (last["valid_from"] <= slot < last["valid_to"])
    return total


def state(past, number, now):
    own = [then for then in past if then["offer"] == number]
    kinds = [then["kind"] for then in own]
    for kind, name in (("veto", "vetoed"), ("accept", "accepted"), ("refuse", "refused"), ("withdraw", "withdrawn")):
        if kind in kinds:
            return name
    spoke = [then for then in own if then["kind"] in NAMED][-1]
    if spoke["expires"] <= now:
        return "expired"
    return "countered" if "counter" in kinds else "offered"
