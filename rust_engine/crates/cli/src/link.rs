//! The line to the worker: dials again and again, and is read and written by the loop itself.

use bridge::carrier::{Address, Link, LinkError, dial};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// On this machine a dial costs nothing, and a worker that came back should not wait for its engine.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that lived this long was no refusal, so the next dial starts without delay.
const GOOD_LIFE: Duration = Duration::from_secs(1);
/// A dial that got no answer for this long gets none.
const DIAL_PATIENCE: Duration = Duration::from_secs(5);
/// What the worker may leave unread before nothing more is handed to it.
const MOST_UNREAD_BYTES: usize = 1024 * 1024;

/// One thing that happened.
#[derive(Debug)]
pub enum LineEvent {
    /// A connection is open.
    Opened,
    /// A frame came in.
    Frame(Vec<u8>),
    /// The connection is over, or none came about.
    Closed(String),
}

enum State {
    /// The next dial starts then.
    Waiting(Instant),
    Dialling(JoinHandle<Result<Link, LinkError>>),
    Open(Box<Link>),
}

/// The line.
pub struct Line {
    address: Address,
    engine_id: String,
    state: State,
    tried_at: Instant,
    wait: Duration,
}

impl Line {
    /// A line that will dial `address` at once.
    pub fn new(address: Address, engine_id: String) -> Self {
        let now = Instant::now();
        Self { address, engine_id, state: State::Waiting(now), tried_at: now, wait: FIRST_WAIT }
    }

    /// Waits for the next event. Nothing is lost when the caller stops waiting.
    pub async fn next(&mut self) -> LineEvent {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    self.tried_at = Instant::now();
                    self.state = State::Dialling(self.start_dialling());
                }
                State::Dialling(task) => {
                    let dialled = task.await.unwrap_or_else(|e| Err(LinkError::Io(e.into())));
                    match dialled {
                        Ok(link) => {
                            self.state = State::Open(Box::new(link));
                            return LineEvent::Opened;
                        }
                        Err(error) => return self.closed(&error),
                    }
                }
                State::Open(link) => match link.recv().await {
                    Ok(frame) => return LineEvent::Frame(frame),
                    Err(error) => return self.closed(&error),
                },
            }
        }
    }

    /// What has happened already.
    pub fn try_next(&mut self) -> Option<LineEvent> {
        let State::Open(link) = &mut self.state else { return None };
        match link.try_recv() {
            Ok(frame) => frame.map(LineEvent::Frame),
            Err(error) => Some(self.closed(&error)),
        }
    }

    fn start_dialling(&self) -> JoinHandle<Result<Link, LinkError>> {
        let (address, engine_id) = (self.address.clone(), self.engine_id.clone());
        tokio::spawn(async move {
            let name = crate::config::nonce().map_err(|e| LinkError::Io(std::io::Error::other(e)))?;
            let patience = tokio::time::timeout(DIAL_PATIENCE, dial(&address, &engine_id, &name));
            patience.await.unwrap_or_else(|_| Err(LinkError::Io(std::io::ErrorKind::TimedOut.into())))
        })
    }

    fn closed(&mut self, error: &LinkError) -> LineEvent {
        self.hang_up();
        LineEvent::Closed(error.to_string())
    }

    /// Ends the connection; the next dial comes by itself.
    pub fn hang_up(&mut self) {
        let lived = matches!(self.state, State::Open(_)) && self.tried_at.elapsed() >= GOOD_LIFE;
        self.wait = if lived { FIRST_WAIT } else { (self.wait * 2).min(LONGEST_WAIT) };
        self.state = State::Waiting(Instant::now() + self.wait);
    }

    /// Whether the worker takes more now.
    pub fn has_room(&self) -> bool {
        matches!(&self.state, State::Open(link) if link.backlog() < MOST_UNREAD_BYTES)
    }

    /// Whether a connection is open.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Hands a frame to the connection. If it is dead already, [`Line::next`] says so.
    pub fn send(&mut self, frame: Vec<u8>) {
        if let State::Open(link) = &mut self.state
            && let Err(error) = link.send(frame)
        {
            // Reading meets the same end and its reason.
            drop(error);
        }
    }

    /// Waits until the worker has taken everything, or hung up.
    pub async fn flush(&mut self) {
        while matches!(&self.state, State::Open(link) if link.backlog() > 0) {
            self.next().await;
        }
    }
}
