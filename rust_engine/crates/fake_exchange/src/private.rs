//! An account on an exchange that speaks Binance's signed interface, Spot or USD-M, and misbehaves by a script. It keeps the truth
//! in whole numbers, whatever it says.

mod account;
mod answers;
mod script;
mod stops;
mod words;

pub use account::{Book, Kind, Order, Trade, Venue, Wanted};
pub use script::{RequestFault, Script, StreamFault};
pub use stops::Stop;

use crate::http::Ask;
use account::Happened;
use answers::Outcome;
use futures_util::{SinkExt, StreamExt};
use model::{Price, Qty, Side, Ts};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Longer than any client waits.
const FOR_EVER: Duration = Duration::from_secs(86_400);
/// The name of the USD-M user stream.
const LISTEN_KEY: &str = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1";

/// The time, as the world has it.
pub type Clock = Arc<dyn Fn() -> Ts + Send + Sync>;

/// Key and secret that requests must be signed with.
pub const KEY: &str = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
/// The secret of [`KEY`].
pub const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

enum Push {
    Text(String),
    Late(String, Duration),
    Close,
}

struct State {
    book: Book,
    streams: BTreeMap<u64, mpsc::UnboundedSender<Push>>,
    n_streams: u64,
    n_requests: usize,
    n_events: usize,
    weight: (i64, u32),
    orders: (i64, u32),
    is_deaf: bool,
    /// What goes wrong with the next request of this verb about an order.
    spoiled: Option<(&'static str, RequestFault)>,
    log: Vec<String>,
}

/// An exchange with one account in one symbol. Call [`PrivateExchange::serve`] for every connection.
pub struct PrivateExchange {
    venue: Venue,
    symbol: String,
    script: Script,
    clock: Clock,
    state: Mutex<State>,
}

impl PrivateExchange {
    /// An exchange whose account begins with these balances.
    #[must_use]
    pub fn new(venue: Venue, base: Qty, quote: Price, script: Script, clock: Clock) -> Arc<Self> {
        let state = State {
            book: Book::new(venue, base, quote),
            streams: BTreeMap::new(),
            n_streams: 0,
            n_requests: 0,
            n_events: 0,
            weight: (0, 0),
            orders: (0, 0),
            is_deaf: false,
            spoiled: None,
            log: Vec::new(),
        };
        Arc::new(Self { venue, symbol: "BTCUSDT".to_owned(), script, clock, state: Mutex::new(state) })
    }

    /// The market moves.
    pub fn set_prices(&self, bid: Price, ask: Price) {
        self.change(|book| book.set_prices(bid, ask));
    }

    /// Somebody else trades on the account, by hand.
    ///
    /// # Errors
    /// The exchange's refusal.
    pub fn place_by_hand(&self, client: &str, side: Side, kind: Kind, qty: Qty) -> Result<Order, (i64, &'static str)> {
        self.change(|book| book.place(Wanted { client, side, kind, qty, reduce_only: false }))
    }

    /// The account changes and no stream says so.
    pub fn change_silently(&self, change: impl FnOnce(&mut Book)) {
        let mut state = self.state();
        change(&mut state.book);
        state.book.drain();
    }

    /// Looks at the truth.
    pub fn truth<T>(&self, look: impl FnOnce(&Book) -> T) -> T {
        look(&self.state().book)
    }

    /// Every request so far: verb, path, and the order it was about.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.state().log.clone()
    }

    /// From now on every connection is refused, or no longer.
    pub fn set_deaf(&self, is_deaf: bool) {
        let mut state = self.state();
        state.is_deaf = is_deaf;
        if is_deaf {
            state.streams.values().for_each(|stream| drop(stream.send(Push::Close)));
        }
    }

    /// The next request of this verb about an order goes wrong, beside what the script says.
    pub fn spoil_next(&self, verb: &'static str, fault: RequestFault) {
        self.state().spoiled = Some((verb, fault));
    }

    /// Whether [`PrivateExchange::spoil_next`] still waits for its request.
    #[must_use]
    pub fn is_spoiling(&self) -> bool {
        self.state().spoiled.is_some()
    }

    /// From now on nothing goes wrong any more.
    pub fn behave(&self) {
        let mut state = self.state();
        (state.n_requests, state.n_events) = (usize::MAX / 2, usize::MAX / 2);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        (self.clock)().ms() + self.script.skew_ms
    }

    /// Changes the account and tells the streams what happened.
    fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state.book);
        for happened in state.book.drain() {
            self.push(&mut state, &happened);
        }
        result
    }

    fn push(&self, state: &mut State, happened: &Happened) {
        let text = words::event(self.venue, &self.symbol, happened, self.now_ms());
        let fault = self.script.events.get(&state.n_events);
        state.n_events += 1;
        for stream in state.streams.values() {
            let pushes = match fault {
                None => vec![Push::Text(text.clone())],
                Some(StreamFault::Twice) => vec![Push::Text(text.clone()), Push::Text(text.clone())],
                Some(StreamFault::Late(by)) => vec![Push::Late(text.clone(), *by)],
                Some(StreamFault::CloseBefore) => vec![Push::Close],
                Some(StreamFault::CloseAfter) => vec![Push::Text(text.clone()), Push::Close],
                Some(StreamFault::Garbage) => vec![Push::Text("{\"e\":7".to_owned()), Push::Text(text.clone())],
            };
            // A stream that is going away hears no more.
            pushes.into_iter().for_each(|push| drop(stream.send(push)));
        }
    }

    /// Serves one connection until it ends: one request, or a user stream.
    ///
    /// # Errors
    /// What the stream said.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> io::Result<()> {
        let ask = Ask::read(&mut stream).await?;
        if self.state().is_deaf {
            return Ok(());
        }
        if let Some(key) = ask.headers.get("sec-websocket-key") {
            let accept = derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 -\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            let socket = WebSocketStream::from_partially_read(stream, ask.rest.clone(), Role::Server, None).await;
            return self.converse(socket, &ask.path).await;
        }
        match self.answer(&ask).await {
            Outcome::Reply(reply) => reply.write(&mut stream).await,
            Outcome::Silence => {
                sleep(FOR_EVER).await;
                Ok(())
            }
            Outcome::Cut(reply) => {
                let half = &reply.body[..reply.body.len() / 2];
                let head = format!("HTTP/1.1 200 -\r\nContent-Length: {}\r\n\r\n{half}", reply.body.len());
                stream.write_all(head.as_bytes()).await?;
                stream.flush().await
            }
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: WebSocketStream<S>,
        path: &str,
    ) -> io::Result<()> {
        let is_open = match self.venue {
            Venue::Usdm => path.ends_with(&format!("/ws/{LISTEN_KEY}")),
            Venue::Spot => {
                let Some(Ok(Message::Text(text))) = socket.next().await else { return Ok(()) };
                let (answer, is_open) = self.subscribed(&text);
                socket.send(Message::text(answer)).await.map_err(io::Error::other)?;
                is_open
            }
        };
        if !is_open {
            return socket.close(None).await.map_err(io::Error::other);
        }
        let (send, mut to_send) = mpsc::unbounded_channel();
        let number = self.join(send.clone());
        let _leave = Leave { exchange: self, number };
        loop {
            tokio::select! {
                push = to_send.recv() => match push {
                    Some(Push::Text(text)) => socket.send(Message::text(text)).await.map_err(io::Error::other)?,
                    Some(Push::Late(text, by)) => {
                        let send = send.clone();
                        tokio::spawn(async move {
                            sleep(by).await;
                            // Whoever listened may be gone by then.
                            send.send(Push::Text(text)).ok();
                        });
                    }
                    Some(Push::Close) | None => return socket.close(None).await.map_err(io::Error::other),
                },
                frame = socket.next() => match frame {
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(io::Error::other(error)),
                },
            }
        }
    }

    fn join(&self, send: mpsc::UnboundedSender<Push>) -> u64 {
        let mut state = self.state();
        state.n_streams += 1;
        let number = state.n_streams;
        state.streams.insert(number, send);
        number
    }
}

/// Forgets a stream when its service ends, however it ends.
struct Leave<'a> {
    exchange: &'a PrivateExchange,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.exchange.state().streams.remove(&self.number);
    }
}
