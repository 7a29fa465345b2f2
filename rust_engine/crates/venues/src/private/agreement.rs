//! Whether engine and account agree, and what the engine is told of it. Nothing opens until they do, and none of it is corrected
//! here: a difference that lasts halts under its name, and a person decides.

use engine::input::Reconciliation;
use model::{Qty, Ts};
use risk::reconcile::{Mismatch, Outcome, OwnView, VenueView, reconcile};

/// Looks in a row that show a difference before an engine that is ready hears of it.
const LOOKS: u32 = 2;
/// The same where orders were on their way during the last of them: then it must be the same difference each time.
const MOVING_LOOKS: u32 = 3;

/// What was found and told so far.
#[derive(Debug, Default)]
pub struct Agreement {
    told: Option<Reconciliation>,
    /// The difference that was told.
    known: Vec<Mismatch>,
    /// Differences that are not told yet, and how many looks in a row have shown each.
    suspects: Vec<(Mismatch, u32)>,
    n_suspicious: u32,
    looks: Looks,
}

/// How often the account was compared with the engine, and what came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// All comparisons since the start.
    pub n: u64,
    /// Those without a difference.
    pub n_agreed: u64,
    /// Those with one.
    pub n_differed: u64,
    /// Differences that the engine was told of.
    pub n_told: u64,
    /// When the account was last seen to agree.
    pub last_agreed_at: Option<Ts>,
}

/// When to look again, apart from the steady looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Not before the next steady one.
    Steady,
    /// Soon, because time may mend the difference.
    Soon,
    /// After a while, because the difference counts if it is still there.
    OnceMore,
}

/// What follows from a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to tell the engine; nothing where it knows.
    pub news: Option<Reconciliation>,
    /// When to look again.
    pub again: Again,
}

impl Agreement {
    /// What an engine is told at its start, before anything else.
    pub fn begin(&mut self) -> Reconciliation {
        let begun = Reconciliation { mismatch: Some("reconciliation: not compared yet".to_owned()) };
        self.told = Some(begun.clone());
        begun
    }

    /// What the account holds is not certain any more.
    pub fn on_unready(&mut self, reason: String) -> Option<Reconciliation> {
        self.known.clear();
        self.tell(Reconciliation { mismatch: Some(format!("reconciliation: {reason}")) })
    }

    /// Compares. `is_moving` says that orders were on their way while the view was read, `is_unready` that the engine waits for
    /// agreement: if it was told of this very difference and does not wait, then an operator has accepted it.
    pub fn on_view(&mut self, own: &OwnView, view: &VenueView, is_moving: bool, is_unready: bool) -> Verdict {
        // What moves is never up to date; whether that matters, the looks after this one show.
        let own_at = if is_moving { own.at.min(view.at) } else { own.at };
        let outcome = reconcile(&OwnView { at: own_at, ..own.clone() }, Ok(view));
        let found = match &outcome {
            Outcome::Reconciled => Vec::new(),
            Outcome::Mismatched(found) => found.iter().map(lasting).collect(),
        };
        // The view is older than our last word, or it moves while nothing may: then it says nothing.
        if found.iter().any(|m| matches!(m, Mismatch::Outdated { .. })) || (is_moving && is_unready) {
            return Verdict { news: None, again: Again::Soon };
        }
        self.looks.n += 1;
        if found.is_empty() {
            return self.on_equal(view.at);
        }
        self.looks.n_differed += 1;
        if found == self.known {
            self.forgive();
            return Verdict { news: None, again: if is_unready { Again::Soon } else { Again::Steady } };
        }
        if !is_unready && !self.lasts(&found, is_moving) {
            return Verdict { news: None, again: Again::OnceMore };
        }
        self.forgive();
        self.known = found;
        self.looks.n_told += 1;
        Verdict { news: self.tell(Reconciliation { mismatch: Some(outcome.to_string()) }), again: Again::Soon }
    }

    /// How often the account was compared.
    #[must_use]
    pub const fn looks(&self) -> Looks {
        self.looks
    }

    fn on_equal(&mut self, at: Ts) -> Verdict {
        self.looks.n_agreed += 1;
        self.looks.last_agreed_at = Some(at);
        self.forgive();
        self.known.clear();
        Verdict { news: self.tell(Reconciliation { mismatch: None }), again: Again::Steady }
    }

    /// Notes what an engine that trades does not know yet; `true` once it must.
    fn lasts(&mut self, found: &[Mismatch], is_moving: bool) -> bool {
        let before = std::mem::take(&mut self.suspects);
        let times = |m: &Mismatch| before.iter().find(|(other, _)| other == m).map_or(0, |(_, n)| *n);
        // What an operator has accepted is no suspect.
        let news = found.iter().filter(|m| !self.known.contains(m));
        self.suspects = news.map(|m| (m.clone(), times(m) + 1)).collect();
        self.n_suspicious += 1;
        if is_moving { self.suspects.iter().any(|(_, n)| *n >= MOVING_LOOKS) } else { self.n_suspicious >= LOOKS }
    }

    fn forgive(&mut self) {
        self.suspects.clear();
        self.n_suspicious = 0;
    }

    fn tell(&mut self, found: Reconciliation) -> Option<Reconciliation> {
        if self.told.as_ref() == Some(&found) {
            return None;
        }
        self.told = Some(found.clone());
        Some(found)
    }
}

/// A difference without what our own trades change in it.
fn lasting(found: &Mismatch) -> Mismatch {
    match found {
        Mismatch::PositionDiffers { symbol, ours, theirs } => {
            Mismatch::PositionDiffers { symbol: *symbol, ours: Qty::ZERO, theirs: *theirs - *ours }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
#[path = "agreement_tests.rs"]
mod tests;
