//! Binding of the bank. Participants are account ids here; `fastclear/settlement.py` knows their names.
//!
//! Every call is short and stays attached, so columns are borrowed, writable or not.
//!
//! | Python | Rust |
//! |---|---|
//! | `ndarray[uint8]` sides, `[int64]` prices, quantities, rows, `[uint64]` accounts and ids | slices |
//! | tuple of arrays and of what goes for all of them | [`ClearedSlot`] |
//! | name of a profile and a tuple of four numbers | [`Profile`] with its [`LoanTerms`] |
//! | `int` money | `i64` in, `i128` out |
//! | [`SettleError`] | `SettlementError`, with the member's name in front |

use std::collections::BTreeMap;

use fastclear_core::settlement::accounts::{DEBT_OFFSET, FIRST_MEMBER, MONEY, is_member};
use fastclear_core::settlement::credit::loan::{Loan, Part};
use fastclear_core::settlement::credit::terms::LoanTerms;
use fastclear_core::settlement::netting::Payment;
use fastclear_core::settlement::purses::{PURSE_STEP, PURSES, house_names, owner};
use fastclear_core::settlement::resettlement::{SettledSlot, Version};
use fastclear_core::settlement::{
    Bank, Bill, ClearedSlot, Entries, FeeShare, Imbalance, Kind, Meter, Orders, Owner, PooledSlot, Posting, Profile,
    Rules, SettleError, Shortfall, Tariff, TaxRates, Terms, bill_list, credit, delivery, disputes, hash_lines, pool,
    profile_lines, provisional, resettlement, rules, slot,
};
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::Exception;

type Column<'py, T> = PyReadonlyArray1<'py, T>;
/// Account, opening, deposited, net, closing.
type CycleRow = (u64, i128, i128, i128, i128);
/// Account, posted, pending out, pending in, available, limit, version, status.
type BalanceRow = (u64, i128, i128, i128, i128, i128, u64, Option<&'static str>);
/// Member, seq of the draw, lender, drawn, day of the draw, day on which it is due, principal, interest, penalty.
type LoanRow = (u64, u64, u64, i64, u64, u64, i64, i128, i128);
/// First seq, one past the last seq, engine time, versions, whether frozen, standing.
type SlotRow = (u64, u64, u64, usize, bool, &'static str);
/// Engine time, first seq, one past the last seq, readings, money moved.
type VersionRow = (u64, u64, u64, usize, i128);
/// Capital, interest and penalties received, principal written off.
type BookRow = (i128, i128, i128, i128);
/// side, account, market, order, buy row, sell row, quantity, buy price, sell price, and of their money: buy amount,
/// sell amount, denominator, whether prices are per unit, account of a deficit, network fee.
type ClearedColumns<'py> = (
    Column<'py, u8>,
    Column<'py, u64>,
    Column<'py, u64>,
    Column<'py, u64>,
    Column<'py, i64>,
    Column<'py, i64>,
    Column<'py, i64>,
    Column<'py, i64>,
    Column<'py, i64>,
    (Column<'py, i64>, Column<'py, i64>, i64, bool, u64, Option<Column<'py, i64>>),
);

/// account, market, load; net, local, payment; rows of the grid: market, quantity, price; rows of the operator: market,
/// quantity, price, amount.
type PoolColumns<'py> = (
    (Column<'py, u64>, Column<'py, u64>, Column<'py, u64>),
    (Column<'py, i64>, Column<'py, i64>, Column<'py, i64>),
    (Column<'py, u64>, Column<'py, i64>, Column<'py, i64>),
    (Column<'py, u64>, Column<'py, i64>, Column<'py, i64>, Column<'py, i64>),
);

/// Accounts and reservations of one community.
#[pyclass(module = "fastclear._core", name = "Bank")]
struct PyBank {
    bank: Bank,
    /// Names of the members in order of opening, for messages.
    names: Vec<String>,
}

impl PyBank {
    fn error(&self, error: &SettleError) -> PyErr {
        let Some(account) = error.account() else {
            return Exception::Settlement.with(error.to_string());
        };
        let named = owner(account).and_then(|(purpose, member)| {
            let name = self.names.get(usize::try_from(member - FIRST_MEMBER).ok()?)?;
            let of =
                PURSES.iter().find(|&&(id, ..)| id == purpose).map_or(String::new(), |(_, of, _)| format!(" ({of})"));
            Some(format!("participant {name}{of}: {error}"))
        });
        Exception::Settlement.with(named.unwrap_or_else(|| format!("account {account}: {error}")))
    }
}

#[pymethods]
impl PyBank {
    /// `policy`: the word of one; `terms`: penalty in ticks, dead band in Wh, account that has what is left over, 0 for
    /// the members, as far as the policy reads them.
    #[new]
    fn new(tariff_values: (i64, i64, i64, i64, u32), policy: &str, terms: (i64, i64, u64)) -> PyResult<Self> {
        let (retail, feed_in, platform_fee, network_fee, tax_ppm) = tariff_values;
        let imbalance = imbalance(policy, terms)?;
        let tariff = tariff(retail, feed_in, platform_fee, network_fee, tax_ppm)?;
        let bank = Bank::new(tariff).map_err(|error| Exception::Settlement.with(error.to_string()))?;
        Ok(Self { bank: bank.with_imbalance(imbalance), names: Vec::new() })
    }

    /// Opens one account a name and returns the id of the first.
    fn open(&mut self, names: Vec<String>, limit: i64) -> PyResult<u64> {
        let first = self.bank.open(names.len(), limit).map_err(|error| self.error(&error))?;
        self.names.extend(names);
        Ok(first)
    }

    /// The terms of the calls that follow: prices and fees as in a tariff, the slot, tax on energy, platform fee,
    /// network fee and residual, then (ppm, account) of the shares of both fees.
    fn set_terms(
        &mut self,
        prices: (i64, i64, i64, i64),
        slot: i64,
        tax_ppm: (u32, u32, u32, u32),
        shares: [(u32, u64); 2],
    ) -> PyResult<()> {
        let (energy, platform, network, residual) = tax_ppm;
        let tariff = tariff(prices.0, prices.1, prices.2, prices.3, 0)?;
        let rates = TaxRates { energy, platform, network, residual };
        let terms = Terms::new(&tariff, slot, rates, shares.map(|(ppm, to)| FeeShare { ppm, to }))
            .map_err(|error| Exception::Settlement.with(error.to_string()))?;
        self.bank.set_terms(terms);
        Ok(())
    }

    /// Charges each account a fixed amount and its tax, whatever is available.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn charge(
        &mut self,
        accounts: Column<'_, u64>,
        amounts: Column<'_, i64>,
        tax_ppm: Column<'_, u32>,
    ) -> PyResult<()> {
        self.bank
            .charge(accounts.as_slice()?, amounts.as_slice()?, tax_ppm.as_slice()?)
            .map_err(|error| self.error(&error))
    }

    fn set_limit(&mut self, account: u64, limit: i64) -> PyResult<()> {
        self.bank.set_limit(account, limit).map_err(|error| self.error(&error))
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn deposit(&mut self, accounts: Column<'_, u64>, amounts: Column<'_, i64>) -> PyResult<()> {
        self.bank.deposit(accounts.as_slice()?, amounts.as_slice()?).map_err(|error| self.error(&error))
    }

    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn withdraw(&mut self, accounts: Column<'_, u64>, amounts: Column<'_, i64>) -> PyResult<()> {
        self.bank.withdraw(accounts.as_slice()?, amounts.as_slice()?).map_err(|error| self.error(&error))
    }

    /// One reject code a row; `codes` holds those that are known already.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    fn reserve<'py>(
        &mut self,
        py: Python<'py>,
        side: Column<'py, u8>,
        price: Column<'py, i64>,
        quantity: Column<'py, i64>,
        account: Column<'py, u64>,
        market: Column<'py, u64>,
        order: Column<'py, u64>,
        codes: Column<'py, u16>,
        network_fee: Option<Column<'py, i64>>,
    ) -> PyResult<Bound<'py, PyArray1<u16>>> {
        let orders = Orders {
            side: side.as_slice()?,
            price: price.as_slice()?,
            quantity: quantity.as_slice()?,
            account: account.as_slice()?,
            market: market.as_slice()?,
            order: order.as_slice()?,
            network_fee: network_fee.as_ref().map(Column::as_slice).transpose()?,
        };
        let mut codes = codes.as_slice()?.to_vec();
        self.bank.reserve(&orders, &mut codes).map_err(|error| self.error(&error))?;
        Ok(codes.into_pyarray(py))
    }

    /// Settles one slot; `due`: whether whoever traded should have a reading.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn settle(
        &mut self,
        clearings: Vec<ClearedColumns<'_>>,
        pools: Vec<PoolColumns<'_>>,
        meter_account: Column<'_, u64>,
        meter_energy: Column<'_, i64>,
        due: bool,
        losses: i64,
    ) -> PyResult<()> {
        let clearings = clearings
            .iter()
            .map(|c| {
                Ok(ClearedSlot {
                    side: c.0.as_slice()?,
                    account: c.1.as_slice()?,
                    market: c.2.as_slice()?,
                    order: c.3.as_slice()?,
                    buy_row: c.4.as_slice()?,
                    sell_row: c.5.as_slice()?,
                    quantity: c.6.as_slice()?,
                    buy_price: c.7.as_slice()?,
                    sell_price: c.8.as_slice()?,
                    buy_amount: c.9.0.as_slice()?,
                    sell_amount: c.9.1.as_slice()?,
                    den: c.9.2,
                    per_unit: c.9.3,
                    deficit_to: c.9.4,
                    network_fee: c.9.5.as_ref().map(Column::as_slice).transpose()?,
                })
            })
            .collect::<PyResult<Vec<_>>>()?;
        let meter = Meter { account: meter_account.as_slice()?, energy: meter_energy.as_slice()?, due, losses };
        let pools = pools
            .iter()
            .map(|(ids, loads, grid, operator)| {
                Ok(PooledSlot {
                    account: ids.0.as_slice()?,
                    market: ids.1.as_slice()?,
                    order: ids.2.as_slice()?,
                    net: loads.0.as_slice()?,
                    local: loads.1.as_slice()?,
                    payment: loads.2.as_slice()?,
                    grid_market: grid.0.as_slice()?,
                    grid_quantity: grid.1.as_slice()?,
                    grid_price: grid.2.as_slice()?,
                    operator_market: operator.0.as_slice()?,
                    operator_quantity: operator.1.as_slice()?,
                    operator_price: operator.2.as_slice()?,
                    operator_amount: operator.3.as_slice()?,
                })
            })
            .collect::<PyResult<Vec<_>>>()?;
        self.bank.settle_with_pools(&clearings, &pools, &meter).map_err(|error| self.error(&error))
    }

    /// Settles a slot anew, counted from 0 in the order of settling, by what later readings change.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn resettle(&mut self, slot: usize, meter_account: Column<'_, u64>, meter_energy: Column<'_, i64>) -> PyResult<()> {
        let meter =
            Meter { account: meter_account.as_slice()?, energy: meter_energy.as_slice()?, due: false, losses: 0 };
        self.bank.resettle(slot, &meter).map_err(|error| self.error(&error))
    }

    /// Slots settled from now on are provisional for so many ns.
    fn set_confirm_after(&mut self, ns: u64) {
        self.bank.set_confirm_after(ns);
    }

    /// Takes a provisional slot back.
    fn reverse(&mut self, slot: usize) -> PyResult<()> {
        self.bank.reverse(slot).map_err(|error| self.error(&error))
    }

    /// What a member earned in slots that are not confirmed, and in those that were provisional and are confirmed now.
    fn earnings(&self, account: u64) -> (i128, i128) {
        (self.bank.unconfirmed(account), self.bank.confirmed_income(account))
    }

    /// Makes the readings of these slots final.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands lists over by value")]
    fn freeze(&mut self, slots: Vec<usize>) -> PyResult<()> {
        self.bank.freeze(&slots).map_err(|error| self.error(&error))
    }

    /// Of each slot that was settled: first seq, one past the last seq of its first version, engine time of that, how
    /// many versions, whether its readings are final, where it stands.
    fn slots(&self) -> Vec<SlotRow> {
        let row = |slot: &SettledSlot| {
            let versions = slot.versions().len();
            let row = |v: &Version| (v.first_seq, v.end_seq, v.time_ns, versions, slot.frozen(), slot.standing());
            slot.versions().first().map(row)
        };
        self.bank.slots().filter_map(row).collect()
    }

    /// Slots whose first version begins within these places, by number.
    fn slots_between(&self, first_seq: u64, end_seq: u64) -> Vec<usize> {
        self.bank.slots_between(first_seq, end_seq).collect()
    }

    /// Whether the readings of a slot are final.
    fn frozen(&self, slot: usize) -> bool {
        self.bank.slots().nth(slot).is_some_and(SettledSlot::frozen)
    }

    /// The readings of a slot that hold, by account; none where they are final.
    fn readings(&self, slot: usize) -> BTreeMap<u64, i64> {
        self.bank.slots().nth(slot).map(SettledSlot::readings).unwrap_or_default()
    }

    /// Engine time, first seq, one past the last seq, readings, money moved: one tuple a version of a slot.
    fn versions(&self, slot: usize) -> Vec<VersionRow> {
        let versions = self.bank.slots().nth(slot).map_or(&[][..], SettledSlot::versions);
        versions.iter().map(|v| (v.time_ns, v.first_seq, v.end_seq, v.readings, v.moved)).collect()
    }

    /// Enters lines, all or none, and returns the seq of each; optional columns: group (seq, -1 none, -2 - k row k),
    /// quantity, price, market, buy order, sell order.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    #[allow(clippy::too_many_arguments, reason = "one a column")]
    #[pyo3(signature = (kind, code, debit, credit, amount, *, group=None, quantity=None, price=None, market=None,
                        buy_order=None, sell_order=None, forced=false))]
    fn enter<'py>(
        &mut self,
        py: Python<'py>,
        kind: Column<'py, u8>,
        code: Column<'py, u16>,
        debit: Column<'py, u64>,
        credit: Column<'py, u64>,
        amount: Column<'py, i64>,
        group: Option<Column<'py, i64>>,
        quantity: Option<Column<'py, i64>>,
        price: Option<Column<'py, i64>>,
        market: Option<Column<'py, u64>>,
        buy_order: Option<Column<'py, u64>>,
        sell_order: Option<Column<'py, u64>>,
        forced: bool,
    ) -> PyResult<Bound<'py, PyArray1<u64>>> {
        let entries = Entries {
            kind: kind.as_slice()?,
            code: code.as_slice()?,
            debit: debit.as_slice()?,
            credit: credit.as_slice()?,
            amount: amount.as_slice()?,
            group: group.as_ref().map(Column::as_slice).transpose()?,
            quantity: quantity.as_ref().map(Column::as_slice).transpose()?,
            price: price.as_ref().map(Column::as_slice).transpose()?,
            market: market.as_ref().map(Column::as_slice).transpose()?,
            buy_order: buy_order.as_ref().map(Column::as_slice).transpose()?,
            sell_order: sell_order.as_ref().map(Column::as_slice).transpose()?,
        };
        let seqs = self.bank.enter(&entries, forced).map_err(|error| self.error(&error))?;
        Ok(seqs.into_pyarray(py))
    }

    /// Enters lines that carry hashes, `(kind, code, hash)` each, all or none, and returns the seq of each.
    fn enter_hashes(&mut self, rows: Vec<(u8, u16, [u8; 32])>) -> PyResult<Vec<u64>> {
        let kinds = rows.into_iter().map(|(kind, code, hash)| Some((Kind::from_number(kind)?, code, hash)));
        let rows: Option<Vec<_>> = kinds.collect();
        let rows = rows.ok_or_else(|| Exception::Settlement.with("a kind that no posting has".to_owned()))?;
        self.bank.enter_hashes(&rows).map_err(|error| self.error(&error))
    }

    /// Engine time of the next posting.
    fn now(&self) -> u64 {
        self.bank.now()
    }

    /// How many postings there have been.
    fn postings(&self) -> u64 {
        self.bank.postings()
    }

    /// Every posting since the last call.
    fn take(&mut self) -> PyPostings {
        PyPostings { postings: self.bank.take() }
    }

    /// Account, opening, deposited, net, closing: one tuple an account that holds money.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn close_cycle(&mut self, failed: Column<'_, u64>) -> PyResult<Vec<CycleRow>> {
        let lines = self.bank.close_cycle(failed.as_slice()?).map_err(|error| self.error(&error))?;
        Ok(lines.iter().map(|l| (l.account, l.opening, l.deposited, l.net, l.closing)).collect())
    }

    fn advance(&mut self, time_ns: u64) -> PyResult<()> {
        self.bank.advance(time_ns).map_err(|error| self.error(&error))
    }

    /// Account, posted, pending out, pending in, available, limit, version, status of a member: one tuple an account
    /// that holds money.
    fn balances(&self) -> Vec<BalanceRow> {
        let accounts = self.bank.accounts().iter().filter(|(_, held)| held.asset == MONEY);
        accounts
            .map(|(id, held)| {
                let (available, status) = if is_member(id) {
                    (self.bank.available(id), Some(self.bank.status(id).name()))
                } else {
                    (held.available(), None)
                };
                (id, held.posted, held.pending_out, held.pending_in, available, held.limit, held.version, status)
            })
            .collect()
    }

    /// Gives a new bank its profile: `"prepaid"`, `"credit_bank"` or `"postpaid_netting"`; `terms` are interest in ppm, the
    /// days it is for, the term in days, and the penalty in ppm a day, and are not read by "prepaid".
    fn set_profile(&mut self, profile: &str, terms: (u32, u32, u32, u32)) -> PyResult<()> {
        let terms = LoanTerms::new(terms.0, terms.1, terms.2, terms.3)
            .map_err(|error| Exception::Settlement.with(format!("profile {profile}: {error}")))?;
        let profile = match profile {
            "prepaid" => Profile::Prepaid,
            "credit_bank" => Profile::CreditBank(terms),
            "postpaid_netting" => Profile::PostpaidNetting(terms),
            _ => return Err(Exception::Settlement.with(format!("profile {profile:?} is unknown"))),
        };
        self.bank = self.bank.clone().with_profile(profile).map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Gives a new bank rules beside its profile: money that bidders must keep, bond in ppm where payments wait in
    /// escrow, ppm of sellers' proceeds to platform and network.
    fn set_rules(&mut self, minimum_holding: i64, bond_ppm: Option<u32>, proceeds_ppm: (u32, u32)) -> PyResult<()> {
        let rules = Rules { minimum_holding, bond_ppm, proceeds_ppm: proceeds_ppm.into() };
        self.bank = self.bank.clone().with_rules(rules).map_err(|error| self.error(&error))?;
        Ok(())
    }

    /// Puts capital in, or takes it out where the amount is negative.
    fn fund(&mut self, amount: i64) -> PyResult<()> {
        self.bank.fund(amount).map_err(|error| self.error(&error))
    }

    /// What was repaid.
    fn repay(&mut self, account: u64, amount: Option<i64>) -> PyResult<i128> {
        self.bank.repay(account, amount).map_err(|error| self.error(&error))
    }

    fn write_off(&mut self, account: u64) -> PyResult<()> {
        self.bank.write_off(account).map_err(|error| self.error(&error))
    }

    fn close(&mut self, account: u64) -> PyResult<()> {
        self.bank.close(account).map_err(|error| self.error(&error))
    }

    fn loans(&self) -> Vec<LoanRow> {
        let row = |((account, seq), loan): ((u64, u64), &Loan)| {
            let owed = [Part::Interest, Part::Penalty].map(|part| loan.owed(part));
            let days = (loan.drawn_day, loan.due_day);
            (account, seq, loan.lender, loan.drawn, days.0, days.1, loan.principal, owed[0], owed[1])
        };
        self.bank.loans().map(row).collect()
    }

    fn book(&self) -> Option<BookRow> {
        self.bank.book().map(|book| (book.capital, book.interest, book.penalty, book.written_off))
    }

    /// Payer, payee, amount: the payments that would settle the cycle.
    #[allow(clippy::needless_pass_by_value, reason = "pyo3 hands arrays over by value")]
    fn net_payments(&self, failed: Column<'_, u64>) -> PyResult<Vec<(u64, u64, i128)>> {
        let payments = self.bank.net_payments(failed.as_slice()?).map_err(|error| self.error(&error))?;
        Ok(payments.iter().map(|&Payment { debit, credit, amount, .. }| (debit, credit, amount)).collect())
    }

    /// The day that the engine clock shows, counted from 1970 UTC.
    fn today(&self) -> u64 {
        self.bank.today()
    }

    /// A bank of its own in the same state.
    fn copy(&self) -> Self {
        Self { bank: self.bank.clone(), names: self.names.clone() }
    }

    /// Available money of one account, None if it is not open.
    fn available(&self, account: u64) -> Option<i128> {
        self.bank.accounts().get(account).map(|_| self.bank.available(account))
    }
}

/// A run of postings.
#[pyclass(frozen, module = "fastclear._core", name = "Postings")]
pub struct PyPostings {
    /// In order.
    pub postings: Vec<Posting>,
}

#[pymethods]
impl PyPostings {
    fn __len__(&self) -> usize {
        self.postings.len()
    }

    /// One fresh array a field.
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        macro_rules! column {
            ($($name:ident: $value:expr),+ $(,)?) => {
                $(columns.set_item(
                    stringify!($name),
                    self.postings.iter().map($value).collect::<Vec<_>>().into_pyarray(py),
                )?;)+
            };
        }
        column! {
            kind: |p| p.kind as u8,
            flags: |p| p.flags,
            code: |p| p.code,
            asset: |p| p.asset,
            seq: |p| p.seq,
            time_ns: |p| p.time_ns,
            market: |p| p.market,
            buy_order: |p| p.buy_order,
            sell_order: |p| p.sell_order,
            debit: |p| p.debit,
            credit: |p| p.credit,
            quantity: |p| p.quantity,
            price: |p| p.price,
            amount: |p| p.amount,
            group: |p| p.group,
        }
        Ok(columns)
    }

    /// The bill of every member touched, one fresh array a line.
    fn bills<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let bills = py.detach(|| bill_list(&self.postings)); // nobody can change them meanwhile
        let columns = PyDict::new(py);
        let accounts: Vec<u64> = bills.iter().map(|&(account, _)| account).collect();
        columns.set_item("account", accounts.into_pyarray(py))?;
        macro_rules! line {
            ($($name:ident: $value:expr),+ $(,)?) => {
                $({
                    let line: Result<Vec<i64>, _> =
                        bills.iter().map(|(_, bill)| bill).map($value).map(i64::try_from).collect();
                    let line = line.map_err(|_| Exception::Settlement.with(concat!(
                        "a total of the line ", stringify!($name),
                        " leaves 64 bits; take receipts more often",
                    )))?;
                    columns.set_item(stringify!($name), line.into_pyarray(py))?;
                })+
            };
        }
        line! {
            energy: |b| b.energy,
            platform: |b| b.platform,
            network: |b| b.network,
            residual: |b| b.residual,
            feed_in: |b| b.feed_in,
            imbalance: |b| b.imbalance,
            correction: |b| b.correction,
            subscription: |b| b.subscription,
            tax: |b| b.tax,
            net: Bill::net,
        }
        Ok(columns)
    }
}

/// Refuses a tariff that cannot be.
#[pyfunction]
fn check_tariff(retail: i64, feed_in: i64, platform_fee: i64, network_fee: i64, tax_ppm: u32) -> PyResult<()> {
    tariff(retail, feed_in, platform_fee, network_fee, tax_ppm).map(|_| ())
}

/// The policy of this word; see `Bank`.
pub fn imbalance(policy: &str, (penalty, dead_band, account): (i64, i64, u64)) -> PyResult<Imbalance> {
    let residual_to = if account == 0 { Owner::Members } else { Owner::House(account) };
    Ok(match policy {
        "backup" => Imbalance::Backup { residual_to },
        "single" => Imbalance::SinglePrice,
        "dual" => Imbalance::DualPrice { penalty, dead_band, to: residual_to },
        "pooled" => Imbalance::Pooled,
        "buyer_made_whole" => Imbalance::ShortfallAllocation { rule: Shortfall::BuyerMadeWhole, residual_to },
        "buyer_pays_retail" => Imbalance::ShortfallAllocation { rule: Shortfall::BuyerPaysRetail, residual_to },
        _ => return Err(Exception::Settlement.with(format!("imbalance policy {policy:?} is unknown"))),
    })
}

/// The tariff of these prices and fees, in ticks, and this tax.
pub fn tariff(retail: i64, feed_in: i64, platform_fee: i64, network_fee: i64, tax_ppm: u32) -> PyResult<Tariff> {
    Tariff::new(retail, feed_in, platform_fee, network_fee, tax_ppm)
        .map_err(|error| Exception::Settlement.with(error.to_string()))
}

/// Adds this file's classes and functions to `_core`.
pub fn register(m: &Bound<'_, PyModule>) -> PyResult<()> {
    m.add_class::<PyBank>()?;
    m.add_class::<PyPostings>()?;
    m.add_function(wrap_pyfunction!(check_tariff, m)?)?;
    m.add("HOUSE_ACCOUNTS", house_names().collect::<Vec<_>>())?;
    m.add("PURSES", PURSES.map(|(purpose, name, _)| (purpose, name)).to_vec())?;
    m.add("PURSE_STEP", PURSE_STEP)?;
    m.add("DEBT_OFFSET", DEBT_OFFSET)?;
    m.add("FIRST_MEMBER", FIRST_MEMBER)?;
    m.add("KIND_NAMES", Kind::ALL.map(|kind| (kind as u8, kind.name())).to_vec())?;
    let lines = slot::LINES
        .iter()
        .chain(&pool::LINES)
        .chain(&delivery::LINES)
        .chain(&credit::LINES)
        .chain(&rules::LINES)
        .chain(&resettlement::LINES)
        .chain(&provisional::LINES)
        .chain(&profile_lines::LINES)
        .chain(&disputes::LINES)
        .chain(&hash_lines::LINES);
    m.add("LINE_NAMES", lines.map(|&(kind, code, name)| (kind as u8, code, name)).collect::<Vec<_>>())?;
    Ok(())
}
