//! Equal shares: rounds of one lot a bid, as long as the sources that it named can serve it, rank by rank.
//!
//! In every round each bid that is still in, first to last, gets one more lot if there is a way to serve all that was
//! given so far and this lot too; if there is none, it is out for good. What bids can be served at once is a polymatroid
//! (a network flow), so the rounds end at the largest volume of any matching of the rank, and no bid's share can be
//! raised without lowering a smaller or equal one (max-min fair; Megiddo 1974, Math. Programming 7, 97-107).
//!
//! Rounds are not counted one by one: where every bid names one ask, the level at which an ask is shared out is worked out
//! directly; elsewhere the level of the next bid to drop out is searched for, by network flows.
//! Which ask serves which bid: bid by bid, the cheapest ask takes as much as leaves everyone's share possible.

use super::flow::Flow;
use super::market::{Booking, Desk};
use super::{Links, Pairs, Stage};

/// A bid and an ask that may deal, in places of the market; sorted by (bid, ask).
#[derive(Clone, Copy, Debug)]
struct Link {
    bid: u32,
    ask: u32,
    /// Row of pairs, 0 without.
    row: usize,
    /// Most that the bid takes by way of this row.
    most: i64,
}

impl Desk<'_> {
    pub(super) fn in_equal_rounds(&mut self, stage: &Stage<'_>, book: &mut Booking<'_>) {
        let served = self.served(stage);
        match &stage.links {
            Links::Open { wanted, .. } => {
                let mut links = Vec::new();
                for &bid in &served {
                    let mask = if *wanted { self.wants(bid as usize) } else { 0 };
                    for ask in 0..self.asks.len() {
                        let kind = !*wanted || self.kind(ask) & mask != 0;
                        if kind && self.ask_left[ask] > 0 && self.terms(stage, None, bid as usize, ask).is_some() {
                            links.push(Link { bid, ask: ask as u32, row: 0, most: i64::MAX });
                        }
                    }
                }
                self.share(stage, None, &served, &mut links, book);
            }
            Links::Pairs(pairs) => self.rank_by_rank(stage, pairs, &served, book),
        }
    }

    fn rank_by_rank(&mut self, stage: &Stage<'_>, pairs: &Pairs<'_>, served: &[u32], book: &mut Booking<'_>) {
        // Of every bid the rows that stand, which are in order of rank; a bid is taken out as its rows come to an end.
        let mut named: Vec<usize> = Vec::new();
        let mut lists: Vec<(u32, usize, usize)> = Vec::new();
        for &bid in served {
            let begin = named.len();
            named.extend(self.named(pairs, bid as usize));
            if named.len() > begin {
                lists.push((bid, begin, named.len()));
            }
        }
        let mut links = Vec::new();
        while let Some(rank) = lists.iter().map(|&(_, begin, _)| pairs.rank[named[begin]]).min() {
            links.clear();
            for (bid, begin, end) in &mut lists {
                while *begin < *end && pairs.rank[named[*begin]] == rank {
                    let row = named[*begin];
                    *begin += 1;
                    if self.bid_left[*bid as usize] == 0 {
                        continue;
                    }
                    let most = self.most_of(pairs, row);
                    for ask in self.asks_of(pairs.source[row]) {
                        let open = self.ask_left[ask] > 0;
                        if open && self.terms(stage, Some((pairs, row)), *bid as usize, ask).is_some() {
                            links.push(Link { bid: *bid, ask: ask as u32, row, most });
                        }
                    }
                }
            }
            lists.retain(|&(bid, begin, end)| begin < end && self.bid_left[bid as usize] > 0);
            self.share(stage, Some(pairs), served, &mut links, book);
        }
    }

    /// Shares out the asks of all links, of one rank, between their bids.
    fn share(
        &mut self,
        stage: &Stage<'_>,
        pairs: Option<&Pairs<'_>>,
        served: &[u32],
        links: &mut [Link],
        book: &mut Booking<'_>,
    ) {
        let mut turn = vec![0_u32; self.bids.len()];
        for (place, &bid) in served.iter().enumerate() {
            turn[bid as usize] = place as u32;
        }
        links.sort_unstable_by_key(|link| (turn[link.bid as usize], link.ask, link.row));
        let mut given: Vec<i64> = vec![0; links.len()];
        for group in components(links, self.bids.len(), self.asks.len()) {
            let alone = group.iter().all(|&link| links[link].ask == links[group[0]].ask)
                && group.windows(2).all(|two| links[two[0]].bid != links[two[1]].bid);
            if alone {
                self.share_one(links, &group, &mut given);
            } else {
                self.share_many(links, &group, &mut given);
            }
        }
        for (link, lots) in links.iter().zip(given) {
            let (bid, ask) = (link.bid as usize, link.ask as usize);
            if lots > 0
                && let Some(terms) = self.terms(stage, pairs.map(|pairs| (pairs, link.row)), bid, ask)
            {
                self.deal(bid, ask, lots, terms, book);
            }
        }
    }

    /// One ask and the bids that named it: everyone gets its need or the level, and the first of the others one lot more.
    fn share_one(&self, links: &[Link], group: &[usize], given: &mut [i64]) {
        let need = |&link: &usize| self.bid_left[links[link].bid as usize].min(links[link].most);
        let mut lots = self.ask_left[links[group[0]].ask as usize];
        let mut needs: Vec<i64> = group.iter().map(need).collect();
        needs.sort_unstable();
        let mut level = i64::MAX;
        for (place, &least) in needs.iter().enumerate() {
            let bids = (needs.len() - place) as i64;
            if lots / bids < least {
                level = lots / bids;
                lots -= level * bids;
                break;
            }
            lots -= least;
        }
        for link in group {
            let need = need(link);
            let extra = i64::from(need > level && lots > 0);
            lots -= extra;
            given[*link] = need.min(level) + extra;
        }
    }

    /// Bids and asks that name each other across.
    fn share_many(&self, links: &[Link], group: &[usize], given: &mut [i64]) {
        let mut bids: Vec<u32> = group.iter().map(|&link| links[link].bid).collect();
        bids.dedup(); // links are bid by bid
        let mut asks: Vec<u32> = group.iter().map(|&link| links[link].ask).collect();
        asks.sort_unstable();
        asks.dedup();
        // A node for each bid and row between them and the asks, for the most that a bid takes by way of a row.
        let mut ways: Vec<(usize, usize)> = Vec::new(); // place of the bid, row
        let mut way_of: Vec<usize> = Vec::with_capacity(group.len());
        let mut bid = 0;
        let mut begin = 0;
        for &link in group {
            if links[link].bid != bids[bid] {
                bid += 1;
                begin = ways.len();
            }
            let found = ways[begin..].iter().position(|&(_, row)| row == links[link].row);
            way_of.push(found.map_or(ways.len(), |place| begin + place));
            if found.is_none() {
                ways.push((bid, links[link].row));
            }
        }
        let (source, sink) = (0, 1);
        let (first_ask, first_way) = (2, 2 + asks.len());
        let first_bid = first_way + ways.len();
        let mut flow = Flow::new(first_bid + bids.len());
        for (place, &ask) in asks.iter().enumerate() {
            flow.edge(source, first_ask + place, self.ask_left[ask as usize]);
        }
        let mut most = vec![0; ways.len()];
        let edges: Vec<usize> = group
            .iter()
            .zip(&way_of)
            .map(|(&link, &way)| {
                most[way] = links[link].most;
                let ask = asks.partition_point(|&ask| ask < links[link].ask);
                flow.edge(first_ask + ask, first_way + way, i64::from(u32::MAX))
            })
            .collect();
        for (way, &(bid, _)) in ways.iter().enumerate() {
            flow.edge(first_way + way, first_bid + bid, most[way].min(i64::from(u32::MAX)));
        }
        let needs: Vec<i64> = bids.iter().map(|&bid| self.bid_left[bid as usize]).collect();
        let exits: Vec<usize> = (0..bids.len()).map(|bid| flow.edge(first_bid + bid, sink, 0)).collect();
        rounds(&mut flow, source, sink, &needs, &exits);
        // Shares stand now. Link by link, the earlier carries all it can, and what others carry gives way.
        for (&link, &edge) in group.iter().zip(&edges) {
            let (tail, head) = (flow.tail(edge), flow.head(edge));
            let (room, carried) = (flow.room[edge], flow.carried(edge));
            (flow.room[edge], flow.room[edge ^ 1]) = (0, 0);
            given[link] = carried + flow.push(head, tail, room);
        }
    }
}

/// Rounds of one lot a bid until all are out or have what they need; `exits` are the edges from bids to the sink.
fn rounds(flow: &mut Flow, source: usize, sink: usize, needs: &[i64], exits: &[usize]) {
    let mut active: Vec<usize> = (0..needs.len()).collect();
    let mut level = 0;
    while !active.is_empty() {
        let raised = |flow: &Flow, to: i64| {
            let mut flow = flow.clone();
            let mut due = 0;
            for &bid in &active {
                let more = needs[bid].min(to) - needs[bid].min(level);
                flow.room[exits[bid]] += more;
                due += more;
            }
            (flow.push(source, sink, due) == due).then_some(flow)
        };
        // The last level that everyone who is in can reach; `low` can be reached, `high` is searched for.
        let (mut low, mut high) = (level, active.iter().map(|&bid| needs[bid]).max().unwrap_or(level));
        while low < high {
            let middle = low + (high - low + 1) / 2;
            match raised(flow, middle) {
                Some(_) => low = middle,
                None => high = middle - 1,
            }
        }
        if let Some(reached) = raised(flow, low) {
            *flow = reached;
        }
        level = low;
        active.retain(|&bid| needs[bid] > level);
        active.retain(|&bid| {
            flow.room[exits[bid]] = 1;
            let served = flow.push(source, sink, 1) == 1;
            if !served {
                flow.room[exits[bid]] = 0;
            }
            served
        });
        level += 1;
        active.retain(|&bid| needs[bid] > level);
    }
}

/// Links that hang together, in groups; groups in the order of their first links, links in their own order.
fn components(links: &[Link], bids: usize, asks: usize) -> Vec<Vec<usize>> {
    fn root(parent: &mut [u32], mut node: usize) -> usize {
        while parent[node] as usize != node {
            parent[node] = parent[parent[node] as usize];
            node = parent[node] as usize;
        }
        node
    }
    let mut parent: Vec<u32> = (0..(bids + asks) as u32).collect();
    for link in links {
        let (bid, ask) = (root(&mut parent, link.bid as usize), root(&mut parent, bids + link.ask as usize));
        parent[bid.max(ask)] = bid.min(ask) as u32;
    }
    let mut group_of = vec![u32::MAX; bids + asks];
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (place, link) in links.iter().enumerate() {
        let root = root(&mut parent, link.bid as usize);
        if group_of[root] == u32::MAX {
            group_of[root] = groups.len() as u32;
            groups.push(Vec::new());
        }
        groups[group_of[root] as usize].push(place);
    }
    groups
}
