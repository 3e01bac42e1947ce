//! Values as bytes, little-endian: what is written is read by the same list of fields.

use std::collections::VecDeque;

use super::super::command::{Peg, Phase};
use super::rich::Stands;
use crate::bytes::{Malformed, Reader, put_count};
use crate::units;

/// What can be saved.
pub(super) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Saves a struct field by field. Every one is named: one that is forgotten does not compile. What follows from all others is
/// made `anew`.
macro_rules! fields {
    ($type:ty { $($field:ident),* $(; anew $($other:ident),*)? }) => {
        impl $crate::book::special::fields::Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field,)* $($($other: _,)*)? } = self;
                $($field.put(out);)*
            }

            fn take(r: &mut $crate::bytes::Reader<'_>) -> Result<Self, $crate::bytes::Malformed> {
                Ok(Self {
                    $($field: $crate::book::special::fields::Field::take(r)?,)*
                    $($($other: Default::default(),)*)?
                })
            }
        }
    };
}
pub(super) use fields;

macro_rules! integers {
    ($($type:ident),*) => {
        $(impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }

            fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok($type::from_le_bytes(r.array()?))
            }
        })*
    };
}

integers!(u8, u32, u64, i64);

/// Prices are the only integers of this type.
impl Field for i32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend(self.to_le_bytes());
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let price = Self::from_le_bytes(r.array()?);
        if units::price_in_range(i64::from(price)) { Ok(price) } else { Err(r.fault("a price is out of range")) }
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        r.flag()
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        if r.flag()? { T::take(r).map(Some) } else { Ok(None) }
    }
}

impl<T: Field, U: Field> Field for (T, U) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok((T::take(r)?, U::take(r)?))
    }
}

impl<T: Field> Field for [T; 2] {
    fn put(&self, out: &mut Vec<u8>) {
        for value in self {
            value.put(out);
        }
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok([T::take(r)?, T::take(r)?])
    }
}

impl<T: Field> Field for VecDeque<T> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(out, self.len());
        for value in self {
            value.put(out);
        }
    }

    fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        // Room is made as values are read, not as a count asks for it.
        let mut values = Self::new();
        for _ in 0..r.count(1)? {
            values.push_back(T::take(r)?);
        }
        Ok(values)
    }
}

/// Saves one of several words as its code. Every word is named: one that is forgotten does not compile.
macro_rules! codes {
    ($type:ident { $($word:ident = $code:literal),* }) => {
        impl Field for $type {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self {
                    $(Self::$word => $code,)*
                });
            }

            fn take(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                match r.u8()? {
                    $($code => Ok(Self::$word),)*
                    _ => Err(r.fault(concat!("a code is none of ", stringify!($type)))),
                }
            }
        }
    };
}

codes!(Phase { PreOpen = 0, Continuous = 1, Halted = 2 });
codes!(Peg { Best = 1, Mid = 2 });
codes!(Stands { Shown = 0, Conditional = 1, Waiting = 2, Unpriced = 3 });
