//! One decider over recorded prints and books, on the book venue: every event is a chance to decide.
//!
//! An event is one message of the exchange: a print, or the levels of one difference or snapshot. After each the answers that
//! have come are told first, then the event itself, and what is asked for is sent through the risk gate.

mod columns;
mod grid;

pub use columns::{BookColumns, CheckedColumns, ColumnError, LEVEL, SNAPSHOT, TRADE};
pub use grid::{BookGrid, GridSpec};

use model::{
    Action, Actions, CancelReason, Costs, Event, Fill, InstanceId, MarketEvent, Money, OrderId, OrderRequest,
    OrderUpdate, Price, Qty, SymbolId, SymbolSpec, Ts, VenueConfig,
};
use risk::{Exposure, LimitError, RiskGate};
use sim::{BookVenue, BookVenueError, FeeError, FeeSchedule, VenueOutcome};

/// Who decides.
pub trait Decide {
    /// Takes one event and may ask for orders and cancels; other actions have no meaning here and are ignored.
    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions);
}

/// What to play.
#[derive(Clone, Debug)]
pub struct BookRequest<'a> {
    /// The only symbol of the events.
    pub symbol: &'a SymbolSpec,
    /// Fees; slippage is no part of a book.
    pub costs: Costs,
    /// Latency, queue, tiers.
    pub venue: &'a VenueConfig,
}

/// Why a run was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BookRunError {
    /// The events.
    #[error(transparent)]
    Columns(#[from] ColumnError),
    /// The venue.
    #[error(transparent)]
    Venue(#[from] BookVenueError),
    /// The fees.
    #[error(transparent)]
    Fees(#[from] FeeError),
    /// The grid of the symbol.
    #[error(transparent)]
    Limits(#[from] LimitError),
}

/// One fill, as it was told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BookFill {
    /// The fill; `at` is when it was known here.
    pub fill: Fill,
    /// When, on the exchange's clock.
    pub exch_at: Ts,
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BookFacts {
    /// Every fill, in the order in which they were told.
    pub fills: Vec<BookFill>,
    /// Messages of the exchange, each of which was decided on.
    pub n_events: u64,
    /// Orders sent.
    pub n_orders: u64,
    /// Requests to cancel.
    pub n_cancels: u64,
    /// Orders that ended unfilled, asked for or not.
    pub n_ended: u64,
    /// Orders that the gate refused.
    pub n_refused: u64,
    /// Levels off the price grid or below zero; they are left out of the book.
    pub n_refused_levels: u64,
    /// Signed position at the end.
    pub position: Qty,
    /// Cash at the end, fees paid.
    pub cash: Money,
    /// Fees paid.
    pub fees: Money,
}

const INSTANCE: InstanceId = InstanceId(0);
const SYMBOL: SymbolId = SymbolId(0);

/// What the gate looks at.
struct Holdings {
    venue: BookVenue<()>,
    facts: BookFacts,
}

impl Exposure for Holdings {
    fn last_price(&self, symbol: SymbolId) -> Price {
        self.venue.quote(symbol).map_or(Price::ZERO, |quote| quote.mid())
    }

    fn position(&self, _: InstanceId, _: SymbolId) -> Qty {
        self.facts.position
    }

    fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        self.venue.resting(instance, symbol)
    }

    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> Money {
        Money::ZERO
    }
}

struct Desk {
    holdings: Holdings,
    gate: RiskGate,
    schedule: FeeSchedule,
    /// Orders that the gate refused, to be told at the next event.
    refused: Vec<OrderRequest>,
    n_ids: u64,
}

/// Plays `events` and lets `decider` decide on each.
///
/// # Errors
/// A venue, fees or a symbol that are refused.
pub fn run(
    request: &BookRequest<'_>,
    events: &CheckedColumns<'_>,
    decider: &mut impl Decide,
) -> Result<BookFacts, BookRunError> {
    let symbols = std::slice::from_ref(request.symbol);
    let holdings = Holdings { venue: BookVenue::new(symbols, request.venue)?, facts: BookFacts::default() };
    let gate = RiskGate::new(None, symbols)?;
    let schedule = FeeSchedule::new(&request.costs, &request.venue.fee_tiers)?;
    let mut desk = Desk { holdings, gate, schedule, refused: Vec::new(), n_ids: 0 };
    let mut actions = Actions::default();
    let mut outcomes = Vec::new();
    let mut messages = events.messages();
    while let Some(event) = messages.next_message() {
        desk.holdings.facts.n_events += 1;
        desk.holdings.venue.on_market(event, &mut outcomes);
        for order in desk.refused.drain(..) {
            let update = OrderUpdate { order, reason: CancelReason::Refused };
            decider.on_event(Event::OrderUpdate(&update), &mut actions);
        }
        for outcome in outcomes.drain(..) {
            desk.tell(&outcome, decider, &mut actions);
        }
        if let MarketEvent::Trade(trade) = event {
            decider.on_event(Event::Trade(trade), &mut actions);
        } else if let Some(top) = desk.holdings.venue.top(SYMBOL) {
            decider.on_event(Event::Book(&top), &mut actions);
        }
        if !actions.is_empty() {
            desk.act(&actions, event.at());
            actions.clear();
        }
    }
    let Holdings { venue, mut facts } = desk.holdings;
    facts.n_refused_levels = venue.refused_levels(SYMBOL);
    Ok(facts)
}

impl Desk {
    fn tell(&mut self, outcome: &VenueOutcome<()>, decider: &mut impl Decide, actions: &mut Actions) {
        match *outcome {
            VenueOutcome::Fill { order, qty, price, liquidity, arrival, half_spread, exch_at, at, .. } => {
                let notional = price * qty;
                let fee = self.schedule.fee(at, notional, liquidity);
                self.schedule.traded(at, notional);
                let free = Fill::free(order, at, price, qty, liquidity);
                let fill = Fill { fee, arrival_price: arrival, half_spread, ..free };
                self.book_fill(&fill);
                self.holdings.facts.fills.push(BookFill { fill, exch_at });
                decider.on_event(Event::Fill(&fill), actions);
            }
            VenueOutcome::Ended { order, reason, .. } => {
                self.holdings.facts.n_ended += 1;
                decider.on_event(Event::OrderUpdate(&OrderUpdate { order, reason }), actions);
            }
        }
    }

    fn book_fill(&mut self, fill: &Fill) {
        let signed = Qty(fill.order.side.sign() * fill.qty.0);
        let facts = &mut self.holdings.facts;
        facts.position += signed;
        facts.cash = facts.cash - fill.price * signed - fill.fee;
        facts.fees += fill.fee;
    }

    fn act(&mut self, actions: &Actions, at: Ts) {
        for action in actions.as_slice() {
            match action {
                Action::Submit(order) => self.submit(*order, at),
                Action::CancelAt(named) => {
                    self.holdings.facts.n_cancels += 1;
                    self.gate.cancels_sent(INSTANCE, 1, at);
                    self.holdings.venue.cancel_where(INSTANCE, named.symbol, |order| named.names(order), at);
                }
                Action::CancelAll(symbol) => {
                    self.holdings.facts.n_cancels += 1;
                    self.gate.cancels_sent(INSTANCE, 1, at);
                    self.holdings.venue.cancel_where(INSTANCE, *symbol, |_| true, at);
                }
                _ => {}
            }
        }
    }

    fn submit(&mut self, order: OrderRequest, at: Ts) {
        self.n_ids += 1;
        let order = OrderRequest { id: OrderId(self.n_ids), instance: INSTANCE, decided_at: at, ..order };
        match self.gate.approve(order, at, &self.holdings) {
            Ok(approved) => {
                self.holdings.facts.n_orders += 1;
                self.holdings.venue.send(approved, at, ());
            }
            Err(refusal) => {
                self.holdings.facts.n_refused += 1;
                self.refused.push(refusal.order);
            }
        }
    }
}
