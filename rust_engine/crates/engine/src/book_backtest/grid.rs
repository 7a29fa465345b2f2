//! The yardstick on books, as `sma_cross` is on bars: a grid of post-only quotes that is looked at again on every event.
//!
//! Prices are whole ticks. With best prices `b` and `a`, inventory `q` in units of one quote and skew `s` in half ticks, twice
//! the centre is `b + a - s q`. The best bid of the grid is `half_spread` below the centre, no better than `b`, rounded down
//! to `interval`; layer `k` lies `k` intervals below it. The asks mirror it. At the cap a side is empty.
//!
//! What rests at a price of the grid stays. What rests elsewhere is cancelled once its arrival must have been answered.

use super::Decide;
use model::{
    Action, Actions, Event, OrderKind, OrderRequest, Price, Purpose, Qty, Resting, Side, SymbolId, SymbolSpec,
    TimeInForce, Ts,
};

/// The grid's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSpec {
    /// Quantity of each quote, in lots.
    pub qty_lots: i64,
    /// Quotes on each side, at most 64.
    pub layers: u8,
    /// From the centre to the first quote, in ticks.
    pub half_spread_ticks: i64,
    /// From one quote to the next, in ticks.
    pub interval_ticks: i64,
    /// How far one quote's inventory moves the centre, in half ticks.
    pub skew_half_ticks: i64,
    /// Inventory, in quotes, at which one side stops.
    pub cap_quotes: i64,
    /// How long a quote is left alone: until its arrival must have been answered.
    pub settle_ns: i64,
}

impl GridSpec {
    /// Whether the numbers can be quoted.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.qty_lots > 0
            && self.layers > 0
            && self.layers <= 64
            && self.half_spread_ticks >= 0
            && self.interval_ticks > 0
            && self.skew_half_ticks >= 0
            && self.cap_quotes > 0
            && self.settle_ns >= 0
    }
}

#[derive(Clone, Copy, Debug)]
struct Working {
    side: Side,
    tick: i64,
    left: Qty,
    sent_at: Ts,
    cancel_sent: bool,
}

/// The grid.
#[derive(Clone, Debug)]
pub struct BookGrid {
    spec: GridSpec,
    tick: i64,
    qty: Qty,
    position: Qty,
    /// Best bid and ask in ticks.
    best: Option<(i64, i64)>,
    working: Vec<Working>,
}

/// The prices that one side should quote, in ticks.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    side: Side,
    first: i64,
    /// Towards worse prices.
    step: i64,
    layers: u8,
}

impl Wanted {
    #[inline]
    fn layer_of(&self, tick: i64) -> Option<u8> {
        let (interval, away) =
            if self.step > 0 { (self.step, tick - self.first) } else { (-self.step, self.first - tick) };
        if away < 0 || away >= interval * i64::from(self.layers) {
            return None;
        }
        // Divisions are slow, and next to all grids are of neighbouring prices.
        let layer = if interval == 1 { away } else { away / interval };
        (layer * interval == away).then_some(layer as u8)
    }

    #[inline]
    fn tick(&self, layer: u8) -> i64 {
        self.first + i64::from(layer) * self.step
    }
}

impl BookGrid {
    /// A flat grid without quotes; none when `spec` cannot be quoted.
    #[must_use]
    pub fn new(spec: GridSpec, symbol: &SymbolSpec) -> Option<Self> {
        let qty = Qty(symbol.lot.0.checked_mul(spec.qty_lots)?);
        let is_sound = spec.is_sound() && symbol.tick > Price::ZERO && qty > Qty::ZERO;
        let tick = symbol.tick.0;
        is_sound.then(|| Self { spec, tick, qty, position: Qty::ZERO, best: None, working: Vec::new() })
    }

    #[inline]
    fn wanted(&self, bid: i64, ask: i64) -> [Wanted; 2] {
        let GridSpec { layers, half_spread_ticks: half, interval_ticks: interval, cap_quotes, .. } = self.spec;
        let inventory = self.position.0 / self.qty.0;
        let centre_half_ticks = bid + ask - self.spec.skew_half_ticks * inventory;
        let below = (centre_half_ticks - 2 * half).div_euclid(2).min(bid);
        let above = (-(-centre_half_ticks - 2 * half).div_euclid(2)).max(ask);
        let buys = if inventory < cap_quotes { layers } else { 0 };
        let sells = if inventory > -cap_quotes { layers } else { 0 };
        [
            Wanted { side: Side::Buy, first: below - below.rem_euclid(interval), step: -interval, layers: buys },
            Wanted { side: Side::Sell, first: above + (-above).rem_euclid(interval), step: interval, layers: sells },
        ]
    }

    fn quote(&mut self, symbol: SymbolId, at: Ts, actions: &mut Actions) {
        let Some((bid, ask)) = self.best else { return };
        let wanted = self.wanted(bid, ask);
        let mut stands = [0_u64; 2];
        for order in &mut self.working {
            let n = usize::from(order.side == Side::Sell);
            if let Some(layer) = wanted[n].layer_of(order.tick) {
                stands[n] |= 1 << layer;
            } else if !order.cancel_sent && at.0 - order.sent_at.0 >= self.spec.settle_ns {
                order.cancel_sent = true;
                let (side, price) = (order.side, Price(order.tick * self.tick));
                actions.push(Action::CancelAt(Resting { symbol, side, purpose: Purpose::Quote, price }));
            }
        }
        let centre = Price((bid + ask) * self.tick / 2);
        for (n, side) in wanted.iter().enumerate() {
            for layer in (0..side.layers).filter(|layer| stands[n] & (1 << layer) == 0) {
                let (side, tick) = (side.side, side.tick(layer));
                if tick > 0 {
                    self.working.push(Working { side, tick, left: self.qty, sent_at: at, cancel_sent: false });
                    actions.push(Action::Submit(OrderRequest {
                        kind: OrderKind::Limit { price: Price(tick * self.tick) },
                        purpose: Purpose::Quote,
                        tif: TimeInForce::PostOnly,
                        ..OrderRequest::market(symbol, side, self.qty, centre)
                    }));
                }
            }
        }
    }

    /// Counts off what filled of an order, or all of it; what ended is forgotten.
    fn settle(&mut self, order: &OrderRequest, filled: Option<Qty>) {
        let Some(price) = order.named_price() else { return };
        let tick = price.0 / self.tick;
        let Some(n) = self.working.iter().position(|w| w.side == order.side && w.tick == tick) else { return };
        let left = filled.map_or(Qty::ZERO, |filled| self.working[n].left - filled);
        self.working[n].left = left;
        if left <= Qty::ZERO {
            self.working.remove(n);
        }
    }
}

impl Decide for BookGrid {
    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        match event {
            Event::Book(top) => {
                let ((bid, bid_qty), (ask, ask_qty)) = (top.bids[0], top.asks[0]);
                let is_two_sided = bid_qty > Qty::ZERO && ask_qty > Qty::ZERO;
                self.best = is_two_sided.then(|| (bid.0 / self.tick, ask.0 / self.tick));
                self.quote(top.symbol, top.at, actions);
            }
            Event::Trade(trade) => self.quote(trade.symbol, trade.at, actions),
            Event::Fill(fill) => {
                self.position += fill.change();
                self.settle(&fill.order, Some(fill.qty));
            }
            Event::OrderUpdate(update) => self.settle(&update.order, None),
            _ => {}
        }
    }
}

#[cfg(test)]
#[path = "grid_tests.rs"]
mod tests;
