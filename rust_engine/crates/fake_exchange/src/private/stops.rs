//! The algo service of USD-M: stop orders wait there, and each that triggers becomes an order in the book.

use super::account::{Book, Happened, Kind, Refused, Wanted};
use model::{Price, Qty, Side};

/// A stop order at the algo service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The service's number.
    pub id: u64,
    /// The sender's name of it.
    pub client: String,
    /// Direction.
    pub side: Side,
    /// The price that sets it off.
    pub trigger: Price,
    /// How much.
    pub qty: Qty,
    /// May only shrink a position.
    pub reduce_only: bool,
    /// In the exchange's words.
    pub status: &'static str,
    /// Number of the order that it became.
    pub became: Option<u64>,
}

impl Stop {
    /// Whether it still waits.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status == "NEW"
    }

    fn is_reached(&self, bid: Price, ask: Price) -> bool {
        if self.side == Side::Buy { ask >= self.trigger } else { bid <= self.trigger }
    }
}

impl Book {
    /// Takes a stop order.
    ///
    /// # Errors
    /// The exchange's refusal; nothing has changed then.
    pub fn place_stop(
        &mut self,
        client: &str,
        side: Side,
        trigger: Price,
        qty: Qty,
        reduce_only: bool,
    ) -> Result<Stop, Refused> {
        if self.stops.values().any(|stop| stop.is_open() && stop.client == client) {
            return Err((-4116, "ClientOrderId is duplicated."));
        }
        let id = 1_000_000_000_000 + self.stops.len() as u64;
        let client = client.to_owned();
        let stop = Stop { id, client, side, trigger, qty, reduce_only, status: "NEW", became: None };
        let (bid, ask) = self.prices();
        if stop.is_reached(bid, ask) {
            return Err((-2021, "Order would immediately trigger."));
        }
        *self.taken.entry(stop.client.clone()).or_default() += 1;
        self.stops.insert(id, stop.clone());
        self.note_stop(id, "NEW");
        Ok(stop)
    }

    /// Ends a stop order that waits.
    ///
    /// # Errors
    /// The exchange's refusal where none does.
    pub fn cancel_stop(&mut self, client: &str) -> Result<Stop, Refused> {
        let id = self.stops.values().find(|stop| stop.is_open() && stop.client == client).map(|stop| stop.id);
        let id = id.ok_or((-2011, "Unknown order sent."))?;
        self.note_stop(id, "CANCELED");
        self.stops.get(&id).cloned().ok_or((-1000, "lost"))
    }

    /// The newest stop order of a name.
    #[must_use]
    pub fn find_stop(&self, client: &str) -> Option<&Stop> {
        self.stops.values().rev().find(|stop| stop.client == client)
    }

    /// Sets off what the prices reach. The trades of what it becomes are told before it is.
    pub(super) fn trigger_stops(&mut self) {
        let (bid, ask) = self.prices();
        let reached = self.stops.values().filter(|stop| stop.is_open() && stop.is_reached(bid, ask));
        let reached: Vec<Stop> = reached.cloned().collect();
        for stop in reached {
            self.note_stop(stop.id, "TRIGGERING");
            let name = if self.keeps_names { stop.client.clone() } else { format!("algo{}", stop.id) };
            let Stop { side, qty, reduce_only, .. } = stop;
            match self.enter(Wanted { client: &name, side, kind: Kind::Market, qty, reduce_only }) {
                Ok(order) => {
                    if let Some(stop) = self.stops.get_mut(&stop.id) {
                        stop.became = Some(order.id);
                    }
                    self.note_stop(stop.id, "TRIGGERED");
                    self.note_stop(stop.id, "FINISHED");
                }
                Err(_) => self.note_stop(stop.id, "REJECTED"),
            }
        }
    }

    fn note_stop(&mut self, id: u64, status: &'static str) {
        if let Some(stop) = self.stops.get_mut(&id) {
            stop.status = status;
            let stop = stop.clone();
            self.happened.push(Happened::Stop(stop));
        }
    }
}
