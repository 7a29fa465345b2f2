//! What the exchange says when it is asked.

use super::{Dialect, Exchange};
use crate::fault::BookAnswer;
use crate::http::{Ask, Reply};
use crate::rehearsal::{listing, past_rows};
use crate::truth::TrueCandle;
use serde_json::{Value, json};

const MINUTE_MS: i64 = 60_000;

impl Exchange {
    pub(super) fn answer(&self, ask: &Ask) -> Reply {
        self.state().requests.push(format!("{}?{}", ask.path, ask.query));
        match ask.path.rsplit('/').next() {
            Some("depth") => self.answer_book(ask),
            Some("klines") => self.answer_candles(ask),
            Some("exchangeInfo") => Reply::json(listing(&self.symbol, ask.path.starts_with("/api/")).to_string()),
            _ => Reply::status(404),
        }
    }

    fn answer_book(&self, ask: &Ask) -> Reply {
        let mut state = self.state();
        let fault = self.script.books.get(state.n_book_requests).copied().unwrap_or(BookAnswer::Right);
        state.n_book_requests += 1;
        let book = if fault == BookAnswer::Old { self.recorded.clone() } else { state.book.clone() };
        drop(state);
        if let BookAnswer::Status(status) = fault {
            let retry_after = ("Retry-After".to_owned(), "2".to_owned());
            return Reply { headers: vec![retry_after], ..Reply::status(status) };
        }
        let limit = ask.parameter("limit").and_then(|text| text.parse().ok()).unwrap_or(100);
        let [bids, asks] = book.ladders(limit);
        let mut body = json!({"lastUpdateId": book.last_id, "bids": bids, "asks": asks}).to_string();
        if fault == BookAnswer::Cut {
            body.truncate(body.len() / 2);
        }
        Reply::json(body)
    }

    fn answer_candles(&self, ask: &Ask) -> Reply {
        let bound = |name: &str, default: i64| ask.parameter(name).and_then(|t| t.parse().ok()).unwrap_or(default);
        let (start, end) = (bound("startTime", 0), bound("endTime", i64::MAX));
        let limit = ask.parameter("limit").and_then(|text| text.parse().ok()).unwrap_or(500_usize);
        let candles = self.candles();
        let known: Vec<&TrueCandle> = candles.closed.iter().chain(&candles.forming).collect();
        let mut rows = self.past(start, end, known.first().map(|candle| candle.opened_at_ms), limit);
        let asked = known.into_iter().filter(|candle| (start..=end).contains(&candle.opened_at_ms));
        rows.extend(asked.map(TrueCandle::row));
        rows.truncate(limit);
        Reply::json(Value::from(rows).to_string())
    }

    /// Candles before the first one known, of an exchange on which the recording happens now.
    fn past(&self, start: i64, end: i64, first_known: Option<i64>, limit: usize) -> Vec<Value> {
        let Some(now_ms) = &self.now_ms else { return Vec::new() };
        let [(bid, _), _] = self.recorded.best();
        let before = first_known.unwrap_or_else(|| now_ms()).min(end.saturating_add(MINUTE_MS));
        past_rows(bid.to_f64(), start, before, limit)
    }

    pub(super) fn acknowledgement(&self, request: &Value, verb: &str) -> String {
        match (self.dialect, verb) {
            (Dialect::Binance, "subscribe" | "unsubscribe") => {
                json!({"result": null, "id": request.get("id")}).to_string()
            }
            (Dialect::Binance, _) => json!({"error": {"code": 2, "msg": "Invalid request"}, "id": null}).to_string(),
            (Dialect::Bybit, "ping") => json!({"success": true, "ret_msg": "pong", "op": "ping"}).to_string(),
            (Dialect::Bybit, "subscribe" | "unsubscribe") => {
                json!({"success": true, "ret_msg": "", "op": verb, "req_id": request.get("req_id")}).to_string()
            }
            (Dialect::Bybit, _) => json!({"success": false, "ret_msg": "unknown op", "op": verb}).to_string(),
        }
    }
}
