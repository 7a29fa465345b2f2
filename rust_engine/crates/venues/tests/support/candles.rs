//! Candles for every minute but those of an outage, by request, in the words of either exchange.

use fake_exchange::http::{Api, Ask, Reply};
use serde_json::{Value, json};
use std::ops::Range;
use std::sync::{Arc, Mutex};

pub const MINUTE_MS: i64 = 60_000;
/// Minutes that the exchange never had.
pub const OUTAGE: Range<i64> = 1_500..1_510;

/// Answers with these statuses, last first, and then rightly.
#[derive(Clone)]
pub struct Candles(Arc<Mutex<Vec<u16>>>);

impl Candles {
    pub fn failing_with(statuses: &[u16]) -> Self {
        Self(Arc::new(Mutex::new(statuses.to_vec())))
    }
}

impl Api for Candles {
    fn answer(&self, ask: &Ask) -> Option<Reply> {
        let number = |name: &str| ask.parameter(name)?.parse::<i64>().ok();
        let (start, end) = (number("startTime").or(number("start"))?, number("endTime").or(number("end"))?);
        if let Some(status) = self.0.lock().unwrap().pop() {
            return Some(Reply::status(status));
        }
        let is_bybit = ask.path.starts_with("/v5/");
        let minutes = (start + MINUTE_MS - 1) / MINUTE_MS..=end / MINUTE_MS;
        let row = |minute: i64| {
            let (at, price) = (minute * MINUTE_MS, (100 + minute).to_string());
            if is_bybit {
                json!([at.to_string(), price, price, price, price, "1", "1"])
            } else {
                json!([at, price, price, price, price, "1", at + MINUTE_MS - 1, "1", 1, "1", "1", "0"])
            }
        };
        let mut rows: Vec<Value> = minutes.filter(|minute| !OUTAGE.contains(minute)).map(row).collect();
        assert!(rows.len() <= 1000, "no page is larger than the exchange gives");
        if is_bybit {
            rows.reverse();
            return Some(Reply::json(json!({"retCode": 0, "retMsg": "OK", "result": {"list": rows}}).to_string()));
        }
        Some(Reply::json(Value::from(rows).to_string()))
    }
}
