//! Whether a signal is still worth acting on.

use model::message::{Message, SIGNAL_AHEAD_NS, SIGNAL_LONGEST_NS};

/// Why a signal is not handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFresh {
    /// Its time is over.
    Expired,
    /// Older than any signal may be.
    Stale,
    /// Made later than now.
    Future,
}

impl NotFresh {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Stale => "stale",
            Self::Future => "future",
        }
    }
}

fn times_of(message: &Message) -> Option<(i64, i64)> {
    match message {
        Message::Prediction(p) => Some((p.at_ns, p.expires_at_ns)),
        Message::MevOpportunity(o) => Some((o.at_ns, o.expires_at_ns)),
        _ => None,
    }
}

/// When a signal is over, on its sender's clock; `None` for what is no signal.
pub(super) fn expiry_of(message: &Message) -> Option<i64> {
    times_of(message).map(|(at, expires)| expires.min(at.saturating_add(SIGNAL_LONGEST_NS)))
}

/// Whether `message` may be acted on when its sender's clock shows `now_ns`.
pub(super) fn judge(message: &Message, now_ns: i64) -> Result<(), NotFresh> {
    let Some((at, expires)) = times_of(message) else { return Ok(()) };
    let age = now_ns.saturating_sub(at);
    if age < -SIGNAL_AHEAD_NS {
        Err(NotFresh::Future)
    } else if age > SIGNAL_LONGEST_NS {
        Err(NotFresh::Stale)
    } else if age > expires.saturating_sub(at) {
        Err(NotFresh::Expired)
    } else {
        Ok(())
    }
}
