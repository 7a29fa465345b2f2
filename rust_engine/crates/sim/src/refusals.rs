//! Orders that the exchange refuses for reasons of its own: a filter, a lock on the account, an overloaded engine.

use crate::outcome::BookVenueError;
use model::{OrderRequest, VenueConfig, VenueModel};
use serde::{Deserialize, Serialize};

/// A hash has so many equal steps: as many as a float holds without rounding.
const STEPS: u64 = 1 << 53;

/// Which orders are refused. That is a function of seed, symbol and number of the order alone: a recovery from any snapshot, a
/// replay and another venue with the same orders refuse the same ones, and nothing has to be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    seed: u64,
    /// Of [`STEPS`].
    n_refused: u64,
}

impl Refusals {
    /// What `config` says.
    ///
    /// # Errors
    /// A share outside 0 to 1, or one where no book venue fills.
    pub fn new(config: &VenueConfig) -> Result<Self, BookVenueError> {
        let rate = config.reject_rate;
        if !(0.0..=1.0).contains(&rate) {
            return Err(BookVenueError::RejectRate(rate));
        }
        let simulated = if config.model == VenueModel::External { config.simulated } else { config.model };
        if rate > 0.0 && simulated != VenueModel::Book {
            return Err(BookVenueError::RejectRateWithoutBook(rate));
        }
        Ok(Self { seed: config.reject_seed, n_refused: (rate * STEPS as f64) as u64 })
    }

    /// Whether `order` is refused.
    #[inline]
    pub(crate) fn hit(self, order: &OrderRequest) -> bool {
        let parts = [self.seed, order.symbol.index() as u64, order.id.0];
        self.n_refused > 0 && parts.into_iter().fold(0, mixed) >> 11 < self.n_refused
    }
}

/// One step of SplitMix64 (Steele, Lea and Flood 2014) from `state`, into which `part` goes.
const fn mixed(state: u64, part: u64) -> u64 {
    let z = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
