//! Where approved orders go: to a simulated venue, or out to an exchange.

use crate::error::CoreError;
use crate::external::{External, Sight};
use model::{BookTop, InstanceId, Mode, OrderId, OrderRequest, Qty, SymbolId, SymbolSpec, Ts, VenueConfig, VenueModel};
use risk::RiskApproved;
use serde::{Deserialize, Serialize};
use sim::{BookVenue, Refusals, Venue};
use std::cell::Cell;

/// One venue. A backtest and a live run differ here and nowhere else.
// Two live in each core: the size of the largest form costs nothing.
#[allow(clippy::large_enum_variant)]
#[derive(Serialize, Deserialize)]
pub(crate) enum Floor<T> {
    /// Fills on what the next candle proves.
    Bars(Venue<T>),
    /// Fills on prints, quotes and books.
    Book(BookVenue<T>),
    /// Fills when an exchange says so.
    External(External<T>),
}

/// The venues of a core. Shadows and twins trade on a simulated one of their own, so that nothing of them leaves the engine and
/// nothing they do is felt by what trades for the account: no place in a queue, no bound on messages, no volume for a fee tier.
#[derive(Serialize, Deserialize)]
pub(crate) struct Exchange<T> {
    /// Of live and canary instances; of all where none of these runs and nothing is external.
    main: Floor<T>,
    /// Of the others.
    apart: Option<Floor<T>>,
    is_apart: Vec<bool>,
}

impl<T: Clone> Exchange<T> {
    pub(crate) fn new(config: &VenueConfig, symbols: &[SymbolSpec], modes: &[Mode]) -> Result<Self, CoreError> {
        // Also where no book venue is built, which would check it: a share of refusals must not be passed over.
        Refusals::new(config)?;
        let is_external = config.model == VenueModel::External;
        let splits = is_external || modes.iter().any(|mode| mode.is_funded());
        let is_apart: Vec<bool> = modes.iter().map(|mode| splits && !mode.is_funded()).collect();
        let simulated = if is_external { config.simulated } else { config.model };
        let apart = || Floor::new(simulated, config, symbols).map(Floor::with_a_bound_each);
        Ok(Self {
            main: Floor::new(config.model, config, symbols)?,
            apart: is_apart.contains(&true).then(apart).transpose()?,
            is_apart,
        })
    }

    fn is_apart(&self, instance: InstanceId) -> bool {
        self.is_apart.get(instance.index()).copied().unwrap_or(false)
    }

    fn of(&self, instance: InstanceId) -> &Floor<T> {
        self.apart.as_ref().filter(|_| self.is_apart(instance)).unwrap_or(&self.main)
    }

    fn of_mut(&mut self, instance: InstanceId) -> &mut Floor<T> {
        let is_apart = self.is_apart(instance);
        self.apart.as_mut().filter(|_| is_apart).unwrap_or(&mut self.main)
    }

    /// The account whose volume decides an instance's fees: 0 is shared, an instance apart has the one behind its index.
    pub(crate) fn account(&self, instance: InstanceId) -> usize {
        if self.is_apart(instance) { instance.index() + 1 } else { 0 }
    }

    /// Whether orders of `instance` leave the engine.
    pub(crate) fn is_external_for(&self, instance: InstanceId) -> bool {
        !self.is_apart(instance) && matches!(self.main, Floor::External(_))
    }

    pub(crate) fn external(&self) -> Option<&External<T>> {
        if let Floor::External(venue) = &self.main { Some(venue) } else { None }
    }

    pub(crate) fn external_mut(&mut self) -> Option<&mut External<T>> {
        if let Floor::External(venue) = &mut self.main { Some(venue) } else { None }
    }

    /// The venues that fill on books, the main one first.
    pub(crate) fn books_mut(&mut self) -> impl Iterator<Item = &mut BookVenue<T>> {
        std::iter::once(&mut self.main).chain(self.apart.as_mut()).filter_map(|floor| match floor {
            Floor::Book(venue) => Some(venue),
            Floor::Bars(_) | Floor::External(_) => None,
        })
    }

    /// The venues that fill on candles, the main one first.
    pub(crate) fn bars_mut(&mut self) -> impl Iterator<Item = &mut Venue<T>> {
        std::iter::once(&mut self.main).chain(self.apart.as_mut()).filter_map(|floor| match floor {
            Floor::Bars(venue) => Some(venue),
            Floor::Book(_) | Floor::External(_) => None,
        })
    }

    /// Whether candles alone fill, and nothing rests in `symbol`.
    pub(crate) fn is_quiet_on_bars(&self, symbol: SymbolId) -> bool {
        let is_quiet = |floor: &Floor<T>| matches!(floor, Floor::Bars(venue) if venue.is_quiet(symbol));
        is_quiet(&self.main) && self.apart.as_ref().is_none_or(is_quiet)
    }

    pub(crate) fn send(&mut self, order: RiskApproved<OrderRequest>, sight: Sight, now: Ts, tag: T) {
        match self.of_mut(order.get().instance) {
            Floor::Bars(venue) => venue.send(order, tag),
            Floor::Book(venue) => venue.send(order, now, tag),
            Floor::External(venue) => venue.send(order, sight, tag),
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
        match self.of_mut(instance) {
            Floor::Bars(venue) => venue.cancel_where(instance, symbol, wanted, ended),
            Floor::Book(venue) => venue.cancel_where(instance, symbol, wanted, now),
            Floor::External(venue) => {
                venue.cancel_where(|o| o.instance == instance && o.symbol == symbol && wanted(o), ended);
            }
        }
        n.get()
    }

    pub(crate) fn cancel(&mut self, instance: InstanceId, id: OrderId, now: Ts, ended: impl FnMut(OrderRequest)) {
        match self.of_mut(instance) {
            Floor::Bars(venue) => venue.cancel(instance, id, ended),
            Floor::Book(venue) => venue.cancel(instance, id, now),
            Floor::External(venue) => venue.cancel_where(|o| o.instance == instance && o.id == id, ended),
        }
    }

    pub(crate) fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        match self.of(instance) {
            Floor::Bars(venue) => venue.resting(instance, symbol),
            Floor::Book(venue) => venue.resting(instance, symbol),
            Floor::External(venue) => venue.resting(instance, symbol),
        }
    }

    /// Whether an order of `instance` in `symbol` that `wanted` picks rests or is on its way.
    pub(crate) fn holds(&self, instance: InstanceId, symbol: SymbolId, wanted: impl Fn(&OrderRequest) -> bool) -> bool {
        let picked = |o: &OrderRequest| o.instance == instance && o.symbol == symbol && wanted(o);
        match self.of(instance) {
            Floor::Bars(venue) => venue.orders().any(picked),
            Floor::Book(venue) => venue.orders().any(picked),
            Floor::External(venue) => venue.orders().any(|(order, _)| picked(order)),
        }
    }

    /// When an answer of a venue is due at the latest.
    pub(crate) fn next_due(&self) -> Option<Ts> {
        let due = |floor: &Floor<T>| if let Floor::Book(venue) = floor { venue.next_due() } else { None };
        [due(&self.main), self.apart.as_ref().and_then(due)].into_iter().flatten().min()
    }

    /// The best levels, where the main venue keeps a book.
    pub(crate) fn top(&self, symbol: SymbolId) -> Option<BookTop> {
        match &self.main {
            Floor::Book(venue) => venue.top(symbol),
            Floor::Bars(_) | Floor::External(_) => None,
        }
    }

    /// How many orders rest or are on their way, on all venues.
    #[cfg(test)]
    pub(crate) fn n_resting(&self) -> usize {
        let n = |floor: &Floor<T>| match floor {
            Floor::Bars(venue) => venue.len(),
            Floor::Book(venue) => venue.len(),
            Floor::External(venue) => venue.orders().count(),
        };
        n(&self.main) + self.apart.as_ref().map_or(0, n)
    }
}

impl<T: Clone> Floor<T> {
    fn new(model: VenueModel, config: &VenueConfig, symbols: &[SymbolSpec]) -> Result<Self, CoreError> {
        Ok(match model {
            VenueModel::Bars => Self::Bars(Venue::new(symbols.len())),
            VenueModel::Book => Self::Book(BookVenue::new(symbols, config)?),
            VenueModel::External => Self::External(External::new(config.short_sales, symbols)),
        })
    }

    /// The same with a bound on messages for each instance: who trades here does not share an account.
    fn with_a_bound_each(self) -> Self {
        match self {
            Self::Book(venue) => Self::Book(venue.with_a_bound_each()),
            other => other,
        }
    }
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
