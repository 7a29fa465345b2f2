//! What models and searchers tell the engine, and what became of it.
//!
//! A prediction is worth something for seconds: it is replaced by a newer one of the same symbol, horizon and model, and
//! dropped when it expires. What became of each is feedback, and feedback is never dropped.

use crate::order::Side;
use crate::{Money, Price, Qty};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// No signal is acted on when it is older than this, whatever it says of its own expiry: thirty seconds.
pub const SIGNAL_LONGEST_NS: i64 = 30_000_000_000;
/// So far may the clock that stamped a signal be ahead of the one that judges it: two seconds.
pub const SIGNAL_AHEAD_NS: i64 = 2_000_000_000;

messages! {
/// A model's view of one symbol. All times count on the injected clock, in nanoseconds since 1970, UTC.
pub struct Prediction {
    /// Unique; feedback names it.
    pub prediction_id: String,
    /// When the data it rests on were known.
    pub at_ns: i64,
    /// Symbol.
    pub symbol: String,
    /// Expected sign and strength of the move, -1 (down) to 1 (up).
    #[schemars(range(min = -1.0, max = 1.0))]
    pub direction: f64,
    /// Calibrated probability that the sign is right.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Expected signed move over the horizon, in bps.
    pub expected_move_bps: f64,
    /// Horizon.
    pub horizon_ms: u64,
    /// Expected standard deviation of the move over the horizon, in bps; null when the model does not say.
    pub expected_volatility_bps: Option<f64>,
    /// Market regime as the model sees it.
    pub regime: Option<String>,
    /// How an order should be worked.
    pub recommended_strategy: Recommendation,
    /// Hints for it by name, for example `slices`; what is unknown or out of range is ignored.
    pub strategy_params: BTreeMap<String, f64>,
    /// After this it must not be acted on.
    pub expires_at_ns: i64,
    /// Which model.
    pub model: String,
    /// Hash of the model's file.
    pub model_sha256: String,
    /// Hash of the feature schema it reads.
    pub feature_schema: String,
    /// Its strongest reasons: feature and contribution, at most five.
    pub reasons: Vec<(String, f64)>,
}

/// What one instance made of one prediction.
pub struct PerformanceFeedback {
    /// `{engine_id}:{instance_id}-p{n}`.
    pub feedback_id: String,
    /// The prediction.
    pub prediction_id: String,
    /// The instance.
    pub instance_id: String,
    /// Symbol.
    pub symbol: String,
    /// `taken`, or why not: `stale`, `expired`, `future`, `low_confidence`, `wrong_horizon`, `neutral`, `busy`, `refused`.
    pub outcome: String,
    /// When it was received, on the market's clock.
    pub received_at_ns: i64,
    /// When this feedback was made.
    pub at_ns: i64,
    /// Side traded; null when nothing was.
    pub side: Option<Side>,
    /// Quantity filled.
    pub qty: Qty,
    /// Price when it was decided; null when nothing was.
    pub decision_price: Option<Price>,
    /// Mean fill price; null when nothing filled.
    pub mean_fill_price: Option<Price>,
    /// Cost of getting in, null when nothing was ordered.
    pub shortfall: Option<Shortfall>,
    /// Move of the price over the horizon, signed, in bps; null when the horizon was not lived to its end.
    pub realised_move_bps: Option<f64>,
    /// Version of the parameters that decided.
    pub params_version: u64,
    /// Whether fills were simulated.
    pub simulated: bool,
}

/// Implementation shortfall after Perold (1988): paper return minus real one, split. Above zero is a cost.
pub struct Shortfall {
    /// From the decision to the arrival at the venue: quantity filled times the move against us.
    pub delay: Money,
    /// Half spread paid at arrival, on the quantity filled; zero where no book was known.
    pub spread: Money,
    /// The rest of the distance between arrival and fill.
    pub impact: Money,
    /// Quantity not filled times the move against us until the order ended.
    pub opportunity: Money,
}

/// A chance on a chain. The engine only ever simulates it.
pub struct MevOpportunity {
    /// Unique.
    pub opportunity_id: String,
    /// What kind.
    pub kind: OpportunityKind,
    /// Chain id after EIP-155.
    pub chain_id: u64,
    /// Block it was seen at.
    pub block: u64,
    /// The pending transaction that opens it; null when the state alone does.
    pub target_tx: Option<String>,
    /// Addresses of the pools it runs through.
    pub pools: Vec<String>,
    /// When it was seen.
    pub at_ns: i64,
    /// After this it is gone.
    pub expires_at_ns: i64,
    /// The symbol in which it pays.
    pub symbol: String,
    /// The loan, where it is a liquidation.
    pub liquidation: Option<LoanPosition>,
}

/// A loan that anybody may liquidate when its health factor is below one.
pub struct LoanPosition {
    /// Rules of which protocol.
    pub protocol: LendingProtocol,
    /// Who borrowed.
    pub borrower: String,
    /// What secures the loan.
    pub collateral: Vec<LoanReserve>,
    /// What is owed.
    pub debt: Vec<LoanReserve>,
    /// Which of `collateral` a liquidator would take.
    pub seize: u16,
    /// Which of `debt` a liquidator would repay.
    pub repay: u16,
    /// Extra collateral that a liquidator gets, in bps of what was repaid.
    pub bonus_bps: f64,
    /// Share of the bonus that the protocol keeps, in bps of the bonus.
    pub protocol_fee_bps: f64,
    /// Fee of the flash loan, in bps of what was repaid.
    pub flash_fee_bps: f64,
    /// Cost of selling what was seized, in bps of its value.
    pub swap_cost_bps: f64,
    /// Gas, in quote currency.
    pub gas: Money,
}

/// One side of a loan in one asset, priced by the protocol's own oracle.
pub struct LoanReserve {
    /// Asset, for example `WETH`.
    pub asset: String,
    /// Amount.
    pub amount: Qty,
    /// Oracle price in quote currency.
    pub price: Price,
    /// Share of the value that counts as security, 0 to 1; ignored for debt.
    pub liquidation_threshold: f64,
}
}

impl Copy for Shortfall {}

/// How a model would have an order worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum Recommendation {
    /// One market order.
    #[default]
    Immediate,
    /// Equal parts.
    Twap,
    /// After the usual volume curve.
    Vwap,
    /// A share of the market's volume.
    Pov,
    /// A limit order that shows a part of itself.
    Iceberg,
    /// Almgren and Chriss.
    AlmgrenChriss,
}

/// What kind of chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum OpportunityKind {
    /// A loan below water.
    Liquidation,
    /// A cycle through pools.
    Arbitrage,
    /// Around somebody's swap; only ever labelled, never traded.
    Sandwich,
    /// Liquidity for one swap; only ever labelled, never traded.
    Jit,
}

/// Rules of a lending protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum LendingProtocol {
    /// Aave 2: half of one debt.
    AaveV2,
    /// Aave 3 before 3.3: half of one debt, all of it at a health factor of 0.95 or below.
    AaveV3,
    /// Aave 3.3 and later: half of the whole position, all of a small reserve, no dust left.
    AaveV33,
    /// Compound 2: half of one debt.
    CompoundV2,
}
