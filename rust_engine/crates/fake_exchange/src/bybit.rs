//! A Binance recording in Bybit's words: the same prints, best prices and book changes as v5 topics.

use crate::capture::{Capture, Line};
use crate::truth::TrueBook;
use serde_json::{Value, json};

/// The recording as Bybit would have sent it, without what came before the recorded book. Update numbers count from 2: the
/// snapshot is number 1 plus the changes before it.
#[must_use]
pub fn translated(capture: &Capture) -> Vec<Line> {
    let mut book: Option<TrueBook> = None;
    let mut lines = Vec::new();
    for line in &capture.lines {
        if line.stream.is_empty() {
            book = TrueBook::of_snapshot(&line.text);
            lines.push(line.clone());
            continue;
        }
        let translated = serde_json::from_str::<Value>(&line.text).ok().and_then(|value| {
            let data = value.get("data")?;
            match line.stream.split_once('@')?.1 {
                "trade" => Some(print(data)),
                "bookTicker" => Some(best(data)),
                _ => {
                    let book = book.as_mut()?;
                    book.apply(&line.text)?.then(|| change(data, book.n_changes + 1))
                }
            }
        });
        if let Some(value) = translated {
            let stream = value.get("topic").and_then(Value::as_str).unwrap_or_default().to_owned();
            lines.push(Line { at_ns: line.at_ns, stream, text: value.to_string() });
        }
    }
    lines
}

/// The whole book as a push of its topic.
#[must_use]
pub fn snapshot(book: &TrueBook, symbol: &str) -> String {
    let [bids, asks] = book.ladders(usize::MAX);
    json!({"topic": format!("orderbook.200.{symbol}"), "type": "snapshot", "ts": 1_723_161_255_000_i64,
        "data": {"s": symbol, "b": bids, "a": asks, "u": book.last_id, "seq": 1}, "cts": 1_723_161_255_000_i64})
    .to_string()
}

fn symbol(data: &Value) -> &str {
    data.get("s").and_then(Value::as_str).unwrap_or("BTCUSDT")
}

fn print(data: &Value) -> Value {
    let id = data.get("t").and_then(Value::as_u64).unwrap_or(0);
    let is_sell = data.get("m").and_then(Value::as_bool).unwrap_or(false);
    json!({"topic": format!("publicTrade.{}", symbol(data)), "type": "snapshot", "ts": data.get("T"), "data": [{
        "T": data.get("T"), "s": symbol(data), "S": if is_sell { "Sell" } else { "Buy" }, "v": data.get("q"),
        "p": data.get("p"), "L": "ZeroPlusTick", "i": format!("00000000-0000-0000-0000-{id:012x}"), "BT": false}]})
}

fn best(data: &Value) -> Value {
    json!({"topic": format!("orderbook.1.{}", symbol(data)), "type": "snapshot", "ts": 1_723_161_255_000_i64, "data": {
        "s": symbol(data), "b": [[data.get("b"), data.get("B")]], "a": [[data.get("a"), data.get("A")]],
        "u": data.get("u"), "seq": 1}})
}

fn change(data: &Value, u: u64) -> Value {
    json!({"topic": format!("orderbook.200.{}", symbol(data)), "type": "delta", "ts": data.get("E"), "data": {
        "s": symbol(data), "b": data.get("b"), "a": data.get("a"), "u": u, "seq": 1}, "cts": data.get("E")})
}
