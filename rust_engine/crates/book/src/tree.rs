//! The book as two ordered maps: any spread of prices, a logarithmic price for each step.

use crate::l2::{BookError, Grid, L2Book};
use model::{Level, Price, Qty, Side};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A book in two ordered maps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeBook {
    grid: Grid,
    bids: BTreeMap<i64, Qty>,
    asks: BTreeMap<i64, Qty>,
    uncrossed: u64,
}

impl TreeBook {
    /// An empty book of prices that are multiples of `tick`.
    ///
    /// # Errors
    /// [`BookError::Tick`].
    pub fn new(tick: Price) -> Result<Self, BookError> {
        Ok(Self { grid: Grid::new(tick)?, bids: BTreeMap::new(), asks: BTreeMap::new(), uncrossed: 0 })
    }

    fn uncross(&mut self, side: Side, index: i64) {
        match side {
            Side::Buy => {
                while let Some(entry) = self.asks.first_entry().filter(|e| *e.key() <= index) {
                    entry.remove();
                    self.uncrossed += 1;
                }
            }
            Side::Sell => {
                while let Some(entry) = self.bids.last_entry().filter(|e| *e.key() >= index) {
                    entry.remove();
                    self.uncrossed += 1;
                }
            }
        }
    }
}

impl L2Book for TreeBook {
    fn set(&mut self, level: Level) -> Result<Qty, BookError> {
        let index = self.grid.index(level.price)?;
        if level.qty < Qty::ZERO {
            return Err(BookError::Negative(level.qty));
        }
        if level.qty > Qty::ZERO {
            self.uncross(level.side, index);
        }
        let levels = match level.side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        let before = if level.qty == Qty::ZERO { levels.remove(&index) } else { levels.insert(index, level.qty) };
        Ok(before.unwrap_or(Qty::ZERO))
    }

    fn best(&self, side: Side) -> Option<(Price, Qty)> {
        let entry = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        entry.map(|(index, qty)| (self.grid.price(*index), *qty))
    }

    fn worse(&self, side: Side, price: Price) -> Option<(Price, Qty)> {
        let tick = self.grid.tick().0;
        let entry = match side {
            Side::Buy => self.bids.range(..price.0.div_euclid(tick) + i64::from(price.0 % tick != 0)).next_back(),
            Side::Sell => self.asks.range(price.0.div_euclid(tick) + 1..).next(),
        };
        entry.map(|(index, qty)| (self.grid.price(*index), *qty))
    }

    fn qty_at(&self, side: Side, price: Price) -> Qty {
        let Ok(index) = self.grid.index(price) else { return Qty::ZERO };
        let levels = match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        };
        levels.get(&index).copied().unwrap_or(Qty::ZERO)
    }

    fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
    }

    fn uncrossed(&self) -> u64 {
        self.uncrossed
    }
}
