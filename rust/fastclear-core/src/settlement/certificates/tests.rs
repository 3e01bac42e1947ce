use super::*;

const READING: Reading = Reading { device: 0, slot: 0, generated: 10, owner: 0, source: 0, attributes: 0 };

fn step(id: u64, energy: Option<i64>, then: Use) -> Step {
    Step { id, energy, owner: None, then }
}

fn code(outcome: Outcome) -> CertificateCode {
    outcome.code
}

const CANCEL: Use = Use::Cancel { beneficiary: NOBODY, slot: None };

#[test]
fn from_issue_to_claim() -> Result<(), CertificateError> {
    let mut kept = Certificates::new(Some(100))?;
    assert_eq!(kept.read(&READING), Outcome { id: Some(0), issued: 10, ..CertificateCode::Ok.into() });
    assert_eq!(code(kept.read(&READING)), CertificateCode::Unchanged);
    assert_eq!(kept.step(&step(0, Some(4), Use::Transfer { to: 1 })).id, Some(1));
    assert_eq!(kept.step(&step(1, Some(1), CANCEL)).id, Some(2));
    assert_eq!(code(kept.step(&step(2, None, CANCEL))), CertificateCode::AlreadyCancelled);
    assert_eq!(kept.match_slot(1, 0, 3), 3, "1 cancelled, 2 matched of 3");
    assert_eq!(kept.match_slot(1, 0, 3), 3);
    assert_eq!(kept.advance(99), Ok(0));
    assert_eq!(kept.advance(100), Ok(7));
    let energy: Vec<_> = kept.all().iter().map(|c| (c.energy, c.state, c.owner)).collect();
    let expected = [(6, State::Expired, 0), (1, State::Expired, 1), (1, State::Cancelled, 1), (2, State::Cancelled, 1)];
    assert_eq!(energy, expected);
    assert_eq!(kept.advance(99), Err(CertificateError::TimeBackwards { time_ns: 99, now_ns: 100 }));
    assert_eq!(code(kept.read(&Reading { generated: 11, ..READING })), CertificateCode::TermIsOver);
    let lower = kept.read(&Reading { generated: 2, ..READING });
    assert_eq!((lower.code, lower.issued), (CertificateCode::Owed, -7));
    assert_eq!(kept.lots()[0].2.owed(), 1);
    assert_eq!(Certificates::new(Some(0)).err(), Some(CertificateError::BadTerm { term_ns: 0 }));
    Ok(())
}

#[test]
fn what_is_owed_can_be_made_up() -> Result<(), CertificateError> {
    let mut kept = Certificates::new(None)?;
    kept.read(&READING);
    kept.read(&Reading { device: 1, ..READING });
    assert_eq!(code(kept.step(&step(0, Some(8), CANCEL))), CertificateCode::Ok);
    assert_eq!(kept.read(&Reading { generated: 5, ..READING }).issued, -2);
    let make_up = Use::Compensate { device: 0, slot: 0 };
    assert_eq!(code(kept.step(&step(1, Some(4), make_up))), CertificateCode::ExceedsOwed);
    assert_eq!(code(kept.step(&step(1, Some(3), make_up))), CertificateCode::Ok);
    assert_eq!(code(kept.read(&Reading { generated: 5, ..READING })), CertificateCode::Unchanged, "nothing is owed");
    assert_eq!(code(kept.read(&Reading { generated: 9, ..READING })), CertificateCode::Ok);
    assert_eq!(kept.all().last().map(|c| c.energy), Some(1), "9 less the 8 that stand");
    Ok(())
}

#[test]
fn the_ends_of_time() -> Result<(), CertificateError> {
    let mut kept = Certificates::new(Some(i64::MAX))?;
    for slot in [i64::MIN, i64::MAX] {
        kept.read(&Reading { slot, generated: ENERGY_END - 1, ..READING });
    }
    assert_eq!(kept.advance(i64::MAX), Ok(i128::from(ENERGY_END) - 1));
    assert_eq!(kept.match_slot(0, i64::MAX, i64::MAX), ENERGY_END - 1);
    assert_eq!(kept.match_slot(0, i64::MAX, i64::MIN), 0);
    assert_eq!(kept.match_slot(NOBODY, 0, 1), 0);
    assert_eq!(code(kept.step(&step(u64::MAX, None, CANCEL))), CertificateCode::UnknownCertificate);
    Ok(())
}
