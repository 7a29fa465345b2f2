//! Large opening orders wait here for the advisor. Reductions never come here.

use model::config::AdvicePolicy;
use model::message::AdviceAnswer;
use model::{Mode, OrderRequest, ParentOrder, Ts};
use serde::{Deserialize, Serialize};

/// An order that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingAdvice {
    /// Which request.
    pub advice_id: String,
    /// At this time on the injected clock no answer means no.
    pub deadline: Ts,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Held<T> {
    pub(crate) pending: PendingAdvice,
    pub(crate) order: OrderRequest,
    /// The parent, where the order is worked in children.
    pub(crate) work: Option<ParentOrder>,
    pub(crate) tag: T,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct AdviceDesk<T> {
    policy: Option<AdvicePolicy>,
    rate: Option<f64>,
    /// The configured rate counts as observed at the first event that is traded.
    observed_at: Option<Ts>,
    asked: u64,
    pub(crate) held: Vec<Held<T>>,
}

/// What an answer makes of an order.
#[derive(Debug, PartialEq)]
pub(crate) enum Word {
    /// Keep this share of the quantity.
    Keep(f64),
    /// No, with the outcome to record.
    Veto(&'static str),
}

impl From<&AdviceAnswer> for Word {
    fn from(answer: &AdviceAnswer) -> Self {
        match (answer.approve, answer.size_factor) {
            (false, _) => Self::Veto("advisor_veto"),
            (true, factor) if factor > 0.0 && factor <= 1.0 => Self::Keep(factor),
            // An answer outside its range was not understood, and what is not understood is not a yes.
            (true, _) => Self::Veto("advisor_invalid_size"),
        }
    }
}

impl<T> AdviceDesk<T> {
    pub(crate) fn new(policy: Option<AdvicePolicy>) -> Self {
        let policy = policy.filter(|p| p.enabled);
        let rate = policy.as_ref().map(|p| p.krw_per_quote).filter(|r| is_rate(*r));
        Self { policy, rate, observed_at: None, asked: 0, held: Vec::new() }
    }

    pub(crate) fn started_at(&mut self, at: Ts) {
        self.observed_at.get_or_insert(at);
    }

    pub(crate) fn set_rate(&mut self, krw_per_quote: f64, observed_at: Ts) {
        self.rate = Some(krw_per_quote);
        self.observed_at = Some(observed_at);
    }

    /// The rate in force; `None` when unknown or too old.
    pub(crate) fn rate_at(&self, at: Ts) -> Option<f64> {
        let policy = self.policy.as_ref()?;
        let age_ns = at.0.saturating_sub(self.observed_at?.0);
        let limit_ns = i64::try_from(policy.rate_max_age_ms).unwrap_or(i64::MAX).saturating_mul(Ts::MS);
        self.rate.filter(|_| age_ns <= limit_ns)
    }

    /// Whether the advisor must be asked about this order.
    pub(crate) fn wants(&self, mode: Mode, order: &OrderRequest) -> bool {
        let Some(policy) = &self.policy else { return false };
        if order.reduce_only || !mode.is_funded() {
            return false;
        }
        let notional = (order.decision_price * order.qty).to_f64();
        let is_large = self.rate_at(order.decided_at).is_none_or(|rate| notional * rate > policy.min_notional_krw);
        is_large || order.strength > policy.min_strength
    }

    /// Ids count per run, so that a replay asks under the same names.
    pub(crate) fn next_request(&mut self, origin: &str, at: Ts) -> PendingAdvice {
        self.asked += 1;
        let wait_ms = self.policy.as_ref().map_or(0, |p| p.deadline_ms);
        let wait_ns = i64::try_from(wait_ms).unwrap_or(i64::MAX).saturating_mul(Ts::MS);
        let deadline = Ts(at.0.saturating_add(wait_ns));
        PendingAdvice { advice_id: format!("{origin}-a{}", self.asked), deadline }
    }

    pub(crate) fn take(&mut self, wanted: impl Fn(&Held<T>) -> bool) -> Vec<Held<T>> {
        self.held.extract_if(.., |held| wanted(held)).collect()
    }
}

pub(crate) fn is_rate(value: f64) -> bool {
    value.is_finite() && value > 0.0
}
