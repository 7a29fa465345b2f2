//! The book as a window of ticks: one slot a price, one bit a price that says whether anything rests there.
//!
//! A book is never crossed, so one array holds both sides: what is at or below the best bid is a bid, the rest are asks. The
//! next level is found by scanning bits, 64 prices a step. Prices outside the window are few and far from the trading; they
//! lie in an ordered map. The window follows the best price.

use crate::l2::{BookError, Grid, L2Book};
use model::{BookTop, Level, Price, Qty, Side, SymbolId, TOP_LEVELS, Ts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Ticks in the window; a multiple of 64.
const WINDOW: i64 = 1 << 14;
/// The window moves when a best price comes this near to its edge.
const MARGIN: i64 = WINDOW / 8;
/// Stands for "no level": below every bid.
const NO_BID: i64 = i64::MIN;
/// Stands for "no level": above every ask.
const NO_ASK: i64 = i64::MAX;

/// A book in a window of ticks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Saved", try_from = "Saved")]
pub struct ArrayBook {
    grid: Grid,
    /// The tick of slot zero.
    first: i64,
    qty: Vec<i64>,
    bits: Vec<u64>,
    /// Ticks outside the window.
    far: BTreeMap<i64, i64>,
    best_bid: i64,
    best_ask: i64,
    uncrossed: u64,
}

/// A book as it is written to a snapshot.
#[derive(Serialize, Deserialize)]
struct Saved {
    tick: Price,
    levels: Vec<Level>,
    uncrossed: u64,
}

impl From<ArrayBook> for Saved {
    fn from(book: ArrayBook) -> Self {
        let mut levels = Vec::new();
        for side in [Side::Buy, Side::Sell] {
            let mut next = book.best(side);
            while let Some((price, qty)) = next {
                levels.push(Level { side, price, qty });
                next = book.worse(side, price);
            }
        }
        Self { tick: book.grid.tick(), levels, uncrossed: book.uncrossed }
    }
}

impl TryFrom<Saved> for ArrayBook {
    type Error = BookError;

    fn try_from(saved: Saved) -> Result<Self, BookError> {
        let mut book = Self::new(saved.tick)?;
        for level in saved.levels {
            book.set(level)?;
        }
        book.uncrossed = saved.uncrossed;
        Ok(book)
    }
}

impl PartialEq for ArrayBook {
    /// Equal books hold the same levels; where their windows lie is no part of what they say.
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (Saved::from(self.clone()), Saved::from(other.clone()));
        (a.tick, a.levels, a.uncrossed) == (b.tick, b.levels, b.uncrossed)
    }
}

impl ArrayBook {
    /// An empty book of prices that are multiples of `tick`.
    ///
    /// # Errors
    /// [`BookError::Tick`].
    pub fn new(tick: Price) -> Result<Self, BookError> {
        Ok(Self {
            grid: Grid::new(tick)?,
            first: 0,
            qty: vec![0; WINDOW as usize],
            bits: vec![0; WINDOW as usize / 64],
            far: BTreeMap::new(),
            best_bid: NO_BID,
            best_ask: NO_ASK,
            uncrossed: 0,
        })
    }

    /// The slot of a tick, if it lies in the window.
    #[inline]
    fn slot(&self, index: i64) -> Option<usize> {
        let slot = index.wrapping_sub(self.first);
        (0..WINDOW).contains(&slot).then_some(slot as usize)
    }

    #[inline]
    fn get(&self, index: i64) -> i64 {
        match self.slot(index) {
            Some(slot) => self.qty[slot],
            None => self.far.get(&index).copied().unwrap_or(0),
        }
    }

    /// Stores what rests at a tick and gives back what rested there.
    #[inline]
    fn put(&mut self, index: i64, qty: i64) -> i64 {
        if let Some(slot) = self.slot(index) {
            let before = std::mem::replace(&mut self.qty[slot], qty);
            let bit = 1_u64 << (slot % 64);
            if qty == 0 {
                self.bits[slot / 64] &= !bit;
            } else {
                self.bits[slot / 64] |= bit;
            }
            return before;
        }
        let before = if qty == 0 { self.far.remove(&index) } else { self.far.insert(index, qty) };
        before.unwrap_or(0)
    }

    /// The highest tick below `index` at which anything rests, of either side.
    fn below(&self, index: i64) -> Option<i64> {
        let end = self.first + WINDOW;
        if index > end
            && let Some((far, _)) = self.far.range(end..index).next_back()
        {
            return Some(*far);
        }
        if index > self.first
            && let Some(slot) = self.bit_below((index.min(end) - self.first) as usize)
        {
            return Some(self.first + slot as i64);
        }
        self.far.range(..index.min(self.first)).next_back().map(|(far, _)| *far)
    }

    /// The lowest tick above `index` at which anything rests, of either side.
    fn above(&self, index: i64) -> Option<i64> {
        let next = index + 1;
        if next < self.first
            && let Some((far, _)) = self.far.range(next..self.first).next()
        {
            return Some(*far);
        }
        let end = self.first + WINDOW;
        if next < end
            && let Some(slot) = self.bit_from((next.max(self.first) - self.first) as usize)
        {
            return Some(self.first + slot as i64);
        }
        self.far.range(next.max(end)..).next().map(|(far, _)| *far)
    }

    /// The highest set bit below `slot`.
    #[inline]
    fn bit_below(&self, slot: usize) -> Option<usize> {
        let mut word = slot / 64;
        let mut bits = self.bits.get(word).map_or(0, |w| w & ((1_u64 << (slot % 64)) - 1));
        while bits == 0 {
            word = word.checked_sub(1)?;
            bits = self.bits[word];
        }
        Some(word * 64 + 63 - bits.leading_zeros() as usize)
    }

    /// The lowest set bit at or above `slot`.
    #[inline]
    fn bit_from(&self, slot: usize) -> Option<usize> {
        let mut word = slot / 64;
        let mut bits = self.bits[word] & (u64::MAX << (slot % 64));
        while bits == 0 {
            word += 1;
            bits = *self.bits.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// Moves the window so that `index` lies in its middle.
    #[cold]
    fn recentre(&mut self, index: i64) {
        for word in 0..self.bits.len() {
            while self.bits[word] != 0 {
                let slot = word * 64 + self.bits[word].trailing_zeros() as usize;
                self.far.insert(self.first + slot as i64, self.qty[slot]);
                self.qty[slot] = 0;
                self.bits[word] &= self.bits[word] - 1;
            }
        }
        self.first = index - WINDOW / 2;
        let mut near = self.far.split_off(&self.first);
        let mut above = near.split_off(&(self.first + WINDOW));
        self.far.append(&mut above);
        for (near, qty) in near {
            self.put(near, qty);
        }
    }

    /// Keeps the window round a best price that has just changed.
    #[inline]
    fn follow(&mut self, index: i64) {
        let slot = index.wrapping_sub(self.first);
        if !(MARGIN..WINDOW - MARGIN).contains(&slot) {
            self.recentre(index);
        }
    }

    #[inline]
    fn is_side(&self, side: Side, index: i64) -> bool {
        match side {
            Side::Buy => index <= self.best_bid,
            Side::Sell => index >= self.best_ask,
        }
    }

    fn set_bid(&mut self, index: i64, qty: i64) -> i64 {
        while index >= self.best_ask {
            self.put(self.best_ask, 0);
            self.uncrossed += 1;
            self.best_ask = self.above(self.best_ask).unwrap_or(NO_ASK);
        }
        if index > self.best_bid {
            self.best_bid = index;
            self.follow(index);
        }
        self.put(index, qty)
    }

    fn set_ask(&mut self, index: i64, qty: i64) -> i64 {
        while index <= self.best_bid {
            self.put(self.best_bid, 0);
            self.uncrossed += 1;
            self.best_bid = self.below(self.best_bid).unwrap_or(NO_BID);
        }
        if index < self.best_ask {
            self.best_ask = index;
            self.follow(index);
        }
        self.put(index, qty)
    }

    fn delete(&mut self, side: Side, index: i64) -> i64 {
        if !self.is_side(side, index) {
            return 0;
        }
        let before = self.put(index, 0);
        if side == Side::Buy && index == self.best_bid {
            self.best_bid = self.below(index).unwrap_or(NO_BID);
        } else if side == Side::Sell && index == self.best_ask {
            self.best_ask = self.above(index).unwrap_or(NO_ASK);
        }
        before
    }

    #[inline]
    fn at(&self, index: i64) -> (Price, Qty) {
        (self.grid.price(index), Qty(self.get(index)))
    }
}

impl L2Book for ArrayBook {
    #[inline]
    fn set(&mut self, level: Level) -> Result<Qty, BookError> {
        let index = self.grid.index(level.price)?;
        if level.qty < Qty::ZERO {
            return Err(BookError::Negative(level.qty));
        }
        Ok(Qty(match (level.qty == Qty::ZERO, level.side) {
            (true, side) => self.delete(side, index),
            (false, Side::Buy) => self.set_bid(index, level.qty.0),
            (false, Side::Sell) => self.set_ask(index, level.qty.0),
        }))
    }

    #[inline]
    fn best(&self, side: Side) -> Option<(Price, Qty)> {
        let index = match side {
            Side::Buy if self.best_bid != NO_BID => self.best_bid,
            Side::Sell if self.best_ask != NO_ASK => self.best_ask,
            _ => return None,
        };
        Some(self.at(index))
    }

    #[inline]
    fn worse(&self, side: Side, price: Price) -> Option<(Price, Qty)> {
        let tick = self.grid.tick().0;
        let (index, off_grid) = (price.0.div_euclid(tick), price.0.rem_euclid(tick) != 0);
        let next = match side {
            Side::Buy if self.best_bid != NO_BID => {
                self.below((index + i64::from(off_grid)).min(self.best_bid.saturating_add(1)))?
            }
            Side::Sell if self.best_ask != NO_ASK => self.above(index.max(self.best_ask - 1))?,
            _ => return None,
        };
        Some(self.at(next))
    }

    #[inline]
    fn qty_at(&self, side: Side, price: Price) -> Qty {
        match self.grid.index(price) {
            Ok(index) if self.is_side(side, index) => Qty(self.get(index)),
            _ => Qty::ZERO,
        }
    }

    fn top(&self, symbol: SymbolId, at: Ts) -> BookTop {
        let mut top = BookTop {
            symbol,
            at,
            bids: [(Price::ZERO, Qty::ZERO); TOP_LEVELS],
            asks: [(Price::ZERO, Qty::ZERO); TOP_LEVELS],
        };
        let mut index = self.best_bid;
        let mut n = 0;
        while n < TOP_LEVELS && index != NO_BID {
            let Some(slot) = self.slot(index) else {
                top.bids[n] = self.at(index);
                (n, index) = (n + 1, self.below(index).unwrap_or(NO_BID));
                continue;
            };
            // One word of bits is 64 prices: all levels in it come without another look at the window.
            let mut bits = self.bits[slot / 64] & (u64::MAX >> (63 - slot % 64));
            while bits != 0 && n < TOP_LEVELS {
                let bit = 63 - bits.leading_zeros() as usize;
                let slot = slot / 64 * 64 + bit;
                top.bids[n] = (self.grid.price(self.first + slot as i64), Qty(self.qty[slot]));
                (n, bits, index) = (n + 1, bits ^ (1 << bit), self.first + slot as i64);
            }
            index = if n < TOP_LEVELS { self.below(index).unwrap_or(NO_BID) } else { index };
        }
        let mut index = self.best_ask;
        let mut n = 0;
        while n < TOP_LEVELS && index != NO_ASK {
            let Some(slot) = self.slot(index) else {
                top.asks[n] = self.at(index);
                (n, index) = (n + 1, self.above(index).unwrap_or(NO_ASK));
                continue;
            };
            let mut bits = self.bits[slot / 64] & (u64::MAX << (slot % 64));
            while bits != 0 && n < TOP_LEVELS {
                let slot = slot / 64 * 64 + bits.trailing_zeros() as usize;
                top.asks[n] = (self.grid.price(self.first + slot as i64), Qty(self.qty[slot]));
                (n, bits, index) = (n + 1, bits & (bits - 1), self.first + slot as i64);
            }
            index = if n < TOP_LEVELS { self.above(index).unwrap_or(NO_ASK) } else { index };
        }
        top
    }

    fn clear(&mut self) {
        self.qty.fill(0);
        self.bits.fill(0);
        self.far.clear();
        (self.best_bid, self.best_ask) = (NO_BID, NO_ASK);
    }

    fn uncrossed(&self) -> u64 {
        self.uncrossed
    }
}

#[cfg(test)]
#[path = "array_tests.rs"]
mod tests;
