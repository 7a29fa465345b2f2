//! Requests as Python writes them.

use engine::backtest::BacktestRequest;
use model::message::Prediction;
use model::{Costs, Money, Price, Qty, RiskLimits, RuleSet, SymbolSpec, Ts};
use serde::Deserialize;
use sim::market::{MarketSpec, MarketSymbol, Turn};
use std::collections::BTreeMap;

/// A backtest or sweep; `params` is empty in a sweep.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) symbols: Vec<SymbolSpec>,
    strategy: String,
    pub(crate) params: BTreeMap<String, f64>,
    rules: Option<RuleSet>,
    capital: Money,
    costs: Costs,
    limits: Option<RiskLimits>,
    trade_from_ns: i64,
    day_offset_ns: i64,
}

impl Request {
    pub(crate) fn plan<'a>(
        &'a self,
        params: &'a BTreeMap<String, f64>,
        predictions: Option<&'a [Prediction]>,
        keep_rows: bool,
    ) -> BacktestRequest<'a> {
        BacktestRequest {
            symbols: &self.symbols,
            strategy: &self.strategy,
            params,
            rules: self.rules.as_ref(),
            capital: self.capital,
            costs: self.costs,
            limits: self.limits.clone(),
            predictions,
            trade_from: Ts(self.trade_from_ns),
            day_offset_ns: self.day_offset_ns,
            keep_rows,
        }
    }
}

/// A symbol of a synthetic market.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MarketSymbolRequest {
    tick: Price,
    lot: Qty,
    start_price: Price,
}

/// A synthetic market.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MarketRequest {
    seed: u64,
    n_bars: usize,
    bar_ms: i64,
    start_ns: i64,
    symbols: Vec<MarketSymbolRequest>,
    volatility_bps: f64,
    bounce_bps: f64,
    burst_strength: f64,
    turn: Option<TurnRequest>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TurnRequest {
    at_bar: usize,
    bounce_bps: f64,
}

impl From<MarketRequest> for MarketSpec {
    fn from(r: MarketRequest) -> Self {
        let symbol = |s: &MarketSymbolRequest| MarketSymbol { tick: s.tick, lot: s.lot, start_price: s.start_price };
        Self {
            seed: r.seed,
            n_bars: r.n_bars,
            bar_ns: r.bar_ms.saturating_mul(Ts::MS),
            start_at: Ts(r.start_ns),
            symbols: r.symbols.iter().map(symbol).collect(),
            volatility_bps: r.volatility_bps,
            bounce_bps: r.bounce_bps,
            burst_strength: r.burst_strength,
            turn: r.turn.map(|t| Turn { at_bar: t.at_bar, bounce_bps: t.bounce_bps }),
        }
    }
}

/// Reads a request; the error names the field.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|e| format!("request is not understood: {e}"))
}
