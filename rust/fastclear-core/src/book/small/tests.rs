use super::*;
use crate::book::layout::NOBODY;
use crate::book::smalls::Smalls;

fn open(smalls: &mut Smalls) -> OnSmall<'_> {
    let index = smalls.open(SLOTS);
    smalls.at(index)
}

fn ids(book: &OnSmall<'_>, side: u8) -> Vec<i64> {
    let mut ids = Vec::new();
    book.walk(side, |order| {
        ids.push(order.id);
        true
    });
    ids
}

#[test]
fn a_head_is_a_line_and_a_book_less_than_two_kilobytes() {
    assert_eq!((size_of::<Small>(), size_of::<Room>()), (64, 768));
}

/// Orders of one price keep their turn when their numbers run out.
#[test]
fn numbers_begin_anew_where_they_end() {
    for side in [0, 1] {
        let mut smalls = Smalls::default();
        let mut book = open(&mut smalls);
        book.head.arrivals = ARRIVALS - 20;
        let mut twin = Vec::new();
        for id in 0..40_i64 {
            let price = [7, 32_000, -32_000, 7][id as usize % 4];
            let order = Resting { id, price, quantity: 1, owner: NOBODY, expiry: 0 };
            assert!(book.has_room(side, price));
            let place = book.insert(side, &order);
            assert_eq!(book.resting(place), order);
            twin.push((if side == BUY { -i64::from(price) } else { i64::from(price) }, id));
        }
        twin.sort_unstable();
        assert_eq!(ids(&book, side), twin.iter().map(|&(_, id)| id).collect::<Vec<_>>());
        assert!(book.head.arrivals < 100, "numbered anew");
        let (_, place) = book.best(side).unwrap();
        assert_eq!(book.resting(place).id, twin[0].1);
    }
}

/// Prices that drift by far more than a window, and at both ends of all prices, against a sorted list.
#[test]
fn the_window_goes_where_the_prices_go() {
    let mut state = 5_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 33) % below
    };
    let ends = [-i64::from(i32::MAX), 0, i64::from(i32::MAX), -40_000, 40_000];
    let (mut moved, mut refused) = (0, 0);
    for round in 0..200 {
        let mut smalls = Smalls::default();
        let mut book = open(&mut smalls);
        let mut twin: Vec<(u8, i64, i64, u32)> = Vec::new();
        let mut mid = ends[round % ends.len()];
        for id in 0..300_i64 {
            mid += draw(30_000) as i64 - 15_000;
            mid = mid.clamp(ends[0], ends[2]);
            let side = draw(2) as u8;
            let count = twin.iter().filter(|order| order.0 == side).count();
            if count > draw(8) as usize {
                let gone = twin.remove(draw(twin.len() as u64) as usize);
                assert_eq!(book.resting(gone.3).id, gone.2);
                book.remove(gone.3);
                assert_eq!(book.head.find(gone.3), None);
            }
            let (low, high) = twin.iter().fold((mid, mid), |(low, high), order| (low.min(order.1), high.max(order.1)));
            let before = book.head.base;
            let fits = book.has_room(side, mid as i32);
            assert_eq!(fits, high - low < i64::from(WINDOW), "{low} {high}");
            refused += u32::from(!fits);
            moved += u32::from(book.head.base != before);
            if fits {
                let order = Resting { id, price: mid as i32, quantity: 1, owner: NOBODY, expiry: NEVER };
                let place = book.insert(side, &order);
                twin.push((side, mid, id, place));
            }
            for side in [0, 1] {
                let mut rows: Vec<_> = twin.iter().filter(|order| order.0 == side).collect();
                rows.sort_by_key(|order| (if side == BUY { -order.1 } else { order.1 }, order.2));
                assert_eq!(ids(&book, side), rows.iter().map(|order| order.2).collect::<Vec<_>>());
                let best = book.best(side).map(|(price, place)| (i64::from(price), book.resting(place).id));
                assert_eq!(best, rows.first().map(|order| (order.1, order.2)));
            }
        }
    }
    assert!(moved > 500 && refused > 500, "{moved} {refused}");
}

/// Sides that fill up and empty again and again, taken out one by one or swept, against a sorted list.
#[test]
fn a_second_room_comes_and_goes() {
    let mut state = 11_u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (state >> 33) % below
    };
    let mut smalls = Smalls::default();
    let mut book = open(&mut smalls);
    let mut twin: [Vec<(i64, i64, u32)>; 2] = [Vec::new(), Vec::new()];
    let (mut id, mut taken) = (0, 0);
    for round in 0..1_000_usize {
        let side = round % 2;
        let wanted = [0, ROOM - 1, ROOM, ROOM + 1, SLOTS][draw(5) as usize];
        while twin[side].len() < wanted {
            let price = draw(40) as i64;
            assert!(book.has_room(side as u8, price as i32));
            let order = Resting { id, price: price as i32, quantity: 1, owner: NOBODY, expiry: id as u32 * 7 };
            let place = book.insert(side as u8, &order);
            assert_eq!(book.resting(place), order);
            twin[side].push((if side == 1 { -price } else { price }, id, place));
            id += 1;
        }
        twin[side].sort_unstable();
        let is_swept = draw(2) == 0;
        while twin[side].len() > wanted {
            let nth = if is_swept { 0 } else { draw(twin[side].len() as u64) as usize };
            let gone = twin[side].remove(nth);
            if is_swept {
                let mut met = Vec::new();
                let limit = if side == 1 { i32::MIN } else { i32::MAX };
                assert_eq!(book.sweep(side as u8, limit, 1, None, |one| met.push((one.id, one.expiry))), 0);
                assert_eq!(met, [(gone.1, gone.1 as u32 * 7)]);
            } else {
                book.remove(gone.2);
            }
            assert_eq!(book.head.find(gone.2), None);
            taken += 1;
        }
        assert_eq!(book.has_room(side as u8, 0), wanted < SLOTS);
        for side in [0, 1] {
            assert_eq!(ids(&book, side), twin[usize::from(side)].iter().map(|order| order.1).collect::<Vec<_>>());
            let first = twin[usize::from(side)].first().map(|order| order.2);
            assert_eq!(book.best(side).map(|(_, place)| place), first);
        }
        let second = twin.iter().filter(|side| side.iter().any(|order| slot(order.2).1 >= ROOM)).count();
        assert_eq!(book.far.rooms_in_use(), second);
    }
    assert!(taken > 5_000, "{taken}");
    book.clear();
    assert_eq!((book.far.rooms_in_use(), book.best(0), book.best(1)), (0, None, None));
}
