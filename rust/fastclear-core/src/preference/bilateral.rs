//! Bilateral deals: an offer is made, countered, accepted, refused, taken back, or runs out.
//!
//! Two parties, one of which sells: a fixed quantity a slot, or a share of what the seller has over. Whoever spoke last
//! waits; the other may counter (new terms, and the turns change), accept or refuse, and the one who waits may take it
//! back. Nobody need be there at the same time: events carry their own time, and an offer that nobody took by its
//! `expires` is over. The network operator may forbid an offer as long as it is open, and a deal that was made.
//!
//! An event that may not happen changes nothing and says why ([`BilateralCode`]). A deal is made once: what is closed
//! stays closed, but for the veto.

use std::collections::HashMap;

use crate::units::{price_in_range, quantity_in_range};

/// All of it, in parts per million.
pub const WHOLE_PPM: i64 = 1_000_000;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A party makes another an offer.
    Offer,
    /// The one whose turn it is names other terms.
    Counter,
    /// The one whose turn it is takes the terms as they stand.
    Accept,
    /// The one whose turn it is does not want it.
    Refuse,
    /// The one who spoke last takes it back.
    Withdraw,
    /// The network operator forbids it.
    Veto,
}

impl EventKind {
    /// Every kind; its place is its number in columns.
    pub const ALL: [Self; 6] = [Self::Offer, Self::Counter, Self::Accept, Self::Refuse, Self::Withdraw, Self::Veto];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Counter => "counter",
            Self::Accept => "accept",
            Self::Refuse => "refuse",
            Self::Withdraw => "withdraw",
            Self::Veto => "veto",
        }
    }
}

/// Where an offer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferState {
    /// On the table.
    Offered,
    /// On the table, with terms that the other side named.
    Countered,
    /// A deal.
    Accepted,
    /// The other side did not want it.
    Refused,
    /// Taken back.
    Withdrawn,
    /// Nobody took it in time.
    Expired,
    /// The network operator forbade it.
    Vetoed,
}

impl OfferState {
    /// Every state; its place is its number in columns.
    pub const ALL: [Self; 7] =
        [Self::Offered, Self::Countered, Self::Accepted, Self::Refused, Self::Withdrawn, Self::Expired, Self::Vetoed];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Countered => "countered",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Vetoed => "vetoed",
        }
    }

    const fn is_open(self) -> bool {
        matches!(self, Self::Offered | Self::Countered)
    }
}

/// Why an event did not happen; stable numbers, the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum BilateralCode {
    /// It happened.
    Ok = 0,
    /// `kind` is none.
    UnknownKind = 1,
    /// `time` is before that of an event that has happened.
    TimeBackwards = 2,
    /// An offer of this id exists.
    DuplicateOffer = 3,
    /// No offer of this id exists.
    UnknownOffer = 4,
    /// `party` is neither of the two.
    NotAParty = 5,
    /// It was accepted, refused, taken back, forbidden, or is over.
    OfferClosed = 6,
    /// The one who spoke last waits for the other; to take back is for the one who waits.
    NotTheirTurn = 7,
    /// Buyer and seller are the same.
    WithOneself = 8,
    /// Price or quantity out of range, both or neither of quantity and share, a window that ends before it begins.
    TermsInvalid = 9,
    /// `expires` is not after the event.
    ExpiresTooSoon = 10,
    /// With it, the seller would have promised more than all that it has over.
    ShareExceeded = 11,
}

impl BilateralCode {
    /// Every code; its place is its number.
    pub const ALL: [Self; 12] = [
        Self::Ok,
        Self::UnknownKind,
        Self::TimeBackwards,
        Self::DuplicateOffer,
        Self::UnknownOffer,
        Self::NotAParty,
        Self::OfferClosed,
        Self::NotTheirTurn,
        Self::WithOneself,
        Self::TermsInvalid,
        Self::ExpiresTooSoon,
        Self::ShareExceeded,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnknownKind => "unknown_kind",
            Self::TimeBackwards => "time_backwards",
            Self::DuplicateOffer => "duplicate_offer",
            Self::UnknownOffer => "unknown_offer",
            Self::NotAParty => "not_a_party",
            Self::OfferClosed => "offer_closed",
            Self::NotTheirTurn => "not_their_turn",
            Self::WithOneself => "with_oneself",
            Self::TermsInvalid => "terms_invalid",
            Self::ExpiresTooSoon => "expires_too_soon",
            Self::ShareExceeded => "share_exceeded",
        }
    }
}

/// What is on the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferTerms {
    /// Ticks a unit.
    pub price: i64,
    /// Lots a slot, 0 where a share is offered.
    pub quantity: i64,
    /// Parts per million of what the seller has over, 0 where a quantity is offered.
    pub share_ppm: i64,
    /// First slot of delivery.
    pub valid_from: i64,
    /// First slot that it is no longer for.
    pub valid_to: i64,
    /// When it runs out.
    pub expires: i64,
}

impl OfferTerms {
    const fn sound(&self) -> bool {
        let fixed = quantity_in_range(self.quantity) && self.share_ppm == 0;
        let shared = self.quantity == 0 && 0 < self.share_ppm && self.share_ppm <= WHOLE_PPM;
        price_in_range(self.price) && (fixed || shared) && self.valid_from < self.valid_to
    }
}

/// One row of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What happens; `None` where the column names no kind.
    pub kind: Option<EventKind>,
    /// When.
    pub time: i64,
    /// Which offer.
    pub offer: i64,
    /// Who does it; for a veto nobody.
    pub party: i64,
    /// With whom (offers only).
    pub counterparty: i64,
    /// Whether `party` sells (offers only).
    pub sells: bool,
    /// On what terms (offers and counters only).
    pub terms: OfferTerms,
}

/// One offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: i64,
    /// Who buys.
    pub buyer: i64,
    /// Who sells.
    pub seller: i64,
    /// Whether the seller spoke last.
    pub seller_waits: bool,
    /// Where it stands.
    pub state: OfferState,
    /// What was on the table last.
    pub terms: OfferTerms,
    /// When it came to that state, as far as events tell: an offer runs out at its `expires`.
    pub since: i64,
    /// How often terms were named.
    pub rounds: i64,
}

/// All offers.
#[derive(Clone, Debug, Default)]
pub struct Bilateral {
    offers: Vec<Offer>,
    place: HashMap<i64, usize>,
    /// Of each seller, the deals about shares.
    shares: HashMap<i64, Vec<usize>>,
    clock: Option<i64>,
}

impl Bilateral {
    /// Offers in the order in which they were made, as they stand at [`Self::clock`].
    pub fn offers(&self) -> impl Iterator<Item = Offer> + '_ {
        self.offers.iter().map(|&offer| self.clock.map_or(offer, |clock| as_of(offer, clock)))
    }

    /// Time of the last event or [`Self::advance`].
    pub const fn clock(&self) -> Option<i64> {
        self.clock
    }

    /// Lets time pass: what has run out by then is over. `false`, and nothing happens, where it is before the clock.
    pub fn advance(&mut self, time: i64) -> bool {
        if self.clock.is_some_and(|clock| time < clock) {
            return false;
        }
        self.clock = Some(time);
        true
    }

    /// Lets an event happen, or says why it cannot.
    pub fn apply(&mut self, event: &Event) -> BilateralCode {
        let Some(kind) = event.kind else { return BilateralCode::UnknownKind };
        if self.clock.is_some_and(|clock| event.time < clock) {
            return BilateralCode::TimeBackwards;
        }
        let code = match kind {
            EventKind::Offer => self.offer(event),
            _ => self.answer(kind, event),
        };
        if code == BilateralCode::Ok {
            self.clock = Some(event.time);
        }
        code
    }

    fn offer(&mut self, event: &Event) -> BilateralCode {
        if self.place.contains_key(&event.offer) {
            return BilateralCode::DuplicateOffer;
        }
        if event.party == event.counterparty {
            return BilateralCode::WithOneself;
        }
        let code = check_terms(event);
        if code != BilateralCode::Ok {
            return code;
        }
        let (seller, buyer) =
            if event.sells { (event.party, event.counterparty) } else { (event.counterparty, event.party) };
        self.place.insert(event.offer, self.offers.len());
        self.offers.push(Offer {
            id: event.offer,
            buyer,
            seller,
            seller_waits: event.sells,
            state: OfferState::Offered,
            terms: event.terms,
            since: event.time,
            rounds: 1,
        });
        BilateralCode::Ok
    }

    fn answer(&mut self, kind: EventKind, event: &Event) -> BilateralCode {
        let Some(&place) = self.place.get(&event.offer) else { return BilateralCode::UnknownOffer };
        let offer = as_of(self.offers[place], event.time); // written back by what happens, not by what is refused
        if kind == EventKind::Veto {
            if !(offer.state.is_open() || offer.state == OfferState::Accepted) {
                return BilateralCode::OfferClosed;
            }
            self.close(place, OfferState::Vetoed, event.time);
            return BilateralCode::Ok;
        }
        let sells = event.party == offer.seller;
        if !sells && event.party != offer.buyer {
            return BilateralCode::NotAParty;
        }
        if !offer.state.is_open() {
            return BilateralCode::OfferClosed;
        }
        let waits = sells == offer.seller_waits;
        if waits != (kind == EventKind::Withdraw) {
            return BilateralCode::NotTheirTurn;
        }
        match kind {
            EventKind::Counter => {
                let code = check_terms(event);
                if code != BilateralCode::Ok {
                    return code;
                }
                let offer = &mut self.offers[place];
                offer.terms = event.terms;
                offer.seller_waits = sells;
                offer.state = OfferState::Countered;
                offer.since = event.time;
                offer.rounds += 1;
            }
            EventKind::Accept => {
                if offer.terms.share_ppm > 0 {
                    if self.promised(offer.seller, &offer.terms) + offer.terms.share_ppm > WHOLE_PPM {
                        return BilateralCode::ShareExceeded;
                    }
                    self.shares.entry(offer.seller).or_default().push(place);
                }
                self.close(place, OfferState::Accepted, event.time);
            }
            EventKind::Refuse => self.close(place, OfferState::Refused, event.time),
            EventKind::Withdraw => self.close(place, OfferState::Withdrawn, event.time),
            EventKind::Offer | EventKind::Veto => {}
        }
        BilateralCode::Ok
    }

    fn close(&mut self, place: usize, state: OfferState, time: i64) {
        self.offers[place].state = state;
        self.offers[place].since = time;
    }

    /// Most that a seller has promised of one slot of a window, in parts per million.
    fn promised(&self, seller: i64, window: &OfferTerms) -> i64 {
        let deals = self.shares.get(&seller).map_or(&[][..], Vec::as_slice);
        let standing = || {
            let deals = deals.iter().map(|&place| &self.offers[place]);
            deals.filter(|offer| offer.state == OfferState::Accepted).map(|offer| &offer.terms)
        };
        // The sum changes only where a window begins.
        let begins = standing().map(|terms| terms.valid_from).chain([window.valid_from]);
        begins
            .filter(|&slot| window.valid_from <= slot && slot < window.valid_to)
            .map(|slot| {
                let at = standing().filter(|terms| terms.valid_from <= slot && slot < terms.valid_to);
                at.map(|terms| terms.share_ppm).sum()
            })
            .max()
            .unwrap_or(0)
    }
}

const fn check_terms(event: &Event) -> BilateralCode {
    if !event.terms.sound() {
        BilateralCode::TermsInvalid
    } else if event.terms.expires <= event.time {
        BilateralCode::ExpiresTooSoon
    } else {
        BilateralCode::Ok
    }
}

/// An offer at a time: over, if nobody took it by then.
const fn as_of(mut offer: Offer, time: i64) -> Offer {
    if offer.state.is_open() && offer.terms.expires <= time {
        offer.state = OfferState::Expired;
        offer.since = offer.terms.expires;
    }
    offer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PARTIES: i64 = 3;

    fn terms(expires: i64, share: bool, amount: i64, from: i64, price: i64) -> OfferTerms {
        let (quantity, share_ppm) = if share { (0, amount * 250_000) } else { (amount, 0) };
        OfferTerms { price, quantity, share_ppm, valid_from: from, valid_to: from + 2, expires }
    }

    fn an_event() -> impl Strategy<Value = Event> {
        let who = (0..7_usize, 0..3_i64, 0..3_i64, 0..PARTIES, 0..PARTIES, any::<bool>());
        let what = (1..5_i64, any::<bool>(), -1..6_i64, 0..3_i64);
        (who, what).prop_map(|((kind, wait, offer, party, counterparty, sells), (life, share, amount, from))| {
            let kind = EventKind::ALL.get(kind).copied();
            let terms = terms(wait + life, share, amount, from, 10);
            Event { kind, time: wait, offer, party, counterparty, sells, terms } // times are summed up by the test
        })
    }

    /// The rules once more, as a story: what happened to an offer is read from all that has happened, from the start.
    fn expected(past: &[Event], event: &Event) -> BilateralCode {
        use BilateralCode as Code;
        let Some(kind) = event.kind else { return Code::UnknownKind };
        if past.last().is_some_and(|last| event.time < last.time) {
            return Code::TimeBackwards;
        }
        let named = matches!(kind, EventKind::Offer | EventKind::Counter);
        let bad = || {
            let OfferTerms { quantity, share_ppm, .. } = event.terms;
            if (quantity > 0) == (share_ppm > 0) || quantity < 0 || !(0..=WHOLE_PPM).contains(&share_ppm) {
                Some(Code::TermsInvalid)
            } else {
                (event.terms.expires <= event.time).then_some(Code::ExpiresTooSoon)
            }
        };
        let own: Vec<&Event> = past.iter().filter(|then| then.offer == event.offer).collect();
        if kind == EventKind::Offer {
            if !own.is_empty() {
                return Code::DuplicateOffer;
            }
            return if event.party == event.counterparty { Code::WithOneself } else { bad().unwrap_or(Code::Ok) };
        }
        let Some(made) = own.first() else { return Code::UnknownOffer };
        let said = |kinds: &[EventKind]| own.iter().any(|then| kinds.contains(&then.kind.unwrap()));
        let spoke = own.iter().rfind(|then| matches!(then.kind, Some(EventKind::Offer | EventKind::Counter))).unwrap();
        let dealt = said(&[EventKind::Accept]);
        let dead = said(&[EventKind::Refuse, EventKind::Withdraw, EventKind::Veto]);
        let late = !dealt && !dead && spoke.terms.expires <= event.time;
        if kind == EventKind::Veto {
            return if dead || late { Code::OfferClosed } else { Code::Ok };
        }
        if event.party != made.party && event.party != made.counterparty {
            return Code::NotAParty;
        }
        if dealt || dead || late {
            return Code::OfferClosed;
        }
        if (event.party == spoke.party) != (kind == EventKind::Withdraw) {
            return Code::NotTheirTurn;
        }
        if named {
            return bad().unwrap_or(Code::Ok);
        }
        if kind == EventKind::Accept && spoke.terms.share_ppm > 0 {
            let seller = |made: &Event| if made.sells { made.party } else { made.counterparty };
            for slot in spoke.terms.valid_from..spoke.terms.valid_to {
                let mut promised = spoke.terms.share_ppm;
                for id in 0..3 {
                    let of: Vec<&Event> = past.iter().filter(|then| then.offer == id).collect();
                    let is = |kind: EventKind| of.iter().any(|then| then.kind == Some(kind));
                    if is(EventKind::Accept) && !is(EventKind::Veto) && seller(of[0]) == seller(made) {
                        let last = of
                            .iter()
                            .rfind(|then| matches!(then.kind, Some(EventKind::Offer | EventKind::Counter)))
                            .unwrap();
                        if (last.terms.valid_from..last.terms.valid_to).contains(&slot) {
                            promised += last.terms.share_ppm;
                        }
                    }
                }
                if promised > WHOLE_PPM {
                    return Code::ShareExceeded;
                }
            }
        }
        Code::Ok
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]
        #[test]
        fn events_do_what_the_story_says(steps in proptest::collection::vec((an_event(), any::<bool>()), 1..14)) {
            let (mut desk, mut past, mut now) = (Bilateral::default(), Vec::new(), 1);
            for (mut event, back) in steps {
                now += event.time;
                let begin = if back { now - 1 } else { now };
                event.terms.expires += begin - event.time;
                event.time = begin;
                let before = desk.clone();
                let code = desk.apply(&event);
                prop_assert_eq!(code, expected(&past, &event), "{:?} after {:?}", event, past);
                if code == BilateralCode::Ok {
                    past.push(event);
                } else {
                    prop_assert!(before.offers().eq(desk.offers()), "a refused event changed an offer");
                    prop_assert_eq!(before.clock, desk.clock);
                }
                for offer in desk.offers() {
                    let accepts = past.iter().filter(|e| e.offer == offer.id && e.kind == Some(EventKind::Accept));
                    prop_assert!(accepts.count() <= 1, "accepted twice");
                }
            }
        }
    }

    #[test]
    fn time_lets_offers_run_out() {
        let mut desk = Bilateral::default();
        let event = Event {
            kind: Some(EventKind::Offer),
            time: 1,
            offer: 7,
            party: 1,
            counterparty: 2,
            sells: true,
            terms: terms(5, false, 3, 0, 10),
        };
        assert_eq!(desk.apply(&event), BilateralCode::Ok);
        assert!(desk.advance(4));
        assert_eq!(desk.offers().next().unwrap().state, OfferState::Offered);
        assert!(desk.advance(5) && !desk.advance(4));
        let offer = desk.offers().next().unwrap();
        assert_eq!((offer.state, offer.since, desk.clock()), (OfferState::Expired, 5, Some(5)));
        for (number, code) in BilateralCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert!(!code.name().is_empty());
        }
    }
}
