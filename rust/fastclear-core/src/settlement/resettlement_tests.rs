//! Later readings and provisional slots by hand; whole histories are compared in Python.

use super::super::accounts::{BACKSTOP, FIRST_MEMBER};
use super::super::imbalance::{Owner, Shortfall};
use super::super::tariff::Tariff;
use super::*;

const ADA: u64 = FIRST_MEMBER;
const BO: u64 = FIRST_MEMBER + 1;

/// Retail 30, feed-in 5, tax 20 %; Ada and Bo have 1000.
fn bank(policy: Imbalance) -> Bank {
    let mut bank = Bank::new(Tariff::new(30, 5, 0, 0, 200_000).unwrap()).unwrap().with_imbalance(policy);
    bank.open(2, 0).unwrap();
    bank.deposit(&[ADA, BO], &[1000, 1000]).unwrap();
    bank.take();
    bank
}

fn read(account: &'static [u64], energy: &'static [i64]) -> Meter<'static> {
    Meter { account, energy, due: true, losses: 0 }
}

#[test]
fn what_differs_is_posted_and_nothing_else() {
    let mut bank = bank(Imbalance::default());
    bank.settle(&[], &read(&[ADA, BO], &[10, -4])).unwrap();
    let first = bank.take();
    bank.resettle(0, &read(&[BO, ADA], &[-4, 12])).unwrap();
    let delta = bank.take();
    let shown: Vec<_> = delta.iter().map(|p| (p.kind, p.code, p.debit, p.credit, p.quantity, p.amount)).collect();
    assert_eq!(
        shown,
        [
            (Kind::Meter, METER_REVISED, ADA, 0, 12, 0),
            (Kind::Correction, 1202, ADA, 5, 2, 12),
            (Kind::Correction, 1001, ADA, BACKSTOP, 2, 60),
        ]
    );
    assert_eq!(delta[0].group, first[0].seq, "the reading that it takes the place of");
    assert_eq!(delta[2].group, first[1].seq, "the line that it corrects");
    assert_eq!(corrected(delta[2].code), Some((Kind::Imbalance, IMBALANCE_RESIDUAL)));
    bank.resettle(0, &read(&[ADA], &[12])).unwrap();
    assert!(bank.take().is_empty());
    let moved: Vec<_> = bank.slots().next().unwrap().versions().iter().map(|v| (v.readings, v.moved)).collect();
    assert_eq!(moved, [(2, 300 + 60 + 20), (1, 72)]);
}

#[test]
fn all_policies_end_where_the_last_readings_begin() {
    let shortfall = |rule| Imbalance::ShortfallAllocation { rule, residual_to: Owner::Members };
    for policy in [
        Imbalance::Backup { residual_to: Owner::Members },
        Imbalance::SinglePrice,
        Imbalance::DualPrice { penalty: 3, dead_band: 1, to: Owner::Members },
        Imbalance::Pooled,
        shortfall(Shortfall::BuyerMadeWhole),
        shortfall(Shortfall::BuyerPaysRetail),
    ] {
        let (mut bank, mut twin) = (bank(policy), bank(policy));
        bank.settle(&[], &read(&[ADA], &[3])).unwrap();
        bank.resettle(0, &read(&[BO], &[-7])).unwrap();
        bank.resettle(0, &read(&[ADA, BO], &[-2, 9])).unwrap();
        bank.resettle(0, &read(&[ADA], &[8])).unwrap();
        twin.settle(&[], &read(&[ADA, BO], &[8, 9])).unwrap();
        let posted = |bank: &Bank| bank.accounts().iter().map(|(id, held)| (id, held.posted)).collect::<Vec<_>>();
        assert_eq!(posted(&bank), posted(&twin), "{policy:?}");
        assert!(bank.accounts().audit());
    }
}

#[test]
fn bad_calls_change_nothing() {
    let mut bank = bank(Imbalance::default());
    bank.settle(&[], &read(&[ADA], &[1])).unwrap();
    let before = bank.clone();
    let expected = SettleError::UnknownSlot { slot: 1 };
    assert_eq!(bank.resettle(1, &read(&[ADA], &[2])), Err(expected));
    assert_eq!(bank.freeze(&[0, 1]), Err(expected));
    assert_eq!(bank.reverse(1), Err(expected));
    assert_eq!(bank.reverse(0), Err(SettleError::ConfirmedSlot { slot: 0 }));
    assert_eq!(bank.resettle(0, &read(&[ADA, ADA], &[2, 2])), Err(SettleError::DuplicateMeter { account: ADA }));
    assert_eq!(bank.resettle(0, &read(&[9], &[2])), Err(SettleError::UnknownMember { account: 9 }));
    assert!(matches!(bank.resettle(0, &read(&[ADA], &[])), Err(SettleError::Length { .. })));
    let too_much = bank.resettle(0, &read(&[ADA], &[i64::MAX]));
    assert!(matches!(too_much, Err(SettleError::AmountOutOfRange { .. })));
    assert_eq!((bank.accounts(), bank.postings()), (before.accounts(), before.postings()));
    bank.freeze(&[0]).unwrap();
    assert_eq!(bank.resettle(0, &read(&[ADA], &[2])), Err(SettleError::FrozenSlot { slot: 0 }));
}

#[test]
fn a_slot_waits_and_is_confirmed_or_taken_back() {
    let mut bank = bank(Imbalance::default());
    bank.set_confirm_after(100);
    let before: Vec<_> = bank.accounts().iter().map(|(id, held)| (id, held.posted, held.pending_out)).collect();
    bank.settle(&[], &read(&[ADA, BO], &[1, -9])).unwrap();
    assert_eq!((bank.unconfirmed(BO), bank.available(BO)), (45, 1000));
    assert!(matches!(bank.withdraw(&[BO], &[1001]), Err(SettleError::WithdrawalTooLarge { free: 1000, .. })));
    bank.resettle(0, &read(&[BO], &[-11])).unwrap();
    assert_eq!(bank.unconfirmed(BO), 55);
    bank.reverse(0).unwrap();
    let after: Vec<_> = bank.accounts().iter().map(|(id, held)| (id, held.posted, held.pending_out)).collect();
    assert_eq!(before, after);
    assert_eq!(bank.reverse(0), Err(SettleError::ReversedSlot { slot: 0 }));
    assert_eq!(bank.resettle(0, &read(&[BO], &[1])), Err(SettleError::ReversedSlot { slot: 0 }));
    bank.settle(&[], &read(&[ADA, BO], &[1, -9])).unwrap();
    bank.advance(bank.now() + 50).unwrap();
    assert_eq!(bank.confirmed_income(BO), 0);
    bank.advance(bank.now() + 60).unwrap();
    assert_eq!((bank.unconfirmed(BO), bank.confirmed_income(BO), bank.available(BO)), (0, 45, 1045));
    assert_eq!(bank.reverse(1), Err(SettleError::ConfirmedSlot { slot: 1 }));
    let standing: Vec<_> = bank.slots().map(SettledSlot::standing).collect();
    assert_eq!(standing, ["reversed", "confirmed"]);
    assert!(bank.accounts().audit());
}
