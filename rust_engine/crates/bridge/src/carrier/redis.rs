//! Frames as entries of Redis Streams: a pair of streams for every link, announced where the worker looks.
//!
//! Redis blocks a whole connection while it waits for entries, so there are two of them, each with a task.

use super::LinkError;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamMaxlen, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, RedisError, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const LINKS: &str = "xcrack:bridge:links";
const KEPT_LINKS: usize = 1000;
const KEPT_ENTRIES: usize = 100_000;
const KEPT_S: i64 = 3600;
/// Field of an entry that holds a frame.
const FRAME: &str = "f";
/// Field of an entry that says why its writer has closed the link.
const CLOSED: &str = "x";
const BLOCK_MS: usize = 5000;
const ENTRIES_PER_READ: usize = 256;

type Incoming = Result<Vec<u8>, LinkError>;

/// One open pair of streams.
pub(super) struct RedisLink {
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    incoming: mpsc::Receiver<Incoming>,
    backlog: Arc<AtomicUsize>,
    reader: JoinHandle<()>,
}

impl Drop for RedisLink {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn failed(error: RedisError) -> LinkError {
    LinkError::Redis(error.to_string())
}

impl RedisLink {
    /// Announces a link of `engine_id` called `name`. Nobody may be there to hear it: silence is for the caller to notice.
    pub(super) async fn open(url: &str, engine_id: &str, name: &str) -> Result<Self, LinkError> {
        let client = Client::open(url).map_err(failed)?;
        let mut writer = client.get_multiplexed_async_connection().await.map_err(failed)?;
        // A read blocks for as long as nobody writes.
        let patient = AsyncConnectionConfig::new().set_response_timeout(None);
        let reader = client.get_multiplexed_async_connection_with_config(&patient).await.map_err(failed)?;
        let stream = |direction: &str| format!("xcrack:bridge:{engine_id}:{name}:{direction}");
        let announced = [("engine_id", engine_id), ("link", name)];
        let () = writer.xadd_maxlen(LINKS, StreamMaxlen::Approx(KEPT_LINKS), "*", &announced).await.map_err(failed)?;
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (received, incoming) = mpsc::channel(ENTRIES_PER_READ);
        let backlog = Arc::new(AtomicUsize::new(0));
        let problems = received.clone();
        let counted = Arc::clone(&backlog);
        let up = stream("up");
        tokio::spawn(async move {
            if let Err(error) = write(writer, &up, to_send, &counted).await {
                // Nobody listens any more when this fails, so nobody needs the reason.
                drop(problems.send(Err(failed(error))).await);
            }
        });
        let reader = tokio::spawn(read(reader, stream("down"), received));
        Ok(Self { outgoing, incoming, backlog, reader })
    }

    pub(super) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(super) fn send(&mut self, frame: Vec<u8>) -> Result<(), LinkError> {
        self.backlog.fetch_add(frame.len(), Ordering::Relaxed);
        self.outgoing.send(frame).map_err(|_| LinkError::Closed)
    }

    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        Poll::Ready(ready!(self.incoming.poll_recv(cx)).unwrap_or(Err(LinkError::Closed)))
    }
}

/// Writes frames until the link is dropped, and then says that it is over.
async fn write(
    mut redis: MultiplexedConnection,
    stream: &str,
    mut frames: mpsc::UnboundedReceiver<Vec<u8>>,
    backlog: &AtomicUsize,
) -> Result<(), RedisError> {
    let kept = || StreamMaxlen::Approx(KEPT_ENTRIES);
    while let Some(first) = frames.recv().await {
        let mut batch = redis::pipe();
        let mut written = first.len();
        batch.xadd_maxlen(stream, kept(), "*", &[(FRAME, first)]).ignore();
        while let Ok(next) = frames.try_recv() {
            written += next.len();
            batch.xadd_maxlen(stream, kept(), "*", &[(FRAME, next)]).ignore();
        }
        batch.expire(stream, KEPT_S).ignore();
        let () = batch.query_async(&mut redis).await?;
        backlog.fetch_sub(written, Ordering::Relaxed);
    }
    let mut farewell = redis::pipe();
    farewell.xadd_maxlen(stream, kept(), "*", &[(CLOSED, "the engine closed the link")]).ignore();
    farewell.expire(stream, KEPT_S).ignore();
    farewell.query_async(&mut redis).await
}

/// Reads entries for as long as somebody takes them.
async fn read(mut redis: MultiplexedConnection, stream: String, received: mpsc::Sender<Incoming>) {
    let options = StreamReadOptions::default().block(BLOCK_MS).count(ENTRIES_PER_READ);
    let mut last = "0".to_owned();
    loop {
        let reply: Result<Option<StreamReadReply>, _> = redis.xread_options(&[&stream], &[&last], &options).await;
        let entries = match reply {
            Ok(reply) => reply.map_or_else(Vec::new, |reply| reply.keys.into_iter().flat_map(|key| key.ids).collect()),
            Err(error) => {
                drop(received.send(Err(failed(error))).await);
                return;
            }
        };
        for mut entry in entries {
            let incoming = match (entry.map.remove(FRAME), entry.map.remove(CLOSED)) {
                (Some(Value::BulkString(frame)), _) => Ok(frame),
                (_, Some(Value::BulkString(why))) => {
                    Err(LinkError::Refused(String::from_utf8_lossy(&why).into_owned()))
                }
                _ => Err(LinkError::Redis(format!("an entry of {stream} holds no frame"))),
            };
            let is_over = incoming.is_err();
            if received.send(incoming).await.is_err() || is_over {
                return;
            }
            last = entry.id;
        }
    }
}
