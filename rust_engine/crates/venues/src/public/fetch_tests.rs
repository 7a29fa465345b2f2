use super::*;
use crate::net::{BoxedStream, Dial, Dialling, Endpoint};
use model::{MarketFeedConfig, MarketStreams, MarketVenue};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

const TROUBLED: SymbolId = SymbolId(0);
const WELL: SymbolId = SymbolId(1);

/// An exchange that fails so many times about the symbol `BAD`.
struct Troubled(AtomicU32);

impl Troubled {
    fn answer(&self, ask: &str) -> String {
        let is_about_bad = ask.contains("symbol=BAD");
        let fails =
            is_about_bad && self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        let (status, body) = match (fails, is_about_bad) {
            (true, _) => ("503 Service Unavailable", "{}"),
            (false, true) => ("200 OK", r#"{"lastUpdateId":1,"bids":[["1.0","1.0"]],"asks":[["2.0","1.0"]]}"#),
            (false, false) => ("200 OK", "[]"),
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
    }
}

struct Way(Arc<Troubled>);

async fn serve(exchange: Arc<Troubled>, mut stream: DuplexStream) {
    let mut ask = Vec::new();
    while !ask.ends_with(b"\r\n\r\n") {
        ask.push(stream.read_u8().await.unwrap());
    }
    let answer = exchange.answer(&String::from_utf8(ask).unwrap());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

impl Dial for Way {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(64 << 10);
            tokio::spawn(serve(Arc::clone(&self.0), theirs));
            Ok(Box::new(ours) as BoxedStream)
        })
    }
}

fn fetcher(n_failures: u32) -> (Fetcher, mpsc::UnboundedSender<Job>, mpsc::Receiver<Answer>) {
    let config = MarketFeedConfig {
        venue: MarketVenue::BinanceSpot,
        symbols: BTreeMap::new(),
        streams: MarketStreams::default(),
        ws_url: None,
        rest_url: Some("http://exchange.test".into()),
        stale_after_ms: 60_000,
    };
    let way = Arc::new(Way(Arc::new(Troubled(AtomicU32::new(n_failures)))));
    let client = RestClient::new(&config, way, Arc::new(|| Ts(1_000_000 * Ts::MS))).unwrap();
    let ((ask, jobs), (answers, told)) = (mpsc::unbounded_channel(), mpsc::channel(64));
    let fetcher = Fetcher {
        feed: 0,
        client,
        names: vec![(TROUBLED, "BAD".into()), (WELL, "WELL".into())],
        interval: CandleInterval::M1,
        jobs,
        answers,
        backoff: Backoff::new(ChaCha8Rng::seed_from_u64(7)),
        next_book: BTreeMap::new(),
    };
    (fetcher, ask, told)
}

#[tokio::test(start_paused = true)]
async fn a_book_that_cannot_be_had_delays_no_other_symbol_and_comes_when_it_can_be() {
    let (fetcher, ask, mut told) = fetcher(9);
    let began = Instant::now();
    ask.send(Job::Book(TROUBLED)).unwrap();
    ask.send(Job::Candles { symbol: WELL, from: Ts(0), to: Ts(60_000 * Ts::MS) }).unwrap();
    tokio::spawn(fetcher.work());
    let mut troubles = 0;
    let (mut candles_after, mut book_after) = (None, None);
    while book_after.is_none() {
        match told.recv().await.unwrap() {
            Answer { symbol: TROUBLED, fetched: Fetched::Trouble(_), .. } => troubles += 1,
            Answer { symbol: TROUBLED, fetched: Fetched::Book(_), .. } => book_after = Some(began.elapsed()),
            Answer { symbol: WELL, fetched: Fetched::Candles { .. }, .. } => candles_after = Some(began.elapsed()),
            other => panic!("{other:?}"),
        }
    }
    assert!(candles_after.unwrap() < Duration::from_millis(500), "{candles_after:?}");
    assert_eq!(troubles, 9);
    assert!(book_after.unwrap() > Duration::from_secs(20), "it is asked for ever less often: {book_after:?}");
}
