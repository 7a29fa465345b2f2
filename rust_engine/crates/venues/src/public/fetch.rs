//! Fetches what a feed asks for by REST, one request after the other: a book until it succeeds or never will, candles as long
//! as somebody may wait for them.

use super::rest::{RestClient, RestError};
use super::source::{BookUpdate, Candle};
use crate::backoff::Backoff;
use model::{CandleInterval, SymbolId, Ts};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// Time between two books of one symbol: an exchange that serves old ones is not asked without pause.
const BOOK_SPACING: Duration = Duration::from_millis(500);

/// Attempts at candles: about as long as those of the stream wait for them.
const CANDLE_ATTEMPTS: u32 = 8;

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub(super) enum Job {
    /// The whole book.
    Book(SymbolId),
    /// Closed candles that opened from `from` on and before `to`.
    Candles { symbol: SymbolId, from: Ts, to: Ts },
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Fetched {
    Book(BookUpdate),
    /// Those from `from` on; empty where they cannot be had.
    Candles {
        from: Ts,
        candles: Vec<Candle>,
    },
    /// One attempt failed.
    Trouble(String),
}

/// What came of it, and whose it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub feed: usize,
    pub symbol: SymbolId,
    pub fetched: Fetched,
}

/// Fetches for one feed.
pub(super) struct Fetcher {
    pub feed: usize,
    pub client: RestClient,
    /// Exchange's names by symbol.
    pub names: Vec<(SymbolId, String)>,
    pub interval: CandleInterval,
    pub jobs: mpsc::UnboundedReceiver<Job>,
    pub answers: mpsc::Sender<Answer>,
    pub backoff: Backoff,
    /// When each symbol's next book may be asked for.
    pub next_book: BTreeMap<SymbolId, Instant>,
}

impl Fetcher {
    /// Works until nobody asks any more.
    pub async fn work(mut self) {
        while let Some(job) = self.jobs.recv().await {
            self.backoff.reset();
            self.answer(job).await;
        }
    }

    /// Tries until there is an answer, or there can be none.
    async fn answer(&mut self, job: Job) {
        let (Job::Book(symbol) | Job::Candles { symbol, .. }) = job;
        for n_attempts in 1.. {
            let error = match self.fetch(job).await {
                Ok(fetched) => return self.tell(symbol, fetched).await,
                Err(error) => error,
            };
            self.tell(symbol, Fetched::Trouble(error.to_string())).await;
            match job {
                Job::Candles { from, .. } if n_attempts >= CANDLE_ATTEMPTS || !error.is_passing() => {
                    return self.tell(symbol, Fetched::Candles { from, candles: Vec::new() }).await;
                }
                _ if !error.is_passing() => return,
                _ => sleep(self.wait_after(&error)).await,
            }
        }
    }

    async fn fetch(&mut self, job: Job) -> Result<Fetched, RestError> {
        match job {
            Job::Book(symbol) => {
                if let Some(next) = self.next_book.get(&symbol) {
                    sleep_until(*next).await;
                }
                self.next_book.insert(symbol, Instant::now() + BOOK_SPACING);
                self.client.book(self.name(symbol)).await.map(Fetched::Book)
            }
            Job::Candles { symbol, from, to } => {
                let candles = self.client.candles(self.name(symbol), self.interval, from, to).await?;
                Ok(Fetched::Candles { from, candles })
            }
        }
    }

    fn name(&self, symbol: SymbolId) -> &str {
        self.names.iter().find(|(id, _)| *id == symbol).map_or("", |(_, name)| name)
    }

    fn wait_after(&mut self, error: &RestError) -> Duration {
        match error {
            // The client itself waits until the exchange allows the next request.
            RestError::Limited { .. } => Duration::ZERO,
            _ => self.backoff.next_wait(),
        }
    }

    async fn tell(&self, symbol: SymbolId, fetched: Fetched) {
        // It fails only when nobody listens any more; then no job comes either.
        drop(self.answers.send(Answer { feed: self.feed, symbol, fetched }).await);
    }
}
