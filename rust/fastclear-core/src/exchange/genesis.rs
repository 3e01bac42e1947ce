//! What an exchange runs under from its first byte on: never changed, hashed into every block header.

use super::mechanism;
use crate::auction::{Mechanism, Uniform};
use crate::bytes::{Malformed, Reader, put_count};
use crate::settlement::accounts::{BACKSTOP, DSO, PLATFORM};
use crate::settlement::{Imbalance, Owner, Shortfall, Tariff};

/// When orders for a slot are taken: the half-open interval [open, close) of UTC nanoseconds, relative to its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gate {
    opens_before_ns: i64,
    closes_before_ns: i64,
}

impl Gate {
    /// A gate that opens and closes so many ns before the start of the slot (negative: after it).
    ///
    /// `None` where it would close before it opens, or at once.
    pub const fn new(opens_before_ns: i64, closes_before_ns: i64) -> Option<Self> {
        if opens_before_ns > closes_before_ns { Some(Self { opens_before_ns, closes_before_ns }) } else { None }
    }

    /// First ns at which an order is taken, and the first at which none is any more.
    pub const fn of(self, slot: i64) -> (i128, i128) {
        (slot as i128 - self.opens_before_ns as i128, slot as i128 - self.closes_before_ns as i128)
    }
}

/// The terms of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// Name of the platform: at most 64 of a–z, 0–9, `_` and `-`; may be empty.
    pub platform: String,
    /// How a gate is cleared.
    pub mechanism: Mechanism,
    /// House account that makes up for what sellers receive beyond what buyers pay.
    pub deficit_to: u64,
    /// Retail, feed-in, fees, tax.
    pub tariff: Tariff,
    /// What a deviation from the contract costs.
    pub imbalance: Imbalance,
    /// Slots start at whole multiples of this, ns.
    pub slot_ns: u64,
    /// When orders are taken; without one, until the gate is closed by command.
    pub gate: Option<Gate>,
    /// Keyed commands whose replies are remembered: of older ones nothing is known.
    pub remember: u32,
}

const PLATFORM_MOST: usize = 64;
/// House accounts that may own what is left over or make up for what is lacking.
const OWNERS: [(u64, &str); 3] = [(PLATFORM, "platform"), (DSO, "dso"), (BACKSTOP, "backstop")];

fn owner_name(account: u64) -> &'static str {
    OWNERS.iter().find(|&&(id, _)| id == account).map_or("members", |&(_, name)| name)
}

const fn owner_number(owner: Owner) -> u64 {
    match owner {
        Owner::House(account) => account,
        Owner::Members => 0,
    }
}

/// Word, penalty, dead band, owner (0: members).
const fn imbalance_terms(policy: Imbalance) -> (u8, i64, i64, u64) {
    match policy {
        Imbalance::Backup { residual_to } => (0, 0, 0, owner_number(residual_to)),
        Imbalance::SinglePrice => (1, 0, 0, 0),
        Imbalance::DualPrice { penalty, dead_band, to } => (2, penalty, dead_band, owner_number(to)),
        Imbalance::Pooled => (3, 0, 0, 0),
        Imbalance::ShortfallAllocation { rule: Shortfall::BuyerMadeWhole, residual_to } => {
            (4, 0, 0, owner_number(residual_to))
        }
        Imbalance::ShortfallAllocation { rule: Shortfall::BuyerPaysRetail, residual_to } => {
            (5, 0, 0, owner_number(residual_to))
        }
    }
}
const IMBALANCES: [&str; 6] = ["backup", "single", "dual", "pooled", "buyer_made_whole", "buyer_pays_retail"];

impl Default for Genesis {
    /// A uniform price, quarter-hours, no gate but the command that closes it, and nothing that costs anything.
    fn default() -> Self {
        Self {
            platform: String::new(),
            mechanism: Mechanism::from(Uniform::default()),
            deficit_to: PLATFORM,
            tariff: Tariff::default(),
            imbalance: Imbalance::default(),
            slot_ns: 900_000_000_000,
            gate: None,
            remember: 10_000,
        }
    }
}

impl Genesis {
    /// Refuses terms that cannot be.
    ///
    /// # Errors
    /// [`Malformed`] with the reason; its place means nothing here.
    pub fn check(&self) -> Result<(), Malformed> {
        let mut bytes = Vec::new();
        self.encode(&mut bytes);
        let mut reader = Reader::new(&bytes);
        match Self::decode(&mut reader) {
            Ok(read) if read == *self => Ok(()),
            Ok(_) => Err(Malformed { at: 0, reason: "the caps of the rule are not those of the mechanism" }),
            Err(fault) => Err(fault),
        }
    }

    /// The canonical JSON text: sorted keys, no space. Its SHA-256 stands in every header.
    pub fn text(&self) -> String {
        let gate = self.gate.map_or("null".to_owned(), |gate| {
            format!("{{\"closes_before_ns\":{},\"opens_before_ns\":{}}}", gate.closes_before_ns, gate.opens_before_ns)
        });
        let (word, penalty, dead_band, owner) = imbalance_terms(self.imbalance);
        let tariff = &self.tariff;
        format!(
            concat!(
                "{{\"deficit_to\":\"{}\",\"format\":\"fastclear exchange 1\",\"gate\":{},",
                "\"imbalance\":{{\"dead_band_wh\":{},\"penalty\":{},\"policy\":\"{}\",\"to\":\"{}\"}},",
                "\"mechanism\":{},\"platform\":\"{}\",\"profile\":\"prepaid\",\"remember\":{},\"slot_ns\":{},",
                "\"tariff\":{{\"feed_in\":{},\"network_fee\":{},\"platform_fee\":{},\"retail\":{},\"tax_ppm\":{}}}}}",
            ),
            owner_name(self.deficit_to),
            gate,
            dead_band,
            penalty,
            IMBALANCES[usize::from(word)],
            owner_name(owner),
            mechanism::text(&self.mechanism),
            self.platform,
            self.remember,
            self.slot_ns,
            tariff.feed_in(),
            tariff.network_fee(),
            tariff.platform_fee(),
            tariff.retail(),
            tariff.tax_ppm(),
        )
    }

    /// Whether a slot may start at `slot`.
    pub const fn is_slot(&self, slot: i64) -> bool {
        slot >= 0 && (slot as u64).is_multiple_of(self.slot_ns)
    }

    /// Appends the terms.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        put_count(out, self.platform.len());
        out.extend(self.platform.as_bytes());
        mechanism::encode(&self.mechanism, out);
        out.extend(self.deficit_to.to_le_bytes());
        let tariff = &self.tariff;
        for price in [tariff.retail(), tariff.feed_in(), tariff.platform_fee(), tariff.network_fee()] {
            out.extend(price.to_le_bytes());
        }
        out.extend(tariff.tax_ppm().to_le_bytes());
        let (word, penalty, dead_band, owner) = imbalance_terms(self.imbalance);
        out.push(word);
        out.extend(penalty.to_le_bytes());
        out.extend(dead_band.to_le_bytes());
        out.extend(owner.to_le_bytes());
        out.extend(self.slot_ns.to_le_bytes());
        out.push(u8::from(self.gate.is_some()));
        if let Some(gate) = self.gate {
            out.extend(gate.opens_before_ns.to_le_bytes());
            out.extend(gate.closes_before_ns.to_le_bytes());
        }
        out.extend(self.remember.to_le_bytes());
    }

    /// The terms that [`Genesis::encode`] wrote.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let len = reader.count(1)?;
        let name = reader.slice(len)?;
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(byte);
        let platform = String::from_utf8(name.to_vec())
            .ok()
            .filter(|name| len <= PLATFORM_MOST && name.as_bytes().iter().all(plain))
            .ok_or(reader.fault("the name of a platform is at most 64 of a-z, 0-9, _ and -"))?;
        let mechanism = mechanism::decode(reader)?;
        let house = |account: u64| OWNERS.iter().any(|&(id, _)| id == account);
        let deficit_to = reader.u64()?;
        if !house(deficit_to) {
            return Err(reader.fault("a deficit is the platform's, the dso's or the backstop's"));
        }
        let prices = [reader.i64()?, reader.i64()?, reader.i64()?, reader.i64()?];
        let [retail, feed_in, platform_fee, network_fee] = prices;
        let tariff = Tariff::new(retail, feed_in, platform_fee, network_fee, reader.u32()?)
            .map_err(|_| reader.fault("a price or tax of the tariff is out of range"))?;
        let (word, penalty, dead_band, owner) = (reader.u8()?, reader.i64()?, reader.i64()?, reader.u64()?);
        let to = match owner {
            0 => Owner::Members,
            account if house(account) => Owner::House(account),
            _ => return Err(reader.fault("what is left over is a house account's or the members'")),
        };
        let imbalance = match word {
            0 => Imbalance::Backup { residual_to: to },
            1 => Imbalance::SinglePrice,
            2 => Imbalance::DualPrice { penalty, dead_band, to },
            3 => Imbalance::Pooled,
            4 => Imbalance::ShortfallAllocation { rule: Shortfall::BuyerMadeWhole, residual_to: to },
            5 => Imbalance::ShortfallAllocation { rule: Shortfall::BuyerPaysRetail, residual_to: to },
            _ => return Err(reader.fault("the imbalance policy is unknown")),
        };
        if imbalance_terms(imbalance) != (word, penalty, dead_band, owner)
            || !(0..=crate::units::PRICE_MAX).contains(&penalty)
            || dead_band < 0
        {
            return Err(reader.fault("a term of the imbalance policy is out of range"));
        }
        let slot_ns = reader.u64()?;
        if slot_ns == 0 || i64::try_from(slot_ns).is_err() {
            return Err(reader.fault("a slot lasts from 1 to 2^63 - 1 ns"));
        }
        let gate = if reader.flag()? {
            let gate = Gate::new(reader.i64()?, reader.i64()?);
            Some(gate.ok_or(reader.fault("a gate closes after it opens"))?)
        } else {
            None
        };
        let remember = reader.u32()?;
        Ok(Self { platform, mechanism, deficit_to, tariff, imbalance, slot_ns, gate, remember })
    }
}
