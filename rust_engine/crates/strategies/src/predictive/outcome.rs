//! What became of predictions, as feedback.

use super::admission::Admitted;
use crate::driver::Moment;
use model::message::Shortfall;
use model::{FeedbackView, Price, Qty, Side, SymbolId, Ts, Worked};
use serde::{Deserialize, Serialize};

/// A prediction that was traded and whose feedback is still owed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Taken {
    number: u64,
    received_at: Ts,
    side: Side,
    decision_price: Price,
    /// End of the horizon.
    due: Ts,
    /// Set when its entry has been worked.
    result: Option<Entry>,
    /// Move over the horizon, once it is over.
    realised_move_bps: Option<f64>,
}

/// How getting in went.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    qty: Qty,
    mean_price: Option<Price>,
    shortfall: Shortfall,
}

impl Taken {
    pub(crate) fn new(admitted: &Admitted, decision_price: Price, due: Ts) -> Self {
        let Admitted { number, received_at, side, .. } = *admitted;
        Self { number, received_at, side, decision_price, due, result: None, realised_move_bps: None }
    }

    /// Its feedback when the entry never began.
    pub(crate) fn not_begun(&self, symbol: SymbolId) -> FeedbackView {
        refused(self.number, symbol, self.received_at, "refused")
    }

    /// Whether its entry is still being worked.
    pub(crate) fn is_open(&self) -> bool {
        self.result.is_none()
    }

    pub(crate) fn worked(&mut self, worked: &Worked) {
        // A mean of fixed-point prices lies between them, so that it fits.
        let mean = (worked.filled > Qty::ZERO).then(|| worked.notional.0 / i128::from(worked.filled.0));
        let mean_price = mean.and_then(|units| i64::try_from(units).ok()).map(Price);
        self.result = Some(Entry { qty: worked.filled, mean_price, shortfall: worked.shortfall });
    }

    /// Its feedback, once the horizon is over and the entry is worked. The move is measured at the first price after the end.
    pub(crate) fn feedback(&mut self, now: Moment) -> Option<FeedbackView> {
        if now.at < self.due {
            return None;
        }
        let decided = self.decision_price.0 as f64;
        let realised = *self.realised_move_bps.get_or_insert((now.price.0 as f64 / decided - 1.0) * 1e4);
        let entry = self.result?;
        Some(FeedbackView {
            outcome: "taken",
            side: Some(self.side),
            qty: entry.qty,
            decision_price: Some(self.decision_price),
            mean_fill_price: entry.mean_price,
            shortfall: Some(entry.shortfall),
            realised_move_bps: Some(realised),
            ..refused(self.number, now.symbol, self.received_at, "taken")
        })
    }
}

/// Feedback on a prediction that was not traded; `outcome` says why.
pub(crate) fn refused(number: u64, symbol: SymbolId, received_at: Ts, outcome: &'static str) -> FeedbackView {
    FeedbackView {
        number,
        symbol,
        outcome,
        received_at,
        side: None,
        qty: Qty::ZERO,
        decision_price: None,
        mean_fill_price: None,
        shortfall: None,
        realised_move_bps: None,
    }
}
