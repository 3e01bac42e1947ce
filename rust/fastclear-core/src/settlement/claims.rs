//! What the buy orders of a slot owe, and the reservations that they are paid from.

use std::collections::{BTreeMap, HashMap};

use super::accounts::CLEARING;
use super::cleared::{AHEAD, Checked, ClearedSlot, TRADED};
use super::credit::Cover;
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::open_orders::{OpenOrders, OrderKey};
use super::posting::Kind;
use super::slot::{TRADE_BUYER, quantity_of};

/// One buy order of the slot with what it owes.
pub(super) struct Claim {
    pub key: OrderKey,
    pub reservation: Option<u64>,
    pub due: i128,
    /// What goes into escrow beside what is due.
    pub bond: i128,
    pub quantity: i128,
}

/// What became of reservations and claims.
pub(super) struct Drawn {
    /// Reservations that are open no more, with their orders.
    pub closed: Vec<(OrderKey, u64)>,
    /// What each of them covered.
    pub covers: Vec<i64>,
    /// `seq` of each claim's Post; apart from the claims, for every trade asks for one.
    pub posts: Vec<u64>,
}

/// Rows between two looks at whether ids have risen so far.
const RISING: usize = 1024;

/// Whether buy orders have rising ids, so that none stands in two rows.
pub(super) fn rises(columns: &ClearedSlot<'_>) -> bool {
    let Some(first) = columns.side.iter().position(|&side| side == 1) else {
        return true;
    };
    let mut last = columns.order[first];
    let rest = columns.side[first + 1..].chunks(RISING).zip(columns.order[first + 1..].chunks(RISING));
    rest.into_iter().all(|(sides, orders)| {
        // Nobody can guess which rows are bids, so that no branch asks.
        let mut falls = 0;
        for (&side, &order) in sides.iter().zip(orders) {
            let is_bid = side == 1;
            falls |= u8::from(is_bid) & u8::from(order <= last);
            last = if is_bid { order } else { last };
        }
        falls == 0
    })
}

/// Gives each buy row its claim: rows that traded, and rows with a reservation. A row takes the oldest reservation of
/// its order for `slot` that no earlier row took; when none is left it shares the claim of an earlier row, so that one
/// order may stand in several clearings of a slot. `by_key` has the earlier rows of each order; without it, no order
/// stands in two rows.
pub(super) fn claim_orders(
    clearing: &mut Checked<'_>,
    open: &OpenOrders,
    slot: Option<i64>,
    mut by_key: Option<&mut HashMap<OrderKey, (u64, usize)>>,
    claims: &mut Vec<Claim>,
) -> Result<(), SettleError> {
    let columns = clearing.columns;
    claims.reserve(clearing.claim_of.iter().filter(|&&claim| claim == TRADED).count());
    for row in 0..clearing.claim_of.len() {
        let chosen = &mut clearing.claim_of[row];
        // An order that may stand in another row takes its place at its first one, whether or not that traded.
        let passed_over = *chosen != TRADED && open.is_empty() && by_key.is_none();
        if columns.side[row] != 1 || passed_over {
            continue;
        }
        let key = (columns.account[row], columns.market[row], columns.order[row]);
        // The first reservation that is not taken: `after` is one past the last taken seq of this order.
        let earlier = by_key.as_ref().and_then(|by_key| by_key.get(&key).copied());
        let after = earlier.map_or(0, |(after, _)| after);
        let (first, reservation) = if open.is_empty() {
            (None, None)
        } else {
            let mut left = open.of(key, after).peekable();
            (left.peek().copied(), left.find(|&seq| open.slot(seq) == slot))
        };
        match (reservation, earlier, first) {
            (None, Some((_, claim)), _) => {
                *chosen = claim;
                continue;
            }
            (None, None, Some(seq)) => {
                let (account, _, order) = key;
                return Err(SettleError::OtherSlot { account, order, reserved_for: open.slot(seq) });
            }
            (None, None, None) if *chosen != TRADED && by_key.is_none() => continue,
            _ => *chosen = claims.len(),
        }
        if let Some(by_key) = &mut by_key {
            by_key.insert(key, (reservation.map_or(after, |seq| seq + 1), claims.len()));
        }
        claims.push(Claim { key, reservation, due: 0, bond: 0, quantity: 0 });
    }
    Ok(())
}

/// Posts what each buyer owes to the clearing house and releases what did not trade: first the orders with a
/// reservation in order of its seq, then those that pay on the spot.
pub(super) fn draw_reservations(
    draft: &mut Draft<'_>,
    mut on_hand: Cover<'_>,
    claims: &[Claim],
) -> Result<Drawn, SettleError> {
    let mut reserved: Vec<(u64, usize)> =
        claims.iter().enumerate().filter_map(|(i, claim)| claim.reservation.map(|seq| (seq, i))).collect();
    reserved.sort_unstable();
    let mut closed = Vec::with_capacity(reserved.len());
    // Bonds that posts have released and that go into escrow once all is drawn.
    let mut bonds: BTreeMap<u64, i128> = BTreeMap::new();
    let mut covers = Vec::with_capacity(reserved.len());
    let mut posts = vec![0; claims.len()];
    for (seq, i) in reserved {
        let claim = &claims[i];
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        if claim.quantity > 0 {
            posts[i] = post(draft, claim, seq, cover)?;
            if claim.bond > 0 {
                *bonds.entry(claim.key.0).or_insert(0) += claim.bond;
            }
        } else {
            let (account, market, order) = claim.key;
            draft.push(Line {
                market,
                buy_order: order,
                group: Some(seq),
                ..Line::new(Kind::Void, account, CLEARING, i128::from(cover))
            })?;
        }
        closed.push((claim.key, seq));
        covers.push(cover);
    }
    for nth in 0..claims.len() {
        if let Some(later) = claims.get(nth + AHEAD) {
            draft.accounts().prefetch(later.key.0);
        }
        let claim = &claims[nth];
        if claim.reservation.is_some() || claim.quantity == 0 {
            continue;
        }
        let (account, market, order) = claim.key;
        let cover = claim.due.max(0) + claim.bond;
        let promised = if bonds.is_empty() { 0 } else { bonds.get(&account).copied().unwrap_or(0) };
        if cover > 0 && !on_hand.allows(draft.accounts(), account, cover + promised) {
            let available = on_hand.available(draft.accounts(), account) - promised;
            return Err(SettleError::NotCovered { account, order, due: claim.due + claim.bond, available });
        }
        if claim.bond > 0 {
            *bonds.entry(account).or_insert(0) += claim.bond;
        }
        on_hand.take(draft.accounts(), account, cover);
        let seq = draft.push_here(Line {
            market,
            buy_order: order,
            quantity: quantity_of(account, claim.quantity)?,
            ..Line::new(Kind::Reserve, account, CLEARING, cover)
        })?;
        let reserved = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        posts[nth] = post(draft, claim, seq, reserved)?;
    }
    Ok(Drawn { closed, covers, posts })
}

/// Draws the reservation `seq` of `claim`; a buyer whose total is negative draws nothing and is paid instead. Returns the
/// `seq` of the Post.
#[inline]
fn post(draft: &mut Draft<'_>, claim: &Claim, seq: u64, reserved: i64) -> Result<u64, SettleError> {
    let (account, market, order) = claim.key;
    if claim.due.max(0) + claim.bond > i128::from(reserved) {
        return Err(SettleError::ExceedsCover { account, order, due: claim.due + claim.bond, reserved });
    }
    let quantity = quantity_of(account, claim.quantity)?;
    let post = draft.push_here(Line {
        market,
        buy_order: order,
        quantity,
        group: Some(seq),
        ..Line::new(Kind::Post, account, CLEARING, claim.due.max(0))
    })?;
    if claim.due < 0 {
        draft.push(Line {
            code: TRADE_BUYER,
            market,
            buy_order: order,
            quantity,
            group: Some(post),
            ..Line::new(Kind::Trade, CLEARING, account, -claim.due)
        })?;
    }
    Ok(post)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_where_each_bid_has_more_than_the_one_before() {
        let mut state = 1_u64;
        let mut below = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % n
        };
        for len in [0, 1, 2, 3, RISING - 1, RISING, RISING + 1, RISING + 2, 3 * RISING] {
            for _ in 0..20 {
                let side: Vec<u8> = (0..len).map(|_| below(2) as u8).collect();
                // Asks have any id; bids rise, but for one that may be moved.
                let mut order: Vec<u64> =
                    (0..).zip(&side).map(|(row, &side)| if side == 1 { row } else { below(9) }).collect();
                if len > 0 && below(2) == 0 {
                    order[below(len as u64) as usize] = below(len as u64);
                }
                let bids: Vec<u64> =
                    side.iter().zip(&order).filter(|&(&side, _)| side == 1).map(|(_, &id)| id).collect();
                let columns = ClearedSlot { side: &side, order: &order, ..ClearedSlot::default() };
                assert_eq!(rises(&columns), bids.is_sorted_by(|a, b| a < b), "{len} rows");
            }
        }
    }
}
