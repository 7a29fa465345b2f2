//! TLS on both sides: the worker proves that it is the worker, the engine that it is the engine.

use super::LinkError;
use model::config::BridgeTls;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_rustls::{TlsConnector, rustls};

/// Encrypts `tcp` to the worker named `host`.
pub(super) async fn connect(files: &BridgeTls, host: &str, tcp: TcpStream) -> Result<TlsStream<TcpStream>, LinkError> {
    let connector = TlsConnector::from(Arc::new(client_config(files)?));
    let name = ServerName::try_from(host.to_owned()).map_err(|e| LinkError::Tls(e.to_string()))?;
    Ok(connector.connect(name, tcp).await?)
}

fn client_config(files: &BridgeTls) -> Result<ClientConfig, LinkError> {
    let broken = |path: &str, e: &dyn std::error::Error| LinkError::Tls(format!("bridge_tls, {path}: {e}"));
    let certificates = |path: &str| {
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        found.map_err(|e| broken(path, &e))
    };
    let mut roots = RootCertStore::empty();
    for root in certificates(&files.ca_file)? {
        roots.add(root).map_err(|e| broken(&files.ca_file, &e))?;
    }
    let key = PrivateKeyDer::from_pem_file(&files.key_file).map_err(|e| broken(&files.key_file, &e))?;
    let unusable = |e: rustls::Error| broken(&files.cert_file, &e);
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates(&files.cert_file)?, key)
        .map_err(unusable)
}
