//! Where the worker is, and by which carrier.

use model::config::BridgeTls;
use tokio_tungstenite::tungstenite::http::Uri;

/// Why an address was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address of the bridge.
    #[error(
        "bridge_url '{0}' must be ws://127.0.0.1:PORT/PATH, tcp://127.0.0.1:PORT or redis://127.0.0.1:PORT/DB, or \
         wss:// or tcps:// with bridge_tls"
    )]
    Form(String),
    /// Another machine, in the clear.
    #[error(
        "bridge_url '{0}' is not of this machine: without TLS the bridge never leaves the machine. Use wss:// or tcps://"
    )]
    NotLoopback(String),
    /// TLS without files, or files without TLS.
    #[error(
        "bridge_url '{0}' and bridge_tls do not belong together: wss:// and tcps:// need it, no other has a use for it"
    )]
    Tls(String),
}

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One binary message of a WebSocket each.
    WebSocket,
    /// A length, then that many bytes.
    Tcp,
    /// One entry of a Redis Stream each.
    Redis,
}

/// A checked address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// As it was given.
    pub url: String,
    /// By which carrier.
    pub carrier: Carrier,
    /// Host, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The files of the line, where it is encrypted.
    pub tls: Option<BridgeTls>,
}

impl Address {
    /// Reads `url`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(url: &str, tls: Option<&BridgeTls>) -> Result<Self, AddressError> {
        let shown = || url.chars().take(200).collect::<String>();
        let uri: Uri = url.parse().map_err(|_| AddressError::Form(shown()))?;
        let (carrier, is_tls) = match uri.scheme_str() {
            Some("ws") => (Carrier::WebSocket, false),
            Some("wss") => (Carrier::WebSocket, true),
            Some("tcp") => (Carrier::Tcp, false),
            Some("tcps") => (Carrier::Tcp, true),
            Some("redis") => (Carrier::Redis, false),
            _ => return Err(AddressError::Form(shown())),
        };
        let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else { return Err(AddressError::Form(shown())) };
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(AddressError::Form("(an address with a password)".to_owned()));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if is_tls != tls.is_some() {
            return Err(AddressError::Tls(shown()));
        }
        if !is_tls && !["127.0.0.1", "localhost", "::1"].contains(&host.as_str()) {
            return Err(AddressError::NotLoopback(shown()));
        }
        Ok(Self { url: url.to_owned(), carrier, host, port, tls: tls.cloned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BridgeTls {
        BridgeTls { ca_file: "ca".into(), cert_file: "cert".into(), key_file: "key".into() }
    }

    #[test]
    fn an_address_names_its_carrier() {
        for (url, carrier) in [
            ("ws://127.0.0.1:8765/ai_bridge", Carrier::WebSocket),
            ("ws://[::1]:8765/ai_bridge", Carrier::WebSocket),
            ("tcp://localhost:1", Carrier::Tcp),
            ("redis://127.0.0.1:6379/0", Carrier::Redis),
        ] {
            assert_eq!(Address::parse(url, None).unwrap().carrier, carrier);
        }
        let far = Address::parse("tcps://10.0.0.1:9", Some(&files())).unwrap();
        assert_eq!((far.carrier, far.host.as_str(), far.port), (Carrier::Tcp, "10.0.0.1", 9));
    }

    #[test]
    fn without_tls_nothing_leaves_the_machine() {
        for bad in ["ws://10.0.0.1:8765/", "tcp://worker:1", "redis://10.1.1.1:6379/0"] {
            assert!(matches!(Address::parse(bad, None), Err(AddressError::NotLoopback(_))), "{bad}");
        }
        for bad in ["ws://127.0.0.1/ai_bridge", "http://localhost:1/", "x", "", "tcp://a:b@127.0.0.1:1"] {
            assert!(matches!(Address::parse(bad, None), Err(AddressError::Form(_))), "{bad}");
        }
        assert!(matches!(Address::parse("wss://127.0.0.1:1/", None), Err(AddressError::Tls(_))));
        assert!(matches!(Address::parse("tcp://127.0.0.1:1", Some(&files())), Err(AddressError::Tls(_))));
    }
}
