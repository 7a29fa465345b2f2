//! Live market data on their way into the run.

use crate::clock;
use crate::log;
use anyhow::{Context, Result};
use model::config::EngineConfig;
use model::{MarketEvent, Ts};
use serde_json::{Value, json};
use venues::public::{FeedEvent, PublicFeed};

/// Events that one turn takes: enough for a burst, few enough that a halt never waits for them.
const EVENTS_PER_TURN: usize = 1024;

/// The public feed, where the configuration names one.
pub struct MarketFeed {
    feed: Option<PublicFeed>,
    batch: Vec<MarketEvent>,
}

impl MarketFeed {
    /// Starts listening to what `config` names; nothing where it names nothing. `known` are the closes of the newest candles
    /// that the run has, by symbol.
    pub fn start(config: &EngineConfig, known: &[Ts]) -> Result<Self> {
        let feed = if config.markets.is_empty() {
            None
        } else {
            Some(venues::public::start(&config.markets, &config.symbols, known, clock::now).context("markets")?)
        };
        Ok(Self { feed, batch: Vec::new() })
    }

    /// Waits for the next event; for ever where there is no feed, and once it has ended.
    pub async fn next(&mut self) -> FeedEvent {
        if let Some(feed) = &mut self.feed {
            if let Some(event) = feed.events.recv().await {
                return event;
            }
            log::warning("the market feed ended", json!({}));
            self.feed = None;
        }
        std::future::pending().await
    }

    /// `first` and what has come after it, as far as it is of the market; the rest is logged.
    pub fn gather(&mut self, first: FeedEvent) -> &[MarketEvent] {
        self.batch.clear();
        self.sort(first);
        while self.batch.len() < EVENTS_PER_TURN
            && let Some(event) = self.feed.as_mut().and_then(|feed| feed.events.try_recv().ok())
        {
            self.sort(event);
        }
        &self.batch
    }

    fn sort(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Market(event) => self.batch.push(event),
            FeedEvent::Connected { venue, connection, .. } => {
                log::info("market connected", json!({ "venue": venue, "connection": connection }));
            }
            FeedEvent::Disconnected { venue, connection, reason, .. } => {
                log::warning(
                    "market disconnected",
                    json!({ "venue": venue, "connection": connection, "reason": reason }),
                );
            }
            FeedEvent::Resynced { venue, symbol, last_id, .. } => {
                log::info("book resynchronised", json!({ "venue": venue, "symbol": symbol, "last_id": last_id }));
            }
            FeedEvent::Problem { venue, symbol, what, .. } => {
                log::warning("market problem", json!({ "venue": venue, "symbol": symbol, "problem": what }));
            }
        }
    }

    /// How each feed goes, for `status`; an empty list where there is none.
    pub fn health(&self) -> Value {
        self.feed.as_ref().map_or_else(|| json!([]), |feed| json!(*feed.health.borrow()))
    }
}
