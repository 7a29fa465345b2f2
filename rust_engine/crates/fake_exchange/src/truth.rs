//! What really happened: the book after every line, and the minute candles of the prints. Written for itself, so that a test
//! compares two independent computations.

use model::{Price, Qty};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One minute in milliseconds.
const MINUTE_MS: i64 = 60_000;

/// The exchange's own book: zero quantities are absent.
#[derive(Clone, Debug, Default)]
pub struct TrueBook {
    /// Bids by price.
    pub bids: BTreeMap<Price, Qty>,
    /// Asks by price.
    pub asks: BTreeMap<Price, Qty>,
    /// Number of the last update.
    pub last_id: u64,
    /// Changes applied since the snapshot.
    pub n_changes: u64,
}

impl TrueBook {
    /// The book of a recorded answer (`lastUpdateId`, `bids`, `asks`).
    #[must_use]
    pub fn of_snapshot(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let mut book = Self { last_id: value.get("lastUpdateId")?.as_u64()?, ..Self::default() };
        book.set(value.get("bids")?, value.get("asks")?)?;
        Some(book)
    }

    /// Applies a recorded change that is newer than the book; says whether it was.
    pub fn apply(&mut self, text: &str) -> Option<bool> {
        let value: Value = serde_json::from_str(text).ok()?;
        let data = value.get("data")?;
        let last_id = data.get("u")?.as_u64()?;
        if last_id <= self.last_id {
            return Some(false);
        }
        self.set(data.get("b")?, data.get("a")?)?;
        self.last_id = last_id;
        self.n_changes += 1;
        Some(true)
    }

    /// Best bid and best ask, zero where a side is empty.
    #[must_use]
    pub fn best(&self) -> [(Price, Qty); 2] {
        let of = |entry: Option<(&Price, &Qty)>| entry.map_or_else(Default::default, |(price, qty)| (*price, *qty));
        [of(self.bids.last_key_value()), of(self.asks.first_key_value())]
    }

    /// The best `n` levels of each side as JSON pairs, best first.
    #[must_use]
    pub fn ladders(&self, n: usize) -> [Value; 2] {
        let pair = |(price, qty): (&Price, &Qty)| json!([price.to_string(), qty.to_string()]);
        [
            self.bids.iter().rev().take(n).map(pair).collect::<Vec<_>>().into(),
            self.asks.iter().take(n).map(pair).collect::<Vec<_>>().into(),
        ]
    }

    fn set(&mut self, bids: &Value, asks: &Value) -> Option<()> {
        for (side, levels) in [(&mut self.bids, bids), (&mut self.asks, asks)] {
            for level in levels.as_array()? {
                let price: Price = level.get(0)?.as_str()?.parse().ok()?;
                let qty: Qty = level.get(1)?.as_str()?.parse().ok()?;
                if qty == Qty::ZERO {
                    side.remove(&price)
                } else {
                    side.insert(price, qty)
                };
            }
        }
        Some(())
    }
}

/// A minute candle of the prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrueCandle {
    /// When it opened, in milliseconds since 1970.
    pub opened_at_ms: i64,
    /// First price.
    pub open: Price,
    /// Highest price.
    pub high: Price,
    /// Lowest price.
    pub low: Price,
    /// Last price.
    pub close: Price,
    /// Base volume.
    pub volume: Qty,
}

impl TrueCandle {
    /// A row of `GET /klines`.
    #[must_use]
    pub fn row(&self) -> Value {
        let [o, h, l, c] = [self.open, self.high, self.low, self.close].map(|price| price.to_string());
        let closed_at_ms = self.opened_at_ms + MINUTE_MS - 1;
        json!([self.opened_at_ms, o, h, l, c, self.volume.to_string(), closed_at_ms, "0", 1, "0", "0", "0"])
    }

    /// A push of the stream `<symbol>@kline_1m`.
    #[must_use]
    pub fn push(&self, symbol: &str, is_closed: bool) -> String {
        let [o, h, l, c] = [self.open, self.high, self.low, self.close].map(|price| price.to_string());
        let closed_at_ms = self.opened_at_ms + MINUTE_MS - 1;
        let k = json!({"t": self.opened_at_ms, "T": closed_at_ms, "s": symbol, "i": "1m", "o": o, "h": h, "l": l, "c": c,
            "v": self.volume.to_string(), "x": is_closed});
        json!({"stream": format!("{}@kline_1m", symbol.to_ascii_lowercase()),
            "data": {"e": "kline", "E": closed_at_ms, "s": symbol, "k": k}})
        .to_string()
    }
}

/// Minute candles of the prints so far. The first is not whole and counts as forming only.
#[derive(Clone, Debug, Default)]
pub struct TrueCandles {
    /// Closed and whole, oldest first.
    pub closed: Vec<TrueCandle>,
    /// Still forming.
    pub forming: Option<TrueCandle>,
    has_whole: bool,
}

impl TrueCandles {
    /// Takes a recorded print. Gives the candle that it closed, if it closed a whole one.
    pub fn apply(&mut self, text: &str) -> Option<TrueCandle> {
        let value: Value = serde_json::from_str(text).ok()?;
        let data = value.get("data")?;
        let traded_at_ms = data.get("T")?.as_i64()?;
        let price: Price = data.get("p")?.as_str()?.parse().ok()?;
        let qty: Qty = data.get("q")?.as_str()?.parse().ok()?;
        let opened_at_ms = traded_at_ms - traded_at_ms.rem_euclid(MINUTE_MS);
        match &mut self.forming {
            Some(candle) if candle.opened_at_ms >= opened_at_ms => {
                candle.high = candle.high.max(price);
                candle.low = candle.low.min(price);
                candle.close = price;
                candle.volume += qty;
                None
            }
            forming => {
                let fresh =
                    TrueCandle { opened_at_ms, open: price, high: price, low: price, close: price, volume: qty };
                let done = forming.replace(fresh)?;
                if !std::mem::replace(&mut self.has_whole, true) {
                    return None;
                }
                self.closed.push(done);
                Some(done)
            }
        }
    }
}
