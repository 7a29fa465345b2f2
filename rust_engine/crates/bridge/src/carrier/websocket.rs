//! Frames as binary messages of a WebSocket.

use super::{BoxedStream, LinkError};
use crate::frame::MAX_FRAME_BYTES;
use futures_util::{Sink, Stream};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// One open WebSocket. It owns no task, as [`super::framed::Framed`].
pub(super) struct WebSocket {
    socket: WebSocketStream<BoxedStream>,
    /// Bytes handed over and perhaps not written yet.
    backlog: usize,
    last_word: Option<String>,
}

impl WebSocket {
    /// Greets the server behind `stream`.
    pub(super) async fn connect(url: &str, stream: BoxedStream) -> Result<Self, LinkError> {
        let (socket, _) = tokio_tungstenite::client_async_with_config(url, stream, Some(Self::limits()))
            .await
            .map_err(|e| LinkError::WebSocket(Box::new(e)))?;
        Ok(Self::over(socket))
    }

    /// The longest message and the longest piece of one.
    pub(super) fn limits() -> WebSocketConfig {
        WebSocketConfig::default().max_message_size(Some(MAX_FRAME_BYTES)).max_frame_size(Some(MAX_FRAME_BYTES))
    }

    /// The WebSocket after its greeting.
    pub(super) const fn over(socket: WebSocketStream<BoxedStream>) -> Self {
        Self { socket, backlog: 0, last_word: None }
    }

    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    pub(super) fn send(&mut self, frame: Vec<u8>) -> Result<(), LinkError> {
        self.backlog += frame.len();
        let mut cx = Context::from_waker(Waker::noop());
        // The library buffers what the socket does not take, so there is always room; the caller bounds it by the backlog.
        let socket = Pin::new(&mut self.socket);
        socket.start_send(Message::binary(frame)).map_err(|e| LinkError::WebSocket(Box::new(e)))?;
        match self.poll_flush(&mut cx) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(|e| LinkError::WebSocket(Box::new(e)))?;
        self.backlog = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, LinkError>> {
        loop {
            if self.backlog > 0
                && let Poll::Ready(Err(error)) = self.poll_flush(cx)
            {
                return Poll::Ready(Err(error));
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(frame))) => return Poll::Ready(Ok(frame.into())),
                Some(Ok(Message::Close(frame))) => self.last_word = frame.map(|f| f.reason.as_str().to_owned()),
                // Pings are answered by the library; text is nothing that the peer may say.
                Some(Ok(Message::Text(_))) => return Poll::Ready(Err(LinkError::Text)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(LinkError::WebSocket(Box::new(error)))),
                None => {
                    let error = self.last_word.take().map_or(LinkError::Closed, LinkError::Refused);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}
