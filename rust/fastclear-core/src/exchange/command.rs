//! What an exchange can be asked to do, and the bytes of it.
//!
//! | offset | type | field |
//! |---|---|---|
//! | 0 | u8 | version 1 |
//! | 1 | u8 | what to do |
//! | 2 | u128 | idempotency key, 0 = none |
//! | 18 | | the body |
//!
//! Integers are little-endian. A column is its values one after another; `n` is a u32 before the columns.
//!
//! | number | command | body |
//! |---|---|---|
//! | 1 | open | i64 limit, n, names: u8 0 and i64, or u8 1, u8 length and UTF-8 text |
//! | 2, 3 | deposit, withdraw | n, u64 accounts, i64 amounts |
//! | 4 | submit | i64 slot, u8 optional columns, n, u8 sides, i64 prices, i64 quantities, u64 accounts, then the optional ones |
//! | 5 | cancel | i64 slot, n, u64 markets, u64 orders, u64 accounts |
//! | 6 | close gate | i64 slot |
//! | 7 | meter | i64 slot, n, u64 accounts, i64 Wh |
//! | 8 | settle | i64 slot, i64 losses in Wh |
//! | 9 | close cycle | nothing |
//! | 10 | seal | u8 whether there is a slot, i64 slot (0 without), 32 bytes that salts come from |
//! | 11 | set limit | u64 account, i64 limit |
//!
//! Optional columns of orders, in this order, bit 0 first: u64 markets, u64 orders, i64 times, u8 types, i64 least
//! quantities, u16 reject codes of the border.

use sha2::{Digest, Sha256};

use crate::bytes::{Malformed, Reader, put_column, put_count};
use crate::ledger::Hash;
use crate::order::ROWS_MAX;

/// Version of commands and replies.
pub const VERSION: u8 = 1;
/// Most bytes of a name.
pub const NAME_MOST: usize = 255;

/// Whose account it is, as the operator calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A number.
    Number(i64),
    /// A text of 1 to 255 bytes.
    Text(String),
}

impl Name {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Number(number) => {
                out.push(0);
                out.extend(number.to_le_bytes());
            }
            Self::Text(text) => {
                out.push(1);
                out.push(text.len() as u8);
                out.extend(text.as_bytes());
            }
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        match reader.u8()? {
            0 => reader.i64().map(Self::Number),
            1 => {
                let len = reader.u8()?;
                let bytes = reader.slice(usize::from(len))?;
                let text = std::str::from_utf8(bytes).map_err(|_| reader.fault("a name is no UTF-8"))?;
                if text.is_empty() {
                    return Err(reader.fault("a name is empty"));
                }
                Ok(Self::Text(text.to_owned()))
            }
            _ => Err(reader.fault("a name is neither a number nor a text")),
        }
    }
}

/// Orders for one slot, as columns of one length. A column that is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderBatch {
    /// 1 = buy, 0 = sell; anything else is refused.
    pub side: Vec<u8>,
    /// Ticks.
    pub price: Vec<i64>,
    /// Lots.
    pub quantity: Vec<i64>,
    /// Account of whose order it is; 0 where the border knew none.
    pub account: Vec<u64>,
    /// Market; without it all are of market 0.
    pub market: Vec<u64>,
    /// Id; without it the exchange gives ids of its own.
    pub order: Vec<u64>,
    /// When it reached the operator, ns since 1970 UTC; without it the engine time of the command.
    pub time: Vec<i64>,
    /// 1 = market order, 0 = limit order.
    pub kind: Vec<u8>,
    /// Least quantity that it accepts, 0 = any.
    pub min_quantity: Vec<i64>,
    /// Reject code of what the border refused already, 0 = none.
    pub refused: Vec<u16>,
}

impl OrderBatch {
    /// Number of orders.
    pub fn len(&self) -> usize {
        self.side.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.side.is_empty()
    }

    fn optional(&self) -> u8 {
        let there = [
            !self.market.is_empty(),
            !self.order.is_empty(),
            !self.time.is_empty(),
            !self.kind.is_empty(),
            !self.min_quantity.is_empty(),
            !self.refused.is_empty(),
        ];
        there.iter().enumerate().map(|(bit, &there)| u8::from(there) << bit).sum()
    }
}

/// What an exchange can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Opens an account a name, each with this credit limit.
    Open {
        /// Nano-currency.
        limit: i64,
        /// Whose.
        names: Vec<Name>,
    },
    /// Brings money in.
    Deposit {
        /// Whose.
        accounts: Vec<u64>,
        /// Nano-currency each.
        amounts: Vec<i64>,
    },
    /// Pays money out.
    Withdraw {
        /// Whose.
        accounts: Vec<u64>,
        /// Nano-currency each.
        amounts: Vec<i64>,
    },
    /// Puts orders into the book of a slot, and sets the worst case of each bid aside.
    Submit {
        /// Start of the slot, ns since 1970 UTC.
        slot: i64,
        /// The orders.
        orders: OrderBatch,
    },
    /// Takes orders back.
    Cancel {
        /// Start of the slot.
        slot: i64,
        /// Market of each order.
        markets: Vec<u64>,
        /// Its id.
        orders: Vec<u64>,
        /// Whose it is.
        accounts: Vec<u64>,
    },
    /// Closes the gate of a slot and clears its book.
    CloseGate {
        /// Start of the slot.
        slot: i64,
    },
    /// Brings meter readings of a slot; a later reading of a member takes the place of an earlier one.
    Meter {
        /// Start of the slot.
        slot: i64,
        /// Whose.
        accounts: Vec<u64>,
        /// Net Wh each: + consumption, − generation.
        energy: Vec<i64>,
    },
    /// Settles a slot whose gate is closed, under the readings that there are.
    Settle {
        /// Start of the slot.
        slot: i64,
        /// Wh that the network lost.
        losses: i64,
    },
    /// Ends a settlement cycle.
    CloseCycle,
    /// Seals everything since the last block, and the orders of a settled slot, into a block.
    Seal {
        /// Start of the slot; none: no orders.
        slot: Option<i64>,
        /// What the salts come from: random, or from the seed of a simulation.
        key: [u8; 32],
    },
    /// Sets a member's credit limit.
    SetLimit {
        /// Whose.
        account: u64,
        /// Nano-currency.
        limit: i64,
    },
}

impl Command {
    /// Number of the command in its bytes.
    pub const fn number(&self) -> u8 {
        match self {
            Self::Open { .. } => 1,
            Self::Deposit { .. } => 2,
            Self::Withdraw { .. } => 3,
            Self::Submit { .. } => 4,
            Self::Cancel { .. } => 5,
            Self::CloseGate { .. } => 6,
            Self::Meter { .. } => 7,
            Self::Settle { .. } => 8,
            Self::CloseCycle => 9,
            Self::Seal { .. } => 10,
            Self::SetLimit { .. } => 11,
        }
    }

    /// The bytes under an idempotency `key`. Columns must be of one length, and rows fewer than 2³⁰.
    pub fn encode(&self, key: u128) -> Vec<u8> {
        let mut out = vec![VERSION, self.number()];
        out.extend(key.to_le_bytes());
        match self {
            Self::Open { limit, names } => {
                out.extend(limit.to_le_bytes());
                put_count(&mut out, names.len());
                for name in names {
                    name.encode(&mut out);
                }
            }
            Self::Deposit { accounts, amounts } | Self::Withdraw { accounts, amounts } => {
                put_pairs(&mut out, accounts, amounts);
            }
            Self::Submit { slot, orders } => {
                out.extend(slot.to_le_bytes());
                out.push(orders.optional());
                put_count(&mut out, orders.len());
                out.extend(&orders.side);
                put_column(&mut out, &orders.price, i64::to_le_bytes);
                put_column(&mut out, &orders.quantity, i64::to_le_bytes);
                put_column(&mut out, &orders.account, u64::to_le_bytes);
                put_column(&mut out, &orders.market, u64::to_le_bytes);
                put_column(&mut out, &orders.order, u64::to_le_bytes);
                put_column(&mut out, &orders.time, i64::to_le_bytes);
                out.extend(&orders.kind);
                put_column(&mut out, &orders.min_quantity, i64::to_le_bytes);
                put_column(&mut out, &orders.refused, u16::to_le_bytes);
            }
            Self::Cancel { slot, markets, orders, accounts } => {
                out.extend(slot.to_le_bytes());
                put_count(&mut out, orders.len());
                for column in [markets, orders, accounts] {
                    put_column(&mut out, column, u64::to_le_bytes);
                }
            }
            Self::CloseGate { slot } => out.extend(slot.to_le_bytes()),
            Self::Meter { slot, accounts, energy } => {
                out.extend(slot.to_le_bytes());
                put_pairs(&mut out, accounts, energy);
            }
            Self::Settle { slot, losses } => {
                out.extend(slot.to_le_bytes());
                out.extend(losses.to_le_bytes());
            }
            Self::CloseCycle => {}
            Self::Seal { slot, key } => {
                out.push(u8::from(slot.is_some()));
                out.extend(slot.unwrap_or(0).to_le_bytes());
                out.extend(key);
            }
            Self::SetLimit { account, limit } => {
                out.extend(account.to_le_bytes());
                out.extend(limit.to_le_bytes());
            }
        }
        out
    }

    /// Key and command of these bytes, strictly: whatever [`Command::encode`] cannot have written is refused.
    ///
    /// # Errors
    /// [`Malformed`] with the place and the reason.
    pub fn decode(bytes: &[u8]) -> Result<(u128, Self), Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u8()? != VERSION {
            return Err(Malformed { at: 0, reason: "another version of commands" });
        }
        let number = reader.u8()?;
        let key = reader.u128()?;
        let command = Self::body(number, &mut reader)?;
        reader.end()?;
        Ok((key, command))
    }

    fn body(number: u8, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match number {
            1 => {
                let (limit, n) = (r.i64()?, r.count(2)?);
                Self::Open { limit, names: (0..n).map(|_| Name::decode(r)).collect::<Result<_, _>>()? }
            }
            2 => {
                let (accounts, amounts) = pairs(r)?;
                Self::Deposit { accounts, amounts }
            }
            3 => {
                let (accounts, amounts) = pairs(r)?;
                Self::Withdraw { accounts, amounts }
            }
            4 => Self::Submit { slot: r.i64()?, orders: orders(r)? },
            5 => {
                let (slot, n) = (r.i64()?, r.count(24)?);
                let [markets, orders, accounts] = [(); 3].map(|()| r.column(n, u64::from_le_bytes));
                Self::Cancel { slot, markets: markets?, orders: orders?, accounts: accounts? }
            }
            6 => Self::CloseGate { slot: r.i64()? },
            7 => {
                let slot = r.i64()?;
                let (accounts, energy) = pairs(r)?;
                Self::Meter { slot, accounts, energy }
            }
            8 => Self::Settle { slot: r.i64()?, losses: r.i64()? },
            9 => Self::CloseCycle,
            10 => {
                let (there, slot) = (r.flag()?, r.i64()?);
                if !there && slot != 0 {
                    return Err(r.fault("there is no slot, and its place is not 0"));
                }
                Self::Seal { slot: there.then_some(slot), key: r.array()? }
            }
            11 => Self::SetLimit { account: r.u64()?, limit: r.i64()? },
            _ => return Err(Malformed { at: 1, reason: "the command is unknown" }),
        })
    }

    /// Hash of what is asked for, without the key, and without what salts come from, which a second try draws anew.
    pub(super) fn digest(&self) -> Hash {
        let bytes = self.encode(0);
        let asked = match self {
            Self::Seal { .. } => &bytes[..bytes.len() - 32],
            _ => &bytes,
        };
        Sha256::digest(asked).into()
    }
}

fn put_pairs(out: &mut Vec<u8>, accounts: &[u64], amounts: &[i64]) {
    put_count(out, accounts.len());
    put_column(out, accounts, u64::to_le_bytes);
    put_column(out, amounts, i64::to_le_bytes);
}

fn pairs(r: &mut Reader<'_>) -> Result<(Vec<u64>, Vec<i64>), Malformed> {
    let n = r.count(16)?;
    Ok((r.column(n, u64::from_le_bytes)?, r.column(n, i64::from_le_bytes)?))
}

fn orders(r: &mut Reader<'_>) -> Result<OrderBatch, Malformed> {
    let (optional, n) = (r.u8()?, r.count(25)?);
    if optional >= 1 << 6 || (n == 0 && optional != 0) {
        return Err(r.fault("an optional column is unknown, or has no row"));
    }
    if n > ROWS_MAX {
        return Err(r.fault("there are too many orders"));
    }
    let rows = |bit: u8| if optional >> bit & 1 == 1 { n } else { 0 };
    let byte = |[byte]: [u8; 1]| byte;
    Ok(OrderBatch {
        side: r.column(n, byte)?,
        price: r.column(n, i64::from_le_bytes)?,
        quantity: r.column(n, i64::from_le_bytes)?,
        account: r.column(n, u64::from_le_bytes)?,
        market: r.column(rows(0), u64::from_le_bytes)?,
        order: r.column(rows(1), u64::from_le_bytes)?,
        time: r.column(rows(2), i64::from_le_bytes)?,
        kind: r.column(rows(3), byte)?,
        min_quantity: r.column(rows(4), i64::from_le_bytes)?,
        refused: r.column(rows(5), u16::from_le_bytes)?,
    })
}
