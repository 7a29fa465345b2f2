//! What every form of book answers.

use model::{BookTop, Depth, Level, Price, Qty, Quote, Side, SymbolId, TOP_LEVELS, Ts};
use serde::{Deserialize, Serialize};

/// Why a level or a grid was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// The price is not a positive multiple of the tick.
    #[error("price {} is not a positive multiple of the tick {}", price, tick)]
    OffGrid {
        /// The price.
        price: Price,
        /// The tick.
        tick: Price,
    },
    /// The quantity is below zero.
    #[error("quantity {0} is below zero")]
    Negative(Qty),
    /// The tick is not above zero.
    #[error("tick {0} is not above zero")]
    Tick(Price),
}

/// The prices that a symbol knows: positive multiples of its tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grid {
    tick: i64,
}

impl Grid {
    /// The multiples of `tick`.
    ///
    /// # Errors
    /// [`BookError::Tick`] unless it is above zero.
    pub fn new(tick: Price) -> Result<Self, BookError> {
        if tick.0 <= 0 {
            return Err(BookError::Tick(tick));
        }
        Ok(Self { tick: tick.0 })
    }

    /// How many ticks `price` is.
    ///
    /// # Errors
    /// [`BookError::OffGrid`].
    #[inline]
    pub fn index(self, price: Price) -> Result<i64, BookError> {
        let index = price.0 / self.tick;
        if price.0 <= 0 || index * self.tick != price.0 {
            return Err(BookError::OffGrid { price, tick: Price(self.tick) });
        }
        Ok(index)
    }

    /// The price that is `index` ticks.
    #[inline]
    #[must_use]
    pub const fn price(self, index: i64) -> Price {
        Price(index * self.tick)
    }

    /// The smallest price step.
    #[must_use]
    pub const fn tick(self) -> Price {
        Price(self.tick)
    }
}

/// The book of one symbol: at every price of a side, what rests there.
pub trait L2Book {
    /// Sets what rests at one price and says what rested there on that side before. Zero deletes.
    ///
    /// A level that crosses removes the levels of the other side that it crosses; [`L2Book::uncrossed`] counts them.
    ///
    /// # Errors
    /// A price off the grid or a quantity below zero; the book is then as before.
    fn set(&mut self, level: Level) -> Result<Qty, BookError>;

    /// The best price of a side and what rests there.
    fn best(&self, side: Side) -> Option<(Price, Qty)>;

    /// The next worse price of a side after `price`, which need not hold anything itself.
    fn worse(&self, side: Side, price: Price) -> Option<(Price, Qty)>;

    /// What rests at a price of a side.
    fn qty_at(&self, side: Side, price: Price) -> Qty;

    /// Forgets every level; counters stay.
    fn clear(&mut self);

    /// How many levels were removed because the other side crossed them.
    fn uncrossed(&self) -> u64;

    /// The best bid.
    fn best_bid(&self) -> Option<(Price, Qty)> {
        self.best(Side::Buy)
    }

    /// The best ask.
    fn best_ask(&self) -> Option<(Price, Qty)> {
        self.best(Side::Sell)
    }

    /// The `k`th best level of a side, counted from zero.
    fn level(&self, side: Side, k: usize) -> Option<(Price, Qty)> {
        let mut level = self.best(side)?;
        for _ in 0..k {
            level = self.worse(side, level.0)?;
        }
        Some(level)
    }

    /// Applies a snapshot, which replaces the book, or a difference. Whether it is due is [`crate::Resync`]'s question.
    ///
    /// # Errors
    /// The first level that is refused; the levels before it are applied, so the book needs a snapshot.
    fn apply(&mut self, depth: &Depth) -> Result<(), BookError> {
        if depth.is_snapshot {
            self.clear();
        }
        depth.levels.iter().try_for_each(|level| self.set(*level).map(|_| ()))
    }

    /// Makes the best prices those of `quote`: better levels go, and a side without quantity goes whole. Worse levels stay.
    ///
    /// # Errors
    /// As [`L2Book::set`].
    fn apply_quote(&mut self, quote: &Quote) -> Result<(), BookError> {
        for (side, price, qty) in [(Side::Buy, quote.bid, quote.bid_qty), (Side::Sell, quote.ask, quote.ask_qty)] {
            while let Some((best, _)) = self.best(side) {
                if qty > Qty::ZERO && !is_better(side, best, price) {
                    break;
                }
                self.set(Level { side, price: best, qty: Qty::ZERO })?;
            }
            if qty != Qty::ZERO {
                self.set(Level { side, price, qty })?;
            }
        }
        Ok(())
    }

    /// The best [`TOP_LEVELS`] of both sides.
    fn top(&self, symbol: SymbolId, at: Ts) -> BookTop {
        let mut top = BookTop {
            symbol,
            at,
            bids: [(Price::ZERO, Qty::ZERO); TOP_LEVELS],
            asks: [(Price::ZERO, Qty::ZERO); TOP_LEVELS],
        };
        for (side, levels) in [(Side::Buy, &mut top.bids), (Side::Sell, &mut top.asks)] {
            let mut next = self.best(side);
            for slot in levels.iter_mut() {
                let Some(level) = next else { break };
                *slot = level;
                next = self.worse(side, level.0);
            }
        }
        top
    }
}

/// Whether an order of `side` at `price` comes before one at `than`.
#[inline]
#[must_use]
pub(crate) fn is_better(side: Side, price: Price, than: Price) -> bool {
    match side {
        Side::Buy => price > than,
        Side::Sell => price < than,
    }
}
