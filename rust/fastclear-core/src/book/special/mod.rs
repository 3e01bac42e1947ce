//! What markets have beyond plain orders.
pub(super) mod call;
pub use call::Call;
