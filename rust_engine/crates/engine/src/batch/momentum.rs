//! `momentum_scalping` without a trailing stop: entries on bursts, exits at a stop, a target or an opposite burst.
//!
//! A scan looks at every bar with a cheap condition that is true whenever the event form acts, and now and then when it does
//! not; only then does the event form's own arithmetic decide.

use super::account::{Account, Deal, Tape, Totals};
use super::market::{Market, Series};
use super::{ParameterSet, Place};
use indicators::Atr;
use model::fixed::SCALE;
use model::params::MomentumScalpingParams;
use model::{Bar, Liquidity, OrderKind, Price, Purpose, Qty, Side};
use sim::proven_price;
use strategies::momentum_scalping::exit_price;
use strategies::sizing::Budget;

/// Closes above this do not survive the way to a float and back.
const EXACT_FLOAT: i64 = 1 << 53;
/// What is taken off a threshold, relatively, so that three roundings cannot hide a burst from the scan.
const SLACK: f64 = 1e-12;

/// What all parameter sets with one window of the average true range share in one symbol.
pub(crate) struct AtrSeries {
    /// Closes in units of 1e-8, exact.
    closes: Vec<f64>,
    /// Average true range in price at each close; infinite where it is unknown or zero, since there nothing counts as a burst.
    atr: Vec<f64>,
}

impl AtrSeries {
    pub(crate) fn new(series: &Series, window: usize) -> Self {
        let mut average = Atr::new(window);
        let price = |units: i64| Price(units).to_f64();
        let candles = series.high.iter().zip(&series.low).zip(&series.close);
        let atr = candles.map(|((high, low), close)| {
            let value = average.update(price(*high), price(*low), price(*close));
            value.filter(|atr| *atr > 0.0).unwrap_or(f64::INFINITY)
        });
        Self { atr: atr.collect(), closes: series.close.iter().map(|close| *close as f64).collect() }
    }

    /// The move over `lookback` bars at the close of `bar`, in average true ranges: the event form's own division.
    fn burst(&self, bar: usize, lookback: usize) -> f64 {
        Price((self.closes[bar] - self.closes[bar - lookback]) as i64).to_f64() / self.atr[bar]
    }
}

/// One parameter set.
pub(crate) struct Momentum {
    pub(crate) atr_window: usize,
    lookback: usize,
    threshold: f64,
    stop_loss: f64,
    take_profit: f64,
    size: f64,
}

/// What an open position waits for.
struct Waiting {
    side: Side,
    qty: Qty,
    stop: Price,
    target: Price,
}

impl Momentum {
    /// `None` where prices are too high for exact floats, or the stop trails.
    pub(crate) fn new(params: &MomentumScalpingParams, market: &Market) -> Option<Self> {
        let fits = params.trail == 0.0 && market.series.iter().all(|s| s.highest < EXACT_FLOAT);
        fits.then_some(Self {
            atr_window: params.atr_window as usize,
            lookback: params.lookback as usize,
            threshold: params.entry_threshold,
            stop_loss: params.stop_loss,
            take_profit: params.take_profit,
            size: params.size,
        })
    }

    /// The first bar from `first` on at whose close there is a burst, and its direction.
    fn next_burst(&self, shared: &AtrSeries, first: usize) -> Option<(usize, Side)> {
        let enough = self.threshold * SCALE as f64 * (1.0 - SLACK);
        let (now, atr) = (shared.closes.get(first..)?, &shared.atr[first..]);
        let before = &shared.closes[first - self.lookback..];
        let may_burst = |((now, before), atr): ((&f64, &f64), &f64)| (now - before).abs() > enough * atr;
        let mut candles = now.iter().zip(before).zip(atr);
        let mut bar = first;
        loop {
            bar += candles.position(may_burst)?;
            let burst = shared.burst(bar, self.lookback);
            if burst.abs() > self.threshold {
                return Some((bar, if burst > 0.0 { Side::Buy } else { Side::Sell }));
            }
            bar += 1;
        }
    }

    /// How the position that was entered at the open of bar `entered` ends; `None` while it is open to the last bar.
    fn next_exit(&self, series: &Series, shared: &AtrSeries, waiting: &Waiting, entered: usize) -> Option<Deal> {
        let enough = self.threshold * SCALE as f64 * (1.0 - SLACK);
        let next = entered + 1;
        let (lows, highs) = (series.low.get(next..)?, &series.high[next..]);
        let closes =
            shared.closes[entered..].iter().zip(&shared.closes[entered - self.lookback..]).zip(&shared.atr[entered..]);
        let against = if waiting.side == Side::Buy { -1.0 } else { 1.0 };
        let (below, above) = match waiting.side {
            Side::Buy => (waiting.stop.0, waiting.target.0),
            Side::Sell => (waiting.target.0, waiting.stop.0),
        };
        for (k, ((low, high), ((now, before), atr))) in lows.iter().zip(highs).zip(closes).enumerate() {
            let bar = next + k;
            if (now - before) * against > enough * atr && self.bursts_against(shared, bar - 1, waiting.side) {
                let (price, liquidity) = (Price(series.open[bar]), Liquidity::Taker);
                return Some(waiting.deal(bar, price, liquidity, Purpose::Exit));
            }
            if (*low <= below || *high >= above)
                && let Some(deal) = waiting.filled_by(&series.prices(bar), bar)
            {
                return Some(deal);
            }
        }
        None
    }

    fn bursts_against(&self, shared: &AtrSeries, bar: usize, side: Side) -> bool {
        let burst = shared.burst(bar, self.lookback);
        burst.abs() > self.threshold && (burst > 0.0) != (side == Side::Buy)
    }
}

impl ParameterSet for Momentum {
    type Shared = AtrSeries;

    fn share(&self, series: &Series) -> AtrSeries {
        AtrSeries::new(series, self.atr_window)
    }

    fn play<T: Tape>(&self, place: &Place<'_, AtrSeries>, totals: &mut Totals, tape: &mut T) {
        let Place { series, shared, .. } = *place;
        let mut account = Account::new(series, place.rates, totals, tape);
        let budget = Budget::new(place.capital, self.size, place.spec.lot);
        let mut bar = series.first_traded.max(self.lookback);
        while let Some((decided, side)) = self.next_burst(shared, bar) {
            bar = decided + 1;
            let qty = budget.qty_at(Price(series.close[decided]));
            let Some(&open) = series.open.get(bar).filter(|_| qty > Qty::ZERO) else { continue };
            let price = Price(open);
            account.book(Deal { bar, side, price, qty, liquidity: Liquidity::Taker, purpose: Purpose::Entry });
            let exit = |distance: f64, direction: i64| {
                exit_price(price, distance * shared.atr[decided], direction * side.sign(), place.spec.tick)
            };
            let waiting = Waiting { side, qty, stop: exit(self.stop_loss, -1), target: exit(self.take_profit, 1) };
            let Some(deal) = self.next_exit(series, shared, &waiting, bar) else { break };
            account.book(deal);
            bar = deal.bar;
        }
        account.end();
    }
}

impl Waiting {
    fn deal(&self, bar: usize, price: Price, liquidity: Liquidity, purpose: Purpose) -> Deal {
        Deal { bar, side: self.side.opposite(), price, qty: self.qty, liquidity, purpose }
    }

    /// The stop where the bar proves both: the venue fills stops first, and the target then has nothing left to reduce.
    fn filled_by(&self, prices: &Bar, bar: usize) -> Option<Deal> {
        let side = self.side.opposite();
        let stop = proven_price(OrderKind::Stop { trigger: self.stop }, side, prices);
        if let Some((price, liquidity)) = stop {
            return Some(self.deal(bar, price, liquidity, Purpose::StopLoss));
        }
        let (price, liquidity) = proven_price(OrderKind::Limit { price: self.target }, side, prices)?;
        Some(self.deal(bar, price, liquidity, Purpose::TakeProfit))
    }
}
