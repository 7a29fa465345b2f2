//! Positions, open lots and cash of one instance. All amounts are exact.
//!
//! **Invariant:** position = sum of signed fills as far as they are held, and cash = -(sum of their signed notionals) - fees -
//! slippage, to the last unit.

use model::{Fill, Money, Price, Qty};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// An open quantity and what is left of its entry costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lot<T> {
    entry: Fill,
    open: Qty,
    fee: Money,
    slippage: Money,
    tag: T,
}

/// A closed round trip: one closing fill against the oldest open quantity.
#[derive(Debug)]
pub struct Closed<'a, T> {
    /// Which round trip of the instance, from 1.
    pub n: u64,
    /// The fill that opened.
    pub entry: &'a Fill,
    /// The fill that closed.
    pub exit: &'a Fill,
    /// Closed quantity.
    pub qty: Qty,
    /// Share of the entry's fee.
    pub entry_fee: Money,
    /// Share of the entry's slippage.
    pub entry_slippage: Money,
    /// Share of the exit's fee.
    pub exit_fee: Money,
    /// Share of the exit's slippage.
    pub exit_slippage: Money,
    /// What was known at the entry decision.
    pub tag: &'a T,
}

impl<T> Closed<'_, T> {
    /// Profit before costs.
    #[must_use]
    pub fn gross_pnl(&self) -> Money {
        let moved = Price((self.exit.price - self.entry.price).0 * self.entry.order.side.sign());
        moved * self.qty
    }

    /// Profit after fees and slippage of both ends.
    #[must_use]
    pub fn net_pnl(&self) -> Money {
        self.gross_pnl() - self.entry_fee - self.entry_slippage - self.exit_fee - self.exit_slippage
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Book<T> {
    position: Qty,
    lots: VecDeque<Lot<T>>,
}

/// What is held of one symbol, and the cash of all that went before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Cash, after costs.
    pub cash: Money,
    /// Signed position.
    pub position: Qty,
}

impl Holding {
    /// Realised and unrealised profit at this price, after costs.
    #[must_use]
    #[inline]
    pub fn profit(&self, price: Price) -> Money {
        if self.position == Qty::ZERO { self.cash } else { self.cash + price * self.position }
    }
}

/// The books of one instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ledger<T> {
    books: Vec<Book<T>>,
    cash: Money,
    fees: Money,
    slippage: Money,
    n_closed: u64,
    n_fills: u64,
}

/// The part of `total` that belongs to `part` of `whole`.
fn share(total: Money, part: Qty, whole: Qty) -> Money {
    if part == whole { total } else { Money(total.0 * i128::from(part.0) / i128::from(whole.0)) }
}

impl<T> Ledger<T> {
    /// Flat books for `n_symbols` symbols.
    #[must_use]
    pub fn new(n_symbols: usize) -> Self {
        let books = (0..n_symbols).map(|_| Book { position: Qty::ZERO, lots: VecDeque::new() }).collect();
        Self { books, cash: Money::ZERO, fees: Money::ZERO, slippage: Money::ZERO, n_closed: 0, n_fills: 0 }
    }

    /// Signed position by symbol index.
    #[must_use]
    pub fn position(&self, symbol: usize) -> Qty {
        self.books[symbol].position
    }

    /// Fills booked so far.
    #[must_use]
    pub fn n_fills(&self) -> u64 {
        self.n_fills
    }

    /// Fees and slippage so far.
    #[must_use]
    pub fn costs(&self) -> (Money, Money) {
        (self.fees, self.slippage)
    }

    /// Cash after costs, and the position in the only symbol there is.
    #[must_use]
    pub fn holding(&self) -> Holding {
        Holding { cash: self.cash, position: self.books.first().map_or(Qty::ZERO, |book| book.position) }
    }

    /// Realised and unrealised profit at these prices, after costs.
    #[must_use]
    pub fn profit(&self, prices: &[Price]) -> Money {
        let mut total = self.cash;
        for (book, price) in self.books.iter().zip(prices) {
            if book.position.0 != 0 {
                total += *price * book.position;
            }
        }
        total
    }

    /// Sum of absolute positions at these prices.
    #[must_use]
    pub fn gross_notional(&self, prices: &[Price]) -> Money {
        let mut total = Money::ZERO;
        for (book, price) in self.books.iter().zip(prices) {
            total += *price * book.position.abs();
        }
        total
    }

    /// Pays or, below zero, receives an amount that belongs to no fill: funding.
    pub fn pay(&mut self, amount: Money) {
        self.cash += -amount;
        self.fees += amount;
    }

    /// Books a fill: closes the oldest lots of the other side first, then opens with the rest. `closed` gets each round trip.
    pub fn apply(&mut self, fill: &Fill, tag: T, mut closed: impl FnMut(Closed<'_, T>)) {
        self.n_fills += 1;
        let sign = fill.order.side.sign();
        let book = &mut self.books[fill.order.symbol.index()];
        let mut left = fill.held();
        let (mut fee_left, mut slippage_left) = (fill.fee, fill.slippage);
        while left > Qty::ZERO {
            let Some(lot) = book.lots.front_mut().filter(|lot| lot.entry.order.side.sign() != sign) else { break };
            let qty = left.min(lot.open);
            let (entry_fee, entry_slippage) = (share(lot.fee, qty, lot.open), share(lot.slippage, qty, lot.open));
            let (exit_fee, exit_slippage) = (share(fee_left, qty, left), share(slippage_left, qty, left));
            self.n_closed += 1;
            closed(Closed {
                n: self.n_closed,
                entry: &lot.entry,
                exit: fill,
                qty,
                entry_fee,
                entry_slippage,
                exit_fee,
                exit_slippage,
                tag: &lot.tag,
            });
            lot.open -= qty;
            lot.fee -= entry_fee;
            lot.slippage -= entry_slippage;
            fee_left -= exit_fee;
            slippage_left -= exit_slippage;
            left -= qty;
            if lot.open == Qty::ZERO {
                book.lots.pop_front();
            }
        }
        if left > Qty::ZERO {
            book.lots.push_back(Lot { entry: *fill, open: left, fee: fee_left, slippage: slippage_left, tag });
        }
        book.position += fill.change();
        let notional = fill.price * fill.held();
        self.cash += (if sign > 0 { -notional } else { notional }) - fill.fee - fill.slippage;
        self.fees += fill.fee;
        self.slippage += fill.slippage;
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
