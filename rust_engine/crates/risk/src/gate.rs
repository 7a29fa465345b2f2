//! The gate itself.

use model::{InstanceId, Money, OrderKind, OrderRequest, Price, Qty, RiskLimits, SymbolId, SymbolSpec, TradingState};
use std::fmt;

/// A value that passed the gate. The field is private: nothing outside this file can make one.
#[derive(Debug, PartialEq)]
pub struct RiskApproved<T>(T);

impl<T> RiskApproved<T> {
    /// What was approved.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Gives the value back; it needs another approval before it can be sent again.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The rule an order broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Trading is halted.
    Halted,
    /// Only reductions are allowed.
    Reducing,
    /// Quantity is not a positive number of lots.
    LotSize,
    /// Price is not a positive number of ticks.
    TickSize,
    /// The symbol has not traded yet, so nothing can be priced.
    NoPrice,
    /// Limit price too far from the last price.
    PriceCollar,
    /// One order too large.
    MaxOrderNotional,
    /// Position of the instance in the symbol too large.
    MaxPositionNotional,
    /// Sum of positions of the account too large.
    MaxGrossNotional,
}

impl Rule {
    /// The rule's name in records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Reducing => "reducing",
            Self::LotSize => "lot_size",
            Self::TickSize => "tick_size",
            Self::NoPrice => "no_price",
            Self::PriceCollar => "price_collar",
            Self::MaxOrderNotional => "max_order_notional",
            Self::MaxPositionNotional => "max_position_notional",
            Self::MaxGrossNotional => "max_gross_notional",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An order that did not pass, and the first rule it broke.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("order {} refused: {rule}", order.id.0)]
pub struct RiskRefused {
    /// The order.
    pub order: OrderRequest,
    /// The rule.
    pub rule: Rule,
}

/// Why limits were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("limits.{field} = {value}: must be above zero")]
pub struct LimitError {
    field: &'static str,
    value: String,
}

/// What the gate must know about the account at the moment of sending.
pub trait Exposure {
    /// Last price of the symbol; zero if it has not traded.
    fn last_price(&self, symbol: SymbolId) -> Price;
    /// Signed position of the instance.
    fn position(&self, instance: InstanceId, symbol: SymbolId) -> Qty;
    /// Quantities that rest and could open, buys and sells.
    fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty);
    /// Worst-case notional of every other pair of instance and symbol in the same account.
    fn gross_elsewhere(&self, instance: InstanceId, symbol: SymbolId) -> Money;
}

/// Checks every order against the trading state, the symbol's grid and the hard limits.
#[derive(Debug)]
pub struct RiskGate {
    state: TradingState,
    limits: Option<RiskLimits>,
    collar_e8: i64,
    grid: Vec<(Price, Qty)>,
}

impl RiskGate {
    /// A gate in state `Active`. Without limits (backtests) the grid and the trading state are still checked.
    ///
    /// # Errors
    /// A limit that is not above zero.
    pub fn new(limits: Option<RiskLimits>, symbols: &[SymbolSpec]) -> Result<Self, LimitError> {
        let mut collar_e8 = 0;
        if let Some(l) = &limits {
            for (field, value) in [
                ("max_order_notional", l.max_order_notional),
                ("max_position_notional", l.max_position_notional),
                ("max_gross_notional", l.max_gross_notional),
            ] {
                if value <= Money::ZERO {
                    return Err(LimitError { field, value: value.to_string() });
                }
            }
            if !(l.price_collar_bps > 0.0 && l.price_collar_bps <= 10_000.0) {
                return Err(LimitError { field: "price_collar_bps", value: l.price_collar_bps.to_string() });
            }
            collar_e8 = (l.price_collar_bps * 1e4).round() as i64;
        }
        let grid = symbols.iter().map(|s| (s.tick, s.lot)).collect();
        Ok(Self { state: TradingState::Active, limits, collar_e8, grid })
    }

    /// Whether new exposure may be opened.
    #[must_use]
    pub fn state(&self) -> TradingState {
        self.state
    }

    /// Latches a trading state.
    pub fn set_state(&mut self, state: TradingState) {
        self.state = state;
    }

    /// Passes the order on, or says which rule it breaks. Reductions pass in every state and under every limit.
    ///
    /// # Errors
    /// [`RiskRefused`] with the first broken rule.
    pub fn approve(
        &self,
        order: OrderRequest,
        exposure: &impl Exposure,
    ) -> Result<RiskApproved<OrderRequest>, RiskRefused> {
        match self.check(&order, exposure) {
            Ok(()) => Ok(RiskApproved(order)),
            Err(rule) => Err(RiskRefused { order, rule }),
        }
    }

    fn check(&self, order: &OrderRequest, exposure: &impl Exposure) -> Result<(), Rule> {
        let (tick, lot) = self.grid[order.symbol.index()];
        if order.qty.0 <= 0 || order.qty.0 % lot.0 != 0 {
            return Err(Rule::LotSize);
        }
        let named = match order.kind {
            OrderKind::Market => None,
            OrderKind::Limit { price } => Some(price),
            OrderKind::Stop { trigger } => Some(trigger),
        };
        if named.is_some_and(|p| p.0 <= 0 || p.0 % tick.0 != 0) {
            return Err(Rule::TickSize);
        }
        if order.reduce_only {
            return Ok(());
        }
        match self.state {
            TradingState::Halted => return Err(Rule::Halted),
            TradingState::Reducing => return Err(Rule::Reducing),
            TradingState::Active => {}
        }
        match &self.limits {
            None => Ok(()),
            Some(limits) => self.check_limits(limits, order, exposure),
        }
    }

    fn check_limits(&self, limits: &RiskLimits, order: &OrderRequest, exposure: &impl Exposure) -> Result<(), Rule> {
        let last = exposure.last_price(order.symbol);
        if last.0 <= 0 {
            return Err(Rule::NoPrice);
        }
        if let OrderKind::Limit { price } = order.kind {
            let distance = i128::from((price - last).0.abs()) * i128::from(model::fixed::SCALE);
            if distance > i128::from(last.0) * i128::from(self.collar_e8) {
                return Err(Rule::PriceCollar);
            }
        }
        if last * order.qty > limits.max_order_notional {
            return Err(Rule::MaxOrderNotional);
        }
        let position = exposure.position(order.instance, order.symbol);
        let (mut buys, mut sells) = exposure.resting(order.instance, order.symbol);
        match order.side {
            model::Side::Buy => buys += order.qty,
            model::Side::Sell => sells += order.qty,
        }
        let filled = if order.side == model::Side::Buy { position + buys } else { position - sells };
        if last * filled.abs() > limits.max_position_notional {
            return Err(Rule::MaxPositionNotional);
        }
        let here = last * worst_position(position, buys, sells);
        if here + exposure.gross_elsewhere(order.instance, order.symbol) > limits.max_gross_notional {
            return Err(Rule::MaxGrossNotional);
        }
        Ok(())
    }
}

/// The largest absolute position that `position` can become if either side's resting orders fill.
#[must_use]
pub fn worst_position(position: Qty, buys: Qty, sells: Qty) -> Qty {
    (position + buys).abs().max((position - sells).abs())
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
