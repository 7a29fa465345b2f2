//! The user stream: opened, subscribed, kept alive, and opened again when it ends.

use super::client::Client;
use super::config::Market;
use super::words::{AlgoState, Execution, Pushed, parse_pushed};
use crate::backoff::Backoff;
use crate::net::{BoxedStream, Dial};
use futures_util::{SinkExt, StreamExt};
use hyper::Method;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

const STEP_TIMEOUT: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(15);
/// A stream on which nothing arrives for this long, pongs included, is dead.
const MAX_SILENCE: Duration = Duration::from_secs(40);
/// The exchange ends a connection after 24 hours; we go first.
const MAX_LIFETIME: Duration = Duration::from_secs(23 * 3600 + 50 * 60);
/// A USD-M stream lives an hour from its last renewal.
const RENEW_EVERY: Duration = Duration::from_secs(30 * 60);
const GOOD_LIFETIME: Duration = Duration::from_secs(30);
const MAX_MESSAGE_BYTES: usize = 1 << 20;

/// What the stream says.
#[derive(Debug)]
pub(super) enum Heard {
    /// It is open, and nothing after this is missed until [`Heard::Down`].
    Up,
    /// About an order.
    Execution(Execution),
    /// About a stop order at the algo service.
    Algo(AlgoState),
    /// A text that was not understood.
    Unread(String),
    /// It ended, or could not be opened.
    Down(String),
}

/// The stream of one account.
pub(super) struct UserStream {
    pub(super) client: Arc<Client>,
    pub(super) dialler: Arc<dyn Dial>,
    pub(super) heard: mpsc::Sender<Heard>,
    pub(super) backoff: Backoff,
}

type Socket = WebSocketStream<BoxedStream>;

impl UserStream {
    /// Keeps it open until nobody listens.
    pub(super) async fn keep(mut self) {
        loop {
            let began = Instant::now();
            let reason = match self.open().await {
                Ok(socket) => self.listen(socket).await,
                Err(reason) => reason,
            };
            if began.elapsed() >= GOOD_LIFETIME {
                self.backoff.reset();
            }
            if self.heard.send(Heard::Down(reason)).await.is_err() {
                return;
            }
            sleep(self.backoff.next_wait()).await;
        }
    }

    async fn open(&self) -> Result<Socket, String> {
        // Signatures carry the time, so a start with a wrong clock would be refused for ever.
        self.client.sync_time().await.map_err(|fault| format!("the exchange's clock: {fault}"))?;
        let path = match self.client.config().market {
            Market::Spot => String::new(),
            Market::Usdm => {
                let key = self.client.listen_key(Method::POST).await.map_err(|fault| format!("listen key: {fault}"))?;
                format!("/ws/{key}")
            }
        };
        let endpoint = &self.client.config().ws;
        let host = &endpoint.host;
        let stream = in_time(self.dialler.dial(endpoint)).await.map_err(|e| format!("cannot dial {host}: {e}"))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let shaken = in_time(client_async_with_config(endpoint.websocket_url(&path), stream, Some(config))).await;
        let (mut socket, _) = shaken.map_err(|e| format!("{host} did not open a WebSocket: {e}"))?;
        if self.client.config().market == Market::Spot {
            in_time(socket.send(Message::text(self.client.subscription()))).await?;
            self.await_subscription(&mut socket).await?;
        }
        Ok(socket)
    }

    async fn await_subscription(&self, socket: &mut Socket) -> Result<(), String> {
        let answer = async {
            while let Some(frame) = socket.next().await {
                let Message::Text(text) = frame.map_err(|e| e.to_string())? else { continue };
                match parse_pushed(Market::Spot, &text) {
                    Ok(Pushed::Subscribed) => return Ok(()),
                    Ok(Pushed::Ended(why)) => return Err(format!("no subscription: {why}")),
                    Ok(_) => {}
                    Err(unread) => return Err(unread.to_string()),
                }
            }
            Err("the exchange closed the connection".to_owned())
        };
        in_time(answer).await
    }

    /// Reads until it ends, and says why.
    async fn listen(&self, mut socket: Socket) -> String {
        let gone = || "nobody listens".to_owned();
        if self.heard.send(Heard::Up).await.is_err() {
            return gone();
        }
        let mut ping = ticks(PING_EVERY);
        let mut renewal = ticks(RENEW_EVERY);
        // The first tick of each is now.
        ping.tick().await;
        renewal.tick().await;
        let mut last_frame_at = Instant::now();
        let end_of_life = sleep(MAX_LIFETIME);
        tokio::pin!(end_of_life);
        loop {
            tokio::select! {
                frame = socket.next() => {
                    last_frame_at = Instant::now();
                    let text = match frame {
                        Some(Ok(Message::Text(text))) => text,
                        Some(Ok(Message::Close(_))) | None => return "the exchange closed the connection".to_owned(),
                        // The library answers pings as it reads on.
                        Some(Ok(_)) => continue,
                        Some(Err(error)) => return error.to_string(),
                    };
                    let heard = match parse_pushed(self.client.config().market, &text) {
                        Ok(Pushed::Execution(execution)) => Heard::Execution(execution),
                        Ok(Pushed::Algo(algo)) => Heard::Algo(algo),
                        Ok(Pushed::Ended(why)) => return why,
                        Ok(Pushed::Subscribed | Pushed::Other) => continue,
                        Err(unread) => Heard::Unread(unread.to_string()),
                    };
                    if self.heard.send(heard).await.is_err() {
                        return gone();
                    }
                }
                _ = ping.tick() => {
                    if last_frame_at.elapsed() >= MAX_SILENCE {
                        return format!("nothing arrived for {MAX_SILENCE:?}");
                    }
                    if let Err(reason) = in_time(socket.send(Message::Ping(Vec::new().into()))).await {
                        return reason;
                    }
                }
                _ = renewal.tick(), if self.client.config().market == Market::Usdm => {
                    if let Err(fault) = self.client.listen_key(Method::PUT).await {
                        return format!("the listen key cannot be renewed: {fault}");
                    }
                }
                () = &mut end_of_life => return "renewed before the exchange's own limit of 24 hours".to_owned(),
            }
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// The result of a step, or why it failed, in words.
async fn in_time<T, E: std::fmt::Display>(step: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(STEP_TIMEOUT, step).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("not done within {STEP_TIMEOUT:?}")),
    }
}
