//! Which streams are asked for on which connection, and in which words.

use model::{CandleInterval, MarketFeedConfig, MarketVenue, SymbolId, SymbolSpec};

/// Streams on one connection: well below what the exchanges allow (200 and more), so that one loss touches few symbols.
const MAX_STREAMS: usize = 100;
/// Topics in one request: Bybit spot takes ten.
pub const TOPICS_PER_REQUEST: usize = 10;

/// Why a feed's configuration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A name that is not among the engine's symbols.
    #[error("markets: '{name}' of {venue} is not among the engine's symbols")]
    UnknownSymbol {
        /// The name.
        name: String,
        /// Its feed.
        venue: &'static str,
    },
    /// A symbol in two feeds, or an exchange symbol under two names.
    #[error("markets: '{0}' is listed twice")]
    Twice(String),
    /// Not an exchange's name of a symbol.
    #[error("markets: '{0}' is not an exchange symbol: ASCII letters and digits, '-' and '_', at most 40")]
    BadSymbol(String),
    /// Nothing to listen to.
    #[error("markets: the feed of {0} lists no symbols or no streams")]
    Empty(&'static str),
    /// Beyond its bounds.
    #[error("markets: stale_after_ms {0} is outside 1000 to 3600000")]
    BadStaleness(u64),
    /// Not an address.
    #[error("markets: {0}")]
    BadUrl(#[from] crate::net::UrlError),
    /// No encryption.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// A symbol of a feed under both its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The engine's number of it.
    pub id: SymbolId,
    /// The exchange's name of it, upper case.
    pub exchange_name: String,
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Public prints.
    Trades,
    /// Best prices.
    Quotes,
    /// Book changes.
    Depth,
    /// Candles.
    Candles,
    /// Mark price and funding.
    Funding,
}

/// One stream of one symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Whose.
    pub symbol: SymbolId,
    /// What.
    pub kind: StreamKind,
    /// The exchange's name of the stream.
    pub topic: String,
}

/// One connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Path below the WebSocket address.
    pub path: &'static str,
    /// What is subscribed there.
    pub subscriptions: Vec<Subscription>,
}

/// The symbols of a feed, in the order of their engine numbers.
///
/// # Errors
/// [`ConfigError`] where a name is unknown, unusable or listed twice.
pub fn listings(config: &MarketFeedConfig, symbols: &[SymbolSpec]) -> Result<Vec<Listing>, ConfigError> {
    let venue = config.venue.name();
    let streams = &config.streams;
    let has_streams = streams.trades
        || streams.quotes
        || streams.depth
        || streams.candles.is_some()
        || (streams.funding && config.venue.has_funding());
    if config.symbols.is_empty() || !has_streams {
        return Err(ConfigError::Empty(venue));
    }
    if !(1000..=3_600_000).contains(&config.stale_after_ms) {
        return Err(ConfigError::BadStaleness(config.stale_after_ms));
    }
    let mut listings: Vec<Listing> = Vec::new();
    for (name, exchange_name) in &config.symbols {
        let unknown = || ConfigError::UnknownSymbol { name: name.clone(), venue };
        let index = symbols.iter().position(|spec| spec.name == *name).ok_or_else(unknown)?;
        let id = SymbolId(u16::try_from(index).map_err(|_| unknown())?);
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if exchange_name.is_empty() || exchange_name.len() > 40 || !exchange_name.bytes().all(is_plain) {
            return Err(ConfigError::BadSymbol(exchange_name.chars().take(60).collect()));
        }
        let exchange_name = exchange_name.to_ascii_uppercase();
        if listings.iter().any(|listing| listing.exchange_name == exchange_name) {
            return Err(ConfigError::Twice(exchange_name));
        }
        listings.push(Listing { id, exchange_name });
    }
    listings.sort_by_key(|listing| listing.id);
    Ok(listings)
}

/// The connections that carry a feed.
#[must_use]
pub fn connections(config: &MarketFeedConfig, listings: &[Listing]) -> Vec<Plan> {
    let mut plans: Vec<Plan> = Vec::new();
    for listing in listings {
        for kind in kinds(config) {
            let topic = topic(config, kind, &listing.exchange_name);
            let path = path(config.venue, kind);
            let subscription = Subscription { symbol: listing.id, kind, topic };
            match plans.iter_mut().find(|plan| plan.path == path && plan.subscriptions.len() < MAX_STREAMS) {
                Some(plan) => plan.subscriptions.push(subscription),
                None => plans.push(Plan { path, subscriptions: vec![subscription] }),
            }
        }
    }
    plans
}

fn kinds(config: &MarketFeedConfig) -> Vec<StreamKind> {
    let streams = &config.streams;
    let wanted = [
        (StreamKind::Trades, streams.trades),
        (StreamKind::Quotes, streams.quotes),
        (StreamKind::Depth, streams.depth),
        (StreamKind::Candles, streams.candles.is_some()),
        (StreamKind::Funding, streams.funding && config.venue.has_funding()),
    ];
    wanted.into_iter().filter(|(_, is_wanted)| *is_wanted).map(|(kind, _)| kind).collect()
}

/// USD-M routes fast streams and slow ones to addresses of their own; each sends nothing of the other's.
fn path(venue: MarketVenue, kind: StreamKind) -> &'static str {
    match (venue, kind) {
        (MarketVenue::BinanceSpot, _) => "/stream",
        (MarketVenue::BinanceUsdm, StreamKind::Candles | StreamKind::Funding) => "/market/stream",
        (MarketVenue::BinanceUsdm, _) => "/public/stream",
        (MarketVenue::BybitSpot, _) => "/v5/public/spot",
        (MarketVenue::BybitLinear, _) => "/v5/public/linear",
    }
}

fn topic(config: &MarketFeedConfig, kind: StreamKind, name: &str) -> String {
    let interval = config.streams.candles.unwrap_or(CandleInterval::M1);
    match config.venue {
        MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm => {
            let name = name.to_ascii_lowercase();
            let speed = if config.venue == MarketVenue::BinanceUsdm { "0ms" } else { "100ms" };
            match kind {
                StreamKind::Trades => format!("{name}@trade"),
                StreamKind::Quotes => format!("{name}@bookTicker"),
                StreamKind::Depth => format!("{name}@depth@{speed}"),
                StreamKind::Candles => format!("{name}@kline_{}", binance_interval(interval)),
                StreamKind::Funding => format!("{name}@markPrice@1s"),
            }
        }
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => match kind {
            StreamKind::Trades => format!("publicTrade.{name}"),
            StreamKind::Quotes => format!("orderbook.1.{name}"),
            StreamKind::Depth => format!("orderbook.200.{name}"),
            StreamKind::Candles => format!("kline.{}.{name}", bybit_interval(interval)),
            StreamKind::Funding => format!("tickers.{name}"),
        },
    }
}

/// How Binance writes an interval.
#[must_use]
pub const fn binance_interval(interval: CandleInterval) -> &'static str {
    match interval {
        CandleInterval::M1 => "1m",
        CandleInterval::M3 => "3m",
        CandleInterval::M5 => "5m",
        CandleInterval::M15 => "15m",
        CandleInterval::M30 => "30m",
        CandleInterval::H1 => "1h",
        CandleInterval::H4 => "4h",
        CandleInterval::D1 => "1d",
    }
}

/// How Bybit writes an interval.
#[must_use]
pub const fn bybit_interval(interval: CandleInterval) -> &'static str {
    match interval {
        CandleInterval::M1 => "1",
        CandleInterval::M3 => "3",
        CandleInterval::M5 => "5",
        CandleInterval::M15 => "15",
        CandleInterval::M30 => "30",
        CandleInterval::H1 => "60",
        CandleInterval::H4 => "240",
        CandleInterval::D1 => "D",
    }
}

/// A request to begin, or to end, at most [`TOPICS_PER_REQUEST`] streams. Topics hold no character that JSON escapes.
#[must_use]
pub fn request(venue: MarketVenue, subscribe: bool, topics: &[&str], id: u64) -> String {
    let list = topics.iter().map(|topic| format!("\"{topic}\"")).collect::<Vec<_>>().join(",");
    match venue {
        MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm => {
            let method = if subscribe { "SUBSCRIBE" } else { "UNSUBSCRIBE" };
            format!(r#"{{"method":"{method}","params":[{list}],"id":{id}}}"#)
        }
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => {
            let op = if subscribe { "subscribe" } else { "unsubscribe" };
            format!(r#"{{"op":"{op}","args":[{list}],"req_id":"{id}"}}"#)
        }
    }
}

/// What keeps the connection alive in text, where the exchange wants it.
#[must_use]
pub const fn ping_text(venue: MarketVenue) -> Option<&'static str> {
    match venue {
        MarketVenue::BinanceSpot | MarketVenue::BinanceUsdm => None,
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => Some(r#"{"op":"ping"}"#),
    }
}

/// The exchange's WebSocket address.
#[must_use]
pub const fn ws_url(venue: MarketVenue) -> &'static str {
    match venue {
        MarketVenue::BinanceSpot => "wss://stream.binance.com:9443",
        MarketVenue::BinanceUsdm => "wss://fstream.binance.com",
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => "wss://stream.bybit.com",
    }
}

/// The exchange's REST address.
#[must_use]
pub const fn rest_url(venue: MarketVenue) -> &'static str {
    match venue {
        MarketVenue::BinanceSpot => "https://api.binance.com",
        MarketVenue::BinanceUsdm => "https://fapi.binance.com",
        MarketVenue::BybitSpot | MarketVenue::BybitLinear => "https://api.bybit.com",
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
