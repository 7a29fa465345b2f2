//! A listener that outlives every connection that it could not take: too many open files today say nothing of tomorrow.

use crate::log;
use serde_json::json;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// Pause after a failed accept: it may fail at once again, and must not become a hot loop.
const PAUSE: Duration = Duration::from_millis(100);

/// What is listened for, and when a failure was last logged.
pub struct Listening {
    what: &'static str,
    failures: log::Seldom,
}

impl Listening {
    /// For connections to `what`.
    pub fn new(what: &'static str) -> Self {
        Self { what, failures: log::Seldom::default() }
    }

    /// The next connection that `poll_accept` brings, however often it fails before.
    pub async fn next<T>(&mut self, mut poll_accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> T {
        loop {
            match poll_fn(&mut poll_accept).await {
                Ok(connection) => return connection,
                Err(error) => {
                    if let Some(silenced) = self.failures.due(Instant::now()) {
                        let problem = error.to_string();
                        log::warning(
                            "a connection could not be taken",
                            json!({ "to": self.what, "problem": problem, "silenced": silenced }),
                        );
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_fails_is_not_the_last() {
        let full = || Err(io::Error::other("too many open files"));
        let mut answers = [full(), full(), Ok(1), full(), Ok(2)].into_iter();
        let mut listening = Listening::new("a test");
        for n in [1, 2] {
            assert_eq!(listening.next(|_| answers.next().map_or(Poll::Pending, Poll::Ready)).await, n);
        }
    }
}
