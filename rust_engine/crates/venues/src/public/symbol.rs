//! One symbol of a feed: its streams in order, its silence noticed.

use super::event::{Span, SymbolHealth};
use super::plan::StreamKind;
use super::source::{Best, Body, BookUpdate, Candle, Mark, Print};
use super::sync::{
    BestStep, BestSync, BookStep, BookSync, CandleStep, CandleSync, FundingStep, FundingSync, PrintStep, PrintSync,
};
use book::SequenceRule;
use model::{
    Bar, Depth, Funding, MarketEvent, MarketFeedConfig, MarketTrade, MarketVenue, Price, Qty, Quote, Staleness,
    SymbolId, Ts,
};

/// What a symbol wants said or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Tell the engine.
    Market(MarketEvent),
    /// Tell the engine that the book comes whole again, at this update number.
    Resynced(u64),
    /// Tell the operator.
    Problem(String),
    /// Get the whole book.
    FetchBook,
    /// Get closed candles.
    FetchCandles { from: Ts, to: Ts },
}

/// One symbol.
#[derive(Debug)]
pub(super) struct SymbolFeed {
    id: SymbolId,
    interval_ns: i64,
    stale_after_ns: i64,
    prints: PrintSync,
    best: BestSync,
    /// Where the book is subscribed.
    book: Option<BookSync>,
    candles: CandleSync,
    forming: Option<Candle>,
    funding: FundingSync,
    changed_at: Ts,
    /// When the book last stood.
    book_stood_at: Ts,
    health: SymbolHealth,
    has_snapshot: bool,
}

impl SymbolFeed {
    /// Has heard nothing at `now`; the newest candle that is there closed at `known`.
    pub fn new(config: &MarketFeedConfig, id: SymbolId, now: Ts, known: Option<Ts>) -> Self {
        let (prints, rule) = match config.venue {
            MarketVenue::BinanceSpot => (PrintSync::counted(), SequenceRule::BinanceSpot),
            MarketVenue::BinanceUsdm => (PrintSync::counted(), SequenceRule::BinanceUsdm),
            MarketVenue::BybitSpot | MarketVenue::BybitLinear => (PrintSync::named(), SequenceRule::Bybit),
        };
        let interval_ns = config.streams.candles.map_or(60_000_000_000, model::CandleInterval::ns);
        Self {
            id,
            interval_ns,
            stale_after_ns: i64::try_from(config.stale_after_ms).unwrap_or(i64::MAX).saturating_mul(Ts::MS),
            prints,
            best: BestSync::default(),
            book: config.streams.depth.then(|| BookSync::new(rule)),
            candles: CandleSync::new(interval_ns, known),
            forming: None,
            funding: FundingSync::default(),
            changed_at: now,
            book_stood_at: now,
            health: SymbolHealth { symbol: id, ..SymbolHealth::default() },
            has_snapshot: false,
        }
    }

    pub const fn id(&self) -> SymbolId {
        self.id
    }

    pub fn health(&self) -> SymbolHealth {
        SymbolHealth { is_book_live: self.book.as_ref().is_some_and(BookSync::is_live), ..self.health.clone() }
    }

    /// A connection that carries this kind of stream opened.
    pub fn reopened(&mut self, kind: StreamKind, at: Ts, out: &mut Vec<Wish>) {
        match (kind, &mut self.book) {
            (StreamKind::Trades, _) => self.prints.reopened(),
            (StreamKind::Depth, Some(book)) => book.reopened(),
            (StreamKind::Candles, _) => {
                let mut steps = Vec::new();
                self.candles.reopened(at, &mut steps);
                self.candle_steps(steps, out);
            }
            _ => {}
        }
    }

    pub fn on_body(&mut self, body: Body, at: Ts, out: &mut Vec<Wish>) {
        self.health.messages += 1;
        self.health.last_at = at;
        match body {
            Body::Prints(prints) => prints.into_iter().for_each(|print| self.on_print(print, at, out)),
            Body::Best(best) => {
                let step = self.best.on_best(best);
                self.on_best(step, at, out);
            }
            Body::BestDelta(update_id, bid, ask, exch_at) => {
                let step = self.best.on_delta(update_id, bid, ask, exch_at);
                self.on_best(step, at, out);
            }
            Body::Book(update) => self.on_book(update, at, out),
            Body::Candles(candles) => candles.into_iter().for_each(|candle| self.on_candle(candle, at, out)),
            Body::Mark(mark) => self.on_mark(&mark, at, out),
        }
    }

    /// Closed candles that were asked for from `from` on came by REST.
    pub fn on_fetched(&mut self, from: Ts, candles: &[Candle], out: &mut Vec<Wish>) {
        let mut steps = Vec::new();
        self.candles.on_fetched(from, candles, &mut steps);
        self.candle_steps(steps, out);
    }

    pub fn on_depth_lost(&mut self, out: &mut Vec<Wish>) {
        let Some(book) = &mut self.book else { return };
        let mut steps = Vec::new();
        book.lost_downstream(&mut steps);
        // Only requests come of it, no updates.
        out.extend(steps.into_iter().filter(|step| *step == BookStep::NeedSnapshot).map(|_| Wish::FetchBook));
    }

    pub fn on_time(&mut self, now: Ts, out: &mut Vec<Wish>) {
        let mut steps = Vec::new();
        self.prints.on_time(now, &mut steps);
        self.print_steps(steps, now, out);
        let mut steps = Vec::new();
        if let Some(book) = &mut self.book {
            book.on_time(now, &mut steps);
        }
        self.book_steps(steps, now, out);
        let mut steps = Vec::new();
        self.candles.on_time(now, &mut steps);
        self.candle_steps(steps, out);
        if self.book.as_ref().is_none_or(BookSync::is_live) {
            self.book_stood_at = now;
        }
        let is_stale = now.0.saturating_sub(self.changed_at.0) >= self.stale_after_ns
            || now.0.saturating_sub(self.book_stood_at.0) >= self.stale_after_ns;
        self.set_stale(is_stale, now, out);
    }

    /// Notes a change, from which the symbol's silence is counted.
    fn changed(&mut self, at: Ts, exch_at: Option<Ts>, out: &mut Vec<Wish>) {
        self.changed_at = at;
        if let Some(exch_at) = exch_at {
            self.health.lag_ns = at.0.saturating_sub(exch_at.0);
        }
        let book_stands = at.0.saturating_sub(self.book_stood_at.0) < self.stale_after_ns
            || self.book.as_ref().is_none_or(BookSync::is_live);
        if book_stands {
            self.set_stale(false, at, out);
        }
    }

    fn set_stale(&mut self, is_stale: bool, at: Ts, out: &mut Vec<Wish>) {
        if self.health.is_stale != is_stale {
            self.health.is_stale = is_stale;
            out.push(Wish::Market(MarketEvent::Staleness(Staleness { symbol: self.id, at, is_stale })));
        }
    }

    fn on_print(&mut self, print: Print, at: Ts, out: &mut Vec<Wish>) {
        let mut steps = Vec::new();
        self.prints.on_print(print, at, &mut steps);
        self.print_steps(steps, at, out);
    }

    fn print_steps(&mut self, steps: Vec<PrintStep>, at: Ts, out: &mut Vec<Wish>) {
        for step in steps {
            match step {
                PrintStep::Emit(print) => {
                    self.changed(at, Some(print.exch_at), out);
                    out.push(Wish::Market(MarketEvent::Trade(MarketTrade {
                        symbol: self.id,
                        at,
                        exch_at: print.exch_at,
                        price: print.price,
                        qty: print.qty,
                        aggressor: print.aggressor,
                        id: print.id,
                    })));
                }
                PrintStep::Duplicate => self.health.duplicates += 1,
                PrintStep::Strange => self.health.strange += 1,
                PrintStep::Gap(n) => {
                    self.health.gaps += 1;
                    out.push(Wish::Problem(format!("{n} trades never came")));
                }
            }
        }
    }

    fn on_best(&mut self, step: BestStep, at: Ts, out: &mut Vec<Wish>) {
        match step {
            BestStep::Emit { best, is_change } => {
                if is_change {
                    self.changed(at, best.exch_at, out);
                }
                out.push(Wish::Market(MarketEvent::Quote(self.quote(&best, at))));
            }
            BestStep::Duplicate => self.health.duplicates += 1,
            BestStep::Strange => self.health.strange += 1,
        }
    }

    fn quote(&self, best: &Best, at: Ts) -> Quote {
        let shown = |price: Price, qty: Qty| if qty.0 > 0 { (price, qty) } else { (Price::ZERO, Qty::ZERO) };
        let (bid, bid_qty) = shown(best.bid, best.bid_qty);
        let (ask, ask_qty) = shown(best.ask, best.ask_qty);
        Quote { symbol: self.id, at, exch_at: best.exch_at.unwrap_or(at), bid, bid_qty, ask, ask_qty }
    }

    fn on_book(&mut self, update: BookUpdate, at: Ts, out: &mut Vec<Wish>) {
        let Some(book) = &mut self.book else { return };
        let mut steps = Vec::new();
        book.on_update(update, at, &mut steps);
        self.book_steps(steps, at, out);
    }

    fn book_steps(&mut self, steps: Vec<BookStep>, at: Ts, out: &mut Vec<Wish>) {
        for step in steps {
            match step {
                BookStep::Emit(update) => self.emit_book(update, at, out),
                BookStep::Duplicate => self.health.duplicates += 1,
                BookStep::Gap => {
                    self.health.gaps += 1;
                    out.push(Wish::Problem("the chain of book changes broke; the book is fetched anew".to_owned()));
                }
                BookStep::NeedSnapshot => out.push(Wish::FetchBook),
            }
        }
    }

    fn emit_book(&mut self, update: BookUpdate, at: Ts, out: &mut Vec<Wish>) {
        self.book_stood_at = at;
        if !update.levels.is_empty() {
            self.changed(at, update.exch_at, out);
        }
        if update.is_snapshot {
            self.health.resyncs += u64::from(std::mem::replace(&mut self.has_snapshot, true));
            out.push(Wish::Resynced(update.last_id));
        }
        out.push(Wish::Market(MarketEvent::Depth(Depth {
            symbol: self.id,
            at,
            exch_at: update.exch_at.unwrap_or(at),
            first_id: update.first_id,
            last_id: update.last_id,
            is_snapshot: update.is_snapshot,
            levels: update.levels,
        })));
    }

    fn on_candle(&mut self, candle: Candle, at: Ts, out: &mut Vec<Wish>) {
        if self.forming != Some(candle) {
            self.forming = Some(candle);
            self.changed(at, None, out);
        }
        if candle.is_closed {
            let mut steps = Vec::new();
            self.candles.on_closed(candle, at, &mut steps);
            self.candle_steps(steps, out);
        }
    }

    fn candle_steps(&mut self, steps: Vec<CandleStep>, out: &mut Vec<Wish>) {
        for step in steps {
            match step {
                CandleStep::Emit(candle) => out.push(Wish::Market(MarketEvent::Bar(self.bar_of(&candle)))),
                CandleStep::Missed(candle) => {
                    self.health.missed_candles += 1;
                    out.push(Wish::Market(MarketEvent::Missed(self.bar_of(&candle))));
                }
                CandleStep::Duplicate => self.health.duplicates += 1,
                CandleStep::Strange => self.health.strange += 1,
                CandleStep::Fetch { from, to } => out.push(Wish::FetchCandles { from, to }),
                CandleStep::Gap { from, to } => {
                    let n = (to.0 - from.0) / self.interval_ns;
                    self.health.gaps += 1;
                    self.health.lost_candles += n.unsigned_abs();
                    self.health.last_lost = Some(Span { from, to });
                    let (from, to) = (from.ms(), to.ms());
                    out.push(Wish::Problem(format!("{n} candles from {from} ms to {to} ms could not be had")));
                }
            }
        }
    }

    /// A closed candle as the engine knows it.
    fn bar_of(&self, candle: &Candle) -> Bar {
        Bar {
            symbol: self.id,
            opened_at: candle.opened_at,
            closed_at: candle.opened_at.plus_ns(self.interval_ns),
            open: candle.open,
            high: candle.high,
            low: candle.low,
            close: candle.close,
            volume: candle.volume,
        }
    }

    fn on_mark(&mut self, mark: &Mark, at: Ts, out: &mut Vec<Wish>) {
        match self.funding.on_mark(mark, at) {
            FundingStep::Waiting => {}
            FundingStep::Due { rate_e8, mark } => {
                out.push(Wish::Market(MarketEvent::Funding(Funding { symbol: self.id, at, rate_e8, mark })));
            }
            FundingStep::Missed { due_at } => {
                self.health.gaps += 1;
                out.push(Wish::Problem(format!(
                    "the rate of the funding payment due at {} ms is not known",
                    due_at.ms()
                )));
            }
        }
    }
}
