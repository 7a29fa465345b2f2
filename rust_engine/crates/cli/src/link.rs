//! Keeps dialling the worker, and tells the loop what happens on the line.

use bridge::{Incoming, Link};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

const FIRST_WAIT: Duration = Duration::from_millis(100);
/// On this machine a dial costs nothing, and a worker that came back should not wait for its engine.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that lived this long was no refusal, so the next dial starts without delay.
const GOOD_LIFE: Duration = Duration::from_secs(1);
const QUEUE: usize = 512;

/// One thing that happened.
pub enum LinkEvent {
    /// A connection is open; what is sent here goes out, and dropping it hangs up.
    Opened(mpsc::Sender<String>),
    /// A frame came in.
    Frame(String),
    /// The connection is over, or none came about.
    Closed(String),
}

/// Starts dialling `url` for as long as the returned queue is read.
pub fn keep_dialling(url: String) -> mpsc::Receiver<LinkEvent> {
    let (events, queue) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut wait = FIRST_WAIT;
        loop {
            let started = Instant::now();
            let reason = match bridge::dial(&url).await {
                Ok(link) => carry(link, &events).await,
                Err(error) => Some(error.to_string()),
            };
            let Some(reason) = reason else { return };
            if events.send(LinkEvent::Closed(reason)).await.is_err() {
                return;
            }
            wait = if started.elapsed() >= GOOD_LIFE { FIRST_WAIT } else { (wait * 2).min(LONGEST_WAIT) };
            sleep(wait).await;
        }
    });
    queue
}

/// Passes on one connection and returns why it ended; `None` when nobody listens any more.
async fn carry(link: Link, events: &mpsc::Sender<LinkEvent>) -> Option<String> {
    let Link { outgoing, mut incoming } = link;
    events.send(LinkEvent::Opened(outgoing)).await.ok()?;
    while let Some(event) = incoming.recv().await {
        match event {
            Incoming::Text(text) => events.send(LinkEvent::Frame(text)).await.ok()?,
            Incoming::Closed(reason) => return Some(reason),
        }
    }
    Some("this side hung up".to_owned())
}
