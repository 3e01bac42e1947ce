//! The payments of a netting as one linked chain: everything is paid, or nothing is.

use super::records::NONE;
use super::{Code, Transfer, TransferError, TransferKind, Transfers};

/// One payment that netting has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Unit of the amount; that of both accounts.
    pub asset: u16,
    /// Who pays.
    pub debit: u64,
    /// Who receives.
    pub credit: u64,
    /// How much, above zero.
    pub amount: i64,
}

/// What becomes of a leg that cannot be paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// It fails the chain.
    Chain,
    /// This account pays in the place of a debtor that is closed or has too little, and receives in the place of a
    /// creditor that is closed. Who is then owed what is between it and them. Any other fault fails the chain.
    Operator(u64),
}

/// What became of the legs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paid {
    /// One [`Code`] a leg; all are `Ok` or none is.
    pub codes: Vec<u8>,
    /// Who paid, or would have.
    pub payers: Vec<u64>,
    /// Who received, or would have.
    pub payees: Vec<u64>,
}

impl Transfers {
    /// Pays the legs as one linked chain (L-I9). Their ids count up from `first_id`; 0 is for none. O(legs).
    ///
    /// # Errors
    /// An operator that is no account, or ids past 2¹²⁸ or more than can be kept: then nothing has happened.
    pub fn settle_net(
        &mut self,
        legs: &[Leg],
        first_id: u128,
        code: u16,
        on_failure: OnFailure,
    ) -> Result<Paid, TransferError> {
        if let OnFailure::Operator(account) = on_failure
            && self.store.place(account).is_none()
        {
            return Err(TransferError::UnknownAccount { row: 0, account });
        }
        let rows = legs.len();
        if self.records.len().saturating_add(rows) >= NONE as usize {
            return Err(TransferError::TooManyIds);
        }
        if first_id.checked_add(rows.saturating_sub(1) as u128).is_none() {
            return Err(TransferError::IdsOutOfRange { first_id, rows });
        }
        let mut paid = Paid {
            codes: vec![Code::Ok as u8; rows],
            payers: legs.iter().map(|leg| leg.debit).collect(),
            payees: legs.iter().map(|leg| leg.credit).collect(),
        };
        let start = self.begin();
        for (row, leg) in legs.iter().enumerate() {
            let id = if first_id == 0 { 0 } else { first_id + row as u128 };
            let transfer = |debit, credit| Transfer {
                id,
                debit,
                credit,
                amount: leg.amount,
                kind: TransferKind::Single,
                reference: 0,
                timeout_ns: 0,
                code,
                linked: row + 1 < rows,
            };
            let own = transfer(leg.debit, leg.credit);
            let mut fault = self.pay(&own, leg.asset);
            if let OnFailure::Operator(operator) = on_failure {
                for _ in 0..2 {
                    match fault {
                        Code::DebitClosed | Code::ExceedsAvailable if paid.payers[row] != operator => {
                            paid.payers[row] = operator;
                        }
                        Code::CreditClosed if paid.payees[row] != operator => paid.payees[row] = operator,
                        _ => break,
                    }
                    fault = self.pay(&transfer(paid.payers[row], paid.payees[row]), leg.asset);
                }
            }
            if fault != Code::Ok {
                self.go_back(start);
                self.burn(&own, fault);
                paid.codes.fill(Code::LinkedEventFailed as u8);
                paid.codes[row] = fault as u8;
                break;
            }
        }
        Ok(paid)
    }

    fn pay(&mut self, t: &Transfer, asset: u16) -> Code {
        let assets = [t.debit, t.credit].map(|account| self.store.place(account).map(|place| self.store.asset(place)));
        match assets {
            [Some(one), Some(other)] if one == other && one != asset => Code::AssetsDiffer,
            _ => self.link(t),
        }
    }
}
