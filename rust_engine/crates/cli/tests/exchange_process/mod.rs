//! A recorded session on a loopback port, and an engine that trades on it on paper.

use crate::engine_process::{config, instance};
use fake_exchange::{Capture, Dialect, Exchange, Script};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// Streams of one spot symbol that the engine below subscribes.
pub const SPOT_STREAMS: usize = 4;

/// The first seconds of the recorded session, or nothing, said aloud, where there are no data.
pub fn capture(seconds: i64) -> Option<Capture> {
    let name = "ticks/raw_binance_spot_btcusdt_20240808.gz";
    let Some(dir) = std::env::var_os("XCRACK_DATA_DIR").map(PathBuf::from) else {
        assert!(std::env::var_os("CI").is_none(), "XCRACK_DATA_DIR must be set in CI");
        eprintln!("skipped: XCRACK_DATA_DIR is not set, so {name} is not there");
        return None;
    };
    Some(Capture::read_seconds(&dir.join(name), seconds).unwrap())
}

/// An exchange that plays once to whoever listens; ends with its test.
pub struct Served {
    pub address: SocketAddr,
    is_over: Arc<AtomicBool>,
    ends: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    /// Plays `capture` at `speed` times its pace from when so many streams are subscribed.
    pub fn start(capture: &Capture, speed: f64, n_streams: usize) -> Self {
        let exchange =
            Exchange::rehearsing(Dialect::Binance, "BTCUSDT", capture, Script::default(), speed, Arc::new(now_ms));
        let (is_over, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let (tell, told) = mpsc::channel();
        let (over, end) = (Arc::clone(&is_over), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let player = Arc::clone(&exchange);
                tokio::spawn(async move {
                    while player.subscribed().len() < n_streams {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                    player.play().await;
                    over.store(true, Ordering::SeqCst);
                });
                loop {
                    tokio::select! {
                        () = end.notified() => return,
                        accepted = listener.accept() => {
                            let ((stream, _), exchange) = (accepted.unwrap(), Arc::clone(&exchange));
                            // A killed engine ends its connections its own way.
                            tokio::spawn(async move { exchange.serve(stream).await.ok() });
                        }
                    }
                }
            });
        });
        Self { address: told.recv().unwrap(), is_over, ends, thread: Some(thread) }
    }

    /// Whether the last line was played.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.ends.notify_one();
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// An engine on the exchange at this address, on the book venue; it quotes near enough to trade.
pub fn live_config(folder: &Path, address: &SocketAddr) -> Value {
    let quoting = json!({ "spread_threshold": 2.0, "order_layers": 2.0 });
    let instances = json!([
        instance("making-1", "market_making", "quotes", quoting),
        instance("momentum-1", "momentum_scalping", "trades", json!({})),
    ]);
    let markets = json!([{
        "venue": "binance_spot", "symbols": { "BTCUSDT": "BTCUSDT" },
        "streams": { "trades": true, "quotes": true, "depth": true, "candles": "1m", "funding": false },
        "ws_url": format!("ws://{address}"), "rest_url": format!("http://{address}"), "stale_after_ms": 60_000,
    }]);
    let changes = json!({
        "markets": markets, "trade_from_ns": now_ms() * 1_000_000,
        "venue": { "model": "book", "order_latency_us": 500, "feed_latency_us": 0 },
        "state": { "snapshot_every_s": 1 },
    });
    config(folder, instances, changes)
}
