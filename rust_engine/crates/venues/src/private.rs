//! Orders, fills and positions of an account on Binance Spot or USD-M, behind feature `live`.
//!
//! # Layout, from the wire inwards
//! - [`keys`]: the account's key, read from files, shown nowhere
//! - `budget`, `client`: signed requests within rate limits, and what an answer or its absence means
//! - `stream`: the user stream, opened again and again
//! - `words`, `order`: the exchange's words for orders and trades, both ways, pure
//! - `tracked`, `desk`: every order from placing to its end, pure: no clock and no I/O
//! - `shell`: the one task between them
//! - [`agreement`]: whether engine and account hold the same
//! - [`config`], [`approval`], [`locks`]: what must be said and signed before any of this runs
//!
//! **Invariant:** an order leaves once, under a name that follows from its id. What is unclear is asked for, never sent anew.

pub mod agreement;
pub mod approval;
mod budget;
mod client;
pub mod config;
mod desk;
pub mod keys;
pub mod locks;
mod order;
mod shell;
mod stream;
mod tracked;
mod words;

pub use config::{LiveConfig, LiveConfigError, LiveSymbol, Market};
pub use desk::Said;
pub use keys::{ApiKey, KeyError};
pub use order::{NoRunName, RunName};

use crate::backoff::Backoff;
use crate::net::{Dial, Network};
use crate::public::Clock;
use client::Client;
use desk::Desk;
use engine::external::{Outstanding, VenueRequest};
use model::{Costs, SymbolSpec};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use shell::{Shell, Wanted};
use std::sync::Arc;
use stream::UserStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Messages of the user stream that wait to be read.
const QUEUE_HEARD: usize = 1_024;

/// What an account is opened with.
pub struct Opening<'a> {
    /// The account.
    pub config: &'a LiveConfig,
    /// The engine's symbols.
    pub symbols: &'a [SymbolSpec],
    /// The configured costs, for fees in a third currency.
    pub costs: Costs,
    /// Its key.
    pub key: ApiKey,
    /// The name of this run among all runs of the account.
    pub run: RunName,
    /// Orders that an earlier process of this run may have placed.
    pub outstanding: &'a [Outstanding],
}

/// An account that is open. It closes when this is dropped; what rests at the exchange stays there.
pub struct Account {
    wanted: mpsc::UnboundedSender<Wanted>,
    said: mpsc::UnboundedReceiver<Said>,
}

impl Account {
    /// Opens it over the network, on the running tokio runtime.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn open(opening: Opening<'_>, clock: Clock) -> Result<Self, OpeningError> {
        let network = Network::new().map_err(|e| OpeningError::Tls(e.to_string()))?;
        Self::open_through(Arc::new(network), opening, clock)
    }

    /// [`Account::open`] through a dialler of the caller's.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn open_through(dialler: Arc<dyn Dial>, opening: Opening<'_>, clock: Clock) -> Result<Self, OpeningError> {
        let checked = opening.config.check(opening.symbols)?;
        let client = Client::new(checked.clone(), opening.key, Arc::clone(&dialler), Arc::clone(&clock));
        let client = Arc::new(client);
        let now = clock();
        let mut desk = Desk::new(checked, opening.costs, opening.run, client.valid_until(now).0 - now.0);
        desk.adopt(opening.outstanding, now);
        let (to_heard, heard) = mpsc::channel(QUEUE_HEARD);
        let (to_wanted, wanted) = mpsc::unbounded_channel();
        let (to_said, said) = mpsc::unbounded_channel();
        let backoff = Backoff::new(ChaCha8Rng::seed_from_u64(now.0.unsigned_abs()));
        let mut stream = JoinSet::new();
        stream.spawn(UserStream { client: Arc::clone(&client), dialler, heard: to_heard, backoff }.keep());
        let jobs = JoinSet::new();
        tokio::spawn(Shell { desk, client, wanted, heard, said: to_said, clock, jobs, _stream: stream }.run());
        Ok(Self { wanted: to_wanted, said })
    }

    /// Hands on what the engine asks for, which the risk gate has passed.
    pub fn request(&self, request: VenueRequest) {
        // A task that is gone is noticed where its words are read.
        self.wanted.send(Wanted::Request(request)).ok();
    }

    /// Looks at the account once more, because its last view did not agree with the engine's.
    pub fn recheck(&self) {
        self.wanted.send(Wanted::Recheck).ok();
    }

    /// Looks at the account once more after a while, because its last view did not agree for the first time.
    pub fn look_once_more(&self) {
        self.wanted.send(Wanted::OnceMore).ok();
    }

    /// Waits for the next word; `None` once the task has ended.
    pub async fn next(&mut self) -> Option<Said> {
        self.said.recv().await
    }

    /// A word that is there already.
    pub fn try_next(&mut self) -> Option<Said> {
        self.said.try_recv().ok()
    }
}

/// Why an account cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// See [`LiveConfigError`].
    #[error(transparent)]
    Config(#[from] LiveConfigError),
    /// No encryption.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}
