use super::*;

const CHARGE: u8 = StorageKind::Charge as u8;
const DISCHARGE: u8 = StorageKind::Discharge as u8;
const TRANSFER: u8 = StorageKind::Transfer as u8;
const TERMS: StorageTerms = StorageTerms {
    capacity: 1000,
    shared: 1000,
    charge_ppm: 950_000,
    discharge_ppm: 930_000,
    charge_limit: None,
    discharge_limit: None,
    self_discharge_ppm: 0,
};

fn rows(storage: &mut Storage, rows: &[(u8, u32, u32, i64)]) -> Result<Vec<u8>, StorageError> {
    let kinds: Vec<u8> = rows.iter().map(|row| row.0).collect();
    let members: Vec<u32> = rows.iter().map(|row| row.1).collect();
    let to: Vec<u32> = rows.iter().map(|row| row.2).collect();
    let energy: Vec<i64> = rows.iter().map(|row| row.3).collect();
    storage.submit(None, &kinds, &members, &to, &energy)
}

#[test]
fn many_steps_come_to_what_one_does() -> Result<(), StorageError> {
    let mut one = Storage::new(TERMS, &[1, 1], false)?;
    let mut many = one.clone();
    rows(&mut one, &[(CHARGE, 0, NOBODY, 333), (DISCHARGE, 0, NOBODY, 77)])?;
    rows(&mut many, &[(CHARGE, 0, NOBODY, 1); 333])?;
    rows(&mut many, &[(DISCHARGE, 0, NOBODY, 1); 77])?;
    assert_eq!(one.balances(), many.balances());
    // 333 × 0.95 − 77 / 0.93 = 233.5543…
    assert_eq!((one.balances()[0].stored, one.balances()[0].carried), (233, 554_301_075));
    Ok(())
}

#[test]
fn the_most_passes_and_one_more_does_not() -> Result<(), StorageError> {
    let terms = StorageTerms { shared: 1500, charge_limit: Some(900), discharge_limit: Some(401), ..TERMS };
    let mut storage = Storage::new(terms, &[2, 1], false)?;
    for kind in [CHARGE, DISCHARGE, CHARGE] {
        for member in [0, 1] {
            storage.enter(storage.slot.map_or(Some(0), |slot| Some(slot + 1)))?;
            let shown = storage.balances()[member as usize];
            let most = if kind == CHARGE { shown.chargeable } else { shown.dischargeable };
            let mut beyond = storage.clone();
            assert_ne!(rows(&mut beyond, &[(kind, member, NOBODY, most + 1)])?, [0], "{kind} {shown:?}");
            assert_eq!(rows(&mut storage, &[(kind, member, NOBODY, most)])?, [0]);
        }
    }
    Ok(())
}

#[test]
fn the_largest_there_is() -> Result<(), StorageError> {
    let terms = StorageTerms { capacity: WH_MAX, shared: WH_MAX, charge_ppm: 1, self_discharge_ppm: 999_999, ..TERMS };
    let mut storage = Storage::new(terms, &[i64::MAX, i64::MAX], true)?;
    storage.enter(Some(i64::MIN))?;
    assert_eq!(rows(&mut storage, &[(CHARGE, 0, NOBODY, i64::MAX), (TRANSFER, 0, 1, i64::MAX)])?, [0, 6]);
    assert_eq!(storage.reconcile(None, WH_MAX)?, WH_MAX - i64::MAX / 1_000_000);
    assert_eq!(rows(&mut storage, &[(CHARGE, 0, NOBODY, 1)])?, [StorageCode::OverCapacity as u8]);
    assert_eq!(storage.balances()[0].chargeable, 0);
    storage.enter(Some(i64::MAX))?;
    assert_eq!(storage.balances()[0].stored, 0, "lost over the ages");
    assert_eq!(storage.reconcile(None, 0)?, i64::MAX / 1_000_000 - WH_MAX);
    Ok(())
}

#[test]
fn a_surplus_goes_where_there_is_room() -> Result<(), StorageError> {
    let terms = StorageTerms { charge_ppm: 1_000_000, capacity: 100, shared: 100, ..TERMS };
    let mut storage = Storage::new(terms, &[50, 25, 25], false)?;
    rows(&mut storage, &[(CHARGE, 0, NOBODY, 10), (CHARGE, 1, NOBODY, 24)])?;
    let stored = |storage: &Storage| storage.balances().iter().map(|held| held.stored).collect::<Vec<_>>();
    assert_eq!(storage.reconcile(None, 44)?, 10);
    assert_eq!(stored(&storage), [19, 25, 0], "3 + 7 would be due, one has room for 1");
    assert_eq!(storage.reconcile(None, 100)?, 56);
    assert_eq!(stored(&storage), [50, 25, 25]);
    assert_eq!(storage.reconcile(None, 3)?, -97);
    assert_eq!(stored(&storage), [1, 1, 1], "1.5 + 0.75 + 0.75");
    assert_eq!(storage.energy(), 3);
    Ok(())
}

#[test]
fn what_cannot_be_says_why() -> Result<(), StorageError> {
    for (terms, word) in [
        (StorageTerms { capacity: 0, ..TERMS }, "capacity_wh = 0"),
        (StorageTerms { shared: 999, ..TERMS }, "virtual_capacity_wh = 999; give 1000 to"),
        (StorageTerms { charge_ppm: 0, ..TERMS }, "charge_efficiency_ppm = 0"),
        (StorageTerms { discharge_ppm: 1_000_001, ..TERMS }, "discharge_efficiency_ppm"),
        (StorageTerms { self_discharge_ppm: -1, ..TERMS }, "self_discharge_ppm"),
        (StorageTerms { charge_limit: Some(-1), ..TERMS }, "charge_limit_wh = -1"),
        (StorageTerms { discharge_limit: Some(-1), ..TERMS }, "discharge_limit_wh = -1"),
    ] {
        let error = Storage::new(terms, &[1], false).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(word), "{error}");
    }
    for weights in [&[][..], &[0, 0], &[2, -1]] {
        assert_eq!(Storage::new(TERMS, weights, false).err(), Some(StorageError::BadShares));
    }
    let mut storage = Storage::new(StorageTerms { charge_limit: Some(5), ..TERMS }, &[1], false)?;
    assert_eq!(rows(&mut storage, &[]), Err(StorageError::NoSlot));
    storage.enter(Some(7))?;
    assert_eq!(storage.enter(Some(6)), Err(StorageError::SlotBackwards { slot: 6, now: 7 }));
    assert_eq!(rows(&mut storage, &[(3, 0, 0, 1)]), Err(StorageError::UnknownKind { row: 0, kind: 3 }));
    let length = StorageError::Length { column: "to", length: 0, rows: 1 };
    assert_eq!(storage.submit(None, &[0], &[0], &[], &[1]), Err(length));
    assert!(storage.reconcile(None, 1001).is_err());
    assert!(storage.log().is_empty());
    Ok(())
}
