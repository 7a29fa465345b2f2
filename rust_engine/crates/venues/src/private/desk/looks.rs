//! When the account is looked at: at once after something that may have been missed, and else at a steady distance.

use model::Ts;

/// First wait before a look is repeated; it doubles.
const RETRY_NS: i64 = 250 * Ts::MS;
/// A look that did not agree is repeated after waits that double up to half a minute.
const MOST_DOUBLINGS: u32 = 7;
/// One that something changed under is repeated after waits that double up to four seconds.
const MOST_DISTURBED_DOUBLINGS: u32 = 4;
/// A difference counts when it is still there after the exchange's answers have caught up with its matching.
const SECOND_LOOK_NS: i64 = 5_000 * Ts::MS;
/// So long a look waits for a moment in which nothing is under way; then it is taken as things move.
const PATIENCE_NS: i64 = 15_000 * Ts::MS;
/// Failed looks in a row after which nothing may open.
const MOST_FAILED: u32 = 2;

/// The looks of one account.
#[derive(Debug)]
pub(super) struct Looks {
    every_ns: i64,
    /// Nothing while the stream is down: what is seen then is old before it is compared.
    due: Option<Ts>,
    /// When it is taken as things move; `None` while it must wait for quiet, because nothing may open before it.
    patient_until: Option<Ts>,
    is_busy: bool,
    repeats: u32,
    repeated_at: Ts,
    disturbed: u32,
    failed: u32,
}

impl Looks {
    /// Looks at this distance, none yet.
    pub(super) fn new(every_ns: i64) -> Self {
        Self {
            every_ns,
            due: None,
            patient_until: None,
            is_busy: false,
            repeats: 0,
            repeated_at: Ts(i64::MIN / 2),
            disturbed: 0,
            failed: 0,
        }
    }

    /// From now on none.
    pub(super) fn stop(&mut self) {
        self.due = None;
    }

    /// The next one at `at`, and as soon as nothing is under way.
    pub(super) fn set(&mut self, at: Ts) {
        (self.due, self.patient_until) = (Some(at), None);
    }

    /// The next one at `at`, or somewhat later even if something is under way.
    pub(super) fn set_at_last(&mut self, at: Ts) {
        (self.due, self.patient_until) = (Some(at), Some(at.plus_ns(PATIENCE_NS)));
    }

    /// Whether one may begin; `is_quiet` says that nothing is under way.
    pub(super) fn may_begin(&self, is_quiet: bool, now: Ts) -> bool {
        self.next_due(is_quiet).is_some_and(|due| now >= due)
    }

    /// When one may begin.
    pub(super) fn next_due(&self, is_quiet: bool) -> Option<Ts> {
        let due = self.due.filter(|_| !self.is_busy)?;
        if is_quiet { Some(due) } else { self.patient_until.map(|until| due.max(until)) }
    }

    /// One is under way.
    pub(super) fn begin(&mut self) {
        self.is_busy = true;
    }

    /// It came back; `false` if it is not wanted any more.
    pub(super) fn end(&mut self) -> bool {
        self.is_busy = false;
        self.due.is_some()
    }

    /// It could not be read, and nothing may be asked for `wait_ns`; `true` where that was not the first time.
    pub(super) fn on_failed(&mut self, wait_ns: Option<i64>, now: Ts) -> bool {
        self.failed += 1;
        self.due = Some(Ts(now.0.saturating_add(wait_ns.unwrap_or(4 * RETRY_NS))));
        self.failed >= MOST_FAILED
    }

    /// Something changed while it was read; `true` if it is to be used nevertheless.
    pub(super) fn on_disturbed(&mut self, now: Ts) -> bool {
        self.failed = 0;
        if self.patient_until.is_some_and(|until| now >= until) {
            self.on_seen(now);
            return true;
        }
        self.due = Some(now.plus_ns(RETRY_NS << self.disturbed.min(MOST_DISTURBED_DOUBLINGS)));
        self.disturbed += 1;
        false
    }

    /// It was seen: the next one after the steady distance.
    pub(super) fn on_seen(&mut self, now: Ts) {
        (self.failed, self.disturbed) = (0, 0);
        self.set_at_last(now.plus_ns(self.every_ns));
    }

    /// It did not agree: the next one soon.
    pub(super) fn again(&mut self, now: Ts) {
        if self.due.is_none() {
            return;
        }
        let wait_ns = RETRY_NS << self.repeats.min(MOST_DOUBLINGS);
        // One that comes after a longer pause than any between two repeats is the first of its kind.
        let is_first = now > self.repeated_at.plus_ns(4 * (RETRY_NS << MOST_DOUBLINGS));
        self.repeats = if is_first { 1 } else { self.repeats + 1 };
        self.repeated_at = now;
        self.set_at_last(now.plus_ns(if is_first { RETRY_NS } else { wait_ns }));
    }

    /// It did not agree for the first time: the one that counts.
    pub(super) fn once_more(&mut self, now: Ts) {
        if self.due.is_some() {
            self.set_at_last(now.plus_ns(SECOND_LOOK_NS.min(self.every_ns)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000 * Ts::MS;

    #[test]
    fn looks_come_at_a_steady_distance_and_sooner_where_one_is_disturbed() {
        let mut looks = Looks::new(60 * S);
        assert_eq!(looks.next_due(true), None, "the stream is down");
        looks.set(Ts(0));
        looks.begin();
        assert!(!looks.may_begin(true, Ts(S)), "one at a time");
        assert!(looks.end() && !looks.on_disturbed(Ts(0)));
        assert_eq!(looks.next_due(true), Some(Ts(S / 4)));
        assert!(!looks.on_disturbed(Ts(S)));
        assert_eq!(looks.next_due(true), Some(Ts(S + S / 2)));
        looks.on_seen(Ts(2 * S));
        assert_eq!(looks.next_due(true), Some(Ts(62 * S)));
        looks.stop();
        assert!(!looks.end());
    }

    #[test]
    fn an_account_that_never_rests_is_looked_at_as_it_moves() {
        let mut looks = Looks::new(60 * S);
        looks.set(Ts(0));
        assert_eq!(looks.next_due(false), None, "not the first one, before which nothing opens");
        assert!(!looks.on_disturbed(Ts(90 * S)));
        looks.on_seen(Ts(0));
        assert!(!looks.may_begin(false, Ts(74 * S)) && looks.may_begin(false, Ts(75 * S)));
        assert!(!looks.on_disturbed(Ts(74 * S)) && looks.on_disturbed(Ts(75 * S)));
        assert_eq!(looks.next_due(true), Some(Ts(135 * S)));
        looks.once_more(Ts(75 * S));
        assert_eq!((looks.next_due(true), looks.next_due(false)), (Some(Ts(80 * S)), Some(Ts(95 * S))));
    }

    #[test]
    fn the_second_of_two_failures_counts() {
        let mut looks = Looks::new(60 * S);
        looks.set(Ts(0));
        assert!(!looks.on_failed(None, Ts(0)) && looks.on_failed(Some(9 * S), Ts(S)));
        assert_eq!(looks.next_due(true), Some(Ts(10 * S)));
        looks.on_seen(Ts(10 * S));
        assert!(!looks.on_failed(None, Ts(70 * S)));
    }
}
