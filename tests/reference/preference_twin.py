"""Naive twin of staged matching: plain dictionaries, one lot at a time, written from the specification alone.

An order is a dict: market, buy, price, quantity, time, who, zone, source, wants (a set), strict, essential, reach, slot. A
pair is a dict: buyer, source, rank, cap_price, cap_quantity, share_ppm, price, valid_from, valid_to (None where absent).
"""


class Twin:
    def __init__(self, orders, distance, fee):
        self.orders = orders
        self.distance = distance
        self.fee = fee
        self.left = [order["quantity"] for order in orders]
        self.deals = []

    def turn(self, row):
        return (self.orders[row]["time"], row)

    def run(self, stages):
        self.any_essential = any(stage["kind"] == "essential" for stage in stages)
        for market in sorted({order["market"] for order in self.orders}):
            for number, stage in enumerate(stages):
                bids = self.bids(stage, market)
                if stage.get("share") == "equal":
                    self.equal(number, stage, bids)
                else:
                    for bid in bids:
                        self.in_turn(number, stage, bid)
        return self.deals

    def bids(self, stage, market):
        kind = stage["kind"]
        bids = [
            row
            for row, order in enumerate(self.orders)
            if order["market"] == market
            and order["buy"]
            and (order["essential"] and self.any_essential) == (kind == "essential")
            and not (kind == "community" and order["strict"])
        ]
        key = self.turn if kind == "essential" else lambda row: (-self.orders[row]["price"], self.turn(row))
        return sorted(bids, key=key)

    def links(self, stage, bid):
        """Every ask that a bid may meet: (rank, liked, ask, pair, price, fee)."""
        b = self.orders[bid]
        found = []
        for ask, a in enumerate(self.orders):
            if a["buy"] or a["market"] != b["market"] or a["who"] == b["who"]:
                continue
            pairs = [None]
            if stage["kind"] == "pairs":
                pairs = [
                    pair
                    for pair in stage["pairs"]
                    if pair["buyer"] == b["who"]
                    and pair["source"] == a["who"]
                    and (pair["valid_from"] is None or pair["valid_from"] <= b["slot"])
                    and (pair["valid_to"] is None or b["slot"] < pair["valid_to"])
                ]
            elif stage["kind"] == "types" and a["source"] not in b["wants"]:
                continue
            for pair in pairs:
                terms = self.terms(stage, pair, a, b, bid, ask)
                if terms is None:
                    continue
                cost, far = a["price"] + terms[1], self.distance(b["zone"], a["zone"])
                liked = (far, cost) if stage.get("first") == "distance" else (cost, far)
                rank, liked = (pair["rank"], (a["price"],)) if pair else (0, liked)
                found.append((rank, liked, self.turn(ask), ask, pair, terms))
        return sorted(found, key=lambda link: link[:3])

    def terms(self, stage, pair, a, b, bid, ask):
        fee = self.fee(b["zone"], a["zone"])
        top = b["price"]
        if pair and pair["cap_price"] is not None:
            top = min(top, pair["cap_price"])
        top -= fee
        if b["reach"] is not None and self.distance(b["zone"], a["zone"]) > b["reach"]:
            return None
        if a["price"] > top:
            return None
        if stage["kind"] == "essential":
            price = stage["rate"]
        elif pair and pair["price"] is not None:
            price = pair["price"]
        else:
            price = {
                "ask": a["price"],
                "bid": top,
                "half": (a["price"] + top) // 2,
                "earlier": top if self.turn(bid) < self.turn(ask) else a["price"],
            }[stage["rule"]]
        return (price, fee) if a["price"] <= price <= top else None

    def most(self, pair, ask):
        if pair is None:
            return None
        caps = [] if pair["cap_quantity"] is None else [pair["cap_quantity"]]
        if pair["share_ppm"] is not None:
            a = self.orders[ask]
            asked = sum(
                o["quantity"] for o in self.orders if not o["buy"] and (o["market"], o["who"]) == (a["market"], a["who"])
            )
            caps.append(asked * pair["share_ppm"] // 1_000_000)
        return min(caps, default=None)

    def in_turn(self, number, stage, bid):
        used = {}
        while self.left[bid]:
            for *_, ask, pair, terms in self.links(stage, bid):
                most = self.most(pair, ask)
                if self.left[ask] and (most is None or used.get(id(pair), 0) < most):
                    break
            else:
                return
            used[id(pair)] = used.get(id(pair), 0) + 1
            self.book(number, bid, ask, terms)

    def book(self, number, bid, ask, terms):
        self.left[bid] -= 1
        self.left[ask] -= 1
        head = (self.orders[bid]["market"], number, bid, ask, *terms)
        if self.deals and self.deals[-1][:6] == head:
            self.deals[-1] = (*head, self.deals[-1][6] + 1)
        else:
            self.deals.append((*head, 1))

    def equal(self, number, stage, bids):
        """Shares only: which ask serves which bid is for other tests. Deals are booked as they are found."""
        links = {bid: self.links(stage, bid) for bid in bids}
        for rank in sorted({link[0] for own in links.values() for link in own}):
            carried, used, given = {}, {}, dict.fromkeys(bids, 0)
            active = list(bids)
            while active:
                still = []
                for bid in active:
                    if given[bid] < self.left[bid] and self.one_more(bid, links, rank, carried, used, set()):
                        given[bid] += 1
                        still.append(bid)
                active = still
            for (bid, ask), (lots, terms) in carried.items():
                for _ in range(lots):
                    self.book(number, bid, ask, terms)

    def one_more(self, bid, links, rank, carried, used, seen):
        """One lot for a bid, others giving way, if there is a way; nothing changes if there is none."""
        for own_rank, _, _, ask, pair, terms in links[bid]:
            most = self.most(pair, ask)
            if own_rank != rank or ask in seen or (most is not None and used.get((bid, id(pair)), 0) >= most):
                continue
            if not self.left[ask]:
                continue
            seen.add(ask)
            taken = sum(lots for (_, a), (lots, _) in carried.items() if a == ask)
            if taken >= self.left[ask]:
                for (other, a), (lots, kept) in list(carried.items()):
                    if a != ask or not lots or other == bid:
                        continue
                    way = next(p for r, _, _, x, p, _ in links[other] if x == ask and r == rank)
                    carried[other, ask] = (lots - 1, kept)
                    used[other, id(way)] -= 1
                    if self.one_more(other, links, rank, carried, used, seen):
                        break
                    carried[other, ask] = (lots, kept)
                    used[other, id(way)] += 1
                else:
                    continue
            carried[bid, ask] = (carried.get((bid, ask), (0, terms))[0] + 1, terms)
            used[bid, id(pair)] = used.get((bid, id(pair)), 0) + 1
            return True
        return False
