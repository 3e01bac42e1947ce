//! Icebergs, stops, minimums, orders that slide and pegs among the commands of a flow.

use super::{HOSTILE, Law, Mixed};
use crate::twin::Command;

/// Makes some commands those of richer orders.
pub fn enrich(random: &mut Mixed, law: &Law, command: &mut Command) {
    let [iceberg, stop, minimum, slide, peg] = law.rich;
    let quantity = command.quantity.unwrap_or(3).clamp(1, 1 << 20);
    let most = quantity as u64 + u64::from(random.one_in(20));
    let some = |random: &mut Mixed| 1 + random.below(most) as i64;
    if command.op == 3 {
        if stop && random.one_in(3) {
            command.stop = command.price;
        }
        if slide && random.one_in(3) {
            command.flags = 2;
        }
    }
    if command.op != 0 {
        return;
    }
    if (iceberg || minimum) && random.one_in(2) {
        command.quantity = command.quantity.map(|lots| if lots < 100 { lots * 3 } else { lots });
    }
    if iceberg && random.one_in(2) {
        command.display = Some(random.of(&[1, 1, 2, 3]).min(some(random)));
    }
    if iceberg && random.one_in(100) {
        (command.display, command.quantity) = (Some(1), Some(999 + random.below(3) as i64));
    }
    if slide && random.one_in(3) {
        command.flags = 2 + random.below(2) as u8;
    }
    if stop && random.one_in(3) {
        command.stop = command.price.map(|price| price + random.below(3) as i64 - 1);
        if random.one_in(3) {
            command.price = command.stop;
        }
    }
    if minimum && random.one_in(3) {
        command.flags = random.of(&[0, 0, 4]);
        command.display = command.display.filter(|_| random.one_in(10));
        command.min_quantity = Some(some(random)).filter(|_| command.flags == 0 || random.one_in(5));
    }
    if peg && random.one_in(3) {
        (command.tif, command.is_market_order, command.expires) = (0, 0, None);
        command.peg = 1 + random.below(2) as u8;
        command.offset = random.of(&[None, Some(0), Some(1), Some(2), Some(law.step)]);
        command.price = command.price.filter(|_| random.one_in(3));
        command.flags = 0;
        command.stop = command.stop.filter(|_| random.one_in(20));
        command.min_quantity = command.min_quantity.filter(|_| random.one_in(20));
    }
    if law.rich.contains(&true) && random.one_in(law.hostile) {
        let wild = Some(random.of(&HOSTILE));
        match random.below(5) {
            0 => command.display = wild,
            1 => command.min_quantity = wild,
            2 => command.stop = wild,
            3 => command.peg = random.below(5) as u8,
            _ => command.offset = wild,
        }
    }
}
