//! The exchange's side of one symbol: the recorded book, our orders in it, and what fills them.
//!
//! | our order | fills when | how much | at | as |
//! |---|---|---|---|---|
//! | crosses on arrival | at once | what is shown, best first, up to its limit | shown | taker |
//! | rests | a print at its price is larger than the queue before it | what the print left over | its own | maker |
//! | rests | a print or a level of the other side lies beyond its price | [`SweptFill`] | its own | maker |
//! | stop | a print, or the middle of the book, is at or beyond the trigger | then as a market order | shown | taker |
//! | stop that is at or beyond its trigger on arrival | never: it is refused | | | |
//!
//! An exchange refuses such a stop because it would trigger at once (Binance Spot -2010, USD-M -2021, Bybit likewise): who sent
//! it must leave in another way.
//!
//! What the market did is not changed by us: prints and levels come as recorded. What we took of a level stays taken until the
//! level changes. A market order that finds too little waits for the next book, or, where no book is known, for the next
//! print; an immediate one ends. Our own orders never meet each other.

mod snapshot;

use crate::ladder::{Execution, Ladder, PrintRules, Rung, is_triggered, reaches};
use crate::queue::Place;
use book::{ArrayBook, BookError, L2Book};
use model::{
    CancelReason, Depth, Level, MarketTrade, OrderKind, OrderRequest, Price, Qty, QueueModel, Quote, Side, SweptFill,
    SymbolSpec, TimeInForce,
};
use serde::{Deserialize, Serialize};

/// Where the book comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Source {
    Nothing,
    /// Best prices only: other levels are unknown.
    Quotes,
    /// Snapshots and differences; quotes are then no news.
    Depth,
}

/// An order that takes liquidity as it comes.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Taker {
    slot: u32,
    side: Side,
    left: Qty,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stop {
    slot: u32,
    side: Side,
    trigger: Price,
    qty: Qty,
    tif: TimeInForce,
}

/// What became of an order on arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It filled whole, rests or waits.
    Taken,
    /// It ended, perhaps after a part of it filled.
    Ended(CancelReason),
}

/// One symbol at the exchange.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Matcher {
    lot: Qty,
    queue: QueueModel,
    swept: SweptFill,
    source: Source,
    book: ArrayBook,
    bids: Ladder,
    asks: Ladder,
    stops: Vec<Stop>,
    takers: Vec<Taker>,
    /// What we took of levels that have not changed since.
    taken: Vec<Level>,
    last_trade: Option<Price>,
    refused_levels: u64,
}

impl Matcher {
    pub(crate) fn new(spec: &SymbolSpec, queue: QueueModel, swept: SweptFill) -> Result<Self, BookError> {
        Ok(Self {
            lot: spec.lot,
            queue,
            swept,
            source: Source::Nothing,
            book: ArrayBook::new(spec.tick)?,
            bids: Ladder::new(Side::Buy),
            asks: Ladder::new(Side::Sell),
            stops: Vec::new(),
            takers: Vec::new(),
            taken: Vec::new(),
            last_trade: None,
            refused_levels: 0,
        })
    }

    pub(crate) fn book(&self) -> &ArrayBook {
        &self.book
    }

    pub(crate) fn refused_levels(&self) -> u64 {
        self.refused_levels
    }

    /// The middle of the book, else the last print, else the only side there is.
    pub(crate) fn reference(&self) -> Option<Price> {
        match (self.book.best_bid(), self.book.best_ask(), self.last_trade) {
            (Some((bid, _)), Some((ask, _)), _) => Some(Price(bid.0 + (ask.0 - bid.0) / 2)),
            (_, _, Some(trade)) => Some(trade),
            (Some((only, _)), None, None) | (None, Some((only, _)), None) => Some(only),
            (None, None, None) => None,
        }
    }

    /// Half the distance between the best prices, zero while a side is empty.
    pub(crate) fn half_spread(&self) -> Price {
        match (self.book.best_bid(), self.book.best_ask()) {
            (Some((bid, _)), Some((ask, _))) => Price((ask.0 - bid.0) / 2),
            _ => Price::ZERO,
        }
    }

    fn ladder(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// An order arrives.
    pub(crate) fn arrive(&mut self, slot: u32, order: &OrderRequest, out: &mut Vec<Execution>) -> Arrival {
        let OrderRequest { side, qty, tif, .. } = *order;
        match order.kind {
            OrderKind::Market => self.arrive_market(slot, side, qty, tif, out),
            OrderKind::Stop { trigger } if self.reference().is_some_and(|p| is_triggered(side, trigger, p)) => {
                Arrival::Ended(CancelReason::Rejected)
            }
            OrderKind::Stop { trigger } => {
                self.stops.push(Stop { slot, side, trigger, qty, tif });
                Arrival::Taken
            }
            OrderKind::Limit { price } => self.arrive_limit(slot, order, price, out),
        }
    }

    fn arrive_limit(&mut self, slot: u32, order: &OrderRequest, price: Price, out: &mut Vec<Execution>) -> Arrival {
        let crosses = self.book.best(order.side.opposite()).is_some_and(|(best, _)| reaches(order.side, price, best));
        let mut left = order.qty;
        if crosses {
            if order.tif == TimeInForce::PostOnly {
                return Arrival::Ended(CancelReason::WouldCross);
            }
            left = self.take(slot, order.side, Some(price), left, out);
        }
        if left == Qty::ZERO {
            return Arrival::Taken;
        }
        if order.tif == TimeInForce::Ioc {
            return Arrival::Ended(CancelReason::Unfilled);
        }
        let place = self.place(order.side, price);
        self.ladder(order.side).join(Rung { slot, price, left, place });
        Arrival::Taken
    }

    fn arrive_market(
        &mut self,
        slot: u32,
        side: Side,
        qty: Qty,
        tif: TimeInForce,
        out: &mut Vec<Execution>,
    ) -> Arrival {
        let left = self.take(slot, side, None, qty, out);
        if left == Qty::ZERO {
            return Arrival::Taken;
        }
        if tif == TimeInForce::Ioc {
            return Arrival::Ended(CancelReason::Unfilled);
        }
        self.takers.push(Taker { slot, side, left });
        Arrival::Taken
    }

    /// The place that an order gets which joins `side` at `price` now.
    fn place(&self, side: Side, price: Price) -> Place {
        let shown = self.book.qty_at(side, price);
        let is_hidden = match self.source {
            Source::Depth => false,
            Source::Quotes => {
                shown == Qty::ZERO && self.book.best(side).is_none_or(|(best, _)| reaches(side, best, price))
            }
            Source::Nothing => true,
        };
        if is_hidden { Place::unknown() } else { Place::behind(shown) }
    }

    /// Takes what is shown on the other side, best first, at `limit` or better; gives back what is left of `qty`.
    fn take(&mut self, slot: u32, side: Side, limit: Option<Price>, qty: Qty, out: &mut Vec<Execution>) -> Qty {
        let from = side.opposite();
        let mut left = qty;
        let mut next = self.book.best(from);
        while let Some((price, shown)) = next {
            if left == Qty::ZERO || limit.is_some_and(|limit| !reaches(side, limit, price)) {
                break;
            }
            let qty = left.min(shown - self.taken_at(from, price));
            if qty > Qty::ZERO {
                out.push(Execution { slot, qty, price, is_maker: false });
                self.note_taken(from, price, qty);
                left -= qty;
            }
            next = self.book.worse(from, price);
        }
        left
    }

    fn taken_at(&self, side: Side, price: Price) -> Qty {
        let same = |t: &&Level| t.side == side && t.price == price;
        self.taken.iter().find(same).map_or(Qty::ZERO, |t| t.qty)
    }

    fn note_taken(&mut self, side: Side, price: Price, qty: Qty) {
        match self.taken.iter_mut().find(|t| t.side == side && t.price == price) {
            Some(level) => level.qty += qty,
            None => self.taken.push(Level { side, price, qty }),
        }
    }

    /// Takes an order off, wherever it waits; whether it was still there.
    pub(crate) fn cancel(&mut self, slot: u32, side: Side) -> bool {
        if self.ladder(side).leave(slot).is_some() {
            return true;
        }
        let before = self.stops.len() + self.takers.len();
        self.stops.retain(|s| s.slot != slot);
        self.takers.retain(|t| t.slot != slot);
        self.stops.len() + self.takers.len() < before
    }

    /// The book changed. Orders that ended on the way go to `ended`.
    pub(crate) fn on_depth(&mut self, depth: &Depth, out: &mut Vec<Execution>, ended: &mut Vec<u32>) {
        self.source = Source::Depth;
        if depth.is_snapshot {
            self.on_snapshot(depth, out);
        } else {
            for level in &depth.levels {
                self.set(*level, out);
            }
        }
        self.wake(out, ended);
    }

    /// The best prices changed. Where differences of the book come, they say the same and more.
    pub(crate) fn on_quote(&mut self, quote: &Quote, out: &mut Vec<Execution>, ended: &mut Vec<u32>) {
        if self.source == Source::Depth {
            return;
        }
        self.source = Source::Quotes;
        let sides = [(Side::Buy, quote.bid, quote.bid_qty), (Side::Sell, quote.ask, quote.ask_qty)];
        for (side, price, qty) in sides {
            let Some((old, _)) = self.book.best(side) else { continue };
            if old == price && qty > Qty::ZERO {
                continue;
            }
            let gone = Level { side, price: old, qty: Qty::ZERO };
            if qty == Qty::ZERO || !reaches(side, price, old) {
                self.set(gone, out);
            } else if self.book.set(gone).is_err() {
                // The level is no longer the best one: what rests there is unknown, not gone.
                self.refused_levels += 1;
            }
        }
        for (side, price, qty) in sides {
            if qty > Qty::ZERO {
                self.set(Level { side, price, qty }, out);
            }
        }
        self.wake(out, ended);
    }

    /// The market printed.
    pub(crate) fn on_trade(&mut self, trade: &MarketTrade, out: &mut Vec<Execution>, ended: &mut Vec<u32>) {
        let rules = PrintRules { queue: self.queue, swept: self.swept, lot: self.lot };
        self.ladder(trade.aggressor.opposite()).on_print(trade.price, trade.qty, rules, out);
        self.last_trade = Some(trade.price);
        if !self.takers.is_empty() {
            self.fill_takers_at_print(trade, out);
        }
        self.trigger(trade.price, out, ended);
    }

    /// Where the other side of the book is unknown, a print is the only proof of a price.
    fn fill_takers_at_print(&mut self, trade: &MarketTrade, out: &mut Vec<Execution>) {
        let mut offered = trade.qty;
        for taker in &mut self.takers {
            if self.book.best(taker.side.opposite()).is_none() && offered > Qty::ZERO {
                let qty = taker.left.min(offered);
                out.push(Execution { slot: taker.slot, qty, price: trade.price, is_maker: false });
                offered -= qty;
                taker.left -= qty;
            }
        }
        self.takers.retain(|t| t.left > Qty::ZERO);
    }

    #[inline]
    fn set(&mut self, level: Level, out: &mut Vec<Execution>) {
        let Ok(before) = self.book.set(level) else {
            self.refused_levels += 1;
            return;
        };
        if !self.taken.is_empty() {
            self.taken.retain(|t| t.side != level.side || t.price != level.price);
        }
        let queue = self.queue;
        self.ladder(level.side).on_level(level.price, before, level.qty, queue);
        if level.qty > Qty::ZERO {
            self.cross(level, out);
        }
    }

    /// Fills ours of the other side that `level` reaches; whether it reached any.
    #[inline]
    fn cross(&mut self, level: Level, out: &mut Vec<Execution>) -> bool {
        let swept = self.swept;
        let against = level.side.opposite();
        if !self.ladder(against).best().is_some_and(|ours| reaches(against, ours, level.price)) {
            return false;
        }
        let qty = level.qty - self.taken_at(level.side, level.price);
        let took = self.ladder(against).on_crossed(Level { qty, ..level }, swept, out);
        if took > Qty::ZERO {
            self.note_taken(level.side, level.price, took);
        }
        true
    }

    /// After a change of the book: stops that its middle reached, then orders that wait for liquidity.
    #[inline]
    fn wake(&mut self, out: &mut Vec<Execution>, ended: &mut Vec<u32>) {
        if !self.takers.is_empty() {
            let mut takers = std::mem::take(&mut self.takers);
            for taker in &mut takers {
                taker.left = self.take(taker.slot, taker.side, None, taker.left, out);
            }
            takers.retain(|t| t.left > Qty::ZERO);
            self.takers = takers;
        }
        if !self.stops.is_empty()
            && let (Some(_), Some(_), Some(middle)) = (self.book.best_bid(), self.book.best_ask(), self.reference())
        {
            self.trigger(middle, out, ended);
        }
    }

    fn trigger(&mut self, price: Price, out: &mut Vec<Execution>, ended: &mut Vec<u32>) {
        let mut n = 0;
        while n < self.stops.len() {
            if !is_triggered(self.stops[n].side, self.stops[n].trigger, price) {
                n += 1;
                continue;
            }
            let stop = self.stops.remove(n);
            if self.arrive_market(stop.slot, stop.side, stop.qty, stop.tif, out) != Arrival::Taken {
                ended.push(stop.slot);
            }
        }
    }
}
