//! Sharing a level against slow, obvious twins: every rule, every path, few orders and many, ties everywhere.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod common;

use std::cmp::Reverse;

use common::{BOUND, Mixed};
use fastclear_core::auction::book::{Book, Priority};
use fastclear_core::auction::lottery::Lottery;
use fastclear_core::auction::rationing::{Portion, Rationing, Scratch};
use fastclear_core::simd;

const RULES: [Rationing; 5] =
    [Rationing::ProRata, Rationing::Time, Rationing::Equal, Rationing::Quantity, Rationing::Lottery { seed: 11 }];

/// A level's orders, one side or both.
struct Orders {
    side: Vec<u8>,
    quantity: Vec<i64>,
    time: Option<Vec<i64>>,
    order: Option<Vec<i64>>,
}

impl Orders {
    /// Quantities of a law: a few lots, all equal, up to the most that an order may carry, or heavy-tailed.
    fn draw(draw: &mut Mixed, n: usize, two_sides: bool) -> Self {
        let (law, equal) = (draw.below(6), 1 + draw.below(BOUND as u64) as i64);
        let quantity = |draw: &mut Mixed| match law {
            0 => 1 + draw.below(9) as i64,
            1 => equal,
            2 => BOUND - draw.below(2) as i64,
            3 => 1 + draw.below(1000) as i64,
            4 => 1 + (BOUND - 1) / (1 + draw.below(1 << 20) as i64),
            _ => 1 + draw.below(BOUND as u64) as i64,
        };
        let span = [1, 3, u64::MAX][draw.below(3) as usize];
        let time = (draw.below(2) == 0).then(|| (0..n).map(|_| (draw.below(span) as i64).wrapping_sub(1)).collect());
        let mut order: Vec<i64> = (0..n as i64).map(|i| i * 7 - 40).collect();
        let shuffled = draw.below(3);
        if shuffled == 0 {
            for i in (1..n).rev() {
                order.swap(i, draw.below(i as u64 + 1) as usize);
            }
        }
        Self {
            side: (0..n).map(|_| if two_sides { draw.below(2) as u8 } else { 1 }).collect(),
            quantity: (0..n).map(|_| quantity(draw)).collect(),
            time,
            order: (shuffled < 2).then_some(order),
        }
    }

    fn priority(&self) -> Priority<'_> {
        Priority { time: self.time.as_deref(), order: self.order.as_deref(), market_rank: 5 }
    }
}

/// What the orders at `members` get, the obvious way, with products of 128 bits.
fn twin(rule: Rationing, left: i64, orders: &Orders, members: &[usize]) -> Vec<(usize, i64)> {
    let quantity = |i: usize| orders.quantity[i];
    let priority = orders.priority();
    let total: i64 = members.iter().map(|&i| quantity(i)).sum();
    let mut line = members.to_vec();
    line.sort_by_key(|&i| priority.key(i));
    if left == total {
        return line.iter().map(|&i| (i, quantity(i))).collect();
    }
    let in_turn = |line: &[usize]| {
        let mut left = left;
        let serve = |&i: &usize| {
            let share = left.min(quantity(i));
            left -= share;
            (i, share)
        };
        line.iter().map(serve).collect()
    };
    match rule {
        Rationing::Time => in_turn(&line),
        Rationing::Quantity => {
            line.sort_by_key(|&i| Reverse(quantity(i)));
            in_turn(&line)
        }
        Rationing::Lottery { seed } => {
            line.sort_by_key(|&i| (orders.order.as_ref().map_or(0, |ids| ids[i]), i));
            Lottery::new(seed, priority.market_rank).shuffle(&mut line);
            in_turn(&line)
        }
        Rationing::ProRata => {
            let product = |i: usize| left as u128 * quantity(i) as u128;
            let mut shares: Vec<(usize, i64)> =
                line.iter().map(|&i| (i, (product(i) / total as u128) as i64)).collect();
            let handed_out: i64 = shares.iter().map(|&(_, share)| share).sum();
            shares.sort_by_key(|&(i, _)| Reverse(product(i) % total as u128));
            for (_, share) in shares.iter_mut().take((left - handed_out) as usize) {
                *share += 1;
            }
            shares
        }
        Rationing::Equal => {
            let taken = |level: i64| line.iter().map(|&i| quantity(i).min(level)).sum::<i64>();
            let (mut level, mut too_high) = (0, BOUND + 1);
            while too_high - level > 1 {
                let middle = level.midpoint(too_high);
                if taken(middle) <= left { level = middle } else { too_high = middle }
            }
            let mut extra = left - taken(level);
            let serve = |&i: &usize| {
                let one_more = i64::from(quantity(i) > level && extra > 0);
                extra -= one_more;
                (i, quantity(i).min(level) + one_more)
            };
            line.iter().map(serve).collect()
        }
    }
}

/// Amounts that could be left: nothing, one lot, all, all but one, and whatever lies between.
fn amounts(draw: &mut Mixed, total: i64) -> Vec<i64> {
    let mut amounts = vec![0, 1.min(total), (total - 1).max(0), total, total / 2];
    amounts.extend((0..2).map(|_| draw.below(total as u64 + 1) as i64));
    amounts
}

/// Shares one side of a book of one price, every order of it or some, and compares with the twin.
fn check(draw: &mut Mixed, n: usize, rules: &[Rationing], scratch: &mut Scratch) -> usize {
    let two_sides = draw.below(3) > 0;
    let orders = Orders::draw(draw, n, two_sides);
    let whole_book = draw.below(2) == 0;
    let at: Vec<u32> = (0..n as u32).filter(|_| whole_book || draw.below(4) > 0).collect();
    // The level competes at 3, with a fee of 2, and orders outside of it at other prices.
    let mut price: Vec<i32> = (0..n).map(|_| [10, -10][draw.below(2) as usize]).collect();
    for &i in &at {
        price[i as usize] = 3 + 2 * i32::from(orders.side[i as usize]);
    }
    let book = Book { side: &orders.side, price: &price, quantity: &orders.quantity, fee: 2 };
    let narrow: Vec<i32> = orders.quantity.iter().map(|&quantity| quantity as i32).collect();
    let narrow_book = Book { side: &orders.side, price: &price, quantity: &narrow, fee: 2 };
    let members = |side: u8| at.iter().map(|&i| i as usize).filter(|&i| orders.side[i] == side).collect::<Vec<_>>();
    let (asks, bids) = (members(0), members(1));
    let positions = |members: &[usize]| members.iter().map(|&i| i as u32).collect::<Vec<_>>();
    let (ask_positions, bid_positions) = (positions(&asks), positions(&bids));
    let total = |members: &[usize]| members.iter().map(|&i| orders.quantity[i]).sum::<i64>();
    let (cut_bids, whole) = (draw.below(2) == 0, draw.below(2) == 0);
    let (cut, other) = if cut_bids { (&bids, &asks) } else { (&asks, &bids) };
    let mut cases = 0;
    for left in amounts(draw, total(cut)) {
        for &rule in rules {
            let mut expected = vec![-7; n];
            for (i, share) in twin(rule, left, &orders, cut) {
                expected[i] = share;
            }
            for &i in other {
                expected[i] = if whole { orders.quantity[i] } else { 0 };
            }
            // In place, orders outside of the level are filled, too: bids above it and asks below.
            let mut expected_in_place = expected.clone();
            let is_at: Vec<bool> = (0..n as u32).map(|i| at.binary_search(&i).is_ok()).collect();
            for i in (0..n).filter(|&i| !is_at[i]) {
                let wins = (orders.side[i] == 1) == (price[i] > 3);
                expected_in_place[i] = if wins { orders.quantity[i] } else { 0 };
            }
            let cut = Portion { left, total: total(cut) };
            let other = Portion { left: if whole { total(other) } else { 0 }, total: total(other) };
            let (bids, asks) = if cut_bids { (cut, other) } else { (other, cut) };
            for path in simd::Path::ALL {
                simd::allow(path);
                let says = || format!("{rule:?}, {path:?}: {left} of {} among {n}", cut.total);
                let mut filled = [const { Vec::new() }; 4];
                filled.fill(vec![-7; n]);
                let [listed, narrow, in_place, everywhere] = &mut filled;
                let priority = orders.priority();
                rule.share(&book, &bid_positions, bids, &priority, listed, scratch);
                rule.share(&book, &ask_positions, asks, &priority, listed, scratch);
                rule.share(&narrow_book, &bid_positions, bids, &priority, narrow, scratch);
                rule.share(&narrow_book, &ask_positions, asks, &priority, narrow, scratch);
                rule.share_in_place(&book, Some(3), (bids, asks), &priority, in_place, scratch);
                if whole_book {
                    rule.share_in_place(&narrow_book, None, (bids, asks), &priority, everywhere, scratch);
                    assert!(*everywhere == expected, "everywhere: {}", says());
                }
                assert!(*listed == expected, "{}", says());
                assert!(*narrow == expected, "32 bits: {}", says());
                assert!(*in_place == expected_in_place, "in place: {}", says());
                cases += 1;
            }
        }
    }
    cases
}

#[test]
fn levels_of_few_orders_equal_the_twin() {
    let (mut draw, mut scratch, mut cases) = (Mixed(1), Scratch::default(), 0);
    for _ in 0..600 {
        let n = 1 + draw.below(40) as usize;
        cases += check(&mut draw, n, &RULES, &mut scratch);
    }
    assert!(cases >= 40_000, "{cases}");
}

#[test]
fn levels_of_many_orders_equal_the_twin() {
    let (mut draw, mut scratch) = (Mixed(2), Scratch::default());
    for _ in 0..60 {
        let n = 1 + draw.below(5000) as usize;
        check(&mut draw, n, &RULES, &mut scratch);
    }
    for n in [255, 256, 257, 258, 511, 512, 513, 1023, 1024, 1025, 2048, 2049] {
        check(&mut draw, n, &RULES, &mut scratch);
    }
}

#[test]
fn levels_of_very_many_orders_equal_the_twin() {
    let (mut draw, mut scratch) = (Mixed(3), Scratch::default());
    for rule in RULES {
        check(&mut draw, 100_000, &[rule], &mut scratch);
    }
}

#[test]
fn the_largest_totals_are_shared_exactly() {
    // Close to 2⁶¹ lots: as many orders as a call may have, in a level whose orders repeat a few positions.
    let (mut draw, mut scratch) = (Mixed(4), Scratch::default());
    let quantity = [BOUND, BOUND - 1, BOUND / 3, 1];
    let total = (1_i64 << 61) - 1;
    for left in amounts(&mut draw, total) {
        if left == total {
            continue;
        }
        let rate = simd::sharing::Rate::new(left, total);
        for quantity in quantity {
            let product = left as u128 * quantity as u128;
            let (share, remainder) = rate.quota(quantity as u32);
            assert_eq!(u128::from(share), product / total as u128);
            assert_eq!(u128::from(remainder), product % total as u128);
        }
    }
    for _ in 0..200_000 {
        let total = 1 + (draw.below(1 << 61) >> draw.below(61)) as i64;
        let (left, quantity) = (draw.below(total as u64) as i64, 1 + draw.below(BOUND as u64) as i64);
        let product = left as u128 * quantity as u128;
        let (share, remainder) = simd::sharing::Rate::new(left, total).quota(quantity as u32);
        assert_eq!(u128::from(share), product / total as u128);
        assert_eq!(u128::from(remainder), product % total as u128);
    }
    check(&mut draw, 3000, &[Rationing::ProRata], &mut scratch);
}
