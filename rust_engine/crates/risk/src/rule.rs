//! The rules by name.

use model::OrderRequest;
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A rule that stops an order or the whole account.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $($(#[$doc])* $variant,)+
        }

        impl Rule {
            /// Every rule, in the order of declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            /// The rule's name in records and messages.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

rules! {
    /// Trading is halted.
    Halted = "halted",
    /// Only reductions are allowed.
    Reducing = "reducing",
    /// The instance has no share of its capital: stopped before it came to the gate.
    Idle = "idle",
    /// The symbol is not configured.
    UnknownSymbol = "unknown_symbol",
    /// Quantity is not a positive number of lots.
    LotSize = "lot_size",
    /// Price is not a positive number of ticks.
    TickSize = "tick_size",
    /// Spot: more than what was bought and is still held, less other sales that are open.
    ShortSale = "short_sale",
    /// The symbol has not traded yet, so nothing can be priced.
    NoPrice = "no_price",
    /// Limit or trigger price too far from the last price.
    PriceCollar = "price_collar",
    /// One order too large for its symbol, in base units.
    MaxOrderQty = "max_order_qty",
    /// One order too large, in quote currency.
    MaxOrderNotional = "max_order_notional",
    /// Position of the instance in the symbol too large.
    MaxPositionNotional = "max_position_notional",
    /// Sum of positions of the account too large.
    MaxGrossNotional = "max_gross_notional",
    /// Too many orders and cancels of the account within a second.
    MaxMessages = "max_messages_per_s",
    /// The instance opens the same side of the same symbol too often.
    MaxRepeats = "max_repeats",
    /// The same opening was sent a moment ago.
    Duplicate = "duplicate_order",
    /// The account lost too much since 00:00 UTC.
    MaxDailyLoss = "max_daily_loss",
    /// The account fell too far from its peak.
    MaxDrawdown = "max_drawdown_pct",
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
