//! Where an id is: of orders, and of markets.
//!
//! Ids that lie close together, which is what a counter gives, are looked up in pages; others in a hash map, which is
//! never walked, so that its order reaches no result.
//!
//! A cell of a page is not wiped when its id goes: most orders go because another one traded with them, and to fetch a cell
//! for nothing else would cost more than the trade. Whoever looks an id up sees whether it is still where its cell says.

use std::collections::HashMap;

use crate::simd;

/// Ids a page.
const PAGE: usize = 512;
/// What stands where there is no id.
const NONE: u64 = u64::MAX;

/// Number of a page that has no cells.
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Page {
    /// Which [`PAGE`] cells are its own.
    cells: u32,
    /// Ids that are here.
    live: u32,
}

const EMPTY: Page = Page { cells: NOWHERE, live: 0 };

/// Values of 64 bits but the largest, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    /// Number of the first page, that of the first id.
    base: i64,
    pages: Vec<Page>,
    /// The cells of all pages, side by side, so that they lie on large pages of the system's.
    cells: Vec<u64>,
    free: Vec<u32>,
    others: HashMap<i64, u64>,
    /// Ids that are here, ids that were ever put here, and pages that have values.
    live: usize,
    ever: usize,
    filled_pages: usize,
}

impl Ids {
    pub fn len(&self) -> usize {
        self.live
    }

    /// Index of the page of an id; too large if there is none.
    #[inline]
    fn page(&self, id: i64) -> usize {
        (id.div_euclid(PAGE as i64)).wrapping_sub(self.base) as usize
    }

    /// Where the cell of an id is, if its page has any.
    #[inline(always)]
    fn cell(&self, id: i64) -> Option<usize> {
        let page = self.pages.get(self.page(id))?;
        (page.cells != NOWHERE).then(|| page.cells as usize * PAGE + id.rem_euclid(PAGE as i64) as usize)
    }

    /// The value that an id has, or had before it went.
    #[inline(always)]
    pub fn get(&self, id: i64) -> Option<u64> {
        if let Some(cell) = self.cell(id)
            && self.cells[cell] != NONE
        {
            return Some(self.cells[cell]);
        }
        self.get_other(id)
    }

    #[cold]
    fn get_other(&self, id: i64) -> Option<u64> {
        if self.others.is_empty() { None } else { self.others.get(&id).copied() }
    }

    /// Pages and cells to be worked on, where all ids are in pages.
    #[inline(always)]
    pub fn at_hand(&mut self) -> Option<AtHand<'_>> {
        let Self { base, pages, cells, free, others, live, ever, filled_pages } = self;
        others.is_empty().then_some(AtHand {
            base: *base,
            pages,
            cells,
            free,
            came: 0,
            left: 0,
            live,
            ever,
            filled_pages,
        })
    }

    /// The value of an id that is in a page, or any other that no order has.
    #[inline(always)]
    pub fn glance(&self, id: i64) -> u64 {
        self.cell(id).map_or(NONE, |cell| self.cells[cell])
    }

    /// Asks for the cell of an id to be fetched.
    #[inline(always)]
    pub fn prefetch(&self, id: i64) {
        if let Some(cell) = self.cell(id) {
            simd::prefetch_place(&self.cells, cell);
        }
    }

    /// Puts an id here that is not.
    #[inline]
    pub fn insert(&mut self, id: i64, value: u64) {
        debug_assert!(value != NONE, "Invariant: a value is none");
        self.live += 1;
        self.ever += 1;
        match self.cell(id) {
            Some(cell) => {
                let page = self.page(id);
                self.pages[page].live += 1;
                self.cells[cell] = value;
            }
            None => self.insert_far(id, value),
        }
    }

    #[cold]
    fn insert_far(&mut self, id: i64, value: u64) {
        if self.live == 1 && self.filled_pages == 0 {
            self.base = id.div_euclid(PAGE as i64);
        }
        let index = self.page(id);
        // A page for few ids wastes memory, and so does a long list of pages that are not there.
        if index > 64 + self.ever / 8 || self.filled_pages > 64 + self.live / 4 {
            self.others.insert(id, value);
            return;
        }
        if index >= self.pages.len() {
            self.pages.resize(index + 1, EMPTY);
        }
        let cells = self.fill(index);
        self.pages[index].live = 1;
        self.cells[cells + id.rem_euclid(PAGE as i64) as usize] = value;
    }

    /// Gives a page cells.
    fn fill(&mut self, index: usize) -> usize {
        let cells = if let Some(cells) = self.free.pop() {
            let start = cells as usize * PAGE;
            self.cells[start..start + PAGE].fill(NONE);
            cells
        } else {
            self.cells.resize(self.cells.len() + PAGE, NONE);
            (self.cells.len() / PAGE - 1) as u32
        };
        self.pages[index] = Page { cells, live: 0 };
        self.filled_pages += 1;
        cells as usize * PAGE
    }

    /// Gives an id that is here another value.
    pub fn set(&mut self, id: i64, value: u64) {
        if let Some(cell) = self.cell(id)
            && self.cells[cell] != NONE
        {
            self.cells[cell] = value;
        } else if let Some(cell) = self.others.get_mut(&id) {
            *cell = value;
        }
    }

    /// Says that an id that is here has gone.
    #[inline]
    pub fn remove(&mut self, id: i64) {
        self.live -= 1;
        let (index, last) = (self.page(id), self.pages.len().wrapping_sub(1));
        match self.pages.get_mut(index) {
            Some(page) if page.live > 0 && (self.others.is_empty() || !self.others.contains_key(&id)) => {
                page.live -= 1;
                // The last page is where a counter is: it stays.
                if page.live == 0 && index != last {
                    clear(page, &mut self.free, &mut self.filled_pages);
                }
            }
            _ => {
                self.others.remove(&id);
            }
        }
    }
}

/// Gives up the cells of a page that has no ids.
#[cold]
#[inline(never)]
fn clear(page: &mut Page, free: &mut Vec<u32>, filled_pages: &mut usize) {
    free.push(page.cells);
    *page = EMPTY;
    *filled_pages -= 1;
}

/// The pages of [`Ids`] and their cells, of which none comes. Call [`AtHand::done`] at the end.
pub(super) struct AtHand<'a> {
    base: i64,
    pages: &'a mut [Page],
    cells: &'a mut [u64],
    free: &'a mut Vec<u32>,
    came: usize,
    left: usize,
    live: &'a mut usize,
    ever: &'a mut usize,
    filled_pages: &'a mut usize,
}

impl AtHand<'_> {
    #[inline(always)]
    fn page(&self, id: i64) -> usize {
        (id.div_euclid(PAGE as i64)).wrapping_sub(self.base) as usize
    }

    /// Where the cell of an id is, if its page has any.
    #[inline(always)]
    fn cell(&self, id: i64) -> Option<usize> {
        let page = self.pages.get(self.page(id))?;
        (page.cells != NOWHERE).then(|| page.cells as usize * PAGE + id.rem_euclid(PAGE as i64) as usize)
    }

    /// The value that an id has, or had before it went.
    #[inline(always)]
    pub fn get(&self, id: i64) -> Option<u64> {
        self.cell(id).map(|cell| self.cells[cell])
    }

    /// Puts an id here that is not; says whether it can.
    #[inline(always)]
    pub fn put(&mut self, id: i64, value: u64) -> bool {
        let Some(cell) = self.cell(id) else { return false };
        let page = self.page(id);
        self.pages[page].live = self.pages[page].live.wrapping_add(1);
        self.cells[cell] = value;
        self.came = self.came.wrapping_add(1);
        true
    }

    /// Says that an id that is here has gone.
    #[inline(always)]
    pub fn leave(&mut self, id: i64) {
        let (index, pages) = (self.page(id), self.pages.len());
        let page = &mut self.pages[index];
        page.live = page.live.wrapping_sub(1);
        self.left = self.left.wrapping_add(1);
        if page.live == 0 && index + 1 != pages {
            clear(page, self.free, self.filled_pages);
        }
    }

    /// Counts who came and who left.
    #[inline(always)]
    pub fn done(self) {
        *self.live = *self.live + self.came - self.left;
        *self.ever += self.came;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A counter, a far counter, negative ids, and ids anywhere, put in and taken out against a tree.
    #[test]
    fn any_ids_are_found_where_they_were_put() {
        let mut state = 7_u64;
        let mut draw = |below: u64| {
            state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
            (state >> 33) % below
        };
        for law in 0..5 {
            let (mut ids, mut twin) = (Ids::default(), BTreeMap::new());
            let mut counter = if law == 1 { 1 << 40 } else { 0 };
            for step in 0..20_000_u64 {
                counter += 1;
                let id = match law {
                    0 | 1 => counter,
                    2 => -counter,
                    3 => (draw(1 << 31) as i64) << draw(33),
                    _ => [i64::MIN + 2, i64::MAX, -1, 0, 511, 512, 513, 1 << 20, 40_000][draw(9) as usize],
                };
                match twin.insert(id, step) {
                    None => ids.insert(id, step),
                    Some(_) if draw(2) == 0 => ids.set(id, step),
                    Some(was) => _ = twin.insert(id, was),
                }
                if draw(3) > 0 {
                    let nth = draw(twin.len() as u64) as usize;
                    let gone = *twin.keys().nth(nth.min(20)).unwrap();
                    ids.remove(gone);
                    let was = twin.remove(&gone);
                    assert!([None, was].contains(&ids.get(gone)), "nothing, or what it was");
                }
                assert_eq!(ids.len(), twin.len());
                if let Some(&value) = twin.get(&id) {
                    assert_eq!(ids.get(id), Some(value));
                }
            }
            for (&id, &value) in &twin {
                assert_eq!(ids.get(id), Some(value));
            }
            assert!(ids.filled_pages <= 66 + ids.live / 4, "law {law}: {} pages", ids.filled_pages);
        }
    }
}
