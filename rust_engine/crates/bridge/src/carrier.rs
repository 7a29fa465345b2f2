//! The WebSocket to the worker, seen as two bounded queues of text.
//!
//! Reading and writing are two tasks, so that a peer that stops reading can never keep the engine from reading, from its
//! control socket or from its timers.

use crate::frame::MAX_FRAME_BYTES;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Frames that may wait on each queue.
const QUEUE_FRAMES: usize = 256;

/// Why no link came about.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The address is not one of this machine's own.
    #[error(
        "bridge_url '{0}' must be ws://127.0.0.1:PORT/PATH (or localhost, [::1]): the bridge never leaves the machine"
    )]
    NotLoopback(String),
    /// Refused, or not a WebSocket.
    #[error("cannot reach the worker at {0}: {1}")]
    Unreachable(String, Box<tungstenite::Error>),
}

/// What comes in.
#[derive(Debug, PartialEq)]
pub enum Incoming {
    /// A frame.
    Text(String),
    /// The last thing to come: why the connection is over.
    Closed(String),
}

/// One open connection. Dropping `outgoing` closes it.
pub struct Link {
    /// Text to send. Full while the peer does not read.
    pub outgoing: mpsc::Sender<String>,
    /// What comes in, until the connection is over.
    pub incoming: mpsc::Receiver<Incoming>,
}

/// Checks that `url` names a WebSocket on this machine.
///
/// # Errors
/// [`DialError::NotLoopback`].
pub fn check_url(url: &str) -> Result<(), DialError> {
    let refused = || DialError::NotLoopback(url.chars().take(200).collect());
    let uri: tungstenite::http::Uri = url.parse().map_err(|_| refused())?;
    let loopback = uri.host().is_some_and(|host| ["127.0.0.1", "localhost", "[::1]", "::1"].contains(&host));
    if uri.scheme_str() != Some("ws") || !loopback || uri.port_u16().is_none() {
        return Err(refused());
    }
    Ok(())
}

/// Opens one connection and starts its two tasks on the running tokio runtime.
///
/// # Errors
/// [`DialError`].
pub async fn dial(url: &str) -> Result<Link, DialError> {
    check_url(url)?;
    let config =
        WebSocketConfig::default().max_message_size(Some(MAX_FRAME_BYTES)).max_frame_size(Some(MAX_FRAME_BYTES));
    let (socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), true)
        .await
        .map_err(|e| DialError::Unreachable(url.to_owned(), Box::new(e)))?;
    Ok(spawn(socket))
}

fn spawn(socket: WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>) -> Link {
    let (mut sink, mut stream) = socket.split();
    let (outgoing, mut to_send) = mpsc::channel::<String>(QUEUE_FRAMES);
    let (received, incoming) = mpsc::channel::<Incoming>(QUEUE_FRAMES);
    let reader = tokio::spawn(async move {
        let mut last_word = "the worker closed the connection".to_owned();
        while let Some(message) = stream.next().await {
            let text = match message {
                Ok(Message::Text(text)) => text.as_str().to_owned(),
                Ok(Message::Close(Some(frame))) => {
                    last_word = format!("the worker closed the connection: {}", frame.reason);
                    continue;
                }
                // Pings are answered by the library; only text is ours.
                Ok(_) => continue,
                Err(error) => {
                    last_word = error.to_string();
                    break;
                }
            };
            if received.send(Incoming::Text(text)).await.is_err() {
                return;
            }
        }
        // Nobody listens any more when this fails, so nobody needs the reason.
        drop(received.send(Incoming::Closed(last_word)).await);
    });
    tokio::spawn(async move {
        while let Some(text) = to_send.recv().await {
            if sink.feed(Message::text(text)).await.is_err() {
                break;
            }
            if to_send.is_empty() && sink.flush().await.is_err() {
                break;
            }
        }
        // A failed goodbye changes nothing: the session resumes from acknowledgements, not from closing frames.
        drop(sink.close().await);
        reader.abort();
    });
    Link { outgoing, incoming }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_dialled() {
        for good in ["ws://127.0.0.1:8765/ai_bridge", "ws://localhost:1/x", "ws://[::1]:8765/ai_bridge"] {
            check_url(good).unwrap();
        }
        for bad in ["ws://10.0.0.1:8765/", "wss://127.0.0.1:1/", "ws://127.0.0.1/ai_bridge", "http://localhost:1/", "x"]
        {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
