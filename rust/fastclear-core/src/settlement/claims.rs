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
    /// `seq` of its Post.
    pub post: u64,
}

/// Reservations with their orders, and what each of them covered.
pub(super) type Drawn = (Vec<(OrderKey, u64)>, Vec<i64>);

/// Whether buy orders have rising ids, so that none stands in two rows.
pub(super) fn rises(columns: &ClearedSlot<'_>) -> bool {
    let mut last = None;
    let mut bids = columns.side.iter().zip(columns.order).filter(|&(&side, _)| side == 1);
    bids.all(|(_, &order)| last.replace(order) < Some(order))
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
        let mut left = open.of(key, after).peekable();
        let first = left.peek().copied();
        let reservation = left.find(|&seq| open.slot(seq) == slot);
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
        claims.push(Claim { key, reservation, due: 0, bond: 0, quantity: 0, post: 0 });
    }
    Ok(())
}

/// Posts what each buyer owes to the clearing house and releases what did not trade: first the orders with a
/// reservation in order of its seq, then those that pay on the spot.
pub(super) fn draw_reservations(
    draft: &mut Draft<'_>,
    mut on_hand: Cover<'_>,
    claims: &mut [Claim],
) -> Result<Drawn, SettleError> {
    let mut reserved: Vec<(u64, usize)> =
        claims.iter().enumerate().filter_map(|(i, claim)| claim.reservation.map(|seq| (seq, i))).collect();
    reserved.sort_unstable();
    let mut closed = Vec::with_capacity(reserved.len());
    // Bonds that posts have released and that go into escrow once all is drawn.
    let mut bonds: BTreeMap<u64, i128> = BTreeMap::new();
    let mut covers = Vec::with_capacity(reserved.len());
    for (seq, i) in reserved {
        let claim = &mut claims[i];
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        if claim.quantity > 0 {
            post(draft, claim, seq, cover)?;
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
        let claim = &mut claims[nth];
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
        let seq = draft.push(Line {
            market,
            buy_order: order,
            quantity: quantity_of(account, claim.quantity)?,
            ..Line::new(Kind::Reserve, account, CLEARING, cover)
        })?;
        let cover = draft.accounts().reservation(seq).map_or(0, |held| held.amount);
        post(draft, claim, seq, cover)?;
    }
    Ok((closed, covers))
}

/// Draws the reservation `seq` of `claim`; a buyer whose total is negative draws nothing and is paid instead.
pub(super) fn post(draft: &mut Draft<'_>, claim: &mut Claim, seq: u64, reserved: i64) -> Result<(), SettleError> {
    let (account, market, order) = claim.key;
    if claim.due.max(0) + claim.bond > i128::from(reserved) {
        return Err(SettleError::ExceedsCover { account, order, due: claim.due + claim.bond, reserved });
    }
    let quantity = quantity_of(account, claim.quantity)?;
    claim.post = draft.push(Line {
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
            group: Some(claim.post),
            ..Line::new(Kind::Trade, CLEARING, account, -claim.due)
        })?;
    }
    Ok(())
}
