//! The real binary, with no worker, no database and no Redis anywhere: each way of stopping takes effect, is journalled under its
//! own name, and is released only by a named operator.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

#[path = "../../engine/tests/feed_file/mod.rs"]
mod feed_file;

use engine::feed::Row;
use feed_file::write_rows;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const BINARY: &str = env!("CARGO_BIN_EXE_xcrack-engine");
const HOUR_NS: i64 = 3_600_000_000_000;
const TRIES: usize = 2_000;

/// A running engine, killed with its test.
struct Engine {
    folder: tempfile::TempDir,
    child: Child,
}

impl Drop for Engine {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// So many bars from `begin_ns` on, as the file that the engine reads; `price` of each by its number.
fn write_bars(path: &Path, n_bars: i64, begin_ns: i64, length_ns: i64, price: impl Fn(i64) -> f64) {
    let row = |n: i64| {
        let price = price(n);
        Row {
            symbol: 0,
            opened_at_ns: begin_ns + n * length_ns,
            closed_at_ns: begin_ns + (n + 1) * length_ns,
            open: price,
            high: price + 0.5,
            low: price - 0.5,
            close: price,
            volume: 10.0,
        }
    };
    write_rows(path, &(0..n_bars).map(row).collect::<Vec<_>>());
}

fn config(folder: &Path) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    json!({
        "engine_id": "engine-1", "state_dir": path("state"), "feed": path("bars.npy"),
        "symbols": [{ "name": "BTCUSDT", "tick": "0.01", "lot": "0.001" }], "pace": "granted",
        "trade_from_ns": 20 * HOUR_NS,
        "instances": [{
            "instance_id": "sma-1", "strategy": "sma_cross", "symbols": ["BTCUSDT"], "capital": "10000", "mode": "live",
            "version": 1, "params": { "fast": 2.0, "slow": 5.0, "size": 1.0 },
        }],
        "costs": { "maker_fee_bps": 2.0, "taker_fee_bps": 5.0, "slippage_bps": 2.0 },
        "limits": {
            "max_order_notional": "100000", "max_position_notional": "100000", "max_gross_notional": "100000",
            "price_collar_bps": 500.0,
        },
        "advice": {
            "enabled": false, "min_strength": 1.0, "min_notional_krw": 100_000.0, "krw_per_quote": 1400.0,
            "rate_max_age_ms": 86_400_000, "deadline_ms": 950,
        },
        "mark_interval_ms": 3_600_000,
        // Port 9 discards: there is no worker, and none ever answers.
        "bridge_url": "ws://127.0.0.1:9/ai_bridge", "secret_file": path("bridge.secret"),
    })
}

fn prepare(change: impl Fn(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_bars(&folder.path().join("bars.npy"), 40, 0, HOUR_NS, |_| 100.0);
    let secret = folder.path().join("bridge.secret");
    std::fs::write(&secret, "0123456789abcdef0123456789abcdef").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut config = config(folder.path());
    change(&mut config);
    std::fs::write(folder.path().join("engine.json"), config.to_string()).unwrap();
    folder
}

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

impl Engine {
    fn start(change: impl Fn(&mut Value)) -> Self {
        let folder = prepare(change);
        let log = std::fs::File::create(folder.path().join("engine.log")).unwrap();
        let child = Command::new(BINARY)
            .args(["run", "--config", &folder.path().join("engine.json").display().to_string()])
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let engine = Self { folder, child };
        engine.until("its control socket", || engine.folder.path().join("state/control.sock").exists().then_some(()));
        engine
    }

    /// Looks again and again; the number of looks bounds a hang and measures nothing.
    fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        for _ in 0..TRIES {
            if let Some(found) = look() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no {what}: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("engine.log")).unwrap()
    }

    fn state_dir(&self) -> String {
        self.folder.path().join("state").display().to_string()
    }

    fn ask(&self, verb: &[&str]) -> Value {
        let state_dir = self.state_dir();
        let done = run(&[verb, &["--state-dir", &state_dir]].concat());
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice(&done.stdout).unwrap()
    }

    fn until_stopped_by(&self, by: &str, state: &str) -> Value {
        self.until(by, || {
            let status = self.ask(&["status", "--json"]);
            (status["state"] == state && status["stop"]["by"] == by).then_some(status)
        })
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Ends it in good order and returns who gave each command in its journal.
    fn commands(mut self) -> Vec<String> {
        let before = self.ask(&["status"])["actions_sha256"].clone();
        self.signal(Signal::SIGTERM);
        assert!(self.child.wait().unwrap().success());
        let config = self.folder.path().join("engine.json").display().to_string();
        let replayed: Value = serde_json::from_slice(&run(&["journal", "replay", "--config", &config]).stdout).unwrap();
        assert_eq!(replayed["actions_sha256"], before);
        let verified = run(&["journal", "verify", "--state-dir", &self.state_dir()]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        let journal = std::fs::read_to_string(self.folder.path().join("state/journal.jsonl")).unwrap();
        let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let commands = records.filter(|record| record["kind"] == "command");
        let by = |record: Value| {
            let command = match &record["body"] {
                Value::String(text) => serde_json::from_str(text).unwrap(),
                plain => plain.clone(),
            };
            command["by"].as_str().unwrap().to_owned()
        };
        commands.map(by).collect()
    }
}

#[test]
fn a_kill_file_halts_for_as_long_as_it_is_there() {
    let engine = Engine::start(|_| ());
    assert_eq!(engine.ask(&["status"])["state"], "active");
    let file = engine.folder.path().join("state/KILL");
    std::fs::write(&file, "odd fills\n").unwrap();
    let stop = engine.until_stopped_by("kill_file", "halted")["stop"].clone();
    assert_eq!(stop["reason"], "odd fills");
    assert!(stop["release"].as_str().unwrap().contains("remove the kill file"));
    engine.ask(&["resume", "--by", "kim"]);
    engine.until_stopped_by("kill_file", "halted");
    std::fs::remove_file(&file).unwrap();
    let resumed = engine.ask(&["resume", "--by", "kim"]);
    assert_eq!((&resumed["state"], &resumed["stop"]), (&json!("active"), &Value::Null));
    assert_eq!(engine.commands(), ["kill_file", "kim", "kill_file", "kim"]);
}

#[test]
fn signals_reduce_and_halt() {
    let engine = Engine::start(|_| ());
    engine.signal(Signal::SIGUSR2);
    engine.until_stopped_by("signal", "reducing");
    engine.signal(Signal::SIGUSR1);
    assert_eq!(engine.until_stopped_by("signal", "halted")["stop"]["reason"], "SIGUSR1");
    assert_eq!(engine.commands(), ["signal", "signal"]);
}

/// Bars on the wall clock: some seconds of the past, the first of them flat, and a minute to come, in which the price rises.
fn rise_by_the_wall_clock(config: &mut Value) {
    const BAR_NS: i64 = 250_000_000;
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let begin_ns = i64::try_from(since_1970.as_nanos()).unwrap() - 20 * BAR_NS;
    let feed = config["feed"].as_str().unwrap();
    write_bars(Path::new(feed), 260, begin_ns, BAR_NS, |n| 100.0 + 0.05 * (n - 10).max(0) as f64);
    (config["pace"], config["trade_from_ns"]) = (json!("realtime"), json!(begin_ns + 10 * BAR_NS));
}

#[test]
fn silence_halts_and_closes_positions_where_the_limits_say_so() {
    let engine = Engine::start(|config| {
        rise_by_the_wall_clock(config);
        config["dead_man_ms"] = json!(2_000);
        config["limits"]["flatten_on_halt"] = json!(true);
    });
    let status = engine.until_stopped_by("dead_man", "halted");
    assert!(status["stop"]["reason"].as_str().unwrap().contains("2000 ms"), "{status}");
    let instance = engine.until("a closed position", || {
        let instance = engine.ask(&["status"])["instances"][0].clone();
        (instance["positions"]["BTCUSDT"] == "0").then_some(instance)
    });
    assert_ne!(instance["equity"], instance["capital"], "there was a position to close");
    assert_eq!(engine.commands(), ["dead_man"]);
}

#[test]
fn silence_only_halts_where_the_limits_do_not_say_so() {
    let engine = Engine::start(|config| {
        rise_by_the_wall_clock(config);
        config["dead_man_ms"] = json!(2_000);
    });
    let status = engine.until_stopped_by("dead_man", "halted");
    assert_eq!(status["instances"][0]["positions"]["BTCUSDT"], "1", "{status}");
}

#[test]
fn a_stop_outlives_the_process() {
    let mut engine = Engine::start(|_| ());
    engine.ask(&["halt", "--by", "kim", "--reason", "enough"]);
    engine.child.kill().unwrap();
    engine.child.wait().unwrap();
    let config = engine.folder.path().join("engine.json").display().to_string();
    engine.child = Command::new(BINARY).args(["run", "--config", &config]).stderr(Stdio::null()).spawn().unwrap();
    let state_dir = engine.state_dir();
    let status: Value = engine.until("answer", || {
        let done = run(&["status", "--state-dir", &state_dir]);
        done.status.success().then(|| serde_json::from_slice(&done.stdout).unwrap())
    });
    assert_eq!((&status["state"], &status["stop"]["reason"]), (&json!("halted"), &json!("enough")));
}

#[test]
fn a_resume_without_a_name_is_refused() {
    let engine = Engine::start(|_| ());
    engine.ask(&["halt"]);
    let state_dir = engine.state_dir();
    for by in [&["--by", " "][..], &[]] {
        let done = run(&[&["resume", "--state-dir", &state_dir], by].concat());
        assert_eq!(done.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&done.stderr).contains("--by"), "{done:?}");
    }
    assert_eq!(engine.ask(&["resume", "--by", "dead_man"])["state"], "halted", "and a machine is nobody");
}

#[test]
fn the_figures_can_be_scraped() {
    let engine = Engine::start(|config| config["metrics_listen"] = json!("0"));
    let address = engine.until("metrics address", || {
        let lines = engine.log();
        let mut found = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        found.find(|line| line["event"] == "metrics").map(|line| line["address"].as_str().unwrap().to_owned())
    });
    engine.ask(&["halt", "--by", "kim"]);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    for line in
        ["xcrack_trading_state{state=\"halted\"} 1", "xcrack_capital{instance=\"sma-1\",strategy=\"sma_cross\"} 10000"]
    {
        assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
    }
}

#[test]
fn only_instances_of_the_chosen_strategies_start() {
    let folder = prepare(|config| {
        let mut other = config["instances"][0].clone();
        (other["instance_id"], other["strategy"]) = (json!("mm-1"), json!("market_making"));
        other["params"] = json!({});
        config["instances"].as_array_mut().unwrap().push(other);
    });
    let config = folder.path().join("engine.json").display().to_string();
    for (names, expected) in [("sma_crss", "sma_cross"), ("momentum_scalping", "market_making, sma_cross")] {
        let done = run(&["run", "--config", &config, "--strategies", names]);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!((done.status.code(), told.contains(expected)), (Some(2), true), "{told}");
    }
    // The other instance has no parameters, so a run that kept it would be refused.
    let log = std::fs::File::create(folder.path().join("engine.log")).unwrap();
    let arguments = ["run", "--config", &config, "--strategies", "sma_cross"];
    let child = Command::new(BINARY).args(arguments).stderr(log).spawn().unwrap();
    let engine = Engine { folder, child };
    engine.until("its control socket", || engine.folder.path().join("state/control.sock").exists().then_some(()));
    let status = engine.ask(&["status"]);
    assert_eq!(status["instances"].as_array().unwrap().len(), 1);
    assert_eq!(status["instances"][0]["instance_id"], "sma-1");
}
