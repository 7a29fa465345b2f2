//! Cash and position of one parameter set in one symbol, for strategies that are flat or hold one entry.

use super::market::Series;
use model::{Liquidity, Money, Price, Purpose, Qty, Side};
use sim::CostRates;

/// A fill, as far as accounts need it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Deal {
    /// Index of the bar that filled it.
    pub(crate) bar: usize,
    pub(crate) side: Side,
    pub(crate) price: Price,
    pub(crate) qty: Qty,
    pub(crate) liquidity: Liquidity,
    pub(crate) purpose: Purpose,
}

/// A deal and its costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Booked {
    pub(crate) deal: Deal,
    pub(crate) fee: Money,
    pub(crate) slippage: Money,
}

/// Listens to deals; `()` does not.
pub(crate) trait Tape {
    /// A deal was booked.
    fn booked(&mut self, booked: &Booked);
}

impl Tape for () {
    fn booked(&mut self, _: &Booked) {}
}

/// What one parameter set made over all symbols.
#[derive(Debug)]
pub(crate) struct Totals {
    pub(crate) fees: Money,
    pub(crate) slippage: Money,
    pub(crate) n_fills: u64,
    pub(crate) n_trades: u64,
    pub(crate) n_wins: u64,
    /// Profit after costs at the last close of each day, open positions at the last price.
    pub(crate) marks: Vec<Money>,
}

impl Totals {
    pub(crate) fn new(n_days: usize) -> Self {
        Self {
            fees: Money::ZERO,
            slippage: Money::ZERO,
            n_fills: 0,
            n_trades: 0,
            n_wins: 0,
            marks: vec![Money::ZERO; n_days],
        }
    }
}

/// One symbol's account. It adds to `totals`, and [`Account::end`] must be the last call.
pub(crate) struct Account<'a, T> {
    series: &'a Series,
    rates: CostRates,
    totals: &'a mut Totals,
    tape: &'a mut T,
    cash: Money,
    /// The entry, while a position is open.
    entry: Option<Booked>,
    day: usize,
}

impl<'a, T: Tape> Account<'a, T> {
    pub(crate) fn new(series: &'a Series, rates: CostRates, totals: &'a mut Totals, tape: &'a mut T) -> Self {
        Self { series, rates, totals, tape, cash: Money::ZERO, entry: None, day: 0 }
    }

    /// Opens the position, or closes the whole of it. Bars do not go back.
    pub(crate) fn book(&mut self, deal: Deal) {
        self.mark_days_before(deal.bar);
        let notional = deal.price * deal.qty;
        let (fee, slippage) = self.rates.costs(notional, deal.liquidity);
        let booked = Booked { deal, fee, slippage };
        self.tape.booked(&booked);
        self.cash += (if deal.side == Side::Buy { -notional } else { notional }) - fee - slippage;
        self.totals.fees += fee;
        self.totals.slippage += slippage;
        self.totals.n_fills += 1;
        match self.entry.take() {
            None => self.entry = Some(booked),
            Some(entry) => {
                let moved = Price((deal.price - entry.deal.price).0 * entry.deal.side.sign());
                let net = moved * deal.qty - entry.fee - entry.slippage - fee - slippage;
                self.totals.n_trades += 1;
                self.totals.n_wins += u64::from(net > Money::ZERO);
            }
        }
    }

    /// Marks the days that are left.
    pub(crate) fn end(mut self) {
        self.mark_days_before(usize::MAX);
    }

    #[inline]
    fn mark_days_before(&mut self, bar: usize) {
        while let Some(&end) = self.series.day_ends.get(self.day).filter(|end| **end <= bar) {
            let mut profit = self.cash;
            if let Some(Booked { deal, .. }) = self.entry {
                profit += Price(self.series.close[end - 1]) * Qty(deal.side.sign() * deal.qty.0);
            }
            self.totals.marks[self.day] += profit;
            self.day += 1;
        }
    }
}
