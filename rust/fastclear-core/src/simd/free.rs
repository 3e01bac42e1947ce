//! Sellers in a row, of whom the first that is cheap enough is to be found and taken, again and again.

use super::on_every_path;

/// Children of a node: one vector of prices.
const WIDTH: usize = 16;

/// The best of no sellers: below every negative price, since a price is more than −2³¹ and less than 2³¹.
const NONE: i32 = i32::MIN;

/// A tree over sellers in a row: a node holds the cheapest of each of its children. Prices are negative, so that the
/// cheapest is the highest and there is a number for "none".
#[derive(Debug, Default)]
pub struct Free {
    /// From the sellers up to the root; levels above `height` are left from longer rows.
    levels: Vec<Vec<[i32; WIDTH]>>,
    height: usize,
}

impl Free {
    /// A level of so many nodes.
    fn level(&mut self, height: usize, nodes: usize) -> Vec<[i32; WIDTH]> {
        if self.levels.len() <= height {
            self.levels.push(Vec::new());
        }
        let mut level = std::mem::take(&mut self.levels[height]);
        level.clear();
        level.resize(nodes, [NONE; WIDTH]);
        level
    }
}

/// The negative price in the high half of a word.
#[inline(always)]
const fn negative_price(word: u64) -> i32 {
    ((word >> 32) as i32).wrapping_neg()
}

#[inline(always)]
fn highest(node: &[i32; WIDTH]) -> i32 {
    node.iter().fold(NONE, |highest, &price| if price > highest { price } else { highest })
}

/// The highest of a node when its child `slot` is `now`: by value, since to store a child and load its node at once waits
/// for the store.
#[inline(always)]
fn highest_with(node: &[i32; WIDTH], slot: usize, now: i32) -> i32 {
    node.iter().enumerate().fold(NONE, |highest, (child, &price)| {
        let price = if child as u32 == slot as u32 { now } else { price };
        if price > highest { price } else { highest }
    })
}

/// One bit a child: whether it is cheap enough.
#[inline(always)]
fn cheap_enough(node: &[i32; WIDTH], bid: i32) -> u32 {
    node.iter().enumerate().fold(0, |bits, (child, &price)| bits | u32::from(price >= bid) << child)
}

#[inline(always)]
fn line_up_body(free: &mut Free, sellers: &[u64]) {
    let mut nodes = sellers.len().div_ceil(WIDTH).max(1);
    let mut below = free.level(0, nodes);
    for (price, &word) in below.as_flattened_mut().iter_mut().zip(sellers) {
        *price = negative_price(word);
    }
    free.height = 0;
    while nodes > 1 {
        nodes = nodes.div_ceil(WIDTH);
        let mut level = free.level(free.height + 1, nodes);
        for (best, node) in level.as_flattened_mut().iter_mut().zip(&below) {
            *best = highest(node);
        }
        free.levels[free.height] = std::mem::replace(&mut below, level);
        free.height += 1;
    }
    free.levels[free.height] = below;
}

on_every_path! {
    /// Lines sellers up, whose asks are in the high halves of `sellers`.
    pub fn line_up<>(free: &mut Free, sellers: &[u64]) -> () = line_up_body
}

#[inline(always)]
fn meet_body(free: &mut Free, buyers: &[u64], pairs: &mut Vec<(u32, u32)>) {
    let height = free.height;
    for (buyer, &word) in buyers.iter().enumerate() {
        let bid = negative_price(word);
        let bits = cheap_enough(&free.levels[height][0], bid);
        if bits == 0 {
            continue;
        }
        let mut seller = bits.trailing_zeros() as usize;
        for level in free.levels[..height].iter().rev() {
            seller = seller * WIDTH + cheap_enough(&level[seller], bid).trailing_zeros() as usize;
        }
        pairs.push((buyer as u32, seller as u32));
        let (mut child, mut now) = (seller, NONE);
        for height in 0..=height {
            let (node, slot) = (&mut free.levels[height][child / WIDTH], child % WIDTH);
            let was_best = node[slot];
            let best = highest_with(node, slot, now);
            node[slot] = now;
            if best >= was_best {
                break; // another child is as cheap: nothing changes above
            }
            (child, now) = (child / WIDTH, best);
        }
    }
}

on_every_path! {
    /// Each buyer in turn, whose bid is in the high half of its word, takes the first seller that is left and cheap enough:
    /// appends (place of the buyer, place of the seller).
    pub fn meet<>(free: &mut Free, buyers: &[u64], pairs: &mut Vec<(u32, u32)>) -> () = meet_body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_takes_the_first_that_is_cheap_enough() {
        let word = |price: i64| (price as i32 as u32 as u64) << 32 | 7;
        let mut state = 1_u64;
        let mut drawn = |span: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 29) % span) as i64 - span as i64 / 2
        };
        let mut free = Free::default();
        for sellers in [1, 2, 15, 16, 17, 255, 256, 257, 1000, 3, 4097] {
            for span in [1, 3, 50, (1 << 32) - 1] {
                let asks: Vec<i64> = (0..sellers).map(|_| drawn(span)).collect();
                let bids: Vec<i64> = (0..1000).map(|_| drawn(span)).collect();
                let words = |prices: &[i64]| prices.iter().map(|&price| word(price)).collect::<Vec<u64>>();
                let mut pairs = Vec::new();
                line_up(&mut free, &words(&asks));
                meet(&mut free, &words(&bids), &mut pairs);
                let mut left: Vec<usize> = (0..sellers).collect();
                let mut expected = Vec::new();
                for (buyer, &bid) in bids.iter().enumerate() {
                    if let Some(place) = left.iter().position(|&seller| asks[seller] <= bid) {
                        expected.push((buyer as u32, left.remove(place) as u32));
                    }
                }
                assert_eq!(pairs, expected, "{sellers} sellers, prices {span} apart");
            }
        }
    }
}
