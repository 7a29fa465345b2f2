//! The exchanges' lists of symbols.

use crate::public::source::{Dropped, parse_price, parse_qty};
use model::{Price, Qty};
use serde::Deserialize;

/// A symbol as its exchange lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSymbol {
    /// The exchange's name.
    pub name: String,
    /// What is bought and sold.
    pub base: String,
    /// What prices are in.
    pub quote: String,
    /// Smallest price step.
    pub tick: Price,
    /// Smallest quantity step.
    pub lot: Qty,
}

#[derive(Deserialize)]
struct BinanceAnswer {
    symbols: Vec<BinanceSymbol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BinanceSymbol {
    symbol: String,
    base_asset: String,
    quote_asset: String,
    filters: Vec<BinanceFilter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BinanceFilter {
    filter_type: String,
    #[serde(default)]
    tick_size: Option<String>,
    #[serde(default)]
    step_size: Option<String>,
}

#[derive(Deserialize)]
struct BybitResult {
    list: Vec<BybitSymbol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BybitSymbol {
    symbol: String,
    base_coin: String,
    quote_coin: String,
    price_filter: BybitPriceFilter,
    lot_size_filter: BybitLotFilter,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BybitPriceFilter {
    tick_size: String,
}

/// Linear has a step, spot the precision of the base.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BybitLotFilter {
    #[serde(default)]
    qty_step: Option<String>,
    #[serde(default)]
    base_precision: Option<String>,
}

/// `GET /exchangeInfo`, of which only `names` are read.
pub(super) fn parse_binance(text: &str, names: &[String]) -> Result<Vec<ListedSymbol>, Dropped> {
    let answer: BinanceAnswer = serde_json::from_str(text).map_err(|_| Dropped::Malformed)?;
    let step = |symbol: &BinanceSymbol, kind: &str, of: fn(&BinanceFilter) -> Option<String>| {
        symbol.filters.iter().find(|filter| filter.filter_type == kind).and_then(of).ok_or(Dropped::Malformed)
    };
    let listed = |symbol: BinanceSymbol| {
        let tick = step(&symbol, "PRICE_FILTER", |filter| filter.tick_size.clone())?;
        let lot = step(&symbol, "LOT_SIZE", |filter| filter.step_size.clone())?;
        listed(symbol.symbol, symbol.base_asset, symbol.quote_asset, &tick, &lot)
    };
    answer.symbols.into_iter().filter(|symbol| names.contains(&symbol.symbol)).map(listed).collect()
}

/// The result of `GET /v5/market/instruments-info`.
pub(super) fn parse_bybit(result: &str) -> Result<Vec<ListedSymbol>, Dropped> {
    let result: BybitResult = serde_json::from_str(result).map_err(|_| Dropped::Malformed)?;
    let listed = |symbol: BybitSymbol| {
        let lot =
            symbol.lot_size_filter.qty_step.or(symbol.lot_size_filter.base_precision).ok_or(Dropped::Malformed)?;
        listed(symbol.symbol, symbol.base_coin, symbol.quote_coin, &symbol.price_filter.tick_size, &lot)
    };
    result.list.into_iter().map(listed).collect()
}

fn listed(name: String, base: String, quote: String, tick: &str, lot: &str) -> Result<ListedSymbol, Dropped> {
    let tick = parse_price(tick).map_err(|_| Dropped::Malformed)?;
    let lot = parse_qty(lot).map_err(|_| Dropped::Malformed)?;
    if tick.0 <= 0 || lot.0 <= 0 {
        return Err(Dropped::Unsound);
    }
    Ok(ListedSymbol { name, base, quote, tick, lot })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn btc(tick: &str, lot: &str) -> ListedSymbol {
        let (tick, lot) = (tick.parse().unwrap(), lot.parse().unwrap());
        ListedSymbol { name: "BTCUSDT".into(), base: "BTC".into(), quote: "USDT".into(), tick, lot }
    }

    #[test]
    fn binance_filters_give_tick_and_lot() {
        let text = r#"{"timezone":"UTC","symbols":[{"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT",
            "filters":[{"filterType":"PRICE_FILTER","minPrice":"0.01","tickSize":"0.01000000"},
                       {"filterType":"LOT_SIZE","stepSize":"0.00001000"},{"filterType":"NOTIONAL"}]}]}"#;
        let names = ["BTCUSDT".to_owned()];
        assert_eq!(parse_binance(text, &[]), Ok(vec![]));
        assert_eq!(parse_binance(text, &names), Ok(vec![btc("0.01", "0.00001")]));
        assert_eq!(parse_binance(&text.replace("LOT_SIZE", "X"), &names), Err(Dropped::Malformed));
        assert_eq!(parse_binance(&text.replace("0.01000000", "0.00"), &names), Err(Dropped::Unsound));
    }

    #[test]
    fn bybit_spot_has_a_precision_where_linear_has_a_step() {
        let text = r#"{"category":"linear","list":[{"symbol":"BTCUSDT","baseCoin":"BTC","quoteCoin":"USDT",
            "priceFilter":{"tickSize":"0.10"},"lotSizeFilter":{"qtyStep":"0.001"}}]}"#;
        assert_eq!(parse_bybit(text), Ok(vec![btc("0.1", "0.001")]));
        let spot = text.replace(r#""qtyStep":"0.001""#, r#""basePrecision":"0.000001""#);
        assert_eq!(parse_bybit(&spot), Ok(vec![btc("0.1", "0.000001")]));
    }
}
