//! Plays a recording to whoever subscribed, and answers requests from the truth so far.

use crate::bybit;
use crate::capture::{Capture, Line};
use crate::fault::{Fault, Script, garbage, with_wrong_sequence};
use crate::http::{Api, Ask};
use crate::rehearsal::{NowMs, made_at_ms, restamped};
use crate::truth::{TrueBook, TrueCandles};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

mod answers;

/// Whose words it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Binance spot or USD-M: combined streams, the whole book by request.
    Binance,
    /// Bybit v5: topics, the whole book on the stream.
    Bybit,
}

/// What a connection is told to send.
enum Send {
    Text(String),
    Half(String),
    Close,
}

struct Connection {
    number: u64,
    streams: BTreeSet<String>,
    send: mpsc::UnboundedSender<Send>,
}

struct Late {
    stream: String,
    lines_left: usize,
    text: String,
}

#[derive(Default)]
struct State {
    connections: Vec<Connection>,
    n_connections: u64,
    book: TrueBook,
    candles: TrueCandles,
    late: Vec<Late>,
    loses_candle: bool,
    n_book_requests: usize,
    requests: Vec<String>,
}

/// An exchange. Call [`Exchange::play`] once and [`Exchange::serve`] for every connection.
pub struct Exchange {
    dialect: Dialect,
    lines: Vec<Line>,
    /// The whole book as it was recorded.
    recorded: TrueBook,
    script: Script,
    speed: f64,
    symbol: String,
    apis: Vec<Box<dyn Api>>,
    /// What time it pretends to be; nothing where it speaks of the recorded time.
    now_ms: Option<NowMs>,
    state: Mutex<State>,
}

impl Exchange {
    /// An exchange of one symbol that will play `capture` at `speed` times the recorded pace.
    #[must_use]
    pub fn new(dialect: Dialect, symbol: &str, capture: &Capture, script: Script, speed: f64) -> Arc<Self> {
        Self::with_apis(dialect, symbol, capture, script, speed, Vec::new())
    }

    /// The same with further interfaces.
    #[must_use]
    pub fn with_apis(
        dialect: Dialect,
        symbol: &str,
        capture: &Capture,
        script: Script,
        speed: f64,
        apis: Vec<Box<dyn Api>>,
    ) -> Arc<Self> {
        Arc::new(Self::build(dialect, symbol, capture, script, speed, apis))
    }

    /// An exchange on which the recording happens now; see [`crate::rehearsal`].
    #[must_use]
    pub fn rehearsing(
        dialect: Dialect,
        symbol: &str,
        capture: &Capture,
        script: Script,
        speed: f64,
        now_ms: NowMs,
    ) -> Arc<Self> {
        let exchange = Self::build(dialect, symbol, capture, script, speed, Vec::new());
        Arc::new(Self { now_ms: Some(now_ms), ..exchange })
    }

    fn build(
        dialect: Dialect,
        symbol: &str,
        capture: &Capture,
        script: Script,
        speed: f64,
        apis: Vec<Box<dyn Api>>,
    ) -> Self {
        let lines = match dialect {
            Dialect::Binance => capture.lines.clone(),
            Dialect::Bybit => bybit::translated(capture),
        };
        let whole = lines.iter().find(|line| line.stream.is_empty());
        let mut recorded = whole.and_then(|line| TrueBook::of_snapshot(&line.text)).unwrap_or_default();
        if dialect == Dialect::Bybit {
            recorded.last_id = 1;
        }
        let state = Mutex::new(State { book: recorded.clone(), ..State::default() });
        Self { dialect, lines, recorded, script, speed, symbol: symbol.to_owned(), apis, now_ms: None, state }
    }

    /// Plays from the first line to the last, once; returns when all is said.
    pub async fn play(&self) {
        let Some(first) = self.lines.first() else { return };
        let began = Instant::now();
        let began_ms = self.now_ms.as_ref().map(|now_ms| now_ms());
        let first_made_ms = self.lines.iter().find_map(|line| made_at_ms(&line.text)).unwrap_or(0);
        let mut shift = Duration::ZERO;
        for (number, line) in self.lines.iter().enumerate() {
            let fault = self.script.lines.get(&number);
            if let Some(Fault::Silence(length)) = fault {
                shift += *length;
            }
            let offset_ns = line.at_ns.saturating_sub(first.at_ns).max(0).unsigned_abs();
            sleep_until(began + shift + Duration::from_nanos(offset_ns).div_f64(self.speed)).await;
            let Some(began_ms) = began_ms else {
                self.play_line(line, fault);
                continue;
            };
            // A message stays as old as it was when it was received.
            let passed_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
            let recorded_ms = i64::try_from(offset_ns / 1_000_000).unwrap_or(i64::MAX);
            let text = restamped(&line.text, began_ms + passed_ms - recorded_ms - first_made_ms);
            self.play_line(&Line { text, ..line.clone() }, fault);
        }
        let left = std::mem::take(&mut self.state().late);
        left.iter().for_each(|late| self.publish(&late.stream, &late.text));
    }

    /// Sends a text to everyone who subscribed to `stream`.
    pub fn publish(&self, stream: &str, text: &str) {
        self.to_subscribers(stream, || Send::Text(text.to_owned()));
    }

    /// Targets of all requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    /// The book as it now is.
    #[must_use]
    pub fn book(&self) -> TrueBook {
        self.state().book.clone()
    }

    /// The candles as they now are.
    #[must_use]
    pub fn candles(&self) -> TrueCandles {
        self.state().candles.clone()
    }

    /// Streams that are subscribed now.
    #[must_use]
    pub fn subscribed(&self) -> BTreeSet<String> {
        self.state().connections.iter().flat_map(|connection| connection.streams.iter().cloned()).collect()
    }

    /// Connections that ever subscribed.
    #[must_use]
    pub fn n_connections(&self) -> u64 {
        self.state().n_connections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn play_line(&self, line: &Line, fault: Option<&Fault>) {
        self.apply(line, matches!(fault, Some(Fault::LoseCandle)));
        if line.stream.is_empty() {
            return;
        }
        match fault {
            None | Some(Fault::Silence(_) | Fault::LoseCandle) => self.publish(&line.stream, &line.text),
            Some(Fault::Drop) => {}
            Some(Fault::Duplicate(times)) => (0..=*times).for_each(|_| self.publish(&line.stream, &line.text)),
            Some(Fault::Late(lines)) => {
                let late = Late { stream: line.stream.clone(), lines_left: *lines, text: line.text.clone() };
                self.state().late.push(late);
                return;
            }
            Some(Fault::CutMidFrame) => self.to_subscribers(&line.stream, || Send::Half(line.text.clone())),
            Some(Fault::Close) => self.to_subscribers(&line.stream, || Send::Close),
            Some(Fault::Garbage) => {
                garbage(&line.text).iter().for_each(|text| self.publish(&line.stream, text));
                self.publish(&line.stream, &line.text);
            }
            Some(Fault::WrongSequence) => {
                self.publish(&line.stream, &with_wrong_sequence(&line.text));
                self.publish(&line.stream, &line.text);
            }
        }
        self.release_late(&line.stream);
    }

    fn release_late(&self, stream: &str) {
        let mut due = Vec::new();
        self.state().late.retain_mut(|late| {
            late.lines_left -= usize::from(late.stream == stream && late.lines_left > 0);
            let is_due = late.stream == stream && late.lines_left == 0;
            if is_due {
                due.push(late.text.clone());
            }
            !is_due
        });
        due.iter().for_each(|text| self.publish(stream, text));
    }

    /// The truth goes on, whatever is said of it.
    fn apply(&self, line: &Line, loses_candle: bool) {
        let is_depth = line.stream.contains("depth") || line.stream.starts_with("orderbook.200");
        let mut state = self.state();
        state.loses_candle |= loses_candle;
        if is_depth {
            // What is older than the recorded book changes nothing.
            state.book.apply(&line.text);
        }
        if !line.stream.ends_with("@trade") {
            return;
        }
        let closed = state.candles.apply(&line.text);
        let forming = state.candles.forming;
        let is_lost = closed.is_some() && std::mem::take(&mut state.loses_candle);
        drop(state);
        let stream = format!("{}@kline_1m", self.symbol.to_ascii_lowercase());
        if let Some(candle) = closed.filter(|_| !is_lost) {
            self.publish(&stream, &candle.push(&self.symbol, true));
        }
        if let Some(candle) = forming {
            self.publish(&stream, &candle.push(&self.symbol, false));
        }
    }

    fn to_subscribers(&self, stream: &str, what: impl Fn() -> Send) {
        for connection in self.state().connections.iter().filter(|c| c.streams.contains(stream)) {
            // A connection that is going away hears no more.
            connection.send.send(what()).ok();
        }
    }

    /// Serves one connection until it ends: one request, or a WebSocket.
    ///
    /// # Errors
    /// What the stream said.
    pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> io::Result<()> {
        let ask = Ask::read(&mut stream).await?;
        match ask.headers.get("sec-websocket-key") {
            Some(key) => {
                let accept = derive_accept_key(key.as_bytes());
                let head = format!(
                    "HTTP/1.1 101 -\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).await?;
                let socket = WebSocketStream::from_partially_read(stream, ask.rest.clone(), Role::Server, None).await;
                self.converse(socket, &ask).await
            }
            None => {
                let reply = self.apis.iter().find_map(|api| api.answer(&ask)).unwrap_or_else(|| self.answer(&ask));
                reply.write(&mut stream).await
            }
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut socket: WebSocketStream<S>,
        ask: &Ask,
    ) -> io::Result<()> {
        let (send, mut to_send) = mpsc::unbounded_channel();
        let number = self.join(send, ask);
        let _leave = Leave { exchange: self, number };
        loop {
            tokio::select! {
                told = to_send.recv() => match told {
                    Some(Send::Text(text)) => socket.send(Message::text(text)).await.map_err(io::Error::other)?,
                    Some(Send::Half(text)) => {
                        socket.flush().await.map_err(io::Error::other)?;
                        let frame = half_frame(&text);
                        socket.get_mut().write_all(&frame).await?;
                        return socket.get_mut().flush().await;
                    }
                    Some(Send::Close) => return socket.close(None).await.map_err(io::Error::other),
                    None => return Ok(()),
                },
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => self.on_request(number, &text),
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(io::Error::other(error)),
                },
            }
        }
    }

    /// A path `/ws/NAME` is a subscription to `NAME`.
    fn join(&self, send: mpsc::UnboundedSender<Send>, ask: &Ask) -> u64 {
        let mut state = self.state();
        state.n_connections += 1;
        let number = state.n_connections;
        let streams = ask.path.split_once("/ws/").map(|(_, name)| name.to_owned()).into_iter().collect();
        state.connections.push(Connection { number, streams, send });
        number
    }

    fn on_request(&self, number: u64, text: &str) {
        let request: Value = serde_json::from_str(text).unwrap_or(Value::Null);
        let word = |key: &str| request.get(key).and_then(Value::as_str).unwrap_or("").to_ascii_lowercase();
        let topics =
            request.get("params").or(request.get("args")).and_then(Value::as_array).cloned().unwrap_or_default();
        let verb = word("method") + &word("op");
        let mut texts = vec![self.acknowledgement(&request, &verb)];
        let mut state = self.state();
        let book = state.book.clone();
        let Some(connection) = state.connections.iter_mut().find(|c| c.number == number) else { return };
        for topic in topics.iter().filter_map(Value::as_str) {
            match verb.as_str() {
                "subscribe" => {
                    connection.streams.insert(topic.to_owned());
                    if topic.starts_with("orderbook.200.") {
                        texts.push(bybit::snapshot(&book, &self.symbol));
                    }
                }
                _ => drop(connection.streams.remove(topic)),
            }
        }
        for text in texts {
            connection.send.send(Send::Text(text)).ok();
        }
    }
}

/// Forgets a connection when its service ends, however it ends.
struct Leave<'a> {
    exchange: &'a Exchange,
    number: u64,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.exchange.state().connections.retain(|connection| connection.number != self.number);
    }
}

/// The header of a text frame and half of what it announces.
fn half_frame(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut frame = vec![0x81];
    match u16::try_from(bytes.len()) {
        Ok(length @ 0..=125) => frame.push(length.to_be_bytes()[1]),
        Ok(length) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((bytes.len() as u64).to_be_bytes());
        }
    }
    frame.extend(&bytes[..bytes.len() / 2]);
    frame
}
