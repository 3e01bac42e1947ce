//! The fold, kind by kind, and every fault of it.

use super::*;

fn posting(kind: Kind, seq: u64, debit: u64, credit: u64, amount: i64, group: u64) -> Posting {
    Posting {
        kind,
        flags: 0,
        code: 0,
        asset: 0,
        seq,
        time_ns: seq,
        market: 0,
        buy_order: 0,
        sell_order: 0,
        debit,
        credit,
        quantity: 0,
        price: 0,
        amount,
        group,
    }
}

/// Boundary, clearing, and member 1000 with 100 deposited and 60 of it reserved under seq 4.
fn sample() -> Result<Accounts, FoldError> {
    let mut accounts = Accounts::new();
    for (seq, id) in [(0, BOUNDARY), (1, CLEARING), (2, 1000)] {
        accounts.apply(&posting(Kind::AccountOpened, seq, id, 0, 0, seq))?;
    }
    accounts.apply(&posting(Kind::Deposit, 3, BOUNDARY, 1000, 100, 3))?;
    accounts.apply(&posting(Kind::Reserve, 4, 1000, CLEARING, 60, 4))?;
    Ok(accounts)
}

fn account(accounts: &Accounts, id: u64) -> Account {
    accounts.get(id).copied().unwrap_or_default()
}

#[test]
fn a_reservation_lowers_what_is_available_and_no_balance() -> Result<(), FoldError> {
    let accounts = sample()?;
    let member = account(&accounts, 1000);
    assert_eq!((member.posted, member.pending_out, member.available()), (100, 60, 40));
    assert_eq!(account(&accounts, CLEARING).pending_in, 60);
    assert_eq!(account(&accounts, CLEARING).available(), 0, "money to come is never spendable");
    assert_eq!((member.version, account(&accounts, BOUNDARY).posted), (3, -100));
    assert!(accounts.audit());
    Ok(())
}

#[test]
fn a_post_draws_its_amount_and_releases_the_rest() -> Result<(), FoldError> {
    let mut accounts = sample()?;
    accounts.apply(&posting(Kind::Post, 5, 1000, CLEARING, 45, 4))?;
    assert_eq!((account(&accounts, 1000).posted, account(&accounts, 1000).available()), (55, 55));
    assert_eq!((account(&accounts, CLEARING).posted, account(&accounts, CLEARING).pending_in), (45, 0));
    assert_eq!(accounts.reservations().len(), 0);
    let again = accounts.apply(&posting(Kind::Post, 6, 1000, CLEARING, 1, 4));
    assert_eq!(again, Err(FoldError::NoReservation { seq: 6, group: 4 }), "a reservation is resolved at most once");
    assert!(accounts.audit());
    Ok(())
}

#[test]
fn a_void_releases_everything() -> Result<(), FoldError> {
    let mut accounts = sample()?;
    accounts.apply(&posting(Kind::Void, 5, 1000, CLEARING, 60, 4))?;
    assert_eq!((account(&accounts, 1000).posted, account(&accounts, 1000).available()), (100, 100));
    assert!(accounts.audit());
    Ok(())
}

#[test]
fn a_limit_is_credit_below_zero() -> Result<(), FoldError> {
    let mut accounts = sample()?;
    accounts.apply(&posting(Kind::Limit, 5, 1000, 0, 25, 5))?;
    assert_eq!(account(&accounts, 1000).available(), 65);
    accounts.apply(&posting(Kind::Limit, 6, 1000, 0, 5, 6))?;
    assert_eq!(account(&accounts, 1000).available(), 45, "a limit is set, not added");
    Ok(())
}

#[test]
fn an_account_that_pays_itself_keeps_its_balance() -> Result<(), FoldError> {
    let mut accounts = sample()?;
    let before = account(&accounts, 1000);
    accounts.apply(&posting(Kind::Correction, 5, 1000, 1000, 7, 5))?;
    assert_eq!(account(&accounts, 1000), Account { version: before.version + 1, ..before });
    assert!(accounts.audit());
    Ok(())
}

#[test]
fn every_fault_is_typed_and_changes_nothing() -> Result<(), FoldError> {
    let accounts = sample()?;
    let cases = [
        (posting(Kind::Trade, 9, 1000, CLEARING, -1, 9), FoldError::NegativeAmount { seq: 9, amount: -1 }),
        (posting(Kind::Fee, 9, 1001, CLEARING, 1, 9), FoldError::UnknownAccount { seq: 9, account: 1001 }),
        (posting(Kind::Tax, 9, 1000, 8, 1, 9), FoldError::UnknownAccount { seq: 9, account: 8 }),
        (posting(Kind::Limit, 9, 8, 0, 1, 9), FoldError::UnknownAccount { seq: 9, account: 8 }),
        (posting(Kind::Meter, 9, 8, 0, 0, 9), FoldError::UnknownAccount { seq: 9, account: 8 }),
        (posting(Kind::Reserve, 9, 8, CLEARING, 1, 9), FoldError::UnknownAccount { seq: 9, account: 8 }),
        (posting(Kind::AccountOpened, 9, 1000, 0, 0, 9), FoldError::AccountExists { seq: 9, account: 1000 }),
        (posting(Kind::Reserve, 4, 1000, CLEARING, 1, 4), FoldError::ReservationExists { seq: 4 }),
        (posting(Kind::Post, 9, 1000, CLEARING, 1, 3), FoldError::NoReservation { seq: 9, group: 3 }),
        (posting(Kind::Void, 9, 1000, CLEARING, 60, 9), FoldError::NoReservation { seq: 9, group: 9 }),
        (posting(Kind::Void, 9, 1000, CLEARING, 59, 4), FoldError::ReservationMismatch { seq: 9, group: 4 }),
        (posting(Kind::Post, 9, BOUNDARY, CLEARING, 1, 4), FoldError::ReservationMismatch { seq: 9, group: 4 }),
        (
            posting(Kind::Post, 9, 1000, CLEARING, 61, 4),
            FoldError::ExceedsReservation { seq: 9, group: 4, amount: 61, reserved: 60 },
        ),
    ];
    for (p, expected) in cases {
        let mut changed = accounts.clone();
        assert_eq!(changed.apply(&p), Err(expected));
        assert_eq!(changed, accounts, "{expected}");
        assert!(expected.to_string().contains(&format!("posting {}", p.seq)));
    }
    Ok(())
}

#[test]
fn every_kind_is_taken_back() -> Result<(), FoldError> {
    let accounts = sample()?;
    for p in [
        posting(Kind::AccountOpened, 9, 1001, 0, 0, 9),
        posting(Kind::Limit, 9, 1000, 0, 3, 9),
        posting(Kind::Deposit, 9, BOUNDARY, 1000, 3, 9),
        posting(Kind::Reserve, 9, 1000, CLEARING, 3, 9),
        posting(Kind::Post, 9, 1000, CLEARING, 3, 4),
        posting(Kind::Void, 9, 1000, CLEARING, 60, 4),
        posting(Kind::Correction, 9, 1000, 1000, 3, 9),
        posting(Kind::Meter, 9, 1000, 0, 0, 9),
    ] {
        let mut changed = accounts.clone();
        let replaced = changed.replaced(&p);
        changed.apply(&p)?;
        changed.take_back(&p, replaced);
        assert_eq!(changed, accounts, "{:?}", p.kind);
    }
    Ok(())
}

#[test]
fn a_balance_never_leaves_its_range() -> Result<(), FoldError> {
    let mut accounts = sample()?;
    let full = Account { posted: LARGEST, ..Account::default() };
    accounts.by_id.insert(1001, full);
    let p = posting(Kind::Deposit, 9, BOUNDARY, 1001, 1, 9);
    assert_eq!(accounts.apply(&p), Err(FoldError::OutOfRange { seq: 9 }));
    assert_eq!(account(&accounts, 1001), full);
    Ok(())
}
