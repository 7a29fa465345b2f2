//! `GET /metrics` and `GET /health` over HTTP, read only. The loop is asked at each request, so an answer is also proof that it
//! turns.

use crate::listening::Listening;
use crate::log;
use crate::metrics::Snapshot;
use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

/// A loop that does not answer within this is not healthy.
const PATIENCE: Duration = Duration::from_secs(2);
/// A scraper reads its page and goes, or is sent away.
const LONGEST_CONNECTION: Duration = Duration::from_secs(10);
const WAITING_REQUESTS: usize = 4;
/// Connections at once. Further ones wait in the system's queue: whoever opens hundreds must not take the files that the journal
/// and the exchange's connections need.
const MAX_CONNECTIONS: usize = 16;

/// Where the loop puts its figures.
pub type Scrape = oneshot::Sender<Snapshot>;

/// `PORT` on the loopback address, or `ADDRESS:PORT`.
fn address(text: &str) -> Result<SocketAddr> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().with_context(|| format!("metrics_listen '{text}' must be PORT or ADDRESS:PORT, for example 9464"))
}

/// [`listen`], or a queue on which nothing ever comes where no address is configured.
///
/// # Errors
/// As [`listen`].
pub async fn listen_if(configured: Option<&str>) -> Result<mpsc::Receiver<Scrape>> {
    let Some(text) = configured else { return Ok(mpsc::channel(1).1) };
    let (address, queue) = listen(text).await?;
    log::info("metrics", serde_json::json!({ "address": address.to_string() }));
    Ok(queue)
}

/// Listens at `listen`; every request asks on the returned queue. Also returns the address, whose port the system chooses where
/// `listen` names port 0.
///
/// # Errors
/// `listen` is no address, or it is taken.
pub async fn listen(listen: &str) -> Result<(SocketAddr, mpsc::Receiver<Scrape>)> {
    let address = address(listen)?;
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen at {address} for metrics"))?;
    let bound = listener.local_addr()?;
    let (asks, queue) = mpsc::channel(WAITING_REQUESTS);
    tokio::spawn(async move {
        let (mut listening, places) = (Listening::new("metrics"), Arc::new(Semaphore::new(MAX_CONNECTIONS)));
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            let (stream, _) = listening.next(|waker| listener.poll_accept(waker)).await;
            let asks = asks.clone();
            tokio::spawn(async move {
                let _place = place;
                let service = hyper::service::service_fn(move |request| answer(request, asks.clone()));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                // A scraper that breaks off or dawdles is its own problem.
                drop(timeout(LONGEST_CONNECTION, connection).await);
            });
        }
    });
    Ok((bound, queue))
}

async fn answer(request: Request<Incoming>, asks: mpsc::Sender<Scrape>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path();
    let answer = match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/metrics" | "/health") => match (path, figures(&asks).await) {
            (_, None) => reply(StatusCode::SERVICE_UNAVAILABLE, "application/json", "{\"ok\":false}\n".to_owned()),
            ("/metrics", Some(snapshot)) => reply(StatusCode::OK, "text/plain; version=0.0.4", snapshot.to_text()),
            (_, Some(snapshot)) => reply(StatusCode::OK, "application/json", health(&snapshot)),
        },
        (&Method::GET | &Method::HEAD, _) => {
            reply(StatusCode::NOT_FOUND, "text/plain", "there are /metrics and /health\n".to_owned())
        }
        _ => reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET\n".to_owned()),
    };
    Ok(answer)
}

/// A halted engine is healthy: to start it again would not help.
fn health(snapshot: &Snapshot) -> String {
    format!("{}\n", serde_json::json!({ "ok": true, "state": snapshot.state, "connected": snapshot.is_connected }))
}

async fn figures(asks: &mpsc::Sender<Scrape>) -> Option<Snapshot> {
    let (reply, figures) = oneshot::channel();
    let asked = async {
        asks.send(reply).await.ok()?;
        figures.await.ok()
    };
    timeout(PATIENCE, asked).await.ok().flatten()
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
#[path = "scrape_tests.rs"]
mod tests;
