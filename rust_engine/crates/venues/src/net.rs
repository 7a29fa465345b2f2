//! Addresses, and the one place that opens a connection.

use hyper::http::Uri;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Some stream.
pub type BoxedStream = Box<dyn Stream>;

/// A connection that is being opened.
pub type Dialling<'a> = Pin<Box<dyn Future<Output = io::Result<BoxedStream>> + Send + 'a>>;

/// Opens connections: [`Network`] in earnest, memory in tests.
pub trait Dial: Send + Sync + 'static {
    /// Opens one connection to `to`, encrypted where the address says so.
    ///
    /// # Errors
    /// What the system or the certificate check said.
    fn dial<'a>(&'a self, to: &'a Endpoint) -> Dialling<'a>;
}

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not an address: write ws://, wss://, http:// or https://, a host, and nothing after the path")]
pub struct UrlError(String);

/// Where to connect, and the path that every request there begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub is_tls: bool,
    /// Path without a slash at its end; empty for the root.
    pub base_path: String,
}

impl Endpoint {
    /// Reads `ws[s]://host[:port][/path]` or `http[s]://...`.
    ///
    /// # Errors
    /// [`UrlError`] where it is anything else.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let refused = || UrlError(url.chars().take(200).collect());
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let is_tls = match uri.scheme_str() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(refused()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(refused)?;
        let has_user = uri.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if has_user || uri.query().is_some() {
            return Err(refused());
        }
        Ok(Self {
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            is_tls,
            base_path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The value of a `Host` header.
    #[must_use]
    pub fn authority(&self) -> String {
        let default_port = if self.is_tls { 443 } else { 80 };
        if self.port == default_port { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// The address of a WebSocket at `path`.
    #[must_use]
    pub fn websocket_url(&self, path: &str) -> String {
        format!("{}://{}{}{path}", if self.is_tls { "wss" } else { "ws" }, self.authority(), self.base_path)
    }
}

/// TCP, and TLS by rustls with the roots of the Mozilla programme.
#[derive(Clone)]
pub struct Network {
    tls: TlsConnector,
}

impl Network {
    /// A dialler with the built-in roots.
    ///
    /// # Errors
    /// Where the cryptography provider offers no safe protocol version.
    pub fn new() -> Result<Self, rustls::Error> {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }
}

impl Dial for Network {
    fn dial<'a>(&'a self, to: &'a Endpoint) -> Dialling<'a> {
        Box::pin(async move {
            let host = to.host.trim_start_matches('[').trim_end_matches(']');
            let tcp = TcpStream::connect((host, to.port)).await?;
            tcp.set_nodelay(true)?;
            if !to.is_tls {
                return Ok(Box::new(tcp) as BoxedStream);
            }
            let name = ServerName::try_from(host.to_owned())
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e.to_string()))?;
            Ok(Box::new(self.tls.connect(name, tcp).await?) as BoxedStream)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_whole() {
        let spot = Endpoint::parse("wss://stream.binance.com:9443").unwrap();
        assert_eq!((spot.port, spot.is_tls, spot.base_path.as_str()), (9443, true, ""));
        assert_eq!(spot.websocket_url("/stream"), "wss://stream.binance.com:9443/stream");
        let bybit = Endpoint::parse("wss://stream.bybit.com/v5/public/").unwrap();
        assert_eq!(bybit.websocket_url("/spot"), "wss://stream.bybit.com/v5/public/spot");
        assert_eq!(Endpoint::parse("http://[::1]:80/x").unwrap().authority(), "[::1]");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["", "stream.binance.com", "ftp://x", "ws://", "ws://a:b@x/", "https://x/?q=1", "ws:// x"] {
            assert!(Endpoint::parse(url).is_err(), "{url}");
        }
    }
}
