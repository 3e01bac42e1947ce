//! Reservations and slots by hand: the cases that a random test reaches rarely.

use super::super::accounts::DSO;
use super::super::bill::bills;
use super::super::error::TradeFault;
use super::super::slot::{FEE_DEFICIT, FEE_ROUNDING, FEE_SPREAD, TRADE_BUYER, TRADE_SELLER, TRADE_SUM, TRADE_SUM_PAID};
use super::*;

/// Retail 30, feed-in 5, platform 1, network 2, tax 20 %, in ticks.
fn bank(members: usize, deposit: i64) -> Result<Bank, SettleError> {
    let tariff = Tariff::new(30, 5, 1, 2, 200_000).unwrap_or_default();
    let mut bank = Bank::new(tariff)?;
    let first = bank.open(members, 0)?;
    let accounts: Vec<u64> = (first..first + members as u64).collect();
    bank.deposit(&accounts, &vec![deposit; members])?;
    bank.take();
    Ok(bank)
}

/// Member 1000 buys up to 10 at 20, member 1001 sells.
const ORDERS: Orders<'static> = Orders {
    side: &[1, 0],
    price: &[20, 15],
    quantity: &[10, 10],
    account: &[1000, 1001],
    market: &[7, 7],
    order: &[3, 4],
    network_fee: None,
};

/// The order traded 6 at 18, or whatever `quantity` and `price` say.
fn cleared<'a>(quantity: &'a [i64], price: &'a [i64]) -> ClearedSlot<'a> {
    let rows = &[0_i64, 0][..quantity.len()];
    let sells = &[1_i64, 1][..quantity.len()];
    let amount = Vec::leak(quantity.iter().zip(price).map(|(lots, ticks)| lots * ticks).collect());
    ClearedSlot {
        side: ORDERS.side,
        account: ORDERS.account,
        market: ORDERS.market,
        order: ORDERS.order,
        buy_row: rows,
        sell_row: sells,
        quantity,
        buy_price: price,
        sell_price: price,
        buy_amount: amount,
        sell_amount: amount,
        ..ClearedSlot::default()
    }
}

const NO_METER: Meter<'static> = Meter { account: &[], energy: &[], due: false, losses: 0 };

fn reserve(bank: &mut Bank, orders: &Orders<'_>) -> Result<Vec<u16>, SettleError> {
    let mut codes = vec![0; orders.side.len()];
    bank.reserve(orders, &mut codes)?;
    Ok(codes)
}

fn posted(bank: &Bank, account: u64) -> i128 {
    bank.accounts().get(account).map_or(0, |a| a.posted)
}

fn available(bank: &Bank, account: u64) -> i128 {
    bank.accounts().get(account).map_or(0, Account::available)
}

#[test]
fn a_bid_is_covered_at_its_worst_case_and_drawn_at_its_price() -> Result<(), SettleError> {
    let mut bank = bank(2, 300)?;
    assert_eq!(reserve(&mut bank, &ORDERS)?, [0, 0]);
    // 23 a unit with fees, tax 4.6 rounded up to 5: 28 * 10.
    assert_eq!(available(&bank, 1000), 300 - 280);
    bank.settle(&[cleared(&[6], &[18])], &NO_METER)?;
    // 6 * (18 + 3) = 126, tax 25.2 -> 25.
    assert_eq!((posted(&bank, 1000), available(&bank, 1000)), (300 - 151, 300 - 151));
    assert_eq!((posted(&bank, 1001), posted(&bank, 3), posted(&bank, 4), posted(&bank, 5)), (408, 6, 12, 25));
    assert_eq!((posted(&bank, 2), bank.accounts().reservations().len()), (0, 0));
    let postings = bank.take();
    let kinds: Vec<(Kind, u16, u64)> = postings.iter().map(|p| (p.kind, p.code, p.group)).collect();
    let reserve = postings[0].seq;
    let expected = [
        (Kind::Reserve, 0, reserve),
        (Kind::Post, 0, reserve),
        (Kind::Trade, 0, reserve + 1),
        (Kind::Fee, 1, reserve + 2),
        (Kind::Fee, 2, reserve + 2),
        (Kind::Tax, 1, reserve + 2),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(bills(&postings)[&1000].net(), 151);
    assert_eq!(bills(&postings)[&1001].net(), -108);
    Ok(())
}

#[test]
fn what_does_not_trade_is_released() -> Result<(), SettleError> {
    let mut bank = bank(2, 300)?;
    reserve(&mut bank, &ORDERS)?;
    bank.settle(&[cleared(&[], &[])], &NO_METER)?;
    assert_eq!(available(&bank, 1000), 300);
    assert_eq!(bank.take().last().map(|p| p.kind), Some(Kind::Void));
    Ok(())
}

#[test]
fn a_reservation_of_another_slot_stays_open() -> Result<(), SettleError> {
    let mut bank = bank(2, 600)?;
    reserve(&mut bank, &ORDERS)?;
    reserve(&mut bank, &Orders { market: &[8, 8], ..ORDERS })?;
    bank.settle(&[cleared(&[6], &[18])], &NO_METER)?;
    assert_eq!(bank.accounts().reservations().len(), 1);
    assert_eq!(available(&bank, 1000), 600 - 151 - 280);
    Ok(())
}

#[test]
fn cover_that_is_not_there_is_a_code() -> Result<(), SettleError> {
    let mut bank = bank(2, 279)?;
    assert_eq!(reserve(&mut bank, &ORDERS)?, [RejectReason::CreditExceeded.code(), 0]);
    assert_eq!(available(&bank, 1000), 279);
    bank.set_limit(1000, 1)?;
    assert_eq!(reserve(&mut bank, &ORDERS)?, [0, 0], "a limit is credit");
    Ok(())
}

#[test]
fn every_code_the_bank_can_give() -> Result<(), SettleError> {
    let mut bank = bank(1, 1 << 40)?;
    let big = 1_i64 << 31;
    let orders = Orders {
        side: &[1, 1, 1, 1, 9, 0, 1],
        price: &[big, -big, 1, 1, 1, big, 1],
        quantity: &[1, 1, 0, big, 1, -1, 1],
        account: &[1000; 7],
        market: &[0; 7],
        order: &[0, 1, 2, 3, 4, 5, 6],
        network_fee: None,
    };
    let mut codes = [0, 0, 0, 0, 0, 0, 11];
    bank.reserve(&orders, &mut codes)?;
    assert_eq!(codes, [5, 5, 8, 8, 1, 0, 11], "a code given on entry stands");
    assert_eq!(bank.accounts().reservations().len(), 0);
    Ok(())
}

#[test]
fn an_unreserved_buyer_pays_on_the_spot_or_not_at_all() -> Result<(), SettleError> {
    let mut rich = bank(2, 151)?;
    rich.settle(&[cleared(&[6], &[18])], &NO_METER)?;
    assert_eq!(posted(&rich, 1000), 0);
    let mut poor = bank(2, 150)?;
    let before = poor.clone();
    let error = SettleError::NotCovered { account: 1000, order: 3, due: 151, available: 150 };
    assert_eq!(poor.settle(&[cleared(&[6], &[18])], &NO_METER), Err(error));
    assert_eq!(poor.accounts(), before.accounts());
    assert_eq!(poor.postings(), before.postings());
    Ok(())
}

#[test]
fn one_order_may_stand_in_two_clearings_of_a_slot() -> Result<(), SettleError> {
    let mut bank = bank(2, 280)?;
    reserve(&mut bank, &ORDERS)?;
    bank.settle(&[cleared(&[4], &[20]), cleared(&[6], &[18])], &NO_METER)?;
    // 4 * 23 = 92, tax 18.4; 6 * 21 = 126, tax 25.2: rounded trade by trade.
    assert_eq!(posted(&bank, 1000), 280 - (92 + 18) - (126 + 25));
    Ok(())
}

#[test]
fn two_orders_of_one_name_take_a_reservation_each() -> Result<(), SettleError> {
    let mut bank = bank(2, 560)?;
    reserve(&mut bank, &ORDERS)?;
    reserve(&mut bank, &ORDERS)?;
    bank.settle(&[cleared(&[10], &[20]), cleared(&[10], &[20])], &NO_METER)?;
    assert_eq!(posted(&bank, 1000), 560 - 2 * (230 + 46));
    assert_eq!(bank.accounts().reservations().len(), 0);
    Ok(())
}

#[test]
fn a_buyer_cannot_be_made_to_pay_beyond_the_cover() -> Result<(), SettleError> {
    let mut bank = bank(2, 10_000)?;
    reserve(&mut bank, &ORDERS)?;
    let before = bank.clone();
    let error = SettleError::ExceedsCover { account: 1000, order: 3, due: 324, reserved: 280 };
    assert_eq!(bank.settle(&[cleared(&[10], &[24])], &NO_METER), Err(error));
    assert_eq!(bank.accounts(), before.accounts());
    Ok(())
}

#[test]
fn at_a_negative_price_the_seller_pays() -> Result<(), SettleError> {
    let mut bank = bank(2, 100)?;
    reserve(&mut bank, &Orders { price: &[-10, -20], ..ORDERS })?;
    assert_eq!(available(&bank, 1000), 100, "a bid that can only receive needs no cover");
    bank.settle(&[cleared(&[10], &[-15])], &NO_METER)?;
    // Buyer: 10 * (-15 + 3) = -120, tax -24.
    assert_eq!((posted(&bank, 1000), posted(&bank, 1001), posted(&bank, 2)), (244, -50, 0));
    assert_eq!((posted(&bank, 3), posted(&bank, 4), posted(&bank, 5)), (10, 20, -24));
    let postings = bank.take();
    assert!(postings.iter().all(|p| p.amount >= 0));
    let bills = bills(&postings);
    assert_eq!((bills[&1000].net(), bills[&1001].net()), (-144, 150));
    assert_eq!((bills[&1000].energy, bills[&1000].tax), (-150, -24));
    Ok(())
}

#[test]
fn the_spread_goes_to_the_platform() -> Result<(), SettleError> {
    let mut bank = bank(2, 300)?;
    let slot = ClearedSlot { sell_price: &[16], sell_amount: &[160], ..cleared(&[10], &[18]) };
    bank.settle(&[slot], &NO_METER)?;
    assert_eq!((posted(&bank, 3), posted(&bank, 1001)), (10 + 20, 300 + 160));
    let postings = bank.take();
    assert_eq!(bills(&postings)[&1000].energy, 180, "the buyer's price holds the spread");
    Ok(())
}

/// Kind, code, price and amount of every line that pays out a trade.
fn paid_out(bank: &mut Bank) -> Vec<(Kind, u16, i64, i64)> {
    let postings = bank.take();
    let trades = postings.iter().filter(|p| matches!(p.kind, Kind::Trade | Kind::Fee));
    trades.map(|p| (p.kind, p.code, p.price, p.amount)).collect()
}

/// A bank without fees and taxes.
fn free_bank(members: usize, deposit: i64) -> Result<Bank, SettleError> {
    let mut bank = Bank::new(Tariff::default())?;
    let first = bank.open(members, 0)?;
    let accounts: Vec<u64> = (first..first + members as u64).collect();
    bank.deposit(&accounts, &vec![deposit; members])?;
    bank.take();
    Ok(bank)
}

#[test]
fn half_units_go_to_the_rounding_account() -> Result<(), SettleError> {
    // price over 2, what the buyer pays, what the seller receives, what is left over
    for (price, pays, receives, left) in [(31, 47, 46, 1), (30, 45, 45, 0), (-31, -46, -47, 1), (-30, -45, -45, 0)] {
        let mut bank = free_bank(2, 1_000)?;
        bank.settle(&[ClearedSlot { den: 2, ..cleared(&[3], &[price]) }], &NO_METER)?;
        assert_eq!((posted(&bank, 1000), posted(&bank, 1001)), (1_000 - pays, 1_000 + receives), "{price}/2");
        assert_eq!((posted(&bank, 7), posted(&bank, 3), posted(&bank, 2)), (left, 0, 0));
        let trade = match (price % 2, price > 0) {
            (0, _) => (Kind::Trade, TRADE_SELLER, price / 2, 45),
            (_, true) => (Kind::Trade, TRADE_SUM, 0, 46),
            (_, false) => (Kind::Trade, TRADE_SUM_PAID, 0, 47),
        };
        let found = paid_out(&mut bank);
        let lines: Vec<_> = found.into_iter().filter(|line| line.1 != TRADE_BUYER || line.0 != Kind::Trade).collect();
        let rest = (left > 0).then_some((Kind::Fee, FEE_ROUNDING, 0, 1));
        assert_eq!(lines, [trade].into_iter().chain(rest).collect::<Vec<_>>());
    }
    Ok(())
}

#[test]
fn a_half_unit_of_the_spread_is_rounding_too() -> Result<(), SettleError> {
    let mut bank = free_bank(2, 1_000)?;
    let slot = ClearedSlot { den: 2, sell_price: &[28], sell_amount: &[84], ..cleared(&[3], &[31]) };
    bank.settle(&[slot], &NO_METER)?;
    // 46.5 for 42: 47 paid, 4.5 between, of which 4 to the platform.
    assert_eq!((posted(&bank, 1000), posted(&bank, 1001), posted(&bank, 3), posted(&bank, 7)), (953, 1_042, 4, 1));
    let lines = [(Kind::Trade, TRADE_SELLER, 14, 42), (Kind::Fee, FEE_SPREAD, 0, 4), (Kind::Fee, FEE_ROUNDING, 0, 1)];
    let postings = bank.take();
    let found: Vec<_> = postings.iter().skip(2).map(|p| (p.kind, p.code, p.price, p.amount)).collect();
    assert_eq!(found, lines);
    assert_eq!(bills(&postings)[&1000].energy, 47, "the buyer's energy holds spread and rounding");
    Ok(())
}

#[test]
fn a_deficit_is_paid_by_the_account_that_is_named() -> Result<(), SettleError> {
    for (account, other) in [(3, 4), (4, 6), (6, 3)] {
        let mut bank = free_bank(2, 1_000)?;
        let sums = ClearedSlot {
            per_unit: false,
            deficit_to: account,
            buy_amount: &[20, 30],
            sell_amount: &[41, 28],
            ..cleared(&[4, 6], &[0, 0])
        };
        bank.settle(&[sums], &NO_METER)?;
        assert_eq!((posted(&bank, 1000), posted(&bank, 1001)), (950, 1_069));
        assert_eq!((posted(&bank, account), posted(&bank, other), posted(&bank, 2)), (-19, 0, 0));
        let lines = [
            (Kind::Trade, TRADE_SUM, 0, 41),
            (Kind::Fee, FEE_DEFICIT, 0, 21),
            (Kind::Trade, TRADE_SUM, 0, 28),
            (Kind::Fee, FEE_SPREAD, 0, 2),
        ];
        let postings = bank.take();
        let found: Vec<_> = postings.iter().skip(2).map(|p| (p.kind, p.code, p.price, p.amount)).collect();
        assert_eq!(found, lines);
        assert_eq!((bills(&postings)[&1000].net(), bills(&postings)[&1001].net()), (50, -69));
    }
    Ok(())
}

#[test]
fn a_surplus_goes_to_the_platform_whoever_pays_deficits() -> Result<(), SettleError> {
    let mut bank = free_bank(2, 1_000)?;
    let sums = ClearedSlot {
        per_unit: false,
        deficit_to: DSO,
        buy_amount: &[20, 30],
        sell_amount: &[22, 27],
        ..cleared(&[4, 6], &[0, 0])
    };
    bank.settle(&[sums], &NO_METER)?;
    assert_eq!((posted(&bank, 3), posted(&bank, 4)), (1, 0));
    Ok(())
}

#[test]
fn a_sum_is_held_against_the_cover_of_its_order() -> Result<(), SettleError> {
    for (amounts, owes) in [(&[80, 120], 200), (&[81, 120], 201)] {
        let mut bank = free_bank(2, 200)?;
        reserve(&mut bank, &ORDERS)?;
        let sums = ClearedSlot { per_unit: false, buy_amount: amounts, ..cleared(&[4, 6], &[0, 0]) };
        let done = bank.settle(&[sums], &NO_METER);
        let beyond = SettleError::ExceedsCover { account: 1000, order: 3, due: owes, reserved: 200 };
        assert_eq!(done, if owes > 200 { Err(beyond) } else { Ok(()) });
    }
    Ok(())
}

#[test]
fn metering_is_forced_and_restricts_until_it_is_paid() -> Result<(), SettleError> {
    let mut bank = bank(2, 100)?;
    bank.settle(&[], &Meter { account: &[1000], energy: &[3], ..Meter::default() })?;
    // 3 * 30 = 90, tax 18.
    assert_eq!(available(&bank, 1000), -8);
    let free = Orders { price: &[-4, 15], ..ORDERS };
    assert_eq!(reserve(&mut bank, &free)?, [13, 0], "restricted even where no cover is needed");
    bank.deposit(&[1000], &[8])?;
    assert_eq!(reserve(&mut bank, &free)?, [0, 0]);
    Ok(())
}

#[test]
fn each_deviation_has_its_line() -> Result<(), SettleError> {
    // contract of 1000: +6, of 1001: -6
    for (member, metered, code, quantity, amount) in
        [(1000, 9, 1, 3, 90), (1000, 2, 4, 4, 20), (1001, -8, 3, 2, 10), (1001, -4, 2, 2, 60)]
    {
        let mut bank = bank(2, 1000)?;
        bank.settle(&[cleared(&[6], &[18])], &Meter { account: &[member], energy: &[metered], ..Meter::default() })?;
        let lines: Vec<Posting> = bank.take().into_iter().filter(|p| p.kind == Kind::Imbalance).collect();
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].code, lines[0].quantity, lines[0].amount), (code, quantity, amount));
    }
    // A seller that consumes: 6 short, 2 at home. A buyer that feeds in: 6 back, 1 of its own.
    for (member, metered, lines) in [(1001, 2, [(1, 2), (2, 6)]), (1000, -1, [(3, 1), (4, 6)])] {
        let mut bank = bank(2, 1000)?;
        bank.settle(&[cleared(&[6], &[18])], &Meter { account: &[member], energy: &[metered], ..Meter::default() })?;
        let postings = bank.take();
        let found: Vec<(u16, i64)> =
            postings.iter().filter(|p| p.kind == Kind::Imbalance).map(|p| (p.code, p.quantity)).collect();
        assert_eq!(found, lines);
    }
    Ok(())
}

#[test]
fn calls_that_make_no_sense_change_nothing() -> Result<(), SettleError> {
    let mut bank = bank(2, 1000)?;
    reserve(&mut bank, &ORDERS)?;
    let before = bank.clone();
    let good = cleared(&[6], &[18]);
    let bad = |fault| SettleError::BadTrade { clearing: 0, trade: 0, fault };
    let big = &[1_i64 << 31];
    for (slot, error) in [
        (ClearedSlot { buy_row: &[1], ..good }, bad(TradeFault::BuyRow)),
        (ClearedSlot { buy_row: &[2], ..good }, bad(TradeFault::BuyRow)),
        (ClearedSlot { buy_row: &[-1], ..good }, bad(TradeFault::BuyRow)),
        (ClearedSlot { sell_row: &[0], ..good }, bad(TradeFault::SellRow)),
        (ClearedSlot { quantity: &[0], ..good }, bad(TradeFault::Quantity)),
        (ClearedSlot { quantity: big, ..good }, bad(TradeFault::Quantity)),
        (ClearedSlot { sell_price: big, ..good }, bad(TradeFault::Price)),
        (ClearedSlot { sell_price: &[i64::MIN], ..good }, bad(TradeFault::Price)),
        (ClearedSlot { sell_amount: &[109], ..good }, bad(TradeFault::Amount)),
        (ClearedSlot { buy_amount: &[], ..good }, SettleError::Length { column: "buy_amount", len: 0, expected: 1 }),
        (ClearedSlot { den: 0, ..good }, SettleError::Denominator { clearing: 0, den: 0 }),
        (ClearedSlot { den: 3, ..good }, SettleError::Denominator { clearing: 0, den: 3 }),
        (ClearedSlot { account: &[1000, 9], ..good }, SettleError::UnknownMember { account: 9 }),
        (ClearedSlot { account: &[1000, 3], ..good }, SettleError::UnknownMember { account: 3 }),
        (ClearedSlot { order: &[3], ..good }, SettleError::Length { column: "order", len: 1, expected: 2 }),
        (ClearedSlot { buy_price: &[], ..good }, SettleError::Length { column: "buy_price", len: 0, expected: 1 }),
    ] {
        assert_eq!(bank.settle(&[slot], &NO_METER), Err(error));
    }
    for (meter, error) in [
        (
            Meter { account: &[1000, 1000], energy: &[1, 2], ..Meter::default() },
            SettleError::DuplicateMeter { account: 1000 },
        ),
        (Meter { account: &[1002], energy: &[1], ..Meter::default() }, SettleError::UnknownMember { account: 1002 }),
        (
            Meter { account: &[1000], energy: &[i64::MAX], ..Meter::default() },
            SettleError::AmountOutOfRange { account: 1000 },
        ),
        (
            Meter { account: &[1000], energy: &[], ..Meter::default() },
            SettleError::Length { column: "energy_wh", len: 0, expected: 1 },
        ),
    ] {
        assert_eq!(bank.settle(&[good], &meter), Err(error), "the meter comes last: everything before is undone");
    }
    assert_eq!(bank.deposit(&[1000, 1001], &[1, -1]), Err(SettleError::NegativeAmount { account: 1001, amount: -1 }));
    assert_eq!(bank.deposit(&[1000, 1], &[1, 1]), Err(SettleError::UnknownMember { account: 1 }));
    assert_eq!(bank.open(1, -1), Err(SettleError::NegativeAmount { account: 1002, amount: -1 }));
    let free = 1000 - 280;
    assert_eq!(
        bank.withdraw(&[1000], &[721]),
        Err(SettleError::WithdrawalTooLarge { account: 1000, amount: 721, free })
    );
    assert_eq!(bank.advance(1 << 63), Err(SettleError::TimeOutOfRange { time_ns: 1 << 63 }));
    assert_eq!((bank.accounts(), bank.postings()), (before.accounts(), before.postings()));
    bank.settle(&[good], &NO_METER)?;
    Ok(())
}

#[test]
fn credit_is_for_trading_not_for_taking_out() -> Result<(), SettleError> {
    let mut bank = bank(1, 100)?;
    bank.set_limit(1000, 50)?;
    assert!(bank.withdraw(&[1000], &[101]).is_err());
    bank.withdraw(&[1000], &[100])?;
    assert_eq!((posted(&bank, 1000), available(&bank, 1000)), (0, 50));
    Ok(())
}

#[test]
fn a_cycle_nets_to_zero() -> Result<(), SettleError> {
    let mut bank = bank(2, 300)?;
    bank.settle(&[cleared(&[6], &[18])], &NO_METER)?;
    let lines = bank.close_cycle(&[])?;
    let buyer = lines.iter().find(|line| line.account == 1000).copied();
    assert_eq!(buyer, Some(CycleLine { account: 1000, opening: 0, deposited: 300, net: -151, closing: 149 }));
    assert!(bank.close_cycle(&[])?.iter().all(|line| line.net == 0 && line.deposited == 0));
    Ok(())
}

#[test]
fn engine_time_rises_with_every_posting() -> Result<(), SettleError> {
    let mut bank = bank(2, 300)?;
    bank.advance(1_000_000)?;
    reserve(&mut bank, &ORDERS)?;
    bank.advance(1_000_000)?;
    assert_eq!(bank.advance(5), Err(SettleError::TimeBackwards { time_ns: 5, last: 1_000_000 }));
    bank.settle(&[cleared(&[6], &[18])], &NO_METER)?;
    let times: Vec<u64> = bank.take().iter().map(|p| p.time_ns).collect();
    assert_eq!(times[0], 1_000_000);
    assert!(times.is_sorted_by(|a, b| a < b));
    Ok(())
}
