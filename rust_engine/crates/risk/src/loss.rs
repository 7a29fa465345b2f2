//! The account's loss since 00:00 UTC, and its fall from the highest equity it has had.

use crate::limits::LossLimits;
use crate::rule::Rule;
use model::{Money, TradingState, Ts};
use serde::{Deserialize, Serialize};

/// A limit of the account that stops trading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// `Reducing` or `Halted`.
    pub state: TradingState,
    /// `MaxDailyLoss` or `MaxDrawdown`.
    pub rule: Rule,
    /// The rule with its numbers, for people.
    pub text: String,
}

/// The marks that losses are measured from. Before the first equity the account stands at its capital.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LossWatch {
    seen: bool,
    utc_day: i64,
    day_start: Money,
    peak: Money,
    equity: Money,
    capital: Money,
}

impl LossWatch {
    /// Takes the account's equity at `at`. A change of capital is neither profit nor loss: the marks move with it.
    pub(crate) fn observe(&mut self, at: Ts, equity: Money, capital: Money) {
        if !self.seen {
            *self =
                Self { seen: true, utc_day: at.utc_day(), day_start: capital, peak: capital, equity: capital, capital };
        }
        let moved = capital - self.capital;
        if moved != Money::ZERO {
            self.day_start += moved;
            self.peak += moved;
            self.equity += moved;
            self.capital = capital;
        }
        if at.utc_day() > self.utc_day {
            self.utc_day = at.utc_day();
            self.day_start = self.equity;
        }
        self.equity = equity;
        self.peak = self.peak.max(equity);
    }

    /// Measures from the present equity on, as an operator who resumes accepts.
    pub(crate) fn start_anew(&mut self) {
        self.day_start = self.equity;
        self.peak = self.equity;
    }

    /// The strongest limit that the account has reached, and the state that it asks for.
    pub(crate) fn reached(&self, limits: &LossLimits) -> Option<(TradingState, Rule)> {
        let daily = limits.daily.and_then(|(halt, reduce)| {
            let loss = self.day_start - self.equity;
            step(loss.0, halt.0, reduce.0).map(|state| (state, Rule::MaxDailyLoss))
        });
        let drawdown = limits.drawdown_e8.and_then(|(halt_e8, reduce_e8)| {
            let at = |rate_e8: i64| self.peak.0.saturating_mul(i128::from(rate_e8));
            let fall = (self.peak - self.equity).0.saturating_mul(i128::from(model::fixed::SCALE));
            step(fall, at(halt_e8), at(reduce_e8)).map(|state| (state, Rule::MaxDrawdown))
        });
        let halts = |found: &Option<(TradingState, Rule)>| matches!(found, Some((TradingState::Halted, _)));
        if halts(&daily) { daily } else { drawdown.filter(|_| daily.is_none() || halts(&drawdown)).or(daily) }
    }

    /// The rule by name, with its numbers.
    pub(crate) fn text(&self, rule: Rule, limits: &LossLimits) -> String {
        match (rule, limits.daily, limits.drawdown_e8) {
            (Rule::MaxDailyLoss, Some((halt, _)), _) => {
                format!(
                    "{rule}: the account lost {} since 00:00 UTC; the limit is {halt}",
                    self.day_start - self.equity
                )
            }
            (_, _, Some((halt_e8, _))) => {
                let (fall, limit) = (self.peak - self.equity, self.peak.times_rate(halt_e8));
                format!("{rule}: the account fell {fall} from its peak of {}; the limit is {limit}", self.peak)
            }
            _ => rule.to_string(),
        }
    }
}

/// The state that a loss asks for. Everything in the same unit.
fn step(loss: i128, halt: i128, reduce: i128) -> Option<TradingState> {
    if loss <= 0 || loss < reduce {
        None
    } else if loss < halt {
        Some(TradingState::Reducing)
    } else {
        Some(TradingState::Halted)
    }
}

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
