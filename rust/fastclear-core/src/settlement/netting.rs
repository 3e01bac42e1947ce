//! Netting: many obligations become few payments, with every participant's position unchanged (L-I11).
//!
//! A position is what a participant receives less what it owes. Bilateral netting leaves one payment a pair,
//! multilateral netting at most `n - 1` payments an asset for `n` participants with a position other than zero: the
//! lowest debtor pays the lowest creditor until one of them is done, so each payment but the last settles one of them
//! and the last settles two. The result depends on the obligations alone, never on their order.

use std::collections::BTreeMap;
use std::fmt;

/// What one participant owes another. Self-obligations are allowed and change nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Unit of the amount: positions of different assets never mix.
    pub asset: u16,
    /// Who owes.
    pub debtor: u64,
    /// Who is owed.
    pub creditor: u64,
    /// How much, above zero.
    pub amount: i64,
}

/// A payment that netting leaves, in 128 bits because it is a sum of obligations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Unit of the amount.
    pub asset: u16,
    /// Who pays.
    pub debtor: u64,
    /// Who receives.
    pub creditor: u64,
    /// How much, above zero.
    pub amount: i128,
}

/// An obligation whose amount is not above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadObligation {
    /// Its row.
    pub row: usize,
    /// Its amount.
    pub amount: i64,
}

impl fmt::Display for BadObligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "obligation {}: amount {} is not above 0; exchange debtor and creditor instead",
            self.row, self.amount
        )
    }
}

impl std::error::Error for BadObligation {}

fn check(obligations: &[Obligation]) -> Result<(), BadObligation> {
    match obligations.iter().position(|o| o.amount <= 0) {
        Some(row) => Err(BadObligation { row, amount: obligations[row].amount }),
        None => Ok(()),
    }
}

/// Net position of every participant named, by (asset, participant); each asset sums to zero. O(n log participants).
///
/// # Errors
/// [`BadObligation`] names the first amount that is not above zero.
///
/// # Panics
/// Where the netting itself is at fault: its sums are asserted.
pub fn positions(obligations: &[Obligation]) -> Result<BTreeMap<(u16, u64), i128>, BadObligation> {
    check(obligations)?;
    let mut net = BTreeMap::new();
    for o in obligations {
        // 2^63 rows of the largest amount stay inside 2^126: no sum leaves 128 bits.
        *net.entry((o.asset, o.debtor)).or_insert(0) -= i128::from(o.amount);
        *net.entry((o.asset, o.creditor)).or_insert(0) += i128::from(o.amount);
    }
    assert_eq!(net.values().sum::<i128>(), 0, "net positions sum to zero");
    Ok(net)
}

/// One payment for each pair that does not owe each other the same, in ascending asset and pair.
///
/// # Errors
/// [`BadObligation`] names the first amount that is not above zero.
pub fn bilateral(obligations: &[Obligation]) -> Result<Vec<Payment>, BadObligation> {
    check(obligations)?;
    let mut pairs: BTreeMap<(u16, u64, u64), i128> = BTreeMap::new();
    for o in obligations {
        let (low, high, owed) = match o.debtor.cmp(&o.creditor) {
            std::cmp::Ordering::Less => (o.debtor, o.creditor, i128::from(o.amount)),
            std::cmp::Ordering::Greater => (o.creditor, o.debtor, -i128::from(o.amount)),
            std::cmp::Ordering::Equal => continue,
        };
        *pairs.entry((o.asset, low, high)).or_insert(0) += owed;
    }
    let payment = |((asset, low, high), owed): ((u16, u64, u64), i128)| {
        let (debtor, creditor) = if owed > 0 { (low, high) } else { (high, low) };
        Payment { asset, debtor, creditor, amount: owed.abs() }
    };
    Ok(pairs.into_iter().filter(|&(_, owed)| owed != 0).map(payment).collect())
}

/// At most `n - 1` payments an asset that leave every participant with the same position as the obligations do.
///
/// # Errors
/// [`BadObligation`] names the first amount that is not above zero.
///
/// # Panics
/// Where the netting itself is at fault: its sums are asserted.
pub fn multilateral(obligations: &[Obligation]) -> Result<Vec<Payment>, BadObligation> {
    let net = positions(obligations)?;
    let mut debtors = net.iter().filter(|&(_, &p)| p < 0).map(|(&key, &p)| (key, -p));
    let mut creditors = net.iter().filter(|&(_, &p)| p > 0).map(|(&key, &p)| (key, p));
    let (mut from, mut to) = (debtors.next(), creditors.next());
    let mut payments = Vec::new();
    while let (Some(((asset, debtor), owes)), Some(((same, creditor), is_owed))) = (from, to) {
        assert_eq!(asset, same, "positions of an asset sum to zero, so both sides of it end together");
        let amount = owes.min(is_owed);
        payments.push(Payment { asset, debtor, creditor, amount });
        from = if owes == amount { debtors.next() } else { Some(((asset, debtor), owes - amount)) };
        to = if is_owed == amount { creditors.next() } else { Some(((same, creditor), is_owed - amount)) };
    }
    assert!(from.is_none() && to.is_none(), "every position is settled");
    Ok(payments)
}

#[cfg(test)]
#[path = "netting_tests.rs"]
mod tests;
