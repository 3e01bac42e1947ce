//! Fixed charges: what a member pays for being one, whatever it trades.

use super::accounts::{PLATFORM, TAX};
use super::draft::{Draft, Line};
use super::error::SettleError;
use super::posting::Kind;
use super::slot::{FEE_SUBSCRIPTION, TAX_SUBSCRIPTION, check_member};
use super::tariff::tax;

/// One fee line a row and its tax, both forced; a row of 0 leaves no posting.
pub(super) fn charge(
    draft: &mut Draft<'_>,
    accounts: &[u64],
    amounts: &[i64],
    tax_ppm: &[u32],
) -> Result<(), SettleError> {
    for ((&account, &amount), &ppm) in accounts.iter().zip(amounts).zip(tax_ppm) {
        check_member(draft, account)?;
        if amount < 0 {
            return Err(SettleError::NegativeAmount { account, amount });
        }
        if amount == 0 {
            continue;
        }
        let fee = draft
            .push(Line { code: FEE_SUBSCRIPTION, ..Line::new(Kind::Fee, account, PLATFORM, i128::from(amount)) })?;
        let due = tax(i128::from(amount), ppm);
        if due != 0 {
            draft.push(Line { code: TAX_SUBSCRIPTION, group: Some(fee), ..Line::new(Kind::Tax, account, TAX, due) })?;
        }
    }
    Ok(())
}
