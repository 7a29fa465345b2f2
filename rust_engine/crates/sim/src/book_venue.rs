//! The simulated exchange on prints, quotes and books: latency both ways, a rate limit, and [`crate::matcher`]'s fills.
//!
//! Two clocks run. Ours is that of the calls: `now`, and the receipt of a market event. The exchange's moves with the market's
//! own stamps and with what we send. A message sent at `now` arrives `order_latency_us` later and acts before the first market
//! event that the exchange made after that; where none comes, it acts when its answer is due. An answer comes back
//! `feed_latency_us` after the exchange acted.
//!
//! What the exchange decided is told only when the answer has come: until then an order counts as open.

use crate::ladder::Execution;
use crate::matcher::{Arrival, Matcher};
use crate::outcome::{BookVenueError, VenueOutcome};
use crate::refusals::Refusals;
use crate::wire::{Answer, Bounds, Exposure, Message, News, Wire};
use book::L2Book;
use model::{
    BookTop, CancelReason, InstanceId, Liquidity, MarketEvent, OrderId, OrderRequest, Price, Qty, QueueModel, Quote,
    Side, SymbolId, SymbolSpec, Ts, VenueConfig,
};
use risk::RiskApproved;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// An order that is not yet known to have ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Open<T> {
    order: OrderRequest,
    tag: T,
    /// What is left of it at the exchange; zero once it ended there.
    remaining: Qty,
    /// What is left of it as far as answers have come.
    known: Qty,
    arrival: Price,
    half_spread: Price,
    cancel_sent: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listed {
    matcher: Matcher,
    exposure: Exposure,
    n_open: usize,
    /// When the book was last received, and the last best prices that came on their own.
    book_at: Option<(Ts, Ts)>,
    quote: Option<Quote>,
}

/// The venue. `T` is what the caller wants back with a fill.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BookVenue<T> {
    wire: Wire,
    /// One for all, or one for each instance.
    bounds: Bounds,
    refusals: Refusals,
    listed: Vec<Listed>,
    slots: Vec<Option<Open<T>>>,
    free: Vec<u32>,
    messages: VecDeque<Message>,
    answers: VecDeque<Answer>,
    /// The exchange's clock.
    exch_at: Ts,
    /// When answers were last asked for; later news cannot have come before.
    heard_at: Ts,
    #[serde(skip)]
    executions: Vec<Execution>,
    #[serde(skip)]
    ended: Vec<u32>,
    #[serde(skip)]
    picked: Vec<(OrderId, InstanceId, u32)>,
}

impl<T: Clone> BookVenue<T> {
    /// A venue without orders or prices.
    ///
    /// # Errors
    /// A latency of a day or more, a queue model without a power above zero, a share of refusals that is none or belongs to
    /// another venue, a symbol without tick or lot.
    pub fn new(symbols: &[SymbolSpec], config: &VenueConfig) -> Result<Self, BookVenueError> {
        if let QueueModel::ProbPower { power } = config.queue
            && !(power > 0.0 && power.is_finite())
        {
            return Err(BookVenueError::Power(power));
        }
        let listed = |spec: &SymbolSpec| {
            if spec.lot <= Qty::ZERO {
                return Err(BookVenueError::Lot { name: spec.name.clone(), lot: spec.lot });
            }
            let matcher = Matcher::new(spec, config.queue, config.swept)
                .map_err(|problem| BookVenueError::Tick { name: spec.name.clone(), problem })?;
            Ok(Listed { matcher, exposure: Exposure::default(), n_open: 0, book_at: None, quote: None })
        };
        Ok(Self {
            wire: Wire::new(config).ok_or(BookVenueError::Latency)?,
            bounds: Bounds::shared(config.max_messages_per_s),
            refusals: Refusals::new(config)?,
            listed: symbols.iter().map(listed).collect::<Result<_, _>>()?,
            slots: Vec::new(),
            free: Vec::new(),
            messages: VecDeque::new(),
            answers: VecDeque::new(),
            exch_at: Ts(i64::MIN),
            heard_at: Ts(i64::MIN),
            executions: Vec::new(),
            ended: Vec::new(),
            picked: Vec::new(),
        })
    }

    /// The same with a bound on messages for each instance instead of one for all.
    #[must_use]
    pub fn with_a_bound_each(mut self) -> Self {
        self.bounds.split();
        self
    }

    /// Sends an order.
    pub fn send(&mut self, order: RiskApproved<OrderRequest>, now: Ts, tag: T) {
        let order = order.into_inner();
        let listed = &mut self.listed[order.symbol.index()];
        listed.n_open += 1;
        listed.exposure.add(&order, order.qty);
        let open = Open {
            order,
            tag,
            remaining: order.qty,
            known: order.qty,
            arrival: order.decision_price,
            half_spread: Price::ZERO,
            cancel_sent: false,
        };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(open);
                slot
            }
            None => {
                self.slots.push(Some(open));
                (self.slots.len() - 1) as u32
            }
        };
        self.post(now, slot, (order.instance, order.id), false);
    }

    fn post(&mut self, now: Ts, slot: u32, (sender, id): (InstanceId, OrderId), is_cancel: bool) {
        let arrives_at = now.plus_ns(self.wire.order_ns);
        let arrives_at = self.messages.back().map_or(arrives_at, |last| last.arrives_at.max(arrives_at));
        self.messages.push_back(Message { arrives_at, slot, id, sender, is_cancel });
    }

    /// Asks for the end of one order. Asking twice sends one message.
    pub fn cancel(&mut self, instance: InstanceId, id: OrderId, now: Ts) {
        self.cancel_picked(now, |o| o.instance == instance && o.id == id);
    }

    /// Asks for the end of every order of `instance` in `symbol` that `wanted` picks, oldest first.
    pub fn cancel_where(
        &mut self,
        instance: InstanceId,
        symbol: SymbolId,
        wanted: impl Fn(&OrderRequest) -> bool,
        now: Ts,
    ) {
        self.cancel_picked(now, |o| o.instance == instance && o.symbol == symbol && wanted(o));
    }

    fn cancel_picked(&mut self, now: Ts, wanted: impl Fn(&OrderRequest) -> bool) {
        let mut picked = std::mem::take(&mut self.picked);
        for (slot, open) in self.slots.iter_mut().enumerate() {
            if let Some(open) = open.as_mut().filter(|o| !o.cancel_sent && wanted(&o.order)) {
                open.cancel_sent = true;
                picked.push((open.order.id, open.order.instance, slot as u32));
            }
        }
        picked.sort_unstable();
        for (id, sender, slot) in picked.drain(..) {
            self.post(now, slot, (sender, id), true);
        }
        self.picked = picked;
    }

    /// Plays one event of the market: first what reached the exchange before it, then the event, then every answer that has
    /// come by its receipt. Candles, funding and staleness only move time.
    pub fn on_market(&mut self, event: &MarketEvent, out: &mut Vec<VenueOutcome<T>>) {
        let at = event.at();
        let exch_at = match event {
            MarketEvent::Trade(x) => x.exch_at,
            MarketEvent::Quote(x) => x.exch_at,
            MarketEvent::Depth(x) => x.exch_at,
            MarketEvent::Bar(_) | MarketEvent::Missed(_) | MarketEvent::Funding(_) | MarketEvent::Staleness(_) => {
                return self.on_time(at, out);
            }
        };
        let exch_at = self.wire.made_at(exch_at, at).max(self.exch_at);
        self.receive(|message| message.arrives_at < exch_at);
        self.exch_at = exch_at;
        let listed = &mut self.listed[event.symbol().index()];
        match event {
            MarketEvent::Trade(x) => listed.matcher.on_trade(x, &mut self.executions, &mut self.ended),
            MarketEvent::Quote(x) => {
                listed.quote = Some(*x);
                listed.matcher.on_quote(x, &mut self.executions, &mut self.ended);
            }
            MarketEvent::Depth(x) => {
                listed.book_at = Some((x.at, x.exch_at));
                listed.matcher.on_depth(x, &mut self.executions, &mut self.ended);
            }
            MarketEvent::Bar(_) | MarketEvent::Missed(_) | MarketEvent::Funding(_) | MarketEvent::Staleness(_) => {}
        }
        self.answer_executions();
        self.on_time(at, out);
    }

    /// Lets messages act whose answer is due by `now`, and tells every answer that has come.
    pub fn on_time(&mut self, now: Ts, out: &mut Vec<VenueOutcome<T>>) {
        let answer_ns = self.wire.answer_ns;
        self.receive(|message| message.arrives_at.plus_ns(answer_ns) <= now);
        while let Some(answer) = self.answers.front().filter(|answer| answer.at <= now).copied() {
            self.answers.pop_front();
            self.tell(&answer, out);
        }
        self.heard_at = self.heard_at.max(now);
    }

    /// Lets the messages act, in order, that `is_there` says have reached the exchange.
    #[inline]
    fn receive(&mut self, is_there: impl Fn(&Message) -> bool) {
        while let Some(message) = self.messages.front().filter(|message| is_there(message)).copied() {
            self.messages.pop_front();
            self.exch_at = self.exch_at.max(message.arrives_at);
            self.act(message);
        }
    }

    fn act(&mut self, message: Message) {
        let slot = message.slot;
        let is_admitted = self.bounds.admit(message.sender, message.arrives_at);
        let Some(open) = self.slots[slot as usize].as_mut().filter(|o| o.order.id == message.id) else { return };
        let listed = &mut self.listed[open.order.symbol.index()];
        let order = open.order;
        if message.is_cancel {
            if !is_admitted {
                // A cancel that was not taken may be asked for again.
                open.cancel_sent = false;
            } else if open.remaining > Qty::ZERO && listed.matcher.cancel(slot, order.side) {
                self.answer_end(slot, CancelReason::Requested);
            }
            return;
        }
        open.arrival = listed.matcher.reference().unwrap_or(order.decision_price);
        open.half_spread = listed.matcher.half_spread();
        if !is_admitted {
            return self.answer_end(slot, CancelReason::RateLimited);
        }
        if self.refusals.hit(&order) {
            return self.answer_end(slot, CancelReason::Rejected);
        }
        let arrival = listed.matcher.arrive(slot, &order, &mut self.executions);
        self.answer_executions();
        if let Arrival::Ended(reason) = arrival {
            self.answer_end(slot, reason);
        }
    }

    fn due(&self) -> Ts {
        self.exch_at.plus_ns(self.wire.answer_ns).max(self.heard_at)
    }

    fn answer_end(&mut self, slot: u32, reason: CancelReason) {
        if let Some(open) = &mut self.slots[slot as usize] {
            open.remaining = Qty::ZERO;
        }
        let answer = Answer { at: self.due(), exch_at: self.exch_at, slot, news: News::Ended(reason) };
        self.answers.push_back(answer);
    }

    #[inline]
    fn answer_executions(&mut self) {
        if self.executions.is_empty() && self.ended.is_empty() {
            return;
        }
        let (at, exch_at) = (self.due(), self.exch_at);
        for Execution { slot, qty, price, is_maker } in self.executions.drain(..) {
            if let Some(open) = &mut self.slots[slot as usize] {
                open.remaining -= qty;
                let news = News::Fill { qty, price, is_maker, remaining: open.remaining };
                self.answers.push_back(Answer { at, exch_at, slot, news });
            }
        }
        while let Some(slot) = self.ended.pop() {
            self.answer_end(slot, CancelReason::Unfilled);
        }
    }

    fn tell(&mut self, answer: &Answer, out: &mut Vec<VenueOutcome<T>>) {
        let slot = answer.slot as usize;
        let Some(open) = &mut self.slots[slot] else { return };
        let listed = &mut self.listed[open.order.symbol.index()];
        let gone = match answer.news {
            News::Fill { qty, price, is_maker, remaining } => {
                out.push(VenueOutcome::Fill {
                    order: open.order,
                    qty,
                    price,
                    liquidity: if is_maker { Liquidity::Maker } else { Liquidity::Taker },
                    arrival: open.arrival,
                    half_spread: open.half_spread,
                    exch_at: answer.exch_at,
                    at: answer.at,
                    remaining,
                    tag: open.tag.clone(),
                });
                qty
            }
            News::Ended(reason) => {
                out.push(VenueOutcome::Ended { order: open.order, reason, at: answer.at });
                open.known
            }
        };
        listed.exposure.add(&open.order, -gone);
        open.known -= gone;
        if open.known == Qty::ZERO {
            listed.n_open -= 1;
            self.slots[slot] = None;
            self.free.push(answer.slot);
        }
    }

    /// Quantities of `instance` in `symbol` that could still add to its position, buys and sells: in flight, at rest, or
    /// filled or ended without our knowing. Reduce-only orders are not counted.
    #[must_use]
    pub fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        self.listed[symbol.index()].exposure.of(instance)
    }

    /// The best levels of `symbol`, once a book or a quote has come.
    #[must_use]
    pub fn top(&self, symbol: SymbolId) -> Option<BookTop> {
        let listed = &self.listed[symbol.index()];
        let at = listed.book_at.map(|(at, _)| at).or(listed.quote.map(|q| q.at))?;
        Some(listed.matcher.book().top(symbol, at))
    }

    /// The best prices of `symbol`: the later of its book's and its last quote. A side without orders has quantity zero.
    #[must_use]
    pub fn quote(&self, symbol: SymbolId) -> Option<Quote> {
        let listed = &self.listed[symbol.index()];
        let Some((at, exch_at)) = listed.book_at else { return listed.quote };
        if listed.quote.is_some_and(|quote| quote.at > at) {
            return listed.quote;
        }
        let best = |side| listed.matcher.book().best(side).unwrap_or((Price::ZERO, Qty::ZERO));
        let ((bid, bid_qty), (ask, ask_qty)) = (best(Side::Buy), best(Side::Sell));
        Some(Quote { symbol, at, exch_at, bid, bid_qty, ask, ask_qty })
    }

    /// Every order that is not yet known to have ended.
    pub fn orders(&self) -> impl Iterator<Item = &OrderRequest> {
        self.slots.iter().flatten().map(|open| &open.order)
    }

    /// How many orders are not yet known to have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.listed.iter().map(|l| l.n_open).sum()
    }

    /// Whether every order is known to have ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every order in `symbol` is known to have ended.
    #[must_use]
    pub fn is_quiet(&self, symbol: SymbolId) -> bool {
        self.listed[symbol.index()].n_open == 0
    }

    /// When the next answer is due at the latest, as far as is known now: a caller without market events calls
    /// [`Self::on_time`] then.
    #[must_use]
    pub fn next_due(&self) -> Option<Ts> {
        let message = self.messages.front().map(|m| m.arrives_at.plus_ns(self.wire.answer_ns));
        let answer = self.answers.front().map(|a| a.at);
        message.into_iter().chain(answer).min()
    }

    /// How many levels of `symbol`'s book were refused: off the price grid, or a quantity below zero.
    #[must_use]
    pub fn refused_levels(&self, symbol: SymbolId) -> u64 {
        self.listed[symbol.index()].matcher.refused_levels()
    }
}

#[cfg(test)]
#[path = "book_venue_tests.rs"]
mod tests;
