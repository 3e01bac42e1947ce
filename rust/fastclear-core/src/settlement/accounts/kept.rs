//! Accounts as an exchange saves them.

use super::{Account, Accounts, Reservation, Totals};

impl Accounts {
    /// Accounts with these balances and reservations, each in ascending id; `None` where they do not balance, or an id
    /// stands there twice.
    pub(crate) fn restored(accounts: &[(u64, Account)], reservations: &[(u64, Reservation)]) -> Option<Self> {
        let in_range = |value: i128| value.unsigned_abs() <= 1 << 126;
        let sound = |(_, held): &(u64, Account)| {
            [held.posted, held.pending_out, held.pending_in, held.limit].into_iter().all(in_range)
                && held.pending_out >= 0
                && held.pending_in >= 0
                && held.limit >= 0
        };
        if !rises(accounts.iter().map(|&(id, _)| id))
            || !rises(reservations.iter().map(|&(seq, _)| seq))
            || !accounts.iter().all(sound)
        {
            return None;
        }
        let mut restored = Self::new();
        for &(id, account) in accounts {
            restored.by_id.insert(id, account);
        }
        for &(seq, held) in reservations {
            if held.amount < 0 || [held.debit, held.credit].iter().any(|&id| restored.get(id).is_none()) {
                return None;
            }
            restored.reservations.insert(seq, held);
        }
        let mut totals = Totals::default();
        for (_, account) in accounts {
            totals.posted = totals.posted.checked_add(account.posted)?;
            totals.pending_out = totals.pending_out.checked_add(account.pending_out)?;
            totals.pending_in = totals.pending_in.checked_add(account.pending_in)?;
        }
        totals.reserved = reservations.iter().map(|&(_, held)| i128::from(held.amount)).sum();
        restored.totals = totals;
        totals.balanced().then_some(restored)
    }
}

fn rises(mut ids: impl Iterator<Item = u64>) -> bool {
    let mut last = None;
    ids.all(|id| last.replace(id) < Some(id))
}
