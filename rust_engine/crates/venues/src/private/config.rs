//! Where an account is, and which of the engine's symbols it trades.

use crate::net::{Endpoint, UrlError};
use model::{MarketVenue, Qty, SymbolId, SymbolSpec, Ts};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// The longest time that an exchange lets a request be valid, in milliseconds.
const MAX_RECV_WINDOW_MS: u64 = 60_000;
/// Bounds of the distance of two comparisons, in seconds.
const MIN_RECONCILE_S: u64 = 10;
const MAX_RECONCILE_S: u64 = 600;

/// A market with accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Market {
    /// Binance Spot.
    Spot,
    /// Binance USD-M futures in one-way mode.
    Usdm,
}

/// An account and what is traded on it. It is a file of its own, so that paper runs know nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveConfig {
    /// `binance_spot` or `binance_usdm`.
    pub venue: MarketVenue,
    /// Engine symbol to what it is at the exchange; every symbol of the engine needs one.
    pub symbols: BTreeMap<String, LiveSymbol>,
    /// File with the API key, mode 0600.
    pub key_file: PathBuf,
    /// File with the secret of the key, mode 0600.
    pub secret_file: PathBuf,
    /// File with the operator's approval.
    pub approval_file: PathBuf,
    /// How long a request is valid at the exchange, in milliseconds.
    #[serde(default = "default_recv_window_ms")]
    pub recv_window_ms: u64,
    /// Distance of two comparisons of the account with the engine, in seconds.
    #[serde(default = "default_reconcile_every_s")]
    pub reconcile_every_s: u64,
    /// Instead of the exchange's REST address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_url: Option<String>,
    /// Instead of the address of the exchange's user stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ws_url: Option<String>,
}

const fn default_recv_window_ms() -> u64 {
    5_000
}

const fn default_reconcile_every_s() -> u64 {
    60
}

/// A symbol at the exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveSymbol {
    /// Its name there, for example `BTCUSDT`.
    pub name: String,
    /// What is bought and sold, for example `BTC`.
    pub base: String,
    /// What prices are in, for example `USDT`.
    pub quote: String,
    /// What a Spot account holds of the base currency that is not the engine's and is left alone.
    #[serde(default)]
    pub keep: Qty,
}

/// Why it was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveConfigError {
    /// An exchange without orders.
    #[error("live.venue is {0}, where orders cannot be sent: binance_spot and binance_usdm can be traded")]
    Venue(&'static str),
    /// A symbol of the engine that is not named.
    #[error("live.symbols lacks '{0}', which the engine trades")]
    Missing(String),
    /// A symbol that the engine does not have.
    #[error("live.symbols names '{0}', which is not one of the engine's symbols")]
    Unknown(String),
    /// A name that no exchange has.
    #[error("live.symbols.{symbol}.{field} is '{value}': 1 to 20 capital letters and digits are a name")]
    Name {
        /// Of which symbol.
        symbol: String,
        /// Which field.
        field: &'static str,
        /// Its value.
        value: String,
    },
    /// One balance or market would be two positions.
    #[error("live.symbols has {0} twice, and its balance cannot be told apart")]
    Twice(String),
    /// A window that the exchange refuses.
    #[error("live.recv_window_ms is {0}: 100 to {MAX_RECV_WINDOW_MS} are possible")]
    RecvWindow(u64),
    /// Too seldom to find an error in time, or so often that it uses up what may be asked.
    #[error("live.reconcile_every_s is {0}: {MIN_RECONCILE_S} to {MAX_RECONCILE_S} are possible")]
    Reconcile(u64),
    /// No address.
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// A symbol of the engine and of the exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: SymbolId,
    pub(super) name: String,
    pub(super) base: String,
    pub(super) quote: String,
    pub(super) keep: Qty,
}

/// A configuration that was checked.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) market: Market,
    /// By engine symbol.
    pub(super) listed: Vec<Listed>,
    pub(super) rest: Endpoint,
    pub(super) ws: Endpoint,
    pub(super) recv_window_ms: u64,
    pub(super) reconcile_every_ns: i64,
}

fn is_name(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

impl LiveConfig {
    /// Which market it is.
    ///
    /// # Errors
    /// [`LiveConfigError::Venue`].
    pub fn market(&self) -> Result<Market, LiveConfigError> {
        match self.venue {
            MarketVenue::BinanceSpot => Ok(Market::Spot),
            MarketVenue::BinanceUsdm => Ok(Market::Usdm),
            other => Err(LiveConfigError::Venue(other.name())),
        }
    }

    /// Checks it against the engine's symbols.
    ///
    /// # Errors
    /// [`LiveConfigError`].
    pub(super) fn check(&self, symbols: &[SymbolSpec]) -> Result<Checked, LiveConfigError> {
        let market = self.market()?;
        if let Some(name) = self.symbols.keys().find(|name| symbols.iter().all(|spec| spec.name != **name)) {
            return Err(LiveConfigError::Unknown(name.clone()));
        }
        if !(100..=MAX_RECV_WINDOW_MS).contains(&self.recv_window_ms) {
            return Err(LiveConfigError::RecvWindow(self.recv_window_ms));
        }
        if !(MIN_RECONCILE_S..=MAX_RECONCILE_S).contains(&self.reconcile_every_s) {
            return Err(LiveConfigError::Reconcile(self.reconcile_every_s));
        }
        let mut listed = Vec::with_capacity(symbols.len());
        let mut seen = BTreeSet::new();
        for (i, spec) in symbols.iter().enumerate() {
            let there = self.symbols.get(&spec.name).ok_or_else(|| LiveConfigError::Missing(spec.name.clone()))?;
            let LiveSymbol { name, base, quote, keep } = there.clone();
            for (field, value) in [("name", &name), ("base", &base), ("quote", &quote)] {
                if !is_name(value) {
                    let (symbol, value) = (spec.name.clone(), value.chars().take(40).collect());
                    return Err(LiveConfigError::Name { symbol, field, value });
                }
            }
            let held = if market == Market::Spot { &base } else { &name };
            if !seen.insert(held.clone()) {
                return Err(LiveConfigError::Twice(held.clone()));
            }
            listed.push(Listed { id: SymbolId(i as u16), name, base, quote, keep });
        }
        let (rest, ws) = match market {
            Market::Spot => ("https://api.binance.com", "wss://ws-api.binance.com:443/ws-api/v3"),
            Market::Usdm => ("https://fapi.binance.com", "wss://fstream.binance.com/private"),
        };
        Ok(Checked {
            market,
            listed,
            rest: Endpoint::parse(self.rest_url.as_deref().unwrap_or(rest))?,
            ws: Endpoint::parse(self.ws_url.as_deref().unwrap_or(ws))?,
            recv_window_ms: self.recv_window_ms,
            // At most 600 s, checked above.
            reconcile_every_ns: self.reconcile_every_s as i64 * 1_000 * Ts::MS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str) -> SymbolSpec {
        SymbolSpec::new(name, "0.01".parse().unwrap(), "0.001".parse().unwrap())
    }

    fn config() -> LiveConfig {
        serde_json::from_str(
            r#"{"venue": "binance_spot", "symbols": {"BTCUSDT": {"name": "BTCUSDT", "base": "BTC", "quote": "USDT"}},
                "key_file": "k", "secret_file": "s", "approval_file": "a"}"#,
        )
        .unwrap()
    }

    #[test]
    fn what_cannot_be_is_named() {
        let symbols = [spec("BTCUSDT")];
        assert_eq!(config().check(&symbols).unwrap().market, Market::Spot);
        assert_eq!(config().check(&[]).unwrap_err(), LiveConfigError::Unknown("BTCUSDT".into()));
        let both = [spec("BTCUSDT"), spec("BTCUSDC")];
        assert_eq!(config().check(&both).unwrap_err(), LiveConfigError::Missing("BTCUSDC".into()));
        let bybit = LiveConfig { venue: MarketVenue::BybitSpot, ..config() };
        assert_eq!(bybit.check(&symbols).unwrap_err(), LiveConfigError::Venue("bybit_spot"));
        let window = LiveConfig { recv_window_ms: 60_001, ..config() };
        assert_eq!(window.check(&symbols).unwrap_err(), LiveConfigError::RecvWindow(60_001));
        for every in [0, 9, 601, u64::MAX] {
            let often = LiveConfig { reconcile_every_s: every, ..config() };
            assert_eq!(often.check(&symbols).unwrap_err(), LiveConfigError::Reconcile(every));
        }
        assert_eq!(config().check(&symbols).unwrap().reconcile_every_ns, 60_000 * Ts::MS);
        let mut twice = config();
        let other = LiveSymbol { name: "BTCUSDC".into(), ..twice.symbols["BTCUSDT"].clone() };
        twice.symbols.insert("BTCUSDC".into(), other);
        assert_eq!(twice.check(&both).unwrap_err(), LiveConfigError::Twice("BTC".into()));
        twice.symbols.get_mut("BTCUSDC").unwrap().base = "B&side=SELL".into();
        assert!(matches!(twice.check(&both).unwrap_err(), LiveConfigError::Name { field: "base", .. }));
        let unknown = r#"{"venue": "binance_spot", "symbols": {}, "key_file": "", "secret_file": "", "approval_file": "", "x": 1}"#;
        assert!(serde_json::from_str::<LiveConfig>(unknown).is_err());
    }
}
