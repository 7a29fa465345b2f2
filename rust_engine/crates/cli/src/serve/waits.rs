//! How long orders wait for the advisor. Each has its own time: what else the worker says in between prolongs none.

use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The orders that wait, by the name of their request, and since when.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<String, Instant>);

impl Waits {
    /// Takes what waits now: what is new begins to wait, what is gone waits no more.
    pub(super) fn look<'a>(&mut self, held: impl Iterator<Item = &'a str>, now: Instant) {
        let before = std::mem::take(&mut self.0);
        self.0 = held.map(|id| (id.to_owned(), before.get(id).copied().unwrap_or(now))).collect();
    }

    /// How long the first of them has waited; `None` while nothing waits.
    pub(super) fn longest(&self, now: Instant) -> Option<Duration> {
        self.0.values().min().map(|since| now.duration_since(*since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_wait_lasts_from_the_request_whatever_comes_meanwhile() {
        let (mut waits, asked) = (Waits::default(), Instant::now());
        assert_eq!(waits.longest(asked), None);
        waits.look(["m-1-a1"].into_iter(), asked);
        // A rate, a command, an answer to something else: the same order still waits.
        waits.look(["m-1-a1"].into_iter(), asked + 900 * MS);
        assert_eq!(waits.longest(asked + 950 * MS), Some(950 * MS));
    }

    #[test]
    fn each_order_waits_its_own_time() {
        let (mut waits, asked) = (Waits::default(), Instant::now());
        waits.look(["m-1-a1", "m-2-a2"].into_iter(), asked);
        waits.look(["m-2-a2", "m-3-a3"].into_iter(), asked + 500 * MS);
        assert_eq!(waits.longest(asked + 950 * MS), Some(950 * MS), "an answer to the first prolongs not the second");
        waits.look(["m-3-a3"].into_iter(), asked + 950 * MS);
        assert_eq!(waits.longest(asked + 950 * MS), Some(450 * MS));
        waits.look(std::iter::empty(), asked + 960 * MS);
        assert_eq!(waits.longest(asked + 960 * MS), None);
    }
}
