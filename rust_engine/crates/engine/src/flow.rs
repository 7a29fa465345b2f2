//! The market in. One event, everything it causes out, in one fixed order and on one thread.
//!
//! Inside one event: what rests is matched and fills reach their strategies; the event marks prices; each strategy that
//! watches the symbol sees it; its orders pass the risk gate, large openings wait for advice, the rest goes to the venue,
//! which fills it from the **next** event on.

use crate::core::{Core, Source};
use crate::error::CoreError;
use crate::external::{Executed, Meaning, Sight, VenueReport};
use crate::instance::Instance;
use crate::recorder::Recorder;
use model::{
    Bar, BookTop, Depth, Event, Fill, Funding, MarketEvent, MarketTrade, Money, OrderId, Price, Qty, Quote, Staleness,
    SymbolId, Ts,
};
use sim::funding_payment;

/// Actions that may follow from one event before its strategy counts as looping.
const MAX_REACTIONS: usize = 4096;

impl<R: Recorder> Core<R> {
    /// Plays one closed bar of a sorted feed, in which time is the close of the bar.
    ///
    /// # Errors
    /// A bar that is not sound, goes back in time or is of an unknown symbol is refused and changes nothing; so is any bar
    /// while an order waits for advice.
    pub fn on_bar(&mut self, bar: &Bar) -> Result<(), CoreError> {
        self.check_sorted(bar)?;
        if !self.desk.held.is_empty() {
            return Err(CoreError::AdvicePending { n: self.desk.held.len() });
        }
        self.play_bar(bar, bar.closed_at)
    }

    /// Plays one event of a live market, in the order in which events were received. A candle may come late; its time is then
    /// the time of the events before it.
    ///
    /// # Errors
    /// What cannot be is refused and changes nothing.
    pub fn on_market(&mut self, event: &MarketEvent) -> Result<(), CoreError> {
        self.symbol_known(event.symbol(), event.at())?;
        match event {
            MarketEvent::Bar(bar) => {
                self.check_bar(bar)?;
                self.play_bar(bar, bar.closed_at.max(self.market.now))?;
            }
            MarketEvent::Missed(bar) => self.catch_up(bar)?,
            MarketEvent::Trade(trade) => self.play_trade(trade, event)?,
            MarketEvent::Quote(quote) => self.play_quote(quote, event)?,
            MarketEvent::Depth(depth) => self.play_depth(depth, event)?,
            MarketEvent::Funding(funding) => self.fund(funding)?,
            MarketEvent::Staleness(staleness) => self.note_staleness(staleness)?,
        }
        Ok(())
    }

    /// Lets time pass without an event of the market: answers of the venue arrive, schedules go on.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn on_time(&mut self, at: Ts) -> Result<(), CoreError> {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.exchange.books_mut().for_each(|venue| venue.on_time(at, &mut outcomes));
        self.apply_outcomes(outcomes)?;
        self.market.now = self.market.now.max(at);
        self.parents.on_time(self.market.now, &mut self.instructions);
        self.carry_out(self.market.now)?;
        self.keep_flat(self.market.now)
    }

    fn play_bar(&mut self, bar: &Bar, at: Ts) -> Result<(), CoreError> {
        self.fill_from(bar)?;
        self.accept(bar, at);
        self.desk.started_at(at);
        self.market.bars += 1;
        if self.works_orders {
            self.parents.on_bar(bar, &mut self.instructions);
            self.carry_out(at)?;
        }
        self.keep_safe(at)?;
        let symbol = bar.symbol.index();
        for k in 0..self.watchers[symbol].len() {
            let i = self.watchers[symbol][k];
            self.deliver(i, Event::Bar(bar), at)?;
        }
        Ok(())
    }

    fn play_trade(&mut self, trade: &MarketTrade, event: &MarketEvent) -> Result<(), CoreError> {
        if trade.price <= Price::ZERO || trade.qty.0 <= 0 {
            return Err(self.unsound(trade.symbol, trade.at, "print"));
        }
        self.match_event(event, "print")?;
        self.market.tell_deal(trade.symbol, trade.price);
        if self.works_orders {
            self.parents.on_trade(trade, &mut self.instructions);
            self.carry_out(trade.at)?;
        }
        self.keep_safe(trade.at)?;
        self.broadcast(trade.symbol, Event::Trade(trade), trade.at)
    }

    fn play_quote(&mut self, quote: &Quote, event: &MarketEvent) -> Result<(), CoreError> {
        if !quote.is_sound() {
            return Err(self.unsound(quote.symbol, quote.at, "quote"));
        }
        self.match_event(event, "quote")?;
        self.market.tell_sides(quote.symbol, quote.bid, quote.ask, Source::Quotes);
        if self.works_orders {
            self.parents.on_quote(quote, &mut self.instructions);
            self.carry_out(quote.at)?;
        }
        self.keep_safe(quote.at)?;
        self.broadcast(quote.symbol, Event::Quote(quote), quote.at)
    }

    fn play_depth(&mut self, depth: &Depth, event: &MarketEvent) -> Result<(), CoreError> {
        self.match_event(event, "book")?;
        let top = self.exchange.top(depth.symbol);
        if let Some(BookTop { bids: [(bid, bid_qty), ..], asks: [(ask, ask_qty), ..], .. }) = top
            && bid_qty > Qty::ZERO
            && ask_qty > Qty::ZERO
        {
            self.market.tell_sides(depth.symbol, bid, ask, Source::Book);
        }
        self.keep_safe(depth.at)?;
        top.map_or(Ok(()), |top| self.broadcast(depth.symbol, Event::Book(&top), depth.at))
    }

    fn fund(&mut self, funding: &Funding) -> Result<(), CoreError> {
        self.require_order(funding.at, "funding")?;
        self.pass_time(funding.at);
        let symbol = funding.symbol.index();
        for instance in &mut self.instances {
            let position = instance.ledger.position(symbol);
            instance.ledger.pay(funding_payment(position, funding));
        }
        Ok(())
    }

    fn note_staleness(&mut self, staleness: &Staleness) -> Result<(), CoreError> {
        self.require_order(staleness.at, "staleness")?;
        self.pass_time(staleness.at);
        self.market.stale[staleness.symbol.index()] = staleness.is_stale;
        self.broadcast(staleness.symbol, Event::Staleness(staleness), staleness.at)
    }

    pub(crate) fn broadcast(&mut self, symbol: SymbolId, event: Event<'_>, at: Ts) -> Result<(), CoreError> {
        for k in 0..self.watchers[symbol.index()].len() {
            let i = self.watchers[symbol.index()][k];
            self.deliver(i, event, at)?;
        }
        Ok(())
    }

    fn symbol_known(&self, symbol: SymbolId, at: Ts) -> Result<(), CoreError> {
        if symbol.index() < self.symbols.len() {
            return Ok(());
        }
        Err(CoreError::UnknownSymbol { symbol: symbol.0, at, known: self.symbols.len() })
    }

    #[cold]
    fn unsound(&self, symbol: SymbolId, at: Ts, what: &'static str) -> CoreError {
        CoreError::Unsound { symbol: self.symbols[symbol.index()].name.clone(), what, at }
    }

    /// A bar of a feed that is sorted over all symbols.
    pub(crate) fn check_sorted(&self, bar: &Bar) -> Result<(), CoreError> {
        self.symbol_known(bar.symbol, bar.closed_at)?;
        self.check_bar(bar)?;
        if bar.closed_at < self.market.now { Err(self.bar_back_in_time(bar)) } else { Ok(()) }
    }

    pub(crate) fn check_bar(&self, bar: &Bar) -> Result<(), CoreError> {
        if !bar.is_sound() {
            return Err(self.unsound(bar.symbol, bar.closed_at, "bar"));
        }
        let known = self.market.last_closed[bar.symbol.index()];
        if bar.opened_at < known { Err(self.bar_back_in_time(bar)) } else { Ok(()) }
    }

    #[cold]
    fn bar_back_in_time(&self, bar: &Bar) -> CoreError {
        CoreError::BackInTime {
            symbol: self.symbols[bar.symbol.index()].name.clone(),
            opened_at: bar.opened_at,
            closed_at: bar.closed_at,
            known: self.market.last_closed[bar.symbol.index()].max(self.market.now),
        }
    }

    fn require_order(&self, at: Ts, what: &'static str) -> Result<(), CoreError> {
        let known = self.market.now;
        if at < known { Err(CoreError::OutOfOrder { what, at, known }) } else { Ok(()) }
    }

    fn pass_time(&mut self, at: Ts) {
        self.market.now = at;
        self.desk.started_at(at);
    }

    pub(crate) fn accept(&mut self, bar: &Bar, at: Ts) {
        let i = bar.symbol.index();
        self.market.tell_deal(bar.symbol, bar.close);
        self.market.last_closed[i] = bar.closed_at;
        self.market.now = at;
        self.kept.push(bar);
        self.recorder.observed(bar);
    }

    fn fill_from(&mut self, bar: &Bar) -> Result<(), CoreError> {
        // A venue that works on prints and quotes learns nothing from the candle that sums them up.
        let mut matched = std::mem::take(&mut self.matched);
        for venue in self.exchange.bars_mut().filter(|venue| !venue.is_quiet(bar.symbol)) {
            venue.match_bar(bar, &mut matched);
        }
        for order in matched.drain(..) {
            let i = order.instance().index();
            let position = self.instances[i].ledger.position(bar.symbol.index());
            match order.into_fill(bar, position, &self.rates) {
                Ok((fill, tag)) => self.book_fill(&fill, tag)?,
                Err(update) => {
                    self.notices.push_back(update);
                    self.deliver_notices(bar.closed_at)?;
                }
            }
        }
        self.matched = matched;
        Ok(())
    }

    /// Lets the venue answer up to this event, and time pass to it.
    fn match_event(&mut self, event: &MarketEvent, what: &'static str) -> Result<(), CoreError> {
        self.require_order(event.at(), what)?;
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.exchange.books_mut().for_each(|venue| venue.on_market(event, &mut outcomes));
        self.apply_outcomes(outcomes)?;
        self.pass_time(event.at());
        Ok(())
    }

    /// Books a fill and tells its strategy.
    pub(crate) fn book_fill(&mut self, fill: &Fill, tag: R::Tag) -> Result<(), CoreError> {
        self.recorder.filled(fill);
        let i = fill.order.instance.index();
        let Instance { ledger, identity, .. } = &mut self.instances[i];
        let recorder = &mut self.recorder;
        ledger.apply(fill, tag, |trade| recorder.closed(identity, &trade));
        self.deliver(i, Event::Fill(fill), fill.at)?;
        if fill.order.parent != OrderId(0) {
            self.parents.on_fill(fill, &mut self.instructions);
            self.carry_out(fill.at)?;
        }
        Ok(())
    }

    /// Takes what an exchange says about one of our orders. `Some` says in words why it had no effect.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn on_report(&mut self, report: &VenueReport) -> Result<Option<String>, CoreError> {
        let Some(venue) = self.exchange.external_mut() else {
            return Ok(Some("this run trades on a simulated venue".to_owned()));
        };
        match venue.report(report) {
            Meaning::Nothing => Ok(None),
            Meaning::Unknown => Ok(Some(format!("order {} is not open here", report.id.0))),
            Meaning::Ended(update) => {
                self.notices.push_back(update);
                self.deliver_notices(report.at)?;
                self.let_go(update.order.instance, update.order.symbol, report.at)?;
                self.keep_flat(report.at)?;
                Ok(None)
            }
            Meaning::Executed(Executed { order, price, qty, base_fee, fee, liquidity, sight, at, tag }) => {
                let Sight { price: arrival_price, half_spread } = sight;
                let slippage = Money::ZERO;
                let fill =
                    Fill { order, at, price, qty, base_fee, fee, slippage, arrival_price, half_spread, liquidity };
                self.book_fill(&fill, tag)?;
                self.let_go(order.instance, order.symbol, report.at)?;
                self.keep_flat(report.at)?;
                Ok(None)
            }
        }
    }

    /// Tells instance `i` of one event and does what it asks, until nobody asks for more.
    pub(crate) fn deliver(&mut self, i: usize, event: Event<'_>, at: Ts) -> Result<(), CoreError> {
        let mut actions = std::mem::take(&mut self.actions);
        self.instances[i].strategy.on_event(event, &mut actions);
        if !actions.is_empty() {
            self.act_on(i, actions.as_slice(), at);
            actions.clear();
        }
        self.actions = actions;
        if self.notices.is_empty() && self.instructions.is_empty() { Ok(()) } else { self.settle_all(at) }
    }

    /// Tells strategies of orders that ended, and does what the execution desk asked for meanwhile.
    pub(crate) fn settle_all(&mut self, at: Ts) -> Result<(), CoreError> {
        self.deliver_notices(at)?;
        self.carry_out(at)
    }

    /// Tells strategies of orders that ended, and of what follows from that.
    pub(crate) fn deliver_notices(&mut self, at: Ts) -> Result<(), CoreError> {
        let mut actions = std::mem::take(&mut self.actions);
        let mut reactions = 0;
        while let Some(update) = self.notices.pop_front() {
            let i = update.order.instance.index();
            if update.order.parent != OrderId(0) {
                self.parents.on_ended(&update, at, &mut self.instructions);
            }
            self.instances[i].strategy.on_event(Event::OrderUpdate(&update), &mut actions);
            reactions += actions.as_slice().len();
            self.act_on(i, actions.as_slice(), at);
            actions.clear();
            if reactions > MAX_REACTIONS {
                let instance = self.instances[i].identity.instance_id.clone();
                return Err(CoreError::Runaway { instance, limit: MAX_REACTIONS });
            }
        }
        self.actions = actions;
        Ok(())
    }
}

#[cfg(test)]
#[path = "flow_tests.rs"]
mod tests;
