//! Call auctions: all orders of a market at once, at a gate.
//!
//! [`curve`] finds where supply meets demand, [`rationing`] shares the level that does not fit, [`pairing`] makes
//! trades of fills, [`uniform`] and [`discriminatory`] set prices. Each works on one market whose orders lie side by
//! side ([`book::Book`]); [`crate::batch`] lays markets out so.

pub mod book;
pub mod curve;
pub mod discriminatory;
pub mod pairing;
pub mod price;
pub mod rationing;
pub mod uniform;

pub use discriminatory::Discriminatory;
pub use uniform::Uniform;

/// A mechanism of [`crate::batch::clear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// One price a market.
    Uniform(Uniform),
    /// One price a trade.
    Discriminatory(Discriminatory),
}

impl Mechanism {
    /// The fee a unit inside the clearing, in ticks.
    pub const fn fee(&self) -> i64 {
        match self {
            Self::Uniform(uniform) => uniform.fee,
            Self::Discriminatory(discriminatory) => discriminatory.fee,
        }
    }
}
