//! A recording played as if it happened now: stamps that are today's, a past that is made up, a listing of its symbol.
//!
//! An engine on the wall clock needs all three: it drops what is from the future, warms up on past candles, and reads its
//! symbol's grid.

use serde_json::{Value, json};
use std::sync::Arc;

/// The time that the exchange pretends, in milliseconds since 1970.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

const MINUTE_MS: i64 = 60_000;
/// Stamps are this large or larger, so that a number under the same name is never taken for one.
const STAMPS_FROM_MS: i64 = 1_000_000_000_000;

/// When the exchange made a recorded message; nothing where the message does not say.
#[must_use]
pub fn made_at_ms(text: &str) -> Option<i64> {
    let value: Value = serde_json::from_str(text).ok()?;
    let stamps = [value.pointer("/data/E"), value.pointer("/data/T"), value.get("ts")];
    stamps.into_iter().flatten().find_map(Value::as_i64).filter(|at| *at >= STAMPS_FROM_MS)
}

/// The same message with all its stamps `shift_ms` later.
#[must_use]
pub fn restamped(text: &str, shift_ms: i64) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    shift(&mut value, shift_ms);
    value.to_string()
}

fn shift(value: &mut Value, shift_ms: i64) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_i64() {
                    Some(at) if at >= STAMPS_FROM_MS && matches!(name.as_str(), "E" | "T" | "ts" | "cts") => {
                        *value = json!(at.saturating_add(shift_ms));
                    }
                    _ => shift(value, shift_ms),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| shift(item, shift_ms)),
        _ => {}
    }
}

/// Rows of `GET /klines` for minutes that opened from `from_ms` on and before `before_ms`, at most `limit`, made up around
/// `price`: a function of the minute alone, so that every request and every run is told the same past. Each opens where the
/// one before it closed.
#[must_use]
pub fn past_rows(price: f64, from_ms: i64, before_ms: i64, limit: usize) -> Vec<Value> {
    let level = |minute: i64| {
        (price * (1.0 + (minute.wrapping_mul(7919).rem_euclid(41) - 20) as f64 * 5e-5) * 10.0).round() / 10.0
    };
    let first = from_ms.max(0).saturating_add(MINUTE_MS - 1) / MINUTE_MS;
    let row = |minute: i64| {
        let (at_ms, open, close) = (minute * MINUTE_MS, level(minute), level(minute + 1));
        let [o, h, l, c] =
            [open, open.max(close) + 0.5, open.min(close) - 0.5, close].map(|price| format!("{price:.1}"));
        let volume = format!("{}.5", minute.rem_euclid(7));
        json!([at_ms, o, h, l, c, volume, at_ms + MINUTE_MS - 1, "0", 1, "0", "0", "0"])
    };
    (first..before_ms.div_euclid(MINUTE_MS)).take(limit).map(row).collect()
}

/// `GET /exchangeInfo` with one symbol against USDT, on the grid of the recordings of that market.
#[must_use]
pub fn listing(symbol: &str, is_spot: bool) -> Value {
    let base = symbol.strip_suffix("USDT").unwrap_or(symbol);
    let (tick, lot) = if is_spot { ("0.01000000", "0.00001000") } else { ("0.10", "0.001") };
    let filters = json!([
        {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "1000000.00", "tickSize": tick},
        {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "9000.00", "stepSize": lot},
    ]);
    let common = json!({"symbol": symbol, "status": "TRADING", "baseAsset": base, "quoteAsset": "USDT",
        "baseAssetPrecision": 8, "quotePrecision": 8, "orderTypes": ["LIMIT", "MARKET"], "filters": filters});
    let further = if is_spot {
        json!({"isSpotTradingAllowed": true, "isMarginTradingAllowed": false, "permissions": ["SPOT"]})
    } else {
        json!({"contractType": "PERPETUAL", "marginAsset": "USDT", "pair": symbol, "pricePrecision": 2, "quantityPrecision": 3,
            "onboardDate": 0, "deliveryDate": 4_133_404_800_000_i64, "underlyingType": "COIN"})
    };
    let mut listed = common;
    if let (Value::Object(fields), Value::Object(further)) = (&mut listed, further) {
        fields.extend(further);
    }
    json!({"timezone": "UTC", "serverTime": 0, "rateLimits": [], "symbols": [listed]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_move_and_nothing_else_does() {
        let trade =
            r#"{"stream":"btcusdt@trade","data":{"E":1723161255343,"T":1723161255342,"t":3735683259,"p":"61837.63"}}"#;
        assert_eq!(made_at_ms(trade), Some(1_723_161_255_343));
        let moved: Value = serde_json::from_str(&restamped(trade, 1_000)).unwrap();
        let expected = json!({"stream": "btcusdt@trade",
            "data": {"E": 1_723_161_256_343_i64, "T": 1_723_161_256_342_i64, "t": 3_735_683_259_i64, "p": "61837.63"}});
        assert_eq!(moved, expected);
        let topic = r#"{"topic":"publicTrade.X","ts":1723161255343,"data":[{"T":1723161255342,"v":"1"}]}"#;
        assert!(restamped(topic, 5).contains("1723161255348") && restamped(topic, 5).contains("1723161255347"));
        assert_eq!(restamped("no json", 5), "no json");
        assert_eq!(made_at_ms(r#"{"data":{"u":50093239212,"s":"BTCUSDT"}}"#), None);
    }

    #[test]
    fn the_made_up_past_is_one_past_of_sound_candles() {
        let rows = past_rows(61_837.63, 1, 100 * MINUTE_MS + 59_999, 1000);
        assert_eq!(rows.len(), 99);
        assert_eq!(past_rows(61_837.63, 50 * MINUTE_MS, 1_000 * MINUTE_MS, 7), rows[49..56]);
        let number = |row: &Value, n: usize| row[n].as_str().unwrap().parse::<f64>().unwrap();
        for pair in rows.windows(2) {
            assert_eq!(pair[1][0].as_i64().unwrap() - pair[0][0].as_i64().unwrap(), MINUTE_MS);
            assert_eq!(pair[0][4], pair[1][1], "opens where the last one closed");
            let [open, high, low, close] = [1, 2, 3, 4].map(|n| number(&pair[0], n));
            assert!(low > 0.0 && low <= open.min(close) && high >= open.max(close));
            assert!((open / 61_837.63 - 1.0).abs() < 2e-3);
        }
    }
}
