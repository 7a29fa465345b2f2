//! Live events that were logged and wait to be played.

use model::{MarketEvent, SymbolId, Ts};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// What became of live events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketCounts {
    /// Logged.
    pub received: u64,
    /// Played, and refused by the core: not sound, of an unknown symbol, or a candle that is known already.
    pub refused: u64,
    /// Candles among them that were missed and fetched later.
    pub missed: u64,
}

/// The queue, in the order of reception. Its times never go back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct MarketQueue {
    events: VecDeque<(Ts, MarketEvent)>,
    newest: Ts,
    pub(super) counts: MarketCounts,
}

impl MarketQueue {
    pub(super) fn new(start: Ts) -> Self {
        Self { events: VecDeque::new(), newest: start, counts: MarketCounts::default() }
    }

    /// Takes an event that was received when the run's clock showed `now`, and gives it with the stamp that it got. A candle
    /// keeps its own: it is late by nature, and only its place in the queue moves.
    pub(super) fn push(&mut self, mut event: MarketEvent, now: Ts) -> MarketEvent {
        let stamp = match &mut event {
            MarketEvent::Bar(_) | MarketEvent::Missed(_) => None,
            MarketEvent::Trade(x) => Some(&mut x.at),
            MarketEvent::Quote(x) => Some(&mut x.at),
            MarketEvent::Depth(x) => Some(&mut x.at),
            MarketEvent::Funding(x) => Some(&mut x.at),
            MarketEvent::Staleness(x) => Some(&mut x.at),
        };
        let earliest = self.newest.max(now);
        if let Some(at) = stamp.filter(|at| **at < earliest) {
            *at = earliest;
        }
        self.newest = earliest.max(event.at());
        self.counts.received += 1;
        self.counts.missed += u64::from(matches!(event, MarketEvent::Missed(_)));
        self.events.push_back((self.newest, event.clone()));
        event
    }

    pub(super) fn pop(&mut self) -> Option<(Ts, MarketEvent)> {
        self.events.pop_front()
    }

    /// Close of the newest candle of a symbol that waits.
    pub(super) fn newest_close(&self, symbol: SymbolId) -> Option<Ts> {
        let close = |event: &MarketEvent| match event {
            MarketEvent::Bar(bar) | MarketEvent::Missed(bar) if bar.symbol == symbol => Some(bar.closed_at),
            _ => None,
        };
        self.events.iter().rev().find_map(|(_, event)| close(event))
    }

    pub(super) fn next_at(&self) -> Option<Ts> {
        self.events.front().map(|(at, _)| *at)
    }
}
