//! What moves frames: a WebSocket, a stream of bytes, Redis Streams.
//!
//! A link has no task of its own. Whoever holds it reads in its own turn and writes at once: between the socket and the loop
//! there is no queue and no other task. What the peer does not take is kept and counted; the holder stops making more.

mod address;
mod framed;
mod redis;
mod tls;
mod websocket;

pub use address::{Address, AddressError, Carrier};

use framed::Framed;
use redis::RedisLink;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use websocket::WebSocket;

/// Why a link is over, or none came about.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody there, or the line broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The worker hung up.
    #[error("the worker closed the connection")]
    Closed,
    /// The worker hung up and said why.
    #[error("the worker closed the connection: {0}")]
    Refused(String),
    /// A frame longer than any may be.
    #[error("a frame of {0} bytes is longer than any may be")]
    TooLong(usize),
    /// Frames are binary.
    #[error("the worker sent text; frames are binary")]
    Text,
    /// What the WebSocket says.
    #[error(transparent)]
    WebSocket(Box<tokio_tungstenite::tungstenite::Error>),
    /// A file or a certificate that cannot be used.
    #[error("{0}")]
    Tls(String),
    /// What Redis says.
    #[error("redis: {0}")]
    Redis(String),
}

/// Bytes both ways.
trait Bytes: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Bytes for T {}
type BoxedStream = Box<dyn Bytes>;

/// One open connection.
pub struct Link(Inner);

enum Inner {
    Tcp(Framed<TcpStream>),
    Tls(Box<Framed<TlsStream<TcpStream>>>),
    WebSocket(Box<WebSocket>),
    Redis(RedisLink),
}

/// Opens a connection to `address`. Over Redis it is announced as that of `engine_id`, under the random `name`.
///
/// # Errors
/// [`LinkError`].
pub async fn dial(address: &Address, engine_id: &str, name: &str) -> Result<Link, LinkError> {
    if address.carrier == Carrier::Redis {
        return RedisLink::open(&address.url, engine_id, name).await.map(Inner::Redis).map(Link);
    }
    let tcp = TcpStream::connect((address.host.as_str(), address.port)).await?;
    tcp.set_nodelay(true)?;
    Ok(Link(match (address.carrier, &address.tls) {
        (Carrier::WebSocket, None) => {
            Inner::WebSocket(Box::new(WebSocket::connect(&address.url, Box::new(tcp)).await?))
        }
        (Carrier::WebSocket, Some(files)) => {
            let stream = tls::connect(files, &address.host, tcp).await?;
            Inner::WebSocket(Box::new(WebSocket::connect(&address.url, Box::new(stream)).await?))
        }
        (_, None) => Inner::Tcp(Framed::new(tcp)),
        (_, Some(files)) => Inner::Tls(Box::new(Framed::new(tls::connect(files, &address.host, tcp).await?))),
    }))
}

impl Link {
    /// Hands a frame to the system, or keeps what it does not take now; never waits.
    ///
    /// # Errors
    /// The link is over.
    pub fn send(&mut self, frame: Vec<u8>) -> Result<(), LinkError> {
        match &mut self.0 {
            Inner::Tcp(framed) => framed.send(&frame),
            Inner::Tls(framed) => framed.send(&frame),
            Inner::WebSocket(socket) => socket.send(frame),
            Inner::Redis(redis) => redis.send(frame),
        }
    }

    /// Bytes that were handed over and not taken yet.
    #[must_use]
    pub fn backlog(&self) -> usize {
        match &self.0 {
            Inner::Tcp(framed) => framed.backlog(),
            Inner::Tls(framed) => framed.backlog(),
            Inner::WebSocket(socket) => socket.backlog(),
            Inner::Redis(redis) => redis.backlog(),
        }
    }

    /// The next frame; meanwhile writes what was kept. Nothing is lost when the caller stops waiting.
    ///
    /// # Errors
    /// The link is over.
    pub async fn recv(&mut self) -> Result<Vec<u8>, LinkError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// A frame that is here already, if there is one.
    ///
    /// # Errors
    /// The link is over.
    pub fn try_recv(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        match self.poll_recv(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(frame) => frame.map(Some),
            Poll::Pending => Ok(None),
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Vec<u8>, LinkError>> {
        match &mut self.0 {
            Inner::Tcp(framed) => framed.poll_recv(cx),
            Inner::Tls(framed) => framed.poll_recv(cx),
            Inner::WebSocket(socket) => socket.poll_recv(cx),
            Inner::Redis(redis) => redis.poll_recv(cx),
        }
    }
}

#[cfg(test)]
#[path = "carrier/stream_tests.rs"]
mod tests;
