//! How long to wait before the next attempt.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// The wait before the first attempt after a connection ended.
pub const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from [`FIRST`] to [`LONGEST`], each drawn from the upper half of its range, so that many clients that
/// lose an exchange together do not come back together.
#[derive(Clone, Debug)]
pub struct Backoff {
    failures: u32,
    rng: ChaCha8Rng,
}

impl Backoff {
    /// Waits drawn from `rng`.
    #[must_use]
    pub const fn new(rng: ChaCha8Rng) -> Self {
        Self { failures: 0, rng }
    }

    /// Begins again at the shortest wait.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait: between half of `FIRST * 2^n` and the whole, at most [`LONGEST`].
    pub fn next_wait(&mut self) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        let spread_ms = u64::try_from((whole - half).as_millis()).unwrap_or(u64::MAX);
        half + Duration::from_millis(self.rng.next_u64() % (spread_ms + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn waits_grow_to_half_a_minute_and_begin_again() {
        let mut backoff = Backoff::new(ChaCha8Rng::seed_from_u64(7));
        for n in 0..40 {
            let whole = (FIRST * (1 << n.min(10))).min(LONGEST);
            let wait = backoff.next_wait();
            assert!(whole / 2 <= wait && wait <= whole, "attempt {n}: {wait:?}");
        }
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn two_clients_do_not_wait_alike() {
        let waits = |seed| {
            let mut backoff = Backoff::new(ChaCha8Rng::seed_from_u64(seed));
            (0..8).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
