//! What a session knows about its line: round trips, the peer's clock, and what was counted.

use hdrhistogram::Histogram;
use model::message::Heartbeat;
use std::collections::VecDeque;

/// Round trips are told to one part in a hundred, from a microsecond to a minute.
const LONGEST_NS: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 2;
/// The clock's offset is that of the quickest of so many round trips: queues delay both ways unequally, an empty line does not.
const FILTER: usize = 8;

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What was counted since the start.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts { $($(#[$doc])* pub $name: u64,)+ }

        impl Counts {
            /// Every count with its name.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)+]
            }
        }
    };
}

counts! {
    /// Links that were greeted and came up.
    links_opened,
    /// Links that were up and ended.
    links_broken,
    /// Dials and greetings that did not become links.
    links_failed,
    /// Frames sent.
    frames_sent,
    /// Frames received and found sound.
    frames_received,
    /// Frames that ended their link.
    frames_refused,
    /// Messages put on a link.
    messages_sent,
    /// Messages of those that were on a link before.
    messages_sent_again,
    /// Messages delivered.
    messages_received,
    /// Messages that were delivered before.
    messages_repeated,
    /// Messages of an unknown kind or form.
    messages_unreadable,
    /// Signals put on a link, gaps apart.
    signals_sent,
    /// Signals and gaps of those that were on a link before.
    signals_sent_again,
    /// Signals received, gaps apart.
    signals_received,
    /// Signals that were handed on.
    signals_delivered,
    /// Signals refused: their time was over.
    signals_expired,
    /// Signals refused: older than any may be.
    signals_stale,
    /// Signals refused: made later than now.
    signals_future,
    /// Signals of an unknown kind or form.
    signals_unreadable,
    /// Signals that the peer left out because they expired.
    signals_expired_at_peer,
    /// Signals that the peer left out because a newer one replaced them.
    signals_conflated_at_peer,
}

/// The line as its heartbeats show it.
#[derive(Debug)]
pub struct Monitor {
    /// Counts.
    pub counts: Counts,
    round_trips: Option<Histogram<u64>>,
    recent: VecDeque<(i64, i64)>,
    /// The peer's last heartbeat: its time, and when it came.
    heard: Option<(i64, i64)>,
    last_round_trip_ns: Option<i64>,
    round_trips_ns: u128,
}

impl Default for Monitor {
    fn default() -> Self {
        Self {
            counts: Counts::default(),
            // The bounds are sound, so there always is one.
            round_trips: Histogram::new_with_max(LONGEST_NS, SIGNIFICANT_DIGITS).ok(),
            recent: VecDeque::new(),
            heard: None,
            last_round_trip_ns: None,
            round_trips_ns: 0,
        }
    }
}

impl Monitor {
    /// A link came up: the peer may be another process with another clock.
    pub(crate) fn link_up(&mut self) {
        self.counts.links_opened += 1;
        self.recent.clear();
        self.heard = None;
    }

    /// Learns from a heartbeat that came at `now_ns`.
    pub(crate) fn heard(&mut self, heartbeat: &Heartbeat, now_ns: i64) {
        self.heard = Some((heartbeat.at_ns, now_ns));
        if heartbeat.echo_ns == 0 {
            return;
        }
        let away = now_ns.saturating_sub(heartbeat.echo_ns);
        let round_trip = away.saturating_sub(heartbeat.held_ns);
        // A clock was set back meanwhile: the measurement means nothing.
        let Ok(measured) = u64::try_from(round_trip) else { return };
        self.last_round_trip_ns = Some(round_trip);
        self.round_trips_ns += u128::from(measured);
        if let Some(histogram) = &mut self.round_trips {
            histogram.saturating_record(measured);
        }
        // NTP's rule, RFC 5905: half of how far the peer's clock seems ahead there and back.
        let there = heartbeat.at_ns.saturating_sub(heartbeat.held_ns).saturating_sub(heartbeat.echo_ns);
        let back = heartbeat.at_ns.saturating_sub(now_ns);
        self.recent.push_back((round_trip, there.saturating_add(back) / 2));
        if self.recent.len() > FILTER {
            self.recent.pop_front();
        }
    }

    /// What our next heartbeat says of the peer's last: its time, and how long ago it came.
    pub(crate) fn echo(&self, now_ns: i64) -> (i64, i64) {
        self.heard.map_or((0, 0), |(at, heard)| (at, now_ns.saturating_sub(heard)))
    }

    /// How far the peer's clock is ahead of ours. It is known to half a round trip only, so a smaller one counts as none.
    #[must_use]
    pub fn offset_ns(&self) -> i64 {
        let best = self.recent.iter().min_by_key(|(round_trip, _)| *round_trip);
        best.map_or(0, |(round_trip, offset)| if offset.abs() > round_trip / 2 { *offset } else { 0 })
    }

    /// The last round trip.
    #[must_use]
    pub fn last_round_trip_ns(&self) -> Option<i64> {
        self.last_round_trip_ns
    }

    /// Round trips measured, and the one below which a share `q` of them lies.
    #[must_use]
    pub fn round_trips(&self, q: f64) -> (u64, u64) {
        self.round_trips.as_ref().map_or((0, 0), |h| (h.len(), h.value_at_quantile(q)))
    }

    /// All round trips together.
    #[must_use]
    pub fn round_trips_ns(&self) -> u128 {
        self.round_trips_ns
    }

    /// Share of the dials that became links, in per cent; 100 before the first.
    #[must_use]
    pub fn success_pct(&self) -> f64 {
        let opened = self.counts.links_opened;
        let dials = opened + self.counts.links_failed;
        if dials == 0 { 100.0 } else { 100.0 * opened as f64 / dials as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::config::TradingState;

    const MS: i64 = 1_000_000;

    fn heartbeat(at_ns: i64, echo_ns: i64, held_ns: i64) -> Heartbeat {
        Heartbeat { at_ns, echo_ns, held_ns, reached_ns: 0, state: TradingState::Active }
    }

    #[test]
    fn an_echo_measures_the_round_trip_and_the_peers_clock() {
        let mut monitor = Monitor::default();
        // Sent at 1000 ms; 3 ms there, 2 ms held, 1 ms back; the peer's clock is 500 ms ahead.
        monitor.heard(&heartbeat(1505 * MS, 1000 * MS, 2 * MS), 1006 * MS);
        assert_eq!(monitor.last_round_trip_ns(), Some(4 * MS));
        assert_eq!(monitor.offset_ns(), 501 * MS);
        assert_eq!(monitor.echo(1010 * MS), (1505 * MS, 4 * MS));
        // A quicker one is believed more, a slower one less.
        monitor.heard(&heartbeat(2502 * MS, 2000 * MS, MS), 2003 * MS);
        monitor.heard(&heartbeat(3560 * MS, 3000 * MS, 0), 3061 * MS);
        assert_eq!(monitor.offset_ns(), 500 * MS);
        // Two clocks that agree, seen through a line that is slow one way.
        let mut same = Monitor::default();
        same.heard(&heartbeat(1200 * MS, 1000 * MS, 0), 1201 * MS);
        assert_eq!(same.offset_ns(), 0);
        let (n, p50) = monitor.round_trips(0.5);
        assert_eq!(n, 3);
        assert!((p50 as i64 - 4 * MS).abs() * 100 <= 4 * MS, "{p50}");
    }

    #[test]
    fn a_first_heartbeat_and_a_clock_that_was_set_back_measure_nothing() {
        let mut monitor = Monitor::default();
        monitor.heard(&heartbeat(5, 0, 0), 7);
        monitor.heard(&heartbeat(6, 100, 0), 50);
        assert_eq!((monitor.round_trips(0.5).0, monitor.offset_ns()), (0, 0));
        assert_eq!(monitor.success_pct(), 100.0);
    }
}
