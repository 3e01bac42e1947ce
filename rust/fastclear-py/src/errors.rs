//! The only place that names Python exceptions.

use pyo3::prelude::*;
use pyo3::types::PyType;

/// An exception class of `fastclear.errors`.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each binding file uses its own")]
pub enum Exception {
    /// Columns that make no sense together.
    Schema,
    /// A mechanism that cannot be.
    Mechanism,
    /// A settlement call that makes no sense.
    Settlement,
    /// A block, proof or chain that is wrong.
    Ledger,
    /// A command that an exchange refuses.
    Exchange,
    /// A directory that cannot be read or written.
    Store,
}

impl Exception {
    const fn name(self) -> &'static str {
        match self {
            Self::Schema => "SchemaError",
            Self::Mechanism => "MechanismError",
            Self::Settlement => "SettlementError",
            Self::Ledger => "LedgerError",
            Self::Exchange => "ExchangeError",
            Self::Store => "StoreError",
        }
    }

    /// The Python exception with this message.
    pub fn with(self, message: impl Into<String>) -> PyErr {
        let message = message.into();
        Python::attach(|py| {
            let class = py
                .import("fastclear.errors")
                .and_then(|errors| errors.getattr(self.name()))
                .and_then(|class| Ok(class.cast_into::<PyType>()?));
            match class {
                Ok(class) => PyErr::from_type(class, (message,)),
                Err(error) => error,
            }
        })
    }
}
