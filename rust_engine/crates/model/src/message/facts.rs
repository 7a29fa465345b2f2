//! What happened: trades, signals and marks. Sent by the engine, kept by the worker.

use super::Shortfall;
use crate::config::Mode;
use crate::order::{Liquidity, Purpose, Side};
use crate::{Money, Price, Qty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

messages! {
/// One end of a trade: what was wanted and what was got.
pub struct Execution {
    /// Price the strategy looked at.
    pub decision_price: Price,
    /// Price when the order reached the venue.
    pub arrival_price: Price,
    /// Price it traded at.
    pub fill_price: Price,
    /// When it was decided.
    pub decided_at_ns: i64,
    /// When it filled.
    pub filled_at_ns: i64,
    /// Maker or taker.
    pub liquidity: Liquidity,
    /// Fee of this end, for the closed quantity.
    pub fee: Money,
    /// Modelled slippage of this end, for the closed quantity.
    pub slippage: Money,
}

/// Indicators of the symbol at the decision, from closed bars only; null until warmed up.
pub struct IndicatorSnapshot {
    /// RSI(14), 0 to 100.
    pub rsi: Option<f64>,
    /// MACD(12, 26) line in price units.
    pub macd: Option<f64>,
    /// Its EMA(9).
    pub macd_signal: Option<f64>,
    /// Upper Bollinger band (20, 2).
    pub bollinger_upper: Option<f64>,
    /// Lower Bollinger band (20, 2).
    pub bollinger_lower: Option<f64>,
    /// EMA(12).
    pub ema_fast: Option<f64>,
    /// EMA(26).
    pub ema_slow: Option<f64>,
    /// ATR(14) in price units.
    pub atr: Option<f64>,
}

/// State of the symbol's market at the decision; null until warmed up.
pub struct MarketConditions {
    /// Standard deviation of the last 48 log returns, in bps per bar.
    pub volatility_bps: Option<f64>,
    /// Volume over its mean of the last 48 bars.
    pub volume_ratio: Option<f64>,
    /// EMA(12) over EMA(26) minus one, in bps.
    pub trend_bps: Option<f64>,
}

/// The book at the decision. Bars prove none, so it is null there.
pub struct BookSnapshot {
    /// Bids, best first: price and quantity.
    pub bids: Vec<(Price, Qty)>,
    /// Asks, best first.
    pub asks: Vec<(Price, Qty)>,
}

/// A closed round trip: one closing fill against the oldest open quantity.
pub struct TradeEvent {
    /// `{engine_id}:{instance_id}-{n}`, n counting the instance's round trips.
    pub trade_id: String,
    /// Instance that traded.
    pub instance_id: String,
    /// Its strategy.
    pub strategy: String,
    /// Its mode.
    pub mode: Mode,
    /// Version of the parameters that decided the entry.
    pub params_version: u64,
    /// Their hash.
    pub params_sha256: String,
    /// Symbol.
    pub symbol: String,
    /// Side of the entry.
    pub side: Side,
    /// Closed quantity.
    pub qty: Qty,
    /// Strength of the entry signal.
    pub signal_strength: f64,
    /// How it was opened.
    pub entry: Execution,
    /// How it was closed.
    pub exit: Execution,
    /// Why it was closed.
    pub exit_reason: Purpose,
    /// Profit before fees and slippage.
    pub gross_pnl: Money,
    /// Profit after both.
    pub net_pnl: Money,
    /// Indicators at the entry decision.
    pub indicators: IndicatorSnapshot,
    /// Market at the entry decision.
    pub conditions: MarketConditions,
    /// Book at the entry decision, null when the market data hold none.
    pub book: Option<BookSnapshot>,
    /// The advice that let it pass, null when none was asked.
    pub advice_id: Option<String>,
    /// What getting in and out cost beside the decision prices.
    pub shortfall: Shortfall,
}

/// A wish to open, taken or not.
pub struct SignalEvent {
    /// `{engine_id}:{instance_id}-s{n}`.
    pub signal_id: String,
    /// Instance.
    pub instance_id: String,
    /// Strategy.
    pub strategy: String,
    /// Symbol.
    pub symbol: String,
    /// Direction.
    pub side: Side,
    /// Strength.
    pub strength: f64,
    /// When.
    pub at_ns: i64,
    /// Price looked at.
    pub price: Price,
    /// Quantity wanted.
    pub qty: Qty,
    /// Version of the parameters.
    pub params_version: u64,
    /// `taken`, or the rule that stopped it: a risk limit, `advisor_veto`, `advisor_timeout`, `halted`, or the strategy's own.
    pub outcome: String,
    /// Indicators at that moment.
    pub indicators: IndicatorSnapshot,
    /// Market at that moment.
    pub conditions: MarketConditions,
}

/// Equity of one instance at a round time.
pub struct EquityMark {
    /// Instance.
    pub instance_id: String,
    /// Strategy.
    pub strategy: String,
    /// Mode.
    pub mode: Mode,
    /// When.
    pub at_ns: i64,
    /// Capital the sizes refer to: the instance's own times its share now. It moves with the share, which is no profit.
    pub capital: Money,
    /// Capital plus realised and unrealised profit, after costs.
    pub equity: Money,
    /// Sum of absolute positions at the last price.
    pub gross_notional: Money,
    /// Fees and slippage so far.
    pub costs: Money,
    /// Version of the parameters.
    pub params_version: u64,
    /// Signed position by symbol.
    pub positions: BTreeMap<String, Qty>,
    /// Last price by symbol.
    pub prices: BTreeMap<String, Price>,
}
}
