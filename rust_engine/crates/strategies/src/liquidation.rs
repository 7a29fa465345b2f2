//! Liquidates loans below water, on paper: it books the round trip that repaying a loan and selling its collateral
//! would be.
//!
//! A chance is taken when it is fresh, its health factor is below one, and the bonus leaves enough after selling, flash
//! fee and gas; the arithmetic is crate [`mev`]'s. Everything else is skipped with its reason. Nothing is ever sent to
//! a chain.

use crate::state::kept_whole;
use crate::strategy::{Market, Strategy};
use mev::{Liquidation as Outcome, best_liquidation};
use model::message::{LoanPosition, MevOpportunity, OpportunityKind};
use model::params::LiquidationParams;
use model::{
    Action, Actions, Bar, Capture, Event, Money, OpportunityView, Price, Qty, Side, SignalView, StrategyParams, Ts,
};
use serde::{Deserialize, Serialize};

const SECOND_NS: f64 = 1e9;
/// Loans remembered at most; the one whose pause ends first makes room.
const MAX_REMEMBERED: usize = 4096;

/// A loan by chain, borrower, and the assets that change hands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct LoanKey(u64, String, String, String);

/// The strategy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Liquidation {
    params: LiquidationParams,
    capital: Money,
    lots: Vec<Option<Qty>>,
    /// Until when a loan is left alone.
    taken: Vec<(LoanKey, Ts)>,
}

/// A liquidation worth doing, and the loan it belongs to.
struct Chance {
    key: LoanKey,
    capture: Capture,
}

impl Liquidation {
    /// Without any loan seen.
    #[must_use]
    pub fn new(params: LiquidationParams, market: &Market) -> Self {
        let lots = market.per_symbol(|spec| spec.lot);
        Self { params, capital: market.capital, lots, taken: Vec::new() }
    }

    fn decide(&mut self, view: &OpportunityView<'_>, actions: &mut Actions) {
        if view.opportunity.kind != OpportunityKind::Liquidation {
            return;
        }
        let Some(Some(lot)) = self.lots.get(view.symbol.index()).copied() else { return };
        match self.judge(view, lot) {
            Ok(Chance { key, capture }) => {
                self.remember(key, view.at);
                actions.push(Action::Capture(capture));
            }
            Err(skipped) => actions.push(Action::Skip(SignalView {
                symbol: view.symbol,
                side: Side::Buy,
                strength: 0.0,
                price: seized_price(view.opportunity),
                skipped,
            })),
        }
    }

    fn judge(&self, view: &OpportunityView<'_>, lot: Qty) -> Result<Chance, &'static str> {
        let seen = view.opportunity;
        let Ts(now) = view.at;
        if now >= seen.expires_at_ns {
            return Err("expired");
        }
        if seen.at_ns > now || (now - seen.at_ns) as f64 > self.params.max_age * SECOND_NS {
            return Err("stale");
        }
        let loan = seen.liquidation.as_ref().ok_or("no_loan")?;
        let outcome = best_liquidation(loan).map_err(|_| "unsound_loan")?.ok_or("healthy_or_dust")?;
        if outcome.net < Money::from_f64(self.params.min_profit).map_err(|_| "too_small")? {
            return Err("too_small");
        }
        let cap = self.capital.times_rate((self.params.size * 1e6).round() as i64);
        if outcome.repaid_value > cap {
            return Err("too_large");
        }
        let key = key(seen.chain_id, loan).ok_or("unsound_loan")?;
        if self.taken.iter().any(|(other, until)| *other == key && *until > view.at) {
            return Err("already_taken");
        }
        let capture = capture(view, loan, &outcome, lot, self.params.min_profit).ok_or("size_below_one_lot")?;
        Ok(Chance { key, capture })
    }

    fn remember(&mut self, key: LoanKey, now: Ts) {
        self.taken.retain(|(_, until)| *until > now);
        if self.taken.len() == MAX_REMEMBERED {
            self.taken.remove(0);
        }
        let until = Ts(now.0.saturating_add((self.params.cooldown * SECOND_NS) as i64));
        self.taken.push((key, until));
    }
}

fn key(chain_id: u64, loan: &LoanPosition) -> Option<LoanKey> {
    let seized = &loan.collateral.get(usize::from(loan.seize))?.asset;
    let repaid = &loan.debt.get(usize::from(loan.repay))?.asset;
    Some(LoanKey(chain_id, loan.borrower.clone(), seized.clone(), repaid.clone()))
}

fn seized_price(seen: &MevOpportunity) -> Price {
    let reserve = seen.liquidation.as_ref().and_then(|loan| loan.collateral.get(usize::from(loan.seize)));
    reserve.map_or(Price::ZERO, |r| r.price)
}

/// The round trip in whole lots: what a lot costs is rounded up and what it brings is rounded down, so that paper never
/// brings more than [`Outcome::net`]. `None` when less than one lot is received.
fn capture(
    view: &OpportunityView<'_>,
    loan: &LoanPosition,
    outcome: &Outcome,
    lot: Qty,
    min_profit: f64,
) -> Option<Capture> {
    let qty = outcome.received.round_down(lot);
    let per_unit = i128::from(qty.0);
    if per_unit <= 0 {
        return None;
    }
    let proceeds = loan.collateral.get(usize::from(loan.seize))?.price * qty;
    let swap_cost = outcome.swap_cost;
    let buy_price = -(-outcome.repaid_value.0).div_euclid(per_unit);
    let sell_price = (proceeds - swap_cost).0.div_euclid(per_unit);
    let net = outcome.net.to_f64();
    Some(Capture {
        symbol: view.symbol,
        qty,
        buy_price: Price(i64::try_from(buy_price).ok()?),
        sell_price: Price(i64::try_from(sell_price).ok()?),
        fee: outcome.flash_fee + outcome.gas,
        // Twice the least profit is as strong as it gets.
        strength: if min_profit > 0.0 { (net / (2.0 * min_profit)).min(1.0) } else { 1.0 },
    })
}

impl Strategy for Liquidation {
    fn observe(&mut self, _: &Bar) {}

    fn on_event(&mut self, event: Event<'_>, actions: &mut Actions) {
        if let Event::Opportunity(view) = event {
            self.decide(&view, actions);
        }
    }

    fn set_params(&mut self, params: &StrategyParams) {
        let StrategyParams::Liquidation(p) = params else { return };
        self.params = p.clone();
    }

    fn set_capital(&mut self, capital: Money) {
        self.capital = capital;
    }

    kept_whole!();
}

#[cfg(test)]
#[path = "liquidation_tests.rs"]
mod tests;
