//! Events that the engine's queue has no room for yet: the newest quote of a symbol replaces the one before it, book changes
//! of a symbol grow together, everything else keeps its place.

use super::event::FeedEvent;
use model::{Depth, MarketEvent, SymbolId};
use std::collections::{BTreeMap, VecDeque};

/// Events that cannot be merged and may wait; beyond this the feed reads nothing more.
const MAX_FIRM: usize = 4096;
/// Levels that one symbol's waiting book change may hold; beyond this it is sent whole again instead.
const MAX_LEVELS: usize = 20_000;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It waits at the end.
    Queued,
    /// It waits at the end, together with an older one of its kind.
    Merged,
    /// It and what waited with it were dropped: the book must be sent whole again.
    DepthLost(SymbolId),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mergeable {
    Quote(SymbolId),
    Depth(SymbolId),
}

/// Waiting events.
#[derive(Debug, Default)]
pub struct Outbox {
    /// `None` where an event moved to a later place.
    queue: VecDeque<Option<FeedEvent>>,
    /// Events that ever left the front.
    n_left: usize,
    places: BTreeMap<Mergeable, usize>,
    n_firm: usize,
}

impl Outbox {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_firm == 0 && self.places.is_empty()
    }

    /// Whether more may come.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.n_firm < MAX_FIRM
    }

    /// Adds an event.
    pub fn put(&mut self, event: FeedEvent) -> Put {
        let Some(kind) = mergeable(&event) else {
            self.n_firm += 1;
            self.queue.push_back(Some(event));
            return Put::Queued;
        };
        let older = self.places.remove(&kind).and_then(|place| self.queue.get_mut(place - self.n_left)?.take());
        let is_merged = older.is_some();
        let event = match (older, event) {
            (Some(FeedEvent::Market(MarketEvent::Depth(old))), FeedEvent::Market(MarketEvent::Depth(new))) => {
                let symbol = new.symbol;
                match together(old, new) {
                    Some(depth) => FeedEvent::Market(MarketEvent::Depth(depth)),
                    None => return Put::DepthLost(symbol),
                }
            }
            (_, newest) => newest,
        };
        self.places.insert(kind, self.n_left + self.queue.len());
        self.queue.push_back(Some(event));
        if is_merged { Put::Merged } else { Put::Queued }
    }

    /// Takes the event that waits longest.
    pub fn pop(&mut self) -> Option<FeedEvent> {
        loop {
            let front = self.queue.pop_front()?;
            self.n_left += 1;
            if let Some(event) = front {
                match mergeable(&event) {
                    Some(kind) => drop(self.places.remove(&kind)),
                    None => self.n_firm -= 1,
                }
                return Some(event);
            }
        }
    }
}

const fn mergeable(event: &FeedEvent) -> Option<Mergeable> {
    match event {
        FeedEvent::Market(MarketEvent::Quote(quote)) => Some(Mergeable::Quote(quote.symbol)),
        FeedEvent::Market(MarketEvent::Depth(depth)) => Some(Mergeable::Depth(depth.symbol)),
        _ => None,
    }
}

/// Two updates of one book as one: levels are quantities that rest, so applied in order the last one stands.
fn together(old: Depth, new: Depth) -> Option<Depth> {
    if new.is_snapshot {
        return Some(new);
    }
    if old.levels.len() + new.levels.len() > MAX_LEVELS {
        return None;
    }
    let mut levels = old.levels;
    levels.extend(new.levels);
    Some(Depth { first_id: old.first_id, is_snapshot: old.is_snapshot, levels, ..new })
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
