//! What holds in one slot: a tariff, the tax rate of each line, and who has a share of the fees.
//!
//! A flat tariff is the case of one rate for every line and no share.

use super::slot::{TAX_NETWORK, TAX_PLATFORM, TAX_TRADE};
use super::tariff::{TAX_PPM_MAX, Tariff, TariffError, tax};

/// Tax rates in parts per million, one a line. The payer is the buyer, or whoever draws the residual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TaxRates {
    /// On the energy of a trade.
    pub energy: u32,
    /// On the platform's fee.
    pub platform: u32,
    /// On the network's fee.
    pub network: u32,
    /// On residual energy.
    pub residual: u32,
}

/// The part of a fee that another house account than its owner receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeeShare {
    /// Parts per million of the fee; 0: nobody has a share.
    pub ppm: u32,
    /// House account that receives it.
    pub to: u64,
}

impl FeeShare {
    /// The share of `fee` nano-currency, rounded towards zero: the owner of the fee has the rest, so that the parts sum
    /// to the whole, and a fee that is paid back is divided like one that is paid.
    #[inline]
    pub fn of(self, fee: i128) -> i128 {
        // Nearly no fee is shared; a division of 128 bits is worth avoiding.
        if self.ppm == 0 { 0 } else { fee * i128::from(self.ppm) / 1_000_000 }
    }
}

/// The terms of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Its tax is the one on residual energy.
    tariff: Tariff,
    taxes: TaxRates,
    platform_share: FeeShare,
    network_share: FeeShare,
    slot: Option<i64>,
}

impl From<Tariff> for Terms {
    /// One tax for every line, no share of a fee, and no slot.
    fn from(tariff: Tariff) -> Self {
        let ppm = tariff.tax_ppm();
        let taxes = TaxRates { energy: ppm, platform: ppm, network: ppm, residual: ppm };
        Self { tariff, taxes, ..Self::default() }
    }
}

impl Terms {
    /// The terms of `slot`, ns since 1970 UTC: prices and fees of `tariff`, tax by line, shares of the platform's and
    /// of the network's fee.
    ///
    /// # Errors
    /// A [`TariffError`] names a rate or share above 100 %.
    pub fn new(
        tariff: &Tariff,
        slot: i64,
        taxes: TaxRates,
        [platform_share, network_share]: [FeeShare; 2],
    ) -> Result<Self, TariffError> {
        for ppm in [taxes.energy, taxes.platform, taxes.network, taxes.residual] {
            if ppm > TAX_PPM_MAX {
                return Err(TariffError::TaxTooHigh { ppm });
            }
        }
        for share in [platform_share, network_share] {
            if share.ppm > 1_000_000 {
                return Err(TariffError::ShareTooHigh { ppm: share.ppm });
            }
        }
        let tariff = Tariff::new(
            tariff.retail(),
            tariff.feed_in(),
            tariff.platform_fee(),
            tariff.network_fee(),
            taxes.residual,
        )?;
        Ok(Self { tariff, taxes, platform_share, network_share, slot: Some(slot) })
    }

    /// Prices and fees, and the tax on residual energy.
    pub const fn tariff(&self) -> &Tariff {
        &self.tariff
    }

    /// The slot they hold in, ns since 1970 UTC; none for a flat tariff, which holds in all of them.
    pub const fn slot(&self) -> Option<i64> {
        self.slot
    }

    /// Who has a part of the platform's fee.
    pub const fn platform_share(&self) -> FeeShare {
        self.platform_share
    }

    /// Who has a part of the network's fee.
    pub const fn network_share(&self) -> FeeShare {
        self.network_share
    }

    /// The tax lines of a trade with their codes, from what its buyer owes for energy, platform and network.
    ///
    /// A fee of the energy's rate is taxed in one line with the energy, rounded once; any other has a line of its own.
    #[inline]
    pub fn taxes(&self, energy: i128, platform: i128, network: i128) -> [(u16, i128); 3] {
        let apart = |rate: u32, fee: i128| if rate == self.taxes.energy { 0 } else { tax(fee, rate) };
        [
            (TAX_TRADE, self.trade_tax(self.trade_base(energy, platform, network))),
            (TAX_PLATFORM, apart(self.taxes.platform, platform)),
            (TAX_NETWORK, apart(self.taxes.network, network)),
        ]
    }

    /// What of a trade is taxed in one line with its energy: the energy, and each fee of its rate.
    pub fn trade_base(&self, energy: i128, platform: i128, network: i128) -> i128 {
        let joined = |rate: u32, fee: i128| if rate == self.taxes.energy { fee } else { 0 };
        energy + joined(self.taxes.platform, platform) + joined(self.taxes.network, network)
    }

    /// The tax on energy that is traded, and on what is taxed in one line with it.
    pub fn trade_tax(&self, base: i128) -> i128 {
        tax(base, self.taxes.energy)
    }

    /// The most that a bid of `price` ticks for `quantity` lots can cost its buyer, in nano-currency, where a trade may
    /// cost up to `network_fee` ticks a unit on the network.
    ///
    /// Price, both fees, and each tax line on one unit rounded up to a whole tick, times the quantity; never negative.
    /// Rounding the tax up *a unit* is what makes it a bound: a bid filled in several trades is taxed trade by trade,
    /// each tax is rounded by itself, and ceil(f·x) ≤ f·ceil(x) covers every way of splitting. A trade at a lower price
    /// or fee costs less, because no rate is negative.
    pub fn cover(&self, price: i64, quantity: i64, network_fee: i64) -> i128 {
        let [energy, platform, network] = [price, self.tariff.platform_fee(), network_fee].map(i128::from);
        let rates = self.taxes;
        let ceil = |base: i128, ppm: u32| -(-base * i128::from(ppm)).div_euclid(1_000_000);
        let (mut joint, mut apart) = (energy, 0);
        for (fee, rate) in [(platform, rates.platform), (network, rates.network)] {
            if rate == rates.energy {
                joint += fee;
            } else {
                apart += ceil(fee, rate);
            }
        }
        let unit = energy + platform + network + ceil(joint, rates.energy) + apart;
        unit.max(0) * i128::from(quantity)
    }
}

#[cfg(test)]
#[path = "terms_tests.rs"]
mod tests;
