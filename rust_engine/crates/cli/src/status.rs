//! An engine's status as a table for people.

use serde_json::Value;
use std::fmt::Write;

/// Lays out what `status --json` prints. A field that an older engine does not tell is left out.
pub fn table(status: &Value) -> String {
    let mut text = String::new();
    for (label, field) in [
        ("engine", "engine_id"),
        ("pid", "pid"),
        ("state", "state"),
        ("market time", "reached_at"),
        ("worker", "connected"),
        ("journal", "journal_records"),
    ] {
        line(&mut text, label, &status[field]);
    }
    if let Some(stop) = status["stop"].as_object() {
        for (label, field) in [("stopped by", "by"), ("because", "reason"), ("released by", "release")] {
            line(&mut text, label, &stop[field]);
        }
    }
    line(&mut text, "agreed at", &status["account"]["last_agreed_at"]);
    if let Some(refused) = status["market"]["refused"].as_u64().filter(|n| *n > 0) {
        let _ = writeln!(text, "{:<12} {refused} of {} market events", "refused", words(&status["market"]["received"]));
    }
    instances(&mut text, &status["instances"]);
    latencies(&mut text, &status["latency"]);
    text
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

// Writing into a string cannot fail, here and below.
fn line(text: &mut String, label: &str, value: &Value) {
    if !value.is_null() {
        let _ = writeln!(text, "{label:<12} {}", words(value));
    }
}

fn instances(text: &mut String, instances: &Value) {
    let rows = instances.as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n{:<20} {:<18} {:<8} {:>7} {:>6} {:>16}  positions",
        "instance", "strategy", "mode", "version", "share", "equity"
    );
    for row in rows {
        let positions = row["positions"].as_object().map_or_else(String::new, |positions| {
            let held = positions.iter().filter(|(_, qty)| *qty != "0");
            held.map(|(symbol, qty)| format!("{symbol} {}", words(qty))).collect::<Vec<_>>().join(", ")
        });
        let [id, strategy, mode, version, share, equity] =
            ["instance_id", "strategy", "mode", "params_version", "capital_share", "equity"]
                .map(|field| words(&row[field]));
        let positions = if positions.is_empty() { "flat" } else { &positions };
        let _ = writeln!(text, "{id:<20} {strategy:<18} {mode:<8} {version:>7} {share:>6} {equity:>16}  {positions}");
    }
}

fn latencies(text: &mut String, latency: &Value) {
    let Some(stages) = latency.as_object().filter(|stages| !stages.is_empty()) else { return };
    let _ = writeln!(text, "\n{:<20} {:>10} {:>12} {:>12} {:>12}", "latency", "n", "p50 us", "p99 us", "p99.9 us");
    for (stage, figures) in stages {
        let us = |field: &str| figures[field].as_f64().map_or_else(String::new, |ns| format!("{:.1}", ns / 1e3));
        let (p50, p99, p999) = (us("p50_ns"), us("p99_ns"), us("p999_ns"));
        let _ = writeln!(text, "{stage:<20} {:>10} {p50:>12} {p99:>12} {p999:>12}", words(&figures["n"]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_status_is_laid_out_with_its_stop_and_its_positions() {
        let text = table(&json!({
            "ok": true, "engine_id": "engine-1", "pid": 7, "state": "halted", "connected": false,
            "stop": { "by": "kim", "reason": "odd fills", "release": "`resume` by a named operator", "state": "halted" },
            "market": { "received": 800, "refused": 3 },
            "instances": [{
                "instance_id": "sma-1", "strategy": "sma_cross", "mode": "live", "params_version": 3, "capital_share": 0.9,
                "equity": "9999.5",
                "positions": { "BTCUSDT": "-0.25", "ETHUSDT": "0" },
            }],
            "latency": { "decide": { "n": 3, "p50_ns": 1500, "p99_ns": 20000, "p999_ns": 30000 } },
        }));
        for expected in [
            "engine-1",
            "halted",
            "worker       no",
            "odd fills",
            "refused      3 of 800 market events",
            "0.9           9999.5  BTCUSDT -0.25\n",
            "1.5         20.0",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
        assert!(!text.contains("ETHUSDT") && !text.contains("journal"), "{text}");
    }
}
