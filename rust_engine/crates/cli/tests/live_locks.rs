//! A build without feature `live` trades no account, whatever it is given, and says why.

#![cfg(not(feature = "live"))]
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const BINARY: &str = env!("CARGO_BIN_EXE_xcrack-engine");

fn config(folder: &Path, model: &str) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    json!({
        "engine_id": "engine-1", "state_dir": path("state"), "pace": "realtime", "trade_from_ns": 0,
        "symbols": [{ "name": "BTCUSDT", "tick": "0.01", "lot": "0.001" }],
        "markets": [{ "venue": "binance_spot", "symbols": { "BTCUSDT": "BTCUSDT" }, "streams": { "trades": true } }],
        "instances": [], "costs": { "maker_fee_bps": 2.0, "taker_fee_bps": 5.0, "slippage_bps": 2.0 },
        "venue": { "model": model },
        "limits": {
            "max_order_notional": "100", "max_position_notional": "100", "max_gross_notional": "100",
            "price_collar_bps": 500.0,
        },
        "advice": {
            "enabled": false, "min_strength": 1.0, "min_notional_krw": 100_000.0, "krw_per_quote": 1400.0,
            "rate_max_age_ms": 86_400_000, "deadline_ms": 950,
        },
        "mark_interval_ms": 3_600_000,
        "bridge_url": "ws://127.0.0.1:9/ai_bridge", "secret_file": path("bridge.secret"),
    })
}

fn refused(model: &str, arguments: &[&str]) -> (Output, bool) {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("bridge.secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = folder.path().join("engine.json");
    std::fs::write(&file, config(folder.path(), model).to_string()).unwrap();
    let [verb, rest @ ..] = arguments else { panic!("a verb is missing") };
    let output = Command::new(BINARY).args([verb, "--config"]).arg(&file).args(rest).output().unwrap();
    (output, folder.path().join("state").exists())
}

#[test]
fn an_engine_that_would_trade_an_account_does_not_start() {
    for (model, arguments) in [
        ("external", &["run"][..]),
        ("external", &["run", "--live", "account.json"]),
        ("book", &["run", "--live", "account.json"]),
        ("external", &["approve-live", "--live", "account.json", "--by", "kim"]),
    ] {
        let (output, has_state) = refused(model, arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{model} {arguments:?}: {told}");
        assert!(told.contains("not_built") && told.contains("docs/guides/live.md"), "{told}");
        assert!(!has_state, "nothing was begun");
    }
}
