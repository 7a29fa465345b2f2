//! Signals that were taken, so that none acts twice: after a kill the worker sends again what was on disk but not acknowledged.
//!
//! An id matters only while its signal may still be acted on. By the run's own time it is forgotten after that.

use crate::input::Input;
use model::Ts;
use model::message::{SIGNAL_AHEAD_NS, SIGNAL_LONGEST_NS};
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};

/// So many are remembered at once. Sixteen times what a worker may have on its way without an acknowledgement, which is all that
/// a link ever sends again.
const MOST: usize = 65_536;

/// What was taken, oldest first: until when it matters, and a hash of kind and id. Equal histories give equal lists.
pub(crate) type Order = VecDeque<(Ts, u64)>;

/// The signals taken of late.
#[derive(Debug, Default)]
pub(crate) struct TakenSignals {
    order: Order,
    known: HashSet<u64>,
}

/// Kind, id and times of a signal; `None` for every other input.
fn signal(input: &Input) -> Option<(&'static str, &str, i64, i64)> {
    match input {
        Input::Prediction(p) => Some((input.kind(), &p.prediction_id, p.at_ns, p.expires_at_ns)),
        Input::Opportunity(o) => Some((input.kind(), &o.opportunity_id, o.at_ns, o.expires_at_ns)),
        _ => None,
    }
}

fn digest(kind: &str, id: &str) -> u64 {
    let hash: [u8; 32] = Sha256::new().chain_update(kind).chain_update("\n").chain_update(id).finalize().into();
    hash.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl TakenSignals {
    /// Why `input` must not act, in words; `None` if it was not taken before or is no signal.
    pub(crate) fn refusal(&self, input: &Input) -> Option<String> {
        let (kind, id, ..) = signal(input)?;
        let is_repeat = self.known.contains(&digest(kind, id));
        is_repeat.then(|| format!("{kind} {id} was taken before; it acts once"))
    }

    /// Remembers `input`, applied at `at`, if it is a signal, and forgets what is over.
    pub(crate) fn take(&mut self, input: &Input, at: Ts) {
        let Some((kind, id, made_ns, expires_ns)) = signal(input) else { return };
        let last_ns = expires_ns.min(made_ns.saturating_add(SIGNAL_LONGEST_NS));
        // Its stamps are of the sender's clock, which may be another: counted from when it came, it lives as long as it says.
        let life_ns = last_ns.saturating_sub(made_ns).clamp(0, SIGNAL_LONGEST_NS) + SIGNAL_AHEAD_NS;
        let until = at.plus_ns(life_ns);
        while let Some((over, oldest)) = self.order.front().copied()
            && (over < at || self.order.len() >= MOST)
        {
            self.order.pop_front();
            self.known.remove(&oldest);
        }
        let hash = digest(kind, id);
        if self.known.insert(hash) {
            self.order.push_back((until, hash));
        }
    }

    /// What is remembered, to be kept with the state.
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }
}

impl From<Order> for TakenSignals {
    fn from(order: Order) -> Self {
        Self { known: order.iter().map(|(_, hash)| *hash).collect(), order }
    }
}

#[cfg(test)]
#[path = "taken_tests.rs"]
mod tests;
