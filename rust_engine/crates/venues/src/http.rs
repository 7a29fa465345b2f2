//! One HTTP/1.1 request over a connection of its own. Requests are rare (snapshots, backfills), so none is kept open.

use crate::net::{Dial, Endpoint};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read.
pub const MAX_BODY_BYTES: usize = 32 << 20;

/// What is asked.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// Verb.
    pub method: Method,
    /// Path and query below the endpoint's base path, beginning with `/`.
    pub path: String,
    /// Headers beside `Host`.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; empty for none.
    pub body: Bytes,
}

impl HttpRequest {
    /// A `GET` without headers.
    #[must_use]
    pub const fn get(path: String) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: Bytes::new() }
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct HttpResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl HttpResponse {
    /// The `Retry-After` header, where it is a number of seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// No connection.
    #[error("cannot connect to {host}: {source}")]
    Dial {
        /// Where to.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The request cannot be written as HTTP.
    #[error("the request to {0} is not valid HTTP: {1}")]
    Request(String, String),
    /// The connection broke or did not speak HTTP.
    #[error("{0} answered badly: {1}")]
    Broken(String, String),
    /// Too long.
    #[error("the answer of {0} is longer than {MAX_BODY_BYTES} bytes")]
    TooLong(String),
    /// Nothing in time.
    #[error("{0} did not answer within {1:?}")]
    Timeout(String, Duration),
}

/// Sends requests to one endpoint.
#[derive(Clone)]
pub struct HttpClient {
    dialler: Arc<dyn Dial>,
    endpoint: Endpoint,
    timeout: Duration,
}

impl HttpClient {
    /// A client of `endpoint`; a request that takes longer than `timeout` in all is given up.
    #[must_use]
    pub fn new(dialler: Arc<dyn Dial>, endpoint: Endpoint, timeout: Duration) -> Self {
        Self { dialler, endpoint, timeout }
    }

    /// Sends one request and reads the whole answer.
    ///
    /// # Errors
    /// [`HttpError`]; a status of 4xx or 5xx is an answer, not an error.
    pub async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = &self.endpoint.host;
        match tokio::time::timeout(self.timeout, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(HttpError::Timeout(host.clone(), self.timeout)),
        }
    }

    async fn exchange(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let host = &self.endpoint.host;
        let broken = |e: hyper::Error| HttpError::Broken(host.clone(), e.to_string());
        let message = self.message(request)?;
        let stream =
            self.dialler.dial(&self.endpoint).await.map_err(|source| HttpError::Dial { host: host.clone(), source })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let driver = Aborted(tokio::spawn(connection));
        let response = sender.send_request(message).await.map_err(broken)?;
        let (head, body) = response.into_parts();
        if body.size_hint().lower() > MAX_BODY_BYTES as u64 {
            return Err(HttpError::TooLong(host.clone()));
        }
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|e| {
            let is_long = e.downcast_ref::<LengthLimitError>().is_some();
            if is_long { HttpError::TooLong(host.clone()) } else { HttpError::Broken(host.clone(), e.to_string()) }
        })?;
        drop(driver);
        Ok(HttpResponse { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    fn message(&self, request: &HttpRequest) -> Result<Request<Full<Bytes>>, HttpError> {
        let mut builder = Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{}", self.endpoint.base_path, request.path))
            .header(HOST, self.endpoint.authority())
            .header(USER_AGENT, "xcrack")
            .header(CONNECTION, "close");
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        builder
            .body(Full::new(request.body.clone()))
            .map_err(|e| HttpError::Request(self.endpoint.host.clone(), e.to_string()))
    }
}

/// Ends a connection's task with the request that it served.
struct Aborted(tokio::task::JoinHandle<Result<(), hyper::Error>>);

impl Drop for Aborted {
    fn drop(&mut self) {
        self.0.abort();
    }
}
