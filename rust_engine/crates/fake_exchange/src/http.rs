//! Just enough HTTP/1.1 to be asked and to answer.

use std::collections::BTreeMap;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MAX_HEAD_BYTES: usize = 64 << 10;
const MAX_BODY_BYTES: usize = 1 << 20;

/// A request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// Verb.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query, as it came.
    pub query: String,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: String,
    /// What came after the request on the same connection.
    pub rest: Vec<u8>,
}

impl Ask {
    /// The value of a query parameter, as it came.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    /// Reads one request.
    ///
    /// # Errors
    /// What the stream said, or `InvalidData` for what is no request.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let bad = || io::Error::from(io::ErrorKind::InvalidData);
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if bytes.len() > MAX_HEAD_BYTES || stream.read_buf(&mut bytes).await? == 0 {
                return Err(bad());
            }
        };
        let mut rest = bytes.split_off(head_end + 4);
        let head = String::from_utf8(bytes).map_err(|_| bad())?;
        let mut lines = head.lines();
        let mut first = lines.next().ok_or_else(bad)?.split(' ');
        let (method, target) = (first.next().ok_or_else(bad)?, first.next().ok_or_else(bad)?);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let headers: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.get("content-length").map_or(Ok(0), |text| text.parse::<usize>()).map_err(|_| bad())?;
        if length > MAX_BODY_BYTES {
            return Err(bad());
        }
        while rest.len() < length {
            if stream.read_buf(&mut rest).await? == 0 {
                return Err(bad());
            }
        }
        let after = rest.split_off(length);
        let body = String::from_utf8(rest).map_err(|_| bad())?;
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Ok(Self { method, path, query, headers, body, rest: after })
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers beside `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: String,
}

impl Reply {
    /// JSON with status 200.
    #[must_use]
    pub fn json(body: String) -> Self {
        Self { status: 200, headers: vec![("Content-Type".to_owned(), "application/json".to_owned())], body }
    }

    /// A status with an empty object.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: "{}".to_owned() }
    }

    /// Writes it, and says that the connection ends.
    ///
    /// # Errors
    /// What the stream said.
    pub async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let mut head =
            format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\nConnection: close\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(self.body.as_bytes()).await?;
        stream.flush().await
    }
}

/// A further interface of the exchange, asked before its own.
pub trait Api: Send + Sync {
    /// The answer to `ask`, or nothing where it is another's.
    fn answer(&self, ask: &Ask) -> Option<Reply>;
}
