//! The one task that everything goes through: it stamps what arrives, so that stamps never go back in the engine's queue.

use super::connect::{Heard, Said};
use super::event::{FeedEvent, FeedHealth};
use super::feed::{Feed, Output};
use super::fetch::{Answer, Fetched, Job};
use super::outbox::{Outbox, Put};
use super::plan::Subscription;
use super::rest::Clock;
use model::{SymbolId, Ts};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How often silence and lateness are looked for.
const TICK: Duration = Duration::from_millis(250);

/// How the pump reaches what serves one feed.
pub(super) struct Wiring {
    pub feed: Feed,
    /// By connection: what it carries, and where renewals of books are asked for.
    pub connections: Vec<(Vec<Subscription>, mpsc::Sender<SymbolId>)>,
    pub jobs: mpsc::UnboundedSender<Job>,
    /// Whether the stream itself begins with the whole book.
    pub is_book_pushed: bool,
}

/// See the module.
pub(super) struct Pump {
    pub feeds: Vec<Wiring>,
    pub heard: mpsc::Receiver<Heard>,
    pub answers: mpsc::Receiver<Answer>,
    pub events: mpsc::Sender<FeedEvent>,
    pub health: watch::Sender<Vec<FeedHealth>>,
    pub clock: Clock,
    /// Ends with the pump.
    pub tasks: JoinSet<()>,
    pub outbox: Outbox,
    pub last_at: Ts,
}

impl Pump {
    /// Works until the engine's end of the queue is dropped.
    pub async fn run(mut self) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let events = self.events.clone();
        let mut outputs = Vec::new();
        loop {
            let has_room = self.outbox.has_room();
            tokio::select! {
                biased;
                () = events.closed() => break,
                permit = events.reserve(), if !self.outbox.is_empty() => match (permit, self.outbox.pop()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    _ => break,
                },
                _ = tick.tick() => self.on_tick(&mut outputs),
                Some(answer) = self.answers.recv(), if has_room => self.on_answer(answer, &mut outputs),
                Some(heard) = self.heard.recv(), if has_room => self.on_heard(heard, &mut outputs),
            }
        }
        self.tasks.shutdown().await;
    }

    /// Now, never before what was stamped last.
    fn now(&mut self) -> Ts {
        self.last_at = self.last_at.max((self.clock)());
        self.last_at
    }

    fn on_tick(&mut self, outputs: &mut Vec<Output>) {
        let now = self.now();
        for index in 0..self.feeds.len() {
            if let Some(wiring) = self.feeds.get_mut(index) {
                wiring.feed.on_time(now, outputs);
            }
            self.carry_out(index, outputs);
        }
        let health = self.feeds.iter().map(|wiring| wiring.feed.health()).collect();
        self.health.send_replace(health);
    }

    fn on_heard(&mut self, heard: Heard, outputs: &mut Vec<Output>) {
        let at = self.now();
        let Some(Wiring { feed, connections, .. }) = self.feeds.get_mut(heard.feed) else { return };
        match heard.said {
            Said::Text(text) => feed.on_text(&text, at, outputs),
            Said::Opened => {
                let carried = connections.get(heard.connection).map_or(&[][..], |(carried, _)| carried);
                feed.on_opened(heard.connection, carried, at, outputs);
            }
            Said::Closed { was_open, reason } => feed.on_closed(heard.connection, was_open, reason, at, outputs),
        }
        self.carry_out(heard.feed, outputs);
    }

    fn on_answer(&mut self, answer: Answer, outputs: &mut Vec<Output>) {
        let at = self.now();
        let Some(Wiring { feed, .. }) = self.feeds.get_mut(answer.feed) else { return };
        match answer.fetched {
            Fetched::Book(book) => feed.on_book(answer.symbol, book, at, outputs),
            Fetched::Candles { from, candles } => feed.on_candles(answer.symbol, from, &candles, at, outputs),
            Fetched::Trouble(what) => feed.on_trouble(answer.symbol, what, at, outputs),
        }
        self.carry_out(answer.feed, outputs);
    }

    fn carry_out(&mut self, index: usize, outputs: &mut Vec<Output>) {
        // What is lost on the way asks for more; that goes to others, never back into the queue.
        let mut lost = Vec::new();
        for output in outputs.drain(..) {
            match output {
                Output::Event(event) => self.emit(index, event, &mut lost),
                Output::FetchBook(symbol) => self.fetch_book(index, symbol),
                Output::FetchCandles { symbol, from, to } => self.ask(index, Job::Candles { symbol, from, to }),
            }
        }
        for symbol in lost {
            let at = self.last_at;
            if let Some(wiring) = self.feeds.get_mut(index) {
                wiring.feed.on_depth_lost(symbol, at, outputs);
            }
            if outputs.drain(..).any(|output| matches!(output, Output::FetchBook(_))) {
                self.fetch_book(index, symbol);
            }
        }
    }

    /// Into the engine's queue while it has room, else into the outbox, behind everything that waits there.
    fn emit(&mut self, index: usize, event: FeedEvent, lost: &mut Vec<SymbolId>) {
        let event = if self.outbox.is_empty() {
            match self.events.try_send(event) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) => event,
            }
        } else {
            event
        };
        match self.outbox.put(event) {
            Put::Queued => {}
            Put::Merged => {
                if let Some(wiring) = self.feeds.get_mut(index) {
                    wiring.feed.on_conflated();
                }
            }
            Put::DepthLost(symbol) => lost.push(symbol),
        }
    }

    fn fetch_book(&self, index: usize, symbol: SymbolId) {
        let Some(wiring) = self.feeds.get(index) else { return };
        if !wiring.is_book_pushed {
            return self.ask(index, Job::Book(symbol));
        }
        for (carried, renewals) in &wiring.connections {
            if carried.iter().any(|s| s.symbol == symbol && s.kind == super::plan::StreamKind::Depth) {
                // A full queue means that renewals wait already; a closed one that the connection is gone for good.
                renewals.try_send(symbol).ok();
            }
        }
    }

    fn ask(&self, index: usize, job: Job) {
        if let Some(wiring) = self.feeds.get(index) {
            // The fetcher lives as long as this pump.
            wiring.jobs.send(job).ok();
        }
    }
}
