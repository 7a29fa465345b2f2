//! A market and an account on loopback ports.

use fake_exchange::private::{PrivateExchange, Script as AccountScript, Venue};
use fake_exchange::{Capture, Dialect, Exchange, Line, Script};
use model::{Price, Qty, Ts};
use serde_json::json;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::Notify;

const STREAM: &str = "btcusdt@bookTicker";
/// What the account holds and the engine leaves alone.
pub const KEPT: &str = "50";

/// The time of day, as the engine has it too.
pub fn now() -> Ts {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Ts(i64::try_from(since.as_nanos()).unwrap())
}

/// Both exchanges; they end with their test.
pub struct Exchanges {
    pub account: Arc<PrivateExchange>,
    pub market_at: SocketAddr,
    pub account_at: SocketAddr,
    market: Arc<Exchange>,
    n_quotes: AtomicU64,
    ends: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Exchanges {
    /// An account on Spot that holds so much.
    pub fn start(base: &str) -> Self {
        let (base, quote): (Qty, Price) = (base.parse().unwrap(), "1000000".parse().unwrap());
        let account = PrivateExchange::new(Venue::Spot, base, quote, AccountScript::default(), Arc::new(now));
        account.set_prices(price("99.99"), price("100.01"));
        let line = Line { at_ns: now().0, stream: STREAM.to_owned(), text: quote_text(0, "99.99", "100.01") };
        let capture = Capture { lines: vec![line] };
        let market = Exchange::new(Dialect::Binance, "BTCUSDT", &capture, Script::default(), 1.0);
        let ends = Arc::new(Notify::new());
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn({
            let (account, market, ends) = (Arc::clone(&account), Arc::clone(&market), Arc::clone(&ends));
            move || serve(&account, &market, &ends, &tell)
        });
        let (market_at, account_at) = told.recv().unwrap();
        Self { account, market_at, account_at, market, n_quotes: AtomicU64::new(1), ends, thread: Some(thread) }
    }

    /// The market says so; the account's own prices stay.
    pub fn quote(&self, bid: &str, ask: &str) {
        let number = self.n_quotes.fetch_add(1, Ordering::SeqCst);
        self.market.publish(STREAM, &quote_text(number, bid, ask));
    }

    /// What trades at these prices at the exchange.
    pub fn trade_at(&self, bid: &str, ask: &str) {
        self.account.set_prices(price(bid), price(ask));
    }

    /// Names of the open orders.
    pub fn open(&self) -> Vec<String> {
        self.account.truth(|book| book.orders.values().filter(|o| o.is_open()).map(|o| o.client.clone()).collect())
    }

    /// Bought less sold, fees apart.
    pub fn traded(&self) -> Qty {
        self.account.truth(|book| {
            book.trades
                .iter()
                .fold(Qty::ZERO, |sum, trade| sum + Qty(book.orders[&trade.order_id].side.sign() * trade.qty.0))
        })
    }

    /// Whether the exchange took every order once.
    pub fn took_each_once(&self) -> bool {
        self.account.truth(|book| book.taken.values().all(|times| *times == 1))
    }
}

impl Drop for Exchanges {
    fn drop(&mut self) {
        self.ends.notify_one();
        drop(self.thread.take().map(JoinHandle::join));
    }
}

pub fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn quote_text(number: u64, bid: &str, ask: &str) -> String {
    json!({ "stream": STREAM, "data": { "u": number + 1, "s": "BTCUSDT", "b": bid, "B": "5", "a": ask, "A": "5" } })
        .to_string()
}

fn serve(
    account: &Arc<PrivateExchange>,
    market: &Arc<Exchange>,
    ends: &Notify,
    tell: &mpsc::Sender<(SocketAddr, SocketAddr)>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listen = || TcpListener::bind(("127.0.0.1", 0));
        let (of_market, of_account) = (listen().await.unwrap(), listen().await.unwrap());
        tell.send((of_market.local_addr().unwrap(), of_account.local_addr().unwrap())).unwrap();
        loop {
            // A killed engine ends its connections its own way.
            tokio::select! {
                () = ends.notified() => return,
                accepted = of_market.accept() => {
                    let ((stream, _), market) = (accepted.unwrap(), Arc::clone(market));
                    tokio::spawn(async move { market.serve(stream).await.ok() });
                }
                accepted = of_account.accept() => {
                    let ((stream, _), account) = (accepted.unwrap(), Arc::clone(account));
                    tokio::spawn(async move { account.serve(stream).await.ok() });
                }
            }
        }
    });
}
