//! One connection: dialled, subscribed, kept alive, read, and dialled again when it ends.

use super::plan::{Plan, StreamKind, TOPICS_PER_REQUEST, ping_text, request};
use crate::backoff::Backoff;
use crate::net::{BoxedStream, Dial, Endpoint};
use futures_util::{SinkExt, StreamExt};
use model::{MarketVenue, SymbolId};
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Longest time for dialling, for the handshake, and for writing one frame.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between two requests: the strictest market takes five messages a second, pings among them.
const REQUEST_SPACING: Duration = Duration::from_millis(250);
/// Time between two pings.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A connection on which nothing arrives for this long, pongs included, is dead.
const MAX_SILENCE: Duration = Duration::from_secs(40);
/// Exchanges end a connection after 24 hours; we go first.
const MAX_LIFETIME: Duration = Duration::from_secs(23 * 3600 + 50 * 60);
/// A connection that lived this long was a good one: the next attempt does not wait long.
const GOOD_LIFETIME: Duration = Duration::from_secs(30);
/// Longest message that is read.
const MAX_MESSAGE_BYTES: usize = 4 << 20;

/// What a connection says.
#[derive(Debug)]
pub(super) enum Said {
    /// It is open and subscribes now.
    Opened,
    /// A text frame; empty for a frame that is no text.
    Text(Utf8Bytes),
    /// It ended, or could not be opened.
    Closed {
        /// Whether it had been open.
        was_open: bool,
        /// Why.
        reason: String,
    },
}

/// What a connection says, and which one it is.
#[derive(Debug)]
pub(super) struct Heard {
    /// Number of the feed.
    pub feed: usize,
    /// Number of the connection within the feed.
    pub connection: usize,
    /// What.
    pub said: Said,
}

/// One connection and what it needs.
pub(super) struct Line {
    pub venue: MarketVenue,
    pub feed: usize,
    pub connection: usize,
    pub endpoint: Endpoint,
    pub plan: Plan,
    pub dialler: Arc<dyn Dial>,
    pub heard: mpsc::Sender<Heard>,
    /// Symbols whose book is to be subscribed anew.
    pub renewals: mpsc::Receiver<SymbolId>,
    pub backoff: Backoff,
}

/// Nobody listens any more.
struct Unheard;

impl Line {
    /// Keeps the connection open until nobody listens.
    pub async fn keep(mut self) {
        loop {
            let began = Instant::now();
            let Ok((was_open, reason)) = self.live_once().await else { return };
            if self.say(Said::Closed { was_open, reason }).await.is_err() {
                return;
            }
            if was_open && began.elapsed() >= GOOD_LIFETIME {
                self.backoff.reset();
            }
            sleep(self.backoff.next_wait()).await;
        }
    }

    async fn say(&self, said: Said) -> Result<(), Unheard> {
        let heard = Heard { feed: self.feed, connection: self.connection, said };
        self.heard.send(heard).await.map_err(|_| Unheard)
    }

    /// One connection from dial to end: whether it was open, and why it ended.
    async fn live_once(&mut self) -> Result<(bool, String), Unheard> {
        let socket = match self.open().await {
            Ok(socket) => socket,
            Err(reason) => return Ok((false, reason)),
        };
        self.say(Said::Opened).await?;
        let reason = self.listen(socket).await?;
        Ok((true, reason))
    }

    async fn open(&self) -> Result<WebSocketStream<BoxedStream>, String> {
        let host = &self.endpoint.host;
        let stream =
            in_time(self.dialler.dial(&self.endpoint)).await.map_err(|e| format!("cannot dial {host}: {e}"))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let url = self.endpoint.websocket_url(self.plan.path);
        let shaken = in_time(client_async_with_config(url, stream, Some(config))).await;
        shaken.map(|(socket, _)| socket).map_err(|e| format!("{host} did not open a WebSocket: {e}"))
    }

    async fn listen(&mut self, mut socket: WebSocketStream<BoxedStream>) -> Result<String, Unheard> {
        let mut requests = self.first_requests();
        let mut spacing = interval(REQUEST_SPACING);
        spacing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ping = interval(PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ping.tick().await;
        let mut last_frame_at = Instant::now();
        let end_of_life = sleep(MAX_LIFETIME);
        tokio::pin!(end_of_life);
        loop {
            tokio::select! {
                frame = socket.next() => {
                    last_frame_at = Instant::now();
                    match frame {
                        Some(Ok(Message::Text(text))) => self.say(Said::Text(text)).await?,
                        Some(Ok(Message::Binary(_))) => self.say(Said::Text(Utf8Bytes::default())).await?,
                        Some(Ok(Message::Close(frame))) => {
                            let why = frame.map_or_else(|| "no reason given".to_owned(), |f| f.to_string());
                            return Ok(format!("the exchange closed the connection: {why}"));
                        }
                        // The library answers pings as it reads on.
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Ok(error.to_string()),
                        None => return Ok("the exchange closed the connection".to_owned()),
                    }
                }
                _ = spacing.tick(), if !requests.is_empty() => {
                    if let Some(text) = requests.pop_front()
                        && let Err(reason) = in_time(socket.send(Message::text(text))).await
                    {
                        return Ok(reason);
                    }
                }
                _ = ping.tick() => {
                    if last_frame_at.elapsed() >= MAX_SILENCE {
                        return Ok(format!("nothing arrived for {MAX_SILENCE:?}"));
                    }
                    requests.extend(ping_text(self.venue).map(str::to_owned));
                    if let Err(reason) = in_time(socket.send(Message::Ping(Vec::new().into()))).await {
                        return Ok(reason);
                    }
                }
                Some(symbol) = self.renewals.recv() => requests.extend(self.renewal(symbol)),
                () = &mut end_of_life => {
                    return Ok("renewed before the exchange's own limit of 24 hours".to_owned());
                }
            }
        }
    }

    fn first_requests(&self) -> VecDeque<String> {
        let topics: Vec<&str> = self.plan.subscriptions.iter().map(|s| s.topic.as_str()).collect();
        topics.chunks(TOPICS_PER_REQUEST).zip(1..).map(|(chunk, id)| request(self.venue, true, chunk, id)).collect()
    }

    /// Ends and begins the book stream of one symbol, which brings its snapshot.
    fn renewal(&self, symbol: SymbolId) -> Vec<String> {
        let is_its_book = |s: &&super::plan::Subscription| s.symbol == symbol && s.kind == StreamKind::Depth;
        self.plan.subscriptions.iter().find(is_its_book).map_or_else(Vec::new, |subscription| {
            let topics = [subscription.topic.as_str()];
            // Ids beyond those of the first requests; nothing is matched by them, they only must differ.
            let id = 1000 + u64::from(symbol.0) * 2;
            vec![request(self.venue, false, &topics, id), request(self.venue, true, &topics, id + 1)]
        })
    }
}

/// The result of a step, or why it failed, in words.
async fn in_time<T, E: std::fmt::Display>(step: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(STEP_TIMEOUT, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not done within {STEP_TIMEOUT:?}")),
    }
}
