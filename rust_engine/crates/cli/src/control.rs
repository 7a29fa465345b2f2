//! The control socket: a Unix socket in the state directory that works with everything else dead.
//!
//! A request is one JSON line, the answer is one JSON line. Only the owner of the directory can connect.

use crate::listening::Listening;
use anyhow::{Context, Result, bail};
use model::message::{Command, CommandAction};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

const SOCKET_FILE: &str = "control.sock";
/// A Unix socket's path must fit into 108 bytes, its end included.
const MAX_PATH_BYTES: usize = 107;
const MAX_REQUEST_BYTES: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// Where the engine stands.
    Status {},
    /// An order to the engine.
    Command {
        /// Which.
        action: CommandAction,
        /// Who asks.
        by: String,
        /// Why.
        reason: String,
    },
}

impl Request {
    /// The command, under an id that no other command of this run has.
    pub fn command(self, record: u64) -> Option<Command> {
        match self {
            Self::Status {} => None,
            Self::Command { action, by, reason } => {
                Some(Command { command_id: format!("control-{record}"), action, by, reason })
            }
        }
    }
}

/// A request and where its answer goes.
pub type Ask = (Request, oneshot::Sender<Value>);

fn socket_path(state_dir: &Path) -> Result<PathBuf> {
    let path = state_dir.join(SOCKET_FILE);
    let length = path.as_os_str().len();
    if length > MAX_PATH_BYTES {
        bail!(
            "{} has {length} bytes, a socket's path at most {MAX_PATH_BYTES}: use a shorter state_dir",
            path.display()
        );
    }
    Ok(path)
}

/// Listens in `state_dir`, whose lock the caller holds; requests arrive on the returned queue.
pub fn listen(state_dir: &Path) -> Result<mpsc::Receiver<Ask>> {
    let path = socket_path(state_dir)?;
    // The lock is ours, so a socket that is here belongs to an engine that died.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the old {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen at {}", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .with_context(|| format!("cannot protect {}", path.display()))?;
    let (asks, queue) = mpsc::channel(16);
    tokio::spawn(async move {
        let mut listening = Listening::new("control socket");
        loop {
            let (stream, _) = listening.next(|waker| listener.poll_accept(waker)).await;
            tokio::spawn(answer(stream, asks.clone()));
        }
    });
    Ok(queue)
}

async fn answer(mut stream: tokio::net::UnixStream, asks: mpsc::Sender<Ask>) {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(read.take(MAX_REQUEST_BYTES));
    let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
    let answer = match (read, serde_json::from_str(&line)) {
        (Ok(Ok(_)), Ok(request)) => {
            let (reply, answer) = oneshot::channel();
            if asks.send((request, reply)).await.is_err() {
                return;
            }
            answer.await.unwrap_or_else(|_| refusal("the engine is stopping"))
        }
        (Ok(Ok(_)), Err(error)) => refusal(&format!("not a request: {error}")),
        (Ok(Err(error)), _) => refusal(&error.to_string()),
        (Err(_), _) => refusal("no request came in time"),
    };
    // The one who asked may be gone; the command is in the journal all the same.
    drop(write.write_all(format!("{answer}\n").as_bytes()).await);
}

/// An answer that says no.
pub fn refusal(problem: &str) -> Value {
    serde_json::json!({ "ok": false, "error": problem })
}

/// Asks the engine that runs in `state_dir` and returns its answer.
pub fn ask(state_dir: &Path, request: &Request) -> Result<Value> {
    let path = socket_path(state_dir)?;
    let asked = serde_json::to_string(request)?;
    if asked.len() as u64 >= MAX_REQUEST_BYTES {
        bail!("--by and --reason have {} bytes together with the order, at most {MAX_REQUEST_BYTES}", asked.len());
    }
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!(
            "no engine answers at {}: it is not running, or its directory is another one (--state-dir, XCRACK_HOME)",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{asked}")?;
    let mut line = String::new();
    BufReader::new(stream)
        .read_line(&mut line)
        .with_context(|| format!("the engine at {} did not answer", path.display()))?;
    let answer: Value = serde_json::from_str(&line).context("the engine's answer is not JSON")?;
    if answer["ok"] != true {
        bail!("the engine refused: {}", answer["error"].as_str().unwrap_or("no reason given"));
    }
    Ok(answer)
}
