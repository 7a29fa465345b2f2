//! Which public market data the engine listens to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An exchange's market that publishes data without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum MarketVenue {
    /// Binance spot.
    BinanceSpot,
    /// Binance USD-M perpetuals and futures.
    BinanceUsdm,
    /// Bybit spot.
    BybitSpot,
    /// Bybit USDT and USDC perpetuals.
    BybitLinear,
}

impl MarketVenue {
    /// The name it has in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BinanceSpot => "binance_spot",
            Self::BinanceUsdm => "binance_usdm",
            Self::BybitSpot => "bybit_spot",
            Self::BybitLinear => "bybit_linear",
        }
    }

    /// Whether its symbols pay funding.
    #[must_use]
    pub const fn has_funding(self) -> bool {
        matches!(self, Self::BinanceUsdm | Self::BybitLinear)
    }
}

/// Length of a candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum CandleInterval {
    /// One minute.
    #[serde(rename = "1m")]
    M1,
    /// Three minutes.
    #[serde(rename = "3m")]
    M3,
    /// Five minutes.
    #[serde(rename = "5m")]
    M5,
    /// A quarter of an hour.
    #[serde(rename = "15m")]
    M15,
    /// Half an hour.
    #[serde(rename = "30m")]
    M30,
    /// One hour.
    #[serde(rename = "1h")]
    H1,
    /// Four hours.
    #[serde(rename = "4h")]
    H4,
    /// One UTC day.
    #[serde(rename = "1d")]
    D1,
}

impl CandleInterval {
    /// Its length in minutes.
    #[must_use]
    pub const fn minutes(self) -> i64 {
        match self {
            Self::M1 => 1,
            Self::M3 => 3,
            Self::M5 => 5,
            Self::M15 => 15,
            Self::M30 => 30,
            Self::H1 => 60,
            Self::H4 => 240,
            Self::D1 => 1440,
        }
    }

    /// Its length in nanoseconds.
    #[must_use]
    pub const fn ns(self) -> i64 {
        self.minutes() * 60_000_000_000
    }
}

/// What is subscribed for every symbol of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(inline)]
pub struct MarketStreams {
    /// Public prints.
    pub trades: bool,
    /// The best bid and ask.
    pub quotes: bool,
    /// The book, as a snapshot and its changes.
    pub depth: bool,
    /// Closed candles of this length.
    pub candles: Option<CandleInterval>,
    /// Funding payments, on markets that have them.
    pub funding: bool,
}

/// One market, some of its symbols, and what is wanted of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct MarketFeedConfig {
    /// Where it comes from.
    pub venue: MarketVenue,
    /// Engine symbol name to the exchange's name of it; a name occurs in one feed only.
    pub symbols: BTreeMap<String, String>,
    /// What is subscribed.
    pub streams: MarketStreams,
    /// Instead of the exchange's WebSocket, for example `ws://127.0.0.1:9443`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ws_url: Option<String>,
    /// Instead of the exchange's REST address, for example `http://127.0.0.1:9443`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_url: Option<String>,
    /// A symbol without any change for this long is stale.
    #[serde(default = "default_stale_after_ms")]
    #[schemars(range(min = 1000, max = 3_600_000))]
    pub stale_after_ms: u64,
}

const fn default_stale_after_ms() -> u64 {
    60_000
}
