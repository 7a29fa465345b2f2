//! The binary that trades an account, as a process, against an exchange on this machine.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

#[path = "../../cli/tests/engine_process/mod.rs"]
mod engine_process;
mod exchanges;

use engine_process::{Home, config, instance, run, until};
use exchanges::{Exchanges, KEPT, now};
use fake_exchange::private::{KEY, RequestFault, SECRET};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BINARY: &str = env!("CARGO_BIN_EXE_xcrack-engine-live");

fn write_secretly(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A market maker on the account; nobody has approved it.
fn home(exchanges: &Exchanges) -> Home {
    let mut home = Home::new(|folder| {
        let quoting = json!({ "spread_threshold": 20.0, "order_layers": 1.0 });
        let changes = json!({
            "symbols": [{ "name": "BTCUSDT", "tick": "0.01", "lot": "0.001" }],
            "markets": [{
                "venue": "binance_spot", "symbols": { "BTCUSDT": "BTCUSDT" }, "streams": { "quotes": true },
                "ws_url": format!("ws://{}", exchanges.market_at), "rest_url": format!("http://{}", exchanges.market_at),
                "stale_after_ms": 3_600_000,
            }],
            "trade_from_ns": now().0, "venue": { "model": "external" },
            "limits": {
                "max_order_notional": "100000", "max_position_notional": "100000", "max_gross_notional": "300000",
                "price_collar_bps": 500.0, "max_daily_loss": "1000",
            },
        });
        config(folder, json!([instance("making-1", "market_making", "quotes", quoting)]), changes)
    });
    let path = |name: &str| home.folder.path().join(name);
    write_secretly(&path("key"), KEY);
    write_secretly(&path("secret"), SECRET);
    let live = json!({
        "venue": "binance_spot",
        "symbols": { "BTCUSDT": { "name": "BTCUSDT", "base": "BTC", "quote": "USDT", "keep": KEPT } },
        "key_file": path("key"), "secret_file": path("secret"), "approval_file": path("approval.json"),
        "rest_url": format!("http://{}", exchanges.account_at), "ws_url": format!("ws://{}", exchanges.account_at),
    });
    fs::write(path("live.json"), live.to_string()).unwrap();
    home.further = vec!["--live".to_owned(), path("live.json").display().to_string()];
    home
}

fn approve(home: &Home) {
    let config = home.config_file();
    let done = run(&["approve-live", "--config", &config, "--live", &home.further[1], "--by", "kim", "--days", "1"], 2);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn tell(home: &Home, verb: &[&str]) -> Value {
    let state_dir = home.state_dir().display().to_string();
    let done = run(&[verb, &["--state-dir", &state_dir]].concat(), 2);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn until_active(home: &Home) {
    until("an engine that is ready", || {
        let status = home.status();
        (status["state"] == "active" && status["account"]["agreed"].as_u64() > Some(0)).then_some(())
    });
}

/// Quotes until the look finds something; two prices in turn, so that each quote moves the strategy's aim.
fn quote_until<T>(exchanges: &Exchanges, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut is_high = false;
    until(what, || {
        is_high = !is_high;
        exchanges.quote(if is_high { "100.09" } else { "99.99" }, if is_high { "100.11" } else { "100.01" });
        look()
    })
}

/// Whole lots of what was bought; fees in the base currency have made it less.
fn until_position_is_the_exchanges(home: &Home, exchanges: &Exchanges) {
    let (kept, lot): (model::Qty, model::Qty) = (KEPT.parse().unwrap(), "0.001".parse().unwrap());
    let traded = (exchanges.account.truth(|book| book.base) - kept).round_down(lot).to_string();
    until("the exchange's position", || {
        let status = home.status();
        (status["instances"][0]["positions"]["BTCUSDT"] == traded.as_str()).then_some(())
    });
}

#[test]
fn an_account_is_traded_through_a_kill_with_an_order_under_way() {
    let exchanges = Exchanges::start(KEPT);
    let mut home = home(&exchanges);
    let refused = run(&["run", "--config", &home.config_file(), "--live", &home.further[1]], 2);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("approval_missing"));
    approve(&home);
    home.start();
    until_active(&home);
    quote_until(&exchanges, "a bid", || (exchanges.open().len() == 1).then_some(()));

    // What rests is reached: the buy trades in two parts. An ask would have sold what is not the engine's.
    exchanges.trade_at("99.5", "99.6");
    exchanges.trade_at("99.5", "99.6");
    exchanges.trade_at("99.99", "100.01");
    assert!(exchanges.traded() != model::Qty::ZERO, "the exchange traded");
    until_position_is_the_exchanges(&home, &exchanges);
    let is_cancelled = || exchanges.account.truth(|book| book.orders.values().any(|o| o.status == "CANCELED"));
    quote_until(&exchanges, "a quote that was replaced", || is_cancelled().then_some(()));

    // The next order is taken and never answered; the engine dies while it waits, and what trades then it does not hear.
    exchanges.account.spoil_next("POST", RequestFault::SilentAfter);
    quote_until(&exchanges, "an order without an answer", || (!exchanges.account.is_spoiling()).then_some(()));
    until("that order at the exchange", || (!exchanges.open().is_empty()).then_some(()));
    home.kill();
    let n_open = exchanges.open().len();
    assert!(n_open > 0, "an order outlives its engine");
    exchanges.trade_at("90", "90.01");
    exchanges.trade_at("110", "110.01");
    exchanges.trade_at("99.99", "100.01");

    home.start();
    until_active(&home);
    until_position_is_the_exchanges(&home, &exchanges);
    assert!(exchanges.took_each_once(), "no order left twice");
    quote_until(&exchanges, "new quotes", || (!exchanges.open().is_empty()).then_some(()));

    let answer = tell(&home, &["halt", "--by", "kim", "--reason", "the end"]);
    assert_eq!((&answer["state"], &answer["stop"]["by"]), (&json!("halted"), &json!("kim")));
    until("an exchange without our orders", || exchanges.open().is_empty().then_some(()));
    until_position_is_the_exchanges(&home, &exchanges);
    let standing = home.stop();
    assert_eq!(standing["actions_sha256"], home.replayed()["actions_sha256"], "recovery and replay are the same run");
    assert!(exchanges.took_each_once(), "no order left twice");
}

#[test]
fn an_engine_is_not_ready_while_the_account_holds_something_else() {
    let exchanges = Exchanges::start("50.5");
    let mut home = home(&exchanges);
    approve(&home);
    home.start();
    let stop = quote_until(&exchanges, "the difference by name", || {
        let status = home.status();
        let reason = status["stop"]["reason"].as_str()?;
        reason.contains("position_differs").then(|| status["stop"].clone())
    });
    assert_eq!((&stop["by"], &stop["state"]), (&json!("reconciliation"), &json!("halted")));
    assert!(stop["reason"].as_str().unwrap().contains("0.5 at the venue"), "{stop}");
    assert_eq!(exchanges.account.log(), Vec::<String>::new(), "nothing was placed");

    let half = "0.5".parse().unwrap();
    exchanges.account.change_silently(|book| book.base -= half);
    until_active(&home);
    quote_until(&exchanges, "quotes once both agree", || (!exchanges.open().is_empty()).then_some(()));
}

#[test]
fn a_signal_outlasts_an_account_that_does_not_agree() {
    let exchanges = Exchanges::start("50.5");
    let mut home = home(&exchanges);
    approve(&home);
    home.start();
    quote_until(&exchanges, "a halt by the account", || {
        (home.status()["stop"]["by"] == "reconciliation").then_some(())
    });
    home.signal(Signal::SIGUSR2);
    quote_until(&exchanges, "the signal in the journal", || home.journal().contains("SIGUSR2").then_some(()));
    let half = "0.5".parse().unwrap();
    exchanges.account.change_silently(|book| book.base -= half);
    let status = quote_until(&exchanges, "an account that agrees", || {
        let status = home.status();
        (status["account"]["agreed"].as_u64() > Some(0)).then_some(status)
    });
    assert_eq!((&status["state"], &status["stop"]["by"]), (&json!("reducing"), &json!("signal")));
}
