//! A book that is saved and loaded goes on as it would have, whatever its orders are and wherever they stand.

use fastclear_core::book::{Caller, Everybody, IdTexts, OrderBook, Phase, SMALL_MAX};

use crate::flow::{MARKETS, Mixed, census, command, obey, rules, set_day};

const LAYOUTS: [usize; 3] = [0, 3, SMALL_MAX];

/// Random flows cut at a random place: all that follows is the same to the last field, and so are the bytes at the end.
#[test]
fn a_loaded_book_goes_on_as_the_one_that_was_saved() {
    let caller = Caller { ids: [IdTexts::Integers, IdTexts::Integers, IdTexts::Integers], ..Caller::default() };
    let mut kinds = [0; 5];
    let (mut halted, mut in_calls) = (0, 0);
    for seed in 0..1500_u64 {
        let mut random = Mixed(seed ^ 0x5A7E_D01C);
        let first = random.of(&LAYOUTS);
        let rules = rules(&mut random, first);
        let mut books = vec![OrderBook::new(rules)];
        let length = random.of(&[20, 60, 140]);
        let cut = random.within(0, length);
        let has_days = random.one_in(2);
        if random.one_in(3) {
            books[0].set_gate(MARKETS[0], random.within(5, length + 40)).unwrap();
        }
        for nth in 0..=length {
            if has_days && (nth == 0 || random.one_in(15)) {
                set_day(&mut random, &mut books);
            }
            let rows = books[0].snapshot(None);
            if nth == cut {
                let states = books[0].market_states();
                let has_rich = |market: i64| {
                    let mine = books[0].clone().snapshot(Some(market));
                    census(&mine).iter().sum::<usize>() > 0
                };
                halted += states.iter().filter(|state| state.halted && has_rich(state.market)).count();
                in_calls += MARKETS.iter().filter(|&&id| books[0].phase(id) == Some(Phase::PreOpen)).count();
                kinds.iter_mut().zip(census(&rows)).for_each(|(sum, more)| *sum += more);
                let bytes = books[0].save(&caller);
                for small_max in LAYOUTS {
                    let (mut other, known) = OrderBook::load(&bytes, small_max).unwrap();
                    assert_eq!(known, caller);
                    assert_eq!(other.save(&caller), bytes, "seed {seed}: of all layouts the bytes are the same");
                    assert_eq!(other.snapshot(None), rows, "seed {seed}");
                    assert_eq!(other.market_states(), states, "seed {seed}");
                    books.push(other);
                }
            }
            let next = command(&mut random, nth, &rows);
            let events: Vec<_> = books.iter_mut().map(|book| obey(book, &[next])).collect();
            for other in &events[1..] {
                assert_eq!(*other, events[0], "seed {seed}, command {nth}: {next:?}");
            }
        }
        let expired: Vec<_> = books.iter_mut().map(|book| book.advance(i64::MAX, &mut Everybody)).collect();
        let last: Vec<_> = books.iter_mut().map(|book| book.save(&caller)).collect();
        assert_eq!(books.len(), 4);
        assert!(expired.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: all that expires");
        assert!(last.windows(2).all(|pair| pair[0] == pair[1]), "seed {seed}: the bytes at the end");
    }
    assert!(kinds.iter().all(|&sum| sum > 300), "{kinds:?} were saved");
    assert!(halted > 50 && in_calls > 100, "{halted} halted markets with richer orders, {in_calls} markets in calls");
}
