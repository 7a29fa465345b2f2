//! An account and an exchange in one process, on a virtual clock, joined by memory.

#![allow(dead_code, reason = "each test file uses its part")]

use engine::external::{Outstanding, Reported, VenueReport, VenueRequest};
use fake_exchange::private::{KEY, PrivateExchange, RequestFault, SECRET, Script, Venue};
use model::{
    CancelReason, Costs, InstanceId, MarketVenue, Money, OrderId, OrderKind, OrderRequest, Price, Qty, Side, SymbolId,
    SymbolSpec, TimeInForce, Ts,
};
use risk::reconcile::{OpenOrder, Outcome, OwnView, VenueView, reconcile};
use risk::{Exposure, RiskGate};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use venues::net::{BoxedStream, Dial, Dialling, Endpoint};
use venues::private::{Account, ApiKey, LiveConfig, LiveSymbol, Opening, RunName, Said};
use venues::public::Clock;

const PIPE_BYTES: usize = 256 << 10;
const BEGAN: Ts = Ts(1_700_000_000_000_000_000);
pub const BTC: SymbolId = SymbolId(0);
pub const RUN: &str = "00c0ffee";

/// Everything that can go wrong with one request.
pub const REQUEST_FAULTS: [RequestFault; 10] = [
    RequestFault::SilentAfter,
    RequestFault::SilentBefore,
    RequestFault::GatewayAfter,
    RequestFault::GatewayBefore,
    RequestFault::CutAnswer,
    RequestFault::Delayed(Duration::from_secs(3)),
    RequestFault::TooMany(5),
    RequestFault::Banned(20),
    RequestFault::BadTime,
    RequestFault::NotVisible,
];

/// A script by which the request of this number goes wrong.
pub fn request(number: usize, fault: RequestFault) -> Script {
    Script { requests: BTreeMap::from([(number, fault)]), ..Script::default() }
}

/// Opens connections to an exchange in the same process.
pub struct Memory(pub Arc<PrivateExchange>);

impl Dial for Memory {
    fn dial<'a>(&'a self, _: &'a Endpoint) -> Dialling<'a> {
        let exchange = Arc::clone(&self.0);
        Box::pin(async move {
            let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
            // How a served connection ends is the account's to notice.
            tokio::spawn(async move { exchange.serve(theirs).await.ok() });
            Ok(Box::new(ours) as BoxedStream)
        })
    }
}

/// Time since the test began, from a date in 2023 on.
pub fn clock() -> Clock {
    let began = Instant::now();
    Arc::new(move || BEGAN.plus_ns(i64::try_from(began.elapsed().as_nanos()).unwrap()))
}

pub fn symbols() -> Vec<SymbolSpec> {
    vec![SymbolSpec::new("BTCUSDT", "0.01".parse().unwrap(), "0.001".parse().unwrap())]
}

pub fn key() -> ApiKey {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    ApiKey::load(&file("key", KEY), &file("secret", SECRET)).unwrap()
}

pub fn price(text: &str) -> Price {
    text.parse().unwrap()
}

pub fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

/// What the account holds before the engine trades; on Spot it is kept.
pub fn initial(venue: Venue) -> Qty {
    if venue == Venue::Spot { qty("50") } else { Qty::ZERO }
}

pub fn exchange(venue: Venue, script: Script, clock: &Clock) -> Arc<PrivateExchange> {
    exchange_with(venue, initial(venue), script, clock)
}

/// One that holds so much for a start.
pub fn exchange_with(venue: Venue, base: Qty, script: Script, clock: &Clock) -> Arc<PrivateExchange> {
    let exchange = PrivateExchange::new(venue, base, price("1000000"), script, Arc::clone(clock));
    exchange.set_prices(price("99.9"), price("100.1"));
    exchange
}

pub fn open(exchange: &Arc<PrivateExchange>, venue: Venue, clock: &Clock, outstanding: &[Outstanding]) -> Account {
    open_through(Arc::new(Memory(Arc::clone(exchange))), venue, clock, outstanding)
}

pub fn open_through(dialler: Arc<dyn Dial>, venue: Venue, clock: &Clock, outstanding: &[Outstanding]) -> Account {
    open_with(dialler, venue, initial(venue), clock, outstanding)
}

/// The same with so much that is not the engine's.
pub fn open_with(
    dialler: Arc<dyn Dial>,
    venue: Venue,
    keep: Qty,
    clock: &Clock,
    outstanding: &[Outstanding],
) -> Account {
    let listed = LiveSymbol { name: "BTCUSDT".into(), base: "BTC".into(), quote: "USDT".into(), keep };
    let config = LiveConfig {
        venue: if venue == Venue::Spot { MarketVenue::BinanceSpot } else { MarketVenue::BinanceUsdm },
        symbols: BTreeMap::from([("BTCUSDT".to_owned(), listed)]),
        key_file: "unused".into(),
        secret_file: "unused".into(),
        approval_file: "unused".into(),
        recv_window_ms: 5_000,
        reconcile_every_s: 60,
        rest_url: Some("http://exchange.test".into()),
        ws_url: Some("ws://exchange.test/private".into()),
    };
    let opening = Opening {
        config: &config,
        symbols: &symbols(),
        costs: Costs::default(),
        key: key(),
        run: RunName::new(RUN).unwrap(),
        outstanding,
    };
    Account::open_through(dialler, opening, Arc::clone(clock)).unwrap()
}

/// Nothing is held, so that only the grid is checked.
struct Nothing;

impl Exposure for Nothing {
    fn last_price(&self, _: SymbolId) -> Price {
        Price::ZERO
    }
    fn position(&self, _: InstanceId, _: SymbolId) -> Qty {
        Qty::ZERO
    }
    fn resting(&self, _: InstanceId, _: SymbolId) -> (Qty, Qty) {
        (Qty::ZERO, Qty::ZERO)
    }
    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> Money {
        Money::ZERO
    }
}

/// Orders that a test sends by hand, and what was said of them.
pub struct Hand {
    pub venue: Venue,
    pub exchange: Arc<PrivateExchange>,
    pub account: Account,
    pub clock: Clock,
    pub sent: BTreeMap<OrderId, OrderRequest>,
    pub reports: Vec<VenueReport>,
    pub views: Vec<VenueView>,
    /// Views during which orders were on their way.
    pub moving: Vec<VenueView>,
    pub unready: Vec<String>,
    pub problems: Vec<String>,
}

impl Hand {
    pub fn new(venue: Venue, script: Script) -> Self {
        let clock = clock();
        let exchange = exchange(venue, script, &clock);
        let account = open(&exchange, venue, &clock, &[]);
        Self {
            venue,
            exchange,
            account,
            clock,
            sent: BTreeMap::new(),
            reports: Vec::new(),
            views: Vec::new(),
            moving: Vec::new(),
            unready: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The same, with the first view behind it.
    pub async fn ready(venue: Venue, script: Script) -> Self {
        let mut hand = Self::new(venue, script);
        hand.pass(Duration::from_secs(1)).await;
        assert_eq!(hand.outcome(), Outcome::Reconciled);
        hand
    }

    pub fn order(&self, n: u64, side: Side, kind: OrderKind, size: &str) -> OrderRequest {
        let decided_at = (self.clock)();
        OrderRequest { id: OrderId(n), kind, decided_at, ..OrderRequest::market(BTC, side, qty(size), price("100")) }
    }

    pub fn send(&mut self, order: OrderRequest) {
        let mut gate = RiskGate::new(None, &symbols()).unwrap();
        let approved = gate.approve(order, order.decided_at, &Nothing).unwrap();
        self.sent.insert(order.id, order);
        self.account.request(VenueRequest::Place(approved));
    }

    pub fn place(&mut self, n: u64, side: Side, kind: OrderKind, size: &str) {
        self.send(self.order(n, side, kind, size));
    }

    pub fn limit(&mut self, n: u64, side: Side, at: &str, size: &str) {
        self.place(n, side, OrderKind::Limit { price: price(at) }, size);
    }

    pub fn post_only(&mut self, n: u64, side: Side, at: &str, size: &str) {
        let order = self.order(n, side, OrderKind::Limit { price: price(at) }, size);
        self.send(OrderRequest { tif: TimeInForce::PostOnly, ..order });
    }

    pub fn cancel(&mut self, n: u64) {
        self.account.request(VenueRequest::Cancel { symbol: BTC, id: OrderId(n) });
    }

    /// Lets time pass and listens.
    pub async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(said) = timeout_at(end, self.account.next()).await {
            match said.expect("the account's task lives") {
                Said::Report(report) => self.reports.push(report),
                Said::View { view, is_moving: false } => self.views.push(view),
                Said::View { view, is_moving: true } => self.moving.push(view),
                Said::Unready(reason) => self.unready.push(reason),
                Said::Problem(what) => self.problems.push(what),
            }
        }
    }

    pub async fn pass_s(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds)).await;
    }

    /// What was reported as traded of an order, each trade once.
    pub fn filled(&self, n: u64) -> Qty {
        let mut trades = BTreeMap::new();
        for report in self.reports.iter().filter(|report| report.id == OrderId(n)) {
            if let Reported::Filled { trade_id, qty, .. } = &report.what {
                trades.insert(*trade_id, *qty);
            }
        }
        trades.values().fold(Qty::ZERO, |sum, qty| sum + *qty)
    }

    pub fn ended(&self, n: u64) -> Option<CancelReason> {
        self.reports.iter().find_map(|report| match report.what {
            Reported::Ended { reason } if report.id == OrderId(n) => Some(reason),
            _ => None,
        })
    }

    /// Name of an order at the exchange.
    pub fn name(n: u64) -> String {
        format!("xc-{RUN}-{n:016x}")
    }

    /// How often an order was sent out.
    pub fn placings(&self, n: u64) -> usize {
        let name = Self::name(n);
        self.exchange.log().iter().filter(|line| line.starts_with("POST") && line.ends_with(&name)).count()
    }

    /// How often the exchange took an order.
    pub fn taken(&self, n: u64) -> u32 {
        self.exchange.truth(|book| book.taken.get(&Self::name(n)).copied().unwrap_or(0))
    }

    /// What the exchange executed of an order.
    pub fn executed(&self, n: u64) -> Qty {
        self.exchange.truth(|book| book.find(&Self::name(n)).map_or(Qty::ZERO, |order| order.executed))
    }

    pub fn own(&self) -> OwnView {
        let mut positions = BTreeMap::from([(BTC, Qty::ZERO)]);
        let mut orders = BTreeMap::new();
        let mut at = Ts(0);
        for report in &self.reports {
            at = at.max(report.at);
            if let Reported::Filled { qty, base_fee, .. } = &report.what {
                let sign = self.sent[&report.id].side.sign();
                *positions.entry(BTC).or_default() += Qty(sign * qty.0) - *base_fee;
            }
        }
        for (id, order) in &self.sent {
            let qty_left = order.qty - self.filled(id.0);
            if qty_left > Qty::ZERO && self.ended(id.0).is_none() {
                orders.insert(*id, OpenOrder { symbol: BTC, side: order.side, qty_left, price: order.named_price() });
            }
        }
        OwnView { at, orders, positions }
    }

    /// What the last view says about our own.
    pub fn outcome(&self) -> Outcome {
        reconcile(&self.own(), self.views.last().ok_or("no view came"))
    }

    /// Asks for a view and compares.
    pub async fn reconciled(&mut self) -> Outcome {
        self.views.clear();
        self.account.recheck();
        self.pass_s(3).await;
        self.outcome()
    }
}
