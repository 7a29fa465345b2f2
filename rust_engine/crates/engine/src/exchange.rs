//! Where approved orders go: one of the simulated venues, or out to an exchange.

use crate::error::CoreError;
use crate::external::External;
use model::{
    BookTop, InstanceId, OrderId, OrderRequest, Price, Qty, SymbolId, SymbolSpec, Ts, VenueConfig, VenueModel,
};
use risk::RiskApproved;
use serde::{Deserialize, Serialize};
use sim::{BookVenue, Venue};
use std::cell::Cell;

/// The venue of a core. A backtest and a live run differ here and nowhere else.
// One lives in each core: the size of the largest form costs nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Serialize, Deserialize)]
pub(crate) enum Exchange<T> {
    /// Fills on what the next candle proves.
    Bars(Venue<T>),
    /// Fills on prints, quotes and books.
    Book(BookVenue<T>),
    /// Fills when an exchange says so.
    External(External<T>),
}

impl<T: Clone> Exchange<T> {
    pub(crate) fn new(config: &VenueConfig, symbols: &[SymbolSpec]) -> Result<Self, CoreError> {
        Ok(match config.model {
            VenueModel::Bars => Self::Bars(Venue::new(symbols.len())),
            VenueModel::Book => Self::Book(BookVenue::new(symbols, config)?),
            VenueModel::External => Self::External(External::new(config.short_sales, symbols)),
        })
    }

    pub(crate) fn send(&mut self, order: RiskApproved<OrderRequest>, last: Price, now: Ts, tag: T) {
        match self {
            Self::Bars(venue) => venue.send(order, tag),
            Self::Book(venue) => venue.send(order, now, tag),
            Self::External(venue) => venue.send(order, last, tag),
        }
    }

    /// Ends what `wanted` picks among the orders of `instance` in `symbol`, and says how many cancels that takes. Where the end
    /// takes time, `ended` is not called: the venue tells it later.
    pub(crate) fn cancel_where(
        &mut self,
        instance: InstanceId,
        symbol: SymbolId,
        wanted: impl Fn(&OrderRequest) -> bool,
        now: Ts,
        ended: impl FnMut(OrderRequest),
    ) -> usize {
        let n = Cell::new(0);
        let wanted = |order: &OrderRequest| {
            let picked = wanted(order);
            n.set(n.get() + usize::from(picked));
            picked
        };
        match self {
            Self::Bars(venue) => venue.cancel_where(instance, symbol, wanted, ended),
            Self::Book(venue) => venue.cancel_where(instance, symbol, wanted, now),
            Self::External(venue) => {
                venue.cancel_where(|o| o.instance == instance && o.symbol == symbol && wanted(o), ended);
            }
        }
        n.get()
    }

    pub(crate) fn cancel(&mut self, instance: InstanceId, id: OrderId, now: Ts, ended: impl FnMut(OrderRequest)) {
        match self {
            Self::Bars(venue) => venue.cancel(instance, id, ended),
            Self::Book(venue) => venue.cancel(instance, id, now),
            Self::External(venue) => venue.cancel_where(|o| o.instance == instance && o.id == id, ended),
        }
    }

    pub(crate) fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        match self {
            Self::Bars(venue) => venue.resting(instance, symbol),
            Self::Book(venue) => venue.resting(instance, symbol),
            Self::External(venue) => venue.resting(instance, symbol),
        }
    }

    /// Whether an order of `instance` in `symbol` that `wanted` picks rests or is on its way.
    pub(crate) fn holds(&self, instance: InstanceId, symbol: SymbolId, wanted: impl Fn(&OrderRequest) -> bool) -> bool {
        let picked = |o: &OrderRequest| o.instance == instance && o.symbol == symbol && wanted(o);
        match self {
            Self::Bars(venue) => venue.orders().any(picked),
            Self::Book(venue) => venue.orders().any(picked),
            Self::External(venue) => venue.orders().any(|(order, _)| picked(order)),
        }
    }

    pub(crate) fn is_external(&self) -> bool {
        matches!(self, Self::External(_))
    }

    /// When an answer of the venue is due at the latest.
    pub(crate) fn next_due(&self) -> Option<Ts> {
        if let Self::Book(venue) = self { venue.next_due() } else { None }
    }

    /// The best levels, where the venue keeps a book.
    pub(crate) fn top(&self, symbol: SymbolId) -> Option<BookTop> {
        match self {
            Self::Book(venue) => venue.top(symbol),
            Self::Bars(_) | Self::External(_) => None,
        }
    }
}
