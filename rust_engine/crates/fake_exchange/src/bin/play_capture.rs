//! Serves a recorded Binance session on a loopback port as if it happened now: streams, books, past candles, the listing.
//!
//! The first line is played when enough streams are subscribed; after the last one the exchange stays and is silent. What
//! happens is told on stdout, one JSON object a line: `listening` with both addresses, `playing`, `played`. It ends with
//! SIGTERM or SIGINT, or when its stdin is closed and `--until-stdin-closes` was given.

use clap::Parser;
use fake_exchange::{Capture, CaptureError, Dialect, Exchange, Fault, Script};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// Between two looks at who has subscribed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Play a recorded Binance session on a loopback port, as if it happened now.
#[derive(Parser)]
struct Args {
    /// A raw recording: a stamp in nanoseconds and a text on each line, compressed where its name ends in `.gz`.
    capture: PathBuf,
    /// The recording's symbol.
    #[arg(long, default_value = "BTCUSDT")]
    symbol: String,
    /// Port; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// So many times the recorded pace.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Play only so many recorded seconds.
    #[arg(long, default_value_t = i64::MAX)]
    seconds: i64,
    /// Begin when so many streams are subscribed.
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// End when stdin is closed, so that it does not outlive the program that started it.
    #[arg(long)]
    until_stdin_closes: bool,
    #[command(flatten)]
    faults: Faults,
}

/// What goes wrong, each with one line in so many.
#[derive(clap::Args)]
struct Faults {
    /// Leave it out.
    #[arg(long, value_name = "LINES")]
    drop: Option<usize>,
    /// Send it twice.
    #[arg(long, value_name = "LINES")]
    duplicate: Option<usize>,
    /// Send it three lines late.
    #[arg(long, value_name = "LINES")]
    late: Option<usize>,
    /// Send what is no message before it.
    #[arg(long, value_name = "LINES")]
    garbage: Option<usize>,
    /// Send it with a number far ahead first.
    #[arg(long, value_name = "LINES")]
    wrong_sequence: Option<usize>,
    /// Send half of its frame and break the connection.
    #[arg(long, value_name = "LINES")]
    cut: Option<usize>,
    /// Close the connection in good order.
    #[arg(long, value_name = "LINES")]
    close: Option<usize>,
    /// Never send the next candle that closes.
    #[arg(long, value_name = "LINES")]
    lose_candle: Option<usize>,
    /// Be silent before it.
    #[arg(long, value_name = "LINES")]
    silence: Option<usize>,
    /// Seconds of each silence.
    #[arg(long, default_value_t = 65)]
    silence_seconds: u64,
}

impl Faults {
    /// Where two faults meet, the later in this list is the one.
    fn script(&self, n_lines: usize) -> Script {
        let faults = [
            (self.drop, Fault::Drop),
            (self.duplicate, Fault::Duplicate(1)),
            (self.late, Fault::Late(3)),
            (self.garbage, Fault::Garbage),
            (self.wrong_sequence, Fault::WrongSequence),
            (self.lose_candle, Fault::LoseCandle),
            (self.cut, Fault::CutMidFrame),
            (self.close, Fault::Close),
            (self.silence, Fault::Silence(Duration::from_secs(self.silence_seconds))),
        ];
        let mut lines = BTreeMap::new();
        for (every, fault) in faults {
            let Some(every) = every.filter(|every| *every > 0) else { continue };
            lines.extend((every..n_lines).step_by(every).map(|line| (line, fault.clone())));
        }
        Script { lines, ..Script::default() }
    }
}

#[derive(Debug, thiserror::Error)]
enum PlayError {
    #[error(transparent)]
    Capture(#[from] CaptureError),
    #[error("{0} times the recorded pace is none: --speed must be above 0")]
    Speed(f64),
    #[error("port {port} of the loopback: {source}")]
    Port { port: u16, source: io::Error },
    #[error("stdout: {0}")]
    Stdout(#[from] io::Error),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let until_stdin_closes = args.until_stdin_closes;
    tokio::select! {
        ended = serve(args) => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("play_capture: {error}");
                ExitCode::from(2)
            }
        },
        () = stdin_closed(), if until_stdin_closes => ExitCode::SUCCESS,
    }
}

async fn stdin_closed() {
    let (mut stdin, mut buffer) = (tokio::io::stdin(), [0; 1024]);
    while matches!(stdin.read(&mut buffer).await, Ok(1..)) {}
}

async fn serve(args: Args) -> Result<(), PlayError> {
    if !(args.speed.is_finite() && args.speed > 0.0) {
        return Err(PlayError::Speed(args.speed));
    }
    let capture = Capture::read_seconds(&args.capture, args.seconds)?;
    let script = args.faults.script(capture.lines.len());
    let exchange = Exchange::rehearsing(Dialect::Binance, &args.symbol, &capture, script, args.speed, Arc::new(now_ms));
    let failed = |source| PlayError::Port { port: args.port, source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tell(&json!({"event": "listening", "port": address.port(), "ws_url": format!("ws://{address}"),
        "rest_url": format!("http://{address}"), "lines": capture.lines.len()}))?;
    let accepting = accept(listener, Arc::clone(&exchange));
    let playing = async {
        while exchange.subscribed().len() < args.streams {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tell(&json!({"event": "playing", "at_ms": now_ms(), "streams": exchange.subscribed()}))?;
        exchange.play().await;
        tell(&json!({"event": "played", "at_ms": now_ms(), "connections": exchange.n_connections()}))?;
        std::future::pending::<Result<(), PlayError>>().await
    };
    tokio::select! {
        ended = playing => ended,
        error = accepting => Err(failed(error)),
    }
}

/// Accepts until the listener fails.
async fn accept(listener: TcpListener, exchange: Arc<Exchange>) -> io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let exchange = Arc::clone(&exchange);
                // How a served connection ends is its peer's to notice.
                tokio::spawn(async move { exchange.serve(stream).await.ok() });
            }
            Err(error) => return error,
        }
    }
}

fn tell(what: &Value) -> Result<(), PlayError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{what}")?;
    Ok(stdout.flush()?)
}

fn now_ms() -> i64 {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)
}
