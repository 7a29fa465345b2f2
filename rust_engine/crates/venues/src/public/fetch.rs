//! Fetches what a feed asks for by REST, one request after the other: a book until it succeeds or never will, candles as long
//! as somebody may wait for them. What failed waits behind the others, so that trouble with one symbol does not delay the rest.

use super::rest::{RestClient, RestError};
use super::source::{BookUpdate, Candle};
use crate::backoff::Backoff;
use model::{CandleInterval, SymbolId, Ts};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep_until};

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

/// A job without an answer so far.
struct Pending {
    job: Job,
    n_attempts: u32,
    /// When it is tried next.
    due: Instant,
    backoff: Backoff,
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
    /// Each job begins with a fresh copy.
    pub backoff: Backoff,
    /// When each symbol's next book may be asked for.
    pub next_book: BTreeMap<SymbolId, Instant>,
}

impl Fetcher {
    /// Works until nobody asks any more.
    pub async fn work(mut self) {
        let mut queue: VecDeque<Pending> = VecDeque::new();
        loop {
            let next_due = queue.iter().map(|pending| pending.due).min();
            tokio::select! {
                biased;
                job = self.jobs.recv() => match job {
                    Some(job) => queue.push_back(self.begin(job)),
                    None => return,
                },
                () = reach(next_due) => {
                    let now = Instant::now();
                    let first = queue.iter().position(|pending| pending.due <= now);
                    if let Some(pending) = first.and_then(|at| queue.remove(at)) {
                        queue.extend(self.attempt(pending).await);
                    }
                }
            }
        }
    }

    fn begin(&self, job: Job) -> Pending {
        Pending { job, n_attempts: 0, due: Instant::now(), backoff: self.backoff.clone() }
    }

    /// Tries once, and gives the job back if it is to be tried again.
    async fn attempt(&mut self, mut pending: Pending) -> Option<Pending> {
        let job = pending.job;
        let (Job::Book(symbol) | Job::Candles { symbol, .. }) = job;
        let error = match self.fetch(job).await {
            Ok(fetched) => {
                self.tell(symbol, fetched).await;
                return None;
            }
            Err(error) => error,
        };
        self.tell(symbol, Fetched::Trouble(error.to_string())).await;
        pending.n_attempts += 1;
        match job {
            Job::Candles { from, .. } if pending.n_attempts >= CANDLE_ATTEMPTS || !error.is_passing() => {
                self.tell(symbol, Fetched::Candles { from, candles: Vec::new() }).await;
                return None;
            }
            _ if !error.is_passing() => return None,
            _ => {}
        }
        pending.due = Instant::now() + wait_after(&error, &mut pending.backoff);
        if let (Job::Book(_), Some(spaced)) = (job, self.next_book.get(&symbol)) {
            pending.due = pending.due.max(*spaced);
        }
        Some(pending)
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

    async fn tell(&self, symbol: SymbolId, fetched: Fetched) {
        // It fails only when nobody listens any more; then no job comes either.
        drop(self.answers.send(Answer { feed: self.feed, symbol, fetched }).await);
    }
}

fn wait_after(error: &RestError, backoff: &mut Backoff) -> Duration {
    match error {
        // The client itself waits until the exchange allows the next request.
        RestError::Limited { .. } => Duration::ZERO,
        _ => backoff.next_wait(),
    }
}

/// Ends at `due`, and never without one.
async fn reach(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
