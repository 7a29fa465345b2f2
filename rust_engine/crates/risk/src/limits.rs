//! The configured limits in the form that the gate compares.

use model::{Money, Price, Qty, RiskLimits, SymbolSpec, Ts};

/// Above this an amount cannot be the limit of any account, and products with it could leave the range of [`Money`].
const LARGEST: Money = Money(92_000_000_000 * model::fixed::MONEY_SCALE);
const SECOND_NS: i64 = 1_000_000_000;

/// Why limits were refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LimitError {
    /// A value that is no limit.
    #[error("limits.{field} = {value}: must be above zero and at most {most}")]
    Range {
        /// Which.
        field: &'static str,
        /// Its value.
        value: String,
        /// The largest that makes sense.
        most: String,
    },
    /// A quantity limit of a symbol that the run does not have.
    #[error("limits.max_order_qty names '{symbol}', which is not one of the configured symbols")]
    UnknownSymbol {
        /// The name.
        symbol: String,
    },
}

/// Limits on the account's loss.
#[derive(Clone, Debug)]
pub(crate) struct LossLimits {
    /// Loss of the day that halts, and the one that reduces.
    pub(crate) daily: Option<(Money, Money)>,
    /// Fall from the peak that halts, and the one that reduces, in 1e-8 of the peak.
    pub(crate) drawdown_e8: Option<(i64, i64)>,
}

/// Limits on orders.
#[derive(Clone, Debug)]
pub(crate) struct OrderLimits {
    pub(crate) order_notional: Money,
    pub(crate) position_notional: Money,
    pub(crate) gross_notional: Money,
    /// Largest distance from the last price, in 1e-8 of it.
    pub(crate) collar_e8: i64,
    /// Largest quantity by symbol.
    pub(crate) order_qty: Vec<Option<Qty>>,
    pub(crate) messages_per_s: Option<usize>,
    pub(crate) repeats: Option<usize>,
    /// Zero when nothing is throttled by it.
    pub(crate) repeat_window_ns: i64,
    /// Zero when duplicates are not looked for.
    pub(crate) duplicate_window_ns: i64,
    pub(crate) loss: LossLimits,
}

fn range(field: &'static str, value: impl ToString, most: impl ToString) -> LimitError {
    LimitError::Range { field, value: value.to_string(), most: most.to_string() }
}

fn amount(field: &'static str, value: Money) -> Result<Money, LimitError> {
    if value > Money::ZERO && value <= LARGEST { Ok(value) } else { Err(range(field, value, LARGEST)) }
}

fn count(field: &'static str, value: Option<u32>) -> Result<Option<usize>, LimitError> {
    match value {
        None => Ok(None),
        Some(n) => match usize::try_from(n) {
            Ok(n) if n > 0 => Ok(Some(n)),
            _ => Err(range(field, n, u32::MAX)),
        },
    }
}

fn percent_e8(field: &'static str, value: f64) -> Result<i64, LimitError> {
    if value > 0.0 && value <= 100.0 { Ok((value * 1e6).round() as i64) } else { Err(range(field, value, 100)) }
}

fn window_ns(field: &'static str, ms: u64) -> Result<i64, LimitError> {
    let ns = i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(Ts::MS)).filter(|ns| (1..=Ts::DAY).contains(ns));
    ns.ok_or_else(|| range(field, ms, Ts::DAY / Ts::MS))
}

impl OrderLimits {
    /// Checks every field of `limits` once.
    pub(crate) fn new(limits: &RiskLimits, symbols: &[SymbolSpec]) -> Result<Self, LimitError> {
        let collar = limits.price_collar_bps;
        if !(collar > 0.0 && collar <= 10_000.0) {
            return Err(range("price_collar_bps", collar, 10_000));
        }
        let repeats = count("max_repeats", limits.max_repeats)?;
        Ok(Self {
            order_notional: amount("max_order_notional", limits.max_order_notional)?,
            position_notional: amount("max_position_notional", limits.max_position_notional)?,
            gross_notional: amount("max_gross_notional", limits.max_gross_notional)?,
            collar_e8: (collar * 1e4).round() as i64,
            order_qty: quantities(limits, symbols)?,
            messages_per_s: count("max_messages_per_s", limits.max_messages_per_s)?,
            repeats,
            repeat_window_ns: match repeats {
                None => 0,
                Some(_) => window_ns("repeat_window_ms", limits.repeat_window_ms)?,
            },
            duplicate_window_ns: match limits.duplicate_window_ms {
                None => 0,
                Some(ms) => window_ns("duplicate_window_ms", ms)?,
            },
            loss: LossLimits::new(limits)?,
        })
    }

    /// Whether a price that an order names is further from `last` than the collar allows.
    pub(crate) fn is_outside_collar(&self, named: Price, last: Price) -> bool {
        let distance = (i128::from(named.0) - i128::from(last.0)).abs() * i128::from(model::fixed::SCALE);
        distance > i128::from(last.0) * i128::from(self.collar_e8)
    }

    /// The window of the message throttle.
    pub(crate) const MESSAGE_WINDOW_NS: i64 = SECOND_NS;
}

fn quantities(limits: &RiskLimits, symbols: &[SymbolSpec]) -> Result<Vec<Option<Qty>>, LimitError> {
    let mut by_symbol = vec![None; symbols.len()];
    for (name, qty) in &limits.max_order_qty {
        if *qty <= Qty::ZERO {
            return Err(range("max_order_qty", qty, Qty(i64::MAX)));
        }
        match symbols.iter().position(|spec| spec.name == *name) {
            Some(i) => by_symbol[i] = Some(*qty),
            None => return Err(LimitError::UnknownSymbol { symbol: name.clone() }),
        }
    }
    Ok(by_symbol)
}

impl LossLimits {
    fn new(limits: &RiskLimits) -> Result<Self, LimitError> {
        let reduce_at_e8 = percent_e8("reduce_at_pct", limits.reduce_at_pct)?;
        let daily = match limits.max_daily_loss {
            None => None,
            Some(loss) => {
                let halt = amount("max_daily_loss", loss)?;
                Some((halt, halt.times_rate(reduce_at_e8)))
            }
        };
        let drawdown_e8 = match limits.max_drawdown_pct {
            None => None,
            Some(pct) => {
                let halt = percent_e8("max_drawdown_pct", pct)?;
                // Both are at most 1e8, so their product fits.
                Some((halt, halt * reduce_at_e8 / model::fixed::SCALE))
            }
        };
        Ok(Self { daily, drawdown_e8 })
    }
}
