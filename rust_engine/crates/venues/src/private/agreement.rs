//! Whether engine and account agree, and what the engine is told of it. Nothing opens until they do.

use engine::input::Reconciliation;
use risk::reconcile::{Outcome, OwnView, VenueView, reconcile};

/// What was found and told so far.
#[derive(Debug, Default)]
pub struct Agreement {
    told: Option<Reconciliation>,
}

/// What follows from a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What to tell the engine; nothing where it knows.
    pub news: Option<Reconciliation>,
    /// Whether to look once more, because time may mend the difference.
    pub recheck: bool,
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
        self.tell(Reconciliation { mismatch: Some(format!("reconciliation: {reason}")) })
    }

    /// Compares. `is_unready` says whether the engine still waits for agreement: if it was told of this very difference and does
    /// not wait, then an operator has accepted it.
    pub fn on_view(&mut self, own: &OwnView, view: &VenueView, is_unready: bool) -> Verdict {
        let outcome = reconcile(own, Ok(view));
        let mismatch = (outcome != Outcome::Reconciled).then(|| outcome.to_string());
        let is_equal = mismatch.is_none();
        let news = self.tell(Reconciliation { mismatch });
        let is_accepted = news.is_none() && !is_unready;
        Verdict { recheck: !is_equal && !is_accepted, news }
    }

    fn tell(&mut self, found: Reconciliation) -> Option<Reconciliation> {
        if self.told.as_ref() == Some(&found) {
            return None;
        }
        self.told = Some(found.clone());
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Qty, SymbolId, Ts};
    use std::collections::BTreeMap;

    fn view(position: i64) -> VenueView {
        VenueView { at: Ts(2), orders: Vec::new(), positions: BTreeMap::from([(SymbolId(0), Qty(position))]) }
    }

    #[test]
    fn a_difference_is_told_once_looked_at_again_and_left_once_an_operator_accepts_it() {
        let mut agreement = Agreement::default();
        assert!(agreement.begin().mismatch.is_some());
        let own = OwnView { at: Ts(1), ..OwnView::default() };
        let first = agreement.on_view(&own, &view(7), true);
        assert!(first.recheck && first.news.unwrap().mismatch.unwrap().contains("position_differs"));
        assert_eq!(agreement.on_view(&own, &view(7), true), Verdict { news: None, recheck: true });
        assert_eq!(agreement.on_view(&own, &view(7), false), Verdict { news: None, recheck: false });
        let other = agreement.on_view(&own, &view(8), false);
        assert!(other.recheck && other.news.is_some(), "another difference was not accepted");
        let equal = agreement.on_view(&own, &view(0), true);
        assert_eq!(equal, Verdict { news: Some(Reconciliation { mismatch: None }), recheck: false });
        assert!(agreement.on_unready("no_answer: x".into()).is_some());
        assert_eq!(agreement.on_unready("no_answer: x".into()), None);
    }
}
