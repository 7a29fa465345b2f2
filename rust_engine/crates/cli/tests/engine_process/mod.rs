//! The real binary as a process that may be killed, and what it leaves on disk. Which binary says the test that uses this.

#![allow(dead_code, reason = "each test uses its part")]

#[path = "../../../engine/tests/copied/mod.rs"]
mod copied;
#[path = "../../../engine/tests/feed_file/mod.rs"]
mod feed_file;

use crate::BINARY;
use copied::copy_dir;
use engine::Run;
use engine::feed::Row;
use feed_file::write_rows;
use model::config::EngineConfig;
use model::message::Message;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const TRIES: usize = 6_000;
pub const SECRET: &str = "0123456789abcdef0123456789abcdef";
const MINUTE_NS: i64 = 60_000_000_000;

/// The home of a run; its engine is killed with its test.
pub struct Home {
    pub folder: tempfile::TempDir,
    /// What a start is given beside the configuration.
    pub further: Vec<String>,
    child: Option<Child>,
}

impl Drop for Home {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Looks again and again; the number of looks bounds a hang and measures nothing.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..TRIES {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("no {what}");
}

/// A configuration of one symbol without a worker; `changes` replace or add fields.
pub fn config(folder: &Path, instances: Value, changes: Value) -> Value {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut config = json!({
        "engine_id": "engine-1", "state_dir": path("state"), "feed": "",
        "symbols": [{ "name": "BTCUSDT", "tick": "0.01", "lot": "0.00001" }], "pace": "realtime", "trade_from_ns": 0,
        "instances": instances,
        "costs": { "maker_fee_bps": 1.0, "taker_fee_bps": 5.0, "slippage_bps": 2.0 },
        "limits": {
            "max_order_notional": "100000", "max_position_notional": "100000", "max_gross_notional": "300000",
            "price_collar_bps": 500.0,
        },
        "advice": {
            "enabled": false, "min_strength": 1.0, "min_notional_krw": 100_000.0, "krw_per_quote": 1400.0,
            "rate_max_age_ms": 86_400_000, "deadline_ms": 950,
        },
        "mark_interval_ms": 86_400_000,
        // Port 9 discards: there is no worker, and none ever answers.
        "bridge_url": "ws://127.0.0.1:9/ai_bridge", "secret_file": path("bridge.secret"),
    });
    if let (Value::Object(fields), Value::Object(changes)) = (&mut config, changes) {
        fields.extend(changes);
    }
    config
}

pub fn instance(name: &str, strategy: &str, driver: &str, params: Value) -> Value {
    let mut values = json!(model::StrategyParams::defaults(strategy).unwrap().values());
    if let (Value::Object(values), Value::Object(params)) = (&mut values, params) {
        values.extend(params);
    }
    json!({ "instance_id": name, "strategy": strategy, "symbols": ["BTCUSDT"], "capital": "20000", "mode": "live",
        "version": 1, "params": values, "driver": driver })
}

/// A walk of so many minutes as the file that the engine reads.
pub fn write_walk(path: &Path, begin_ns: i64, n_bars: i64) {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut cents = 6_000_000_i64;
    let rows: Vec<Row> = (0..n_bars)
        .map(|minute| {
            let (open, close) = (cents, cents + (random.next_u64() % 12_001) as i64 - 6_000);
            cents = close.max(1_000_000);
            let usd = |cents: i64| cents as f64 / 100.0;
            Row {
                symbol: 0,
                opened_at_ns: begin_ns + minute * MINUTE_NS,
                closed_at_ns: begin_ns + (minute + 1) * MINUTE_NS,
                open: usd(open),
                high: usd(open.max(close) + 900),
                low: usd(open.min(close) - 900),
                close: usd(close),
                volume: 10.0,
            }
        })
        .collect();
    write_rows(path, &rows);
}

impl Home {
    /// A home with this configuration, made of the folder.
    pub fn new(config: impl FnOnce(&Path) -> Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("bridge.secret");
        fs::write(&secret, SECRET).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(folder.path().join("engine.json"), config(folder.path()).to_string()).unwrap();
        Self { folder, further: Vec::new(), child: None }
    }

    pub fn config_file(&self) -> String {
        self.folder.path().join("engine.json").display().to_string()
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Starts the engine; it need not be ready.
    pub fn start(&mut self) {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("engine.log")).unwrap();
        let run = ["run", "--config", &self.config_file()].map(str::to_owned);
        let run = run.iter().chain(&self.further);
        self.child = Some(Command::new(BINARY).args(run).stderr(log).stdout(Stdio::null()).spawn().unwrap());
    }

    pub fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("engine.log")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        nix::sys::signal::kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
    }

    /// Ends it in good order; gives where it stood.
    pub fn stop(&mut self) -> Value {
        self.signal(Signal::SIGTERM);
        let mut child = self.child.take().unwrap();
        assert!(child.wait().unwrap().success(), "{:?}", self.log().last());
        let log = self.log();
        let last = log.iter().rev().find(|line| line["event"] == "engine stops").unwrap();
        last["standing"].clone()
    }

    /// What the engine answers, as soon as it does.
    pub fn status(&self) -> Value {
        let state_dir = self.state_dir().display().to_string();
        until("answer of the engine", || {
            let done = run(&["status", "--state-dir", &state_dir], 2);
            done.status.success().then(|| serde_json::from_slice(&done.stdout).unwrap())
        })
    }

    /// Length of the journal in bytes.
    pub fn journal_length(&self) -> u64 {
        fs::metadata(self.state_dir().join("journal.jsonl")).map_or(0, |found| found.len())
    }

    /// The whole records of the journal.
    pub fn journal(&self) -> String {
        let text = fs::read_to_string(self.state_dir().join("journal.jsonl")).unwrap();
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        text[..whole].to_owned()
    }

    fn config(&self) -> EngineConfig {
        serde_json::from_slice(&fs::read(self.config_file()).unwrap()).unwrap()
    }

    /// Everything that the run has to say to its worker, by its journal.
    pub fn said(&self) -> Vec<Message> {
        let mut said = Vec::new();
        engine::run::replay_telling(&self.config(), &mut |_, message| said.push(message.clone())).unwrap();
        said
    }

    /// Replays what is on disk in processes of its own, with one thread and with two, and recovers a copy of it here, from
    /// its snapshots where it has some. All give the same; gives what.
    pub fn replayed(&self) -> Value {
        let replays = [1, 2].map(|n_threads| {
            let done = run(&["journal", "replay", "--config", &self.config_file()], n_threads);
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            serde_json::from_slice::<Value>(&done.stdout).unwrap()
        });
        assert_eq!(replays[0], replays[1]);
        let verified = run(&["journal", "verify", "--state-dir", &self.state_dir().display().to_string()], 2);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
        let mut config = self.config();
        let copy = tempfile::tempdir().unwrap();
        copy_dir(&self.state_dir(), copy.path());
        config.state_dir = copy.path().display().to_string();
        let (recovered, found) = Run::open(&config).unwrap();
        assert_eq!(found.notes, Vec::<String>::new());
        let standing = recovered.runtime().standing();
        assert_eq!(
            replays[0]["state_sha256"],
            json!(recovered.runtime().state_sha256().unwrap()),
            "recovery is replay"
        );
        assert_eq!(replays[0]["actions_sha256"], json!(standing.actions_sha256));
        replays[0].clone()
    }
}

pub fn run(arguments: &[&str], n_threads: usize) -> Output {
    Command::new(BINARY).args(arguments).env("RAYON_NUM_THREADS", n_threads.to_string()).output().unwrap()
}
