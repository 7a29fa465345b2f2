//! What a bar brings: its candle, and what else was known at its close.

use serde::Serialize;

macro_rules! inputs {
    ($($variant:ident $name:literal $source:ident $about:literal,)+) => {
        /// One number that a bar may bring.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Input { $(#[doc = $about] $variant,)+ }

        /// All inputs, in the order in which a bar holds them.
        pub const INPUTS: &[Input] = &[$(Input::$variant,)+];

        impl Input {
            /// Its name in the registry and in what callers give.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Where it comes from.
            #[must_use]
            pub const fn source(self) -> Source {
                match self { $(Self::$variant => Source::$source,)+ }
            }

            /// What it is, with its unit.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)+ }
            }
        }
    };
}

/// Where an input comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The time at which the bar closes.
    Time,
    /// The candle.
    Candle,
    /// Candles of other symbols, closed at the same time.
    Peers,
    /// The funding of a perpetual.
    Funding,
    /// Series about the world.
    World,
    /// The order book at the close, and the trades of the bar.
    Book,
}

inputs! {
    ClosedAtMs "closed_at_ms" Time "Close of the bar, UTC milliseconds since 1970.",
    Open "open" Candle "First price, in quote currency.",
    High "high" Candle "Highest price.",
    Low "low" Candle "Lowest price.",
    Close "close" Candle "Last price.",
    Volume "volume" Candle "Volume in base units.",
    BtcClose "btc_close" Peers "Close of the bitcoin candle, where that is another symbol.",
    EthClose "eth_close" Peers "Close of the ether candle, where that is another symbol.",
    MarketReturn "market_return" Peers "Mean log return of the other symbols over the bar.",
    FundingRate "funding_rate" Funding "Rate last settled, as a share of the notional.",
    FundingAgeH "funding_age_h" Funding "Hours since it was settled.",
    FearGreed "fear_greed" World "Fear and greed index, 0 to 100.",
    FearGreedAgeH "fear_greed_age_h" World "Hours since it was known.",
    BtcDominance "btc_dominance" World "Bitcoin's share of the capitalisation, in percent.",
    BtcDominanceAgeH "btc_dominance_age_h" World "Hours since it was known.",
    Dxy "dxy" World "Dollar index.",
    DxyAgeH "dxy_age_h" World "Hours since it was known.",
    Vix "vix" World "Implied volatility of US stocks, in percent a year.",
    VixAgeH "vix_age_h" World "Hours since it was known.",
    Nasdaq "nasdaq" World "Nasdaq 100, or a fund that follows it.",
    NasdaqAgeH "nasdaq_age_h" World "Hours since it was known.",
    Gold "gold" World "Gold in US dollars an ounce.",
    GoldAgeH "gold_age_h" World "Hours since it was known.",
    Us10y "us10y" World "Yield of ten-year US bonds, in percent a year.",
    Us10yAgeH "us10y_age_h" World "Hours since it was known.",
    Hashrate "hashrate" World "Hash rate of bitcoin, in any fixed unit.",
    HashrateAgeH "hashrate_age_h" World "Hours since it was known.",
    Bid "bid" Book "Best bid at the close.",
    Ask "ask" Book "Best ask at the close.",
    BidQty "bid_qty" Book "Quantity at the best bid, in base units.",
    AskQty "ask_qty" Book "Quantity at the best ask.",
    OrderFlow "order_flow" Book "Order-flow imbalance of the bar at the best prices, in base units (Cont 2014).",
    BuyVolume "buy_volume" Book "Volume that buyers took, in base units.",
    SellVolume "sell_volume" Book "Volume that sellers took.",
    TradeCount "trade_count" Book "Trades in the bar.",
}

/// Inputs that every bar has: its time and its candle.
pub const N_CANDLE_INPUTS: usize = 6;
/// Inputs that a bar may lack; NaN where it does.
pub const N_EXTRA_INPUTS: usize = INPUTS.len() - N_CANDLE_INPUTS;
