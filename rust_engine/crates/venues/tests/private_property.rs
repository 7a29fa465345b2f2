//! A whole engine against an exchange that fails by chance: in the end both hold the same, and nothing was executed twice.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says so by failing")]

mod account;

use account::{BTC, Memory, RUN, clock, exchange_with, initial, open_with, qty, symbols};
use engine::Runtime;
use engine::input::{Input, Reconciliation};
use fake_exchange::private::{PrivateExchange, Script, Venue};
use model::config::{AdvicePolicy, EngineConfig, Pace, StateConfig};
use model::message::{AdvanceTo, Command, CommandAction};
use model::{
    Bar, CandleInterval, Costs, Driver, InstanceConfig, MarketEvent, MarketFeedConfig, MarketStreams, MarketVenue,
    Mode, Money, Price, Qty, Quote, RiskLimits, StrategyParams, Ts, VenueConfig, VenueModel,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use venues::private::agreement::{Again, Agreement};
use venues::private::locks::{self, Locked};
use venues::private::{Account, LiveConfig, Said, approval};
use venues::public::Clock;

const STEPS: u64 = 60;
const STEP: Duration = Duration::from_millis(400);
/// Longer than any wait of the account: a ban of seconds, a request of ten seconds and what it may still do.
const SETTLES_WITHIN: u64 = 240;

fn money(text: &str) -> Money {
    text.parse().unwrap()
}

fn config(venue: Venue, strategy: &str, clock: &Clock) -> EngineConfig {
    let mut params = StrategyParams::defaults(strategy).unwrap().values();
    let is_maker = strategy == "market_making";
    if is_maker {
        params.insert("spread_threshold".into(), 10.0);
    }
    let instance = InstanceConfig {
        instance_id: "one".into(),
        strategy: strategy.into(),
        symbols: vec!["BTCUSDT".into()],
        capital: money("10000"),
        capital_share: 1.0,
        mode: Mode::Live,
        version: 1,
        params,
        driver: if is_maker { Driver::Quotes } else { Driver::Bars },
        rules: None,
    };
    // It trades all the while on a venue of its own, and the exchange never hears of it.
    let twin = InstanceConfig { instance_id: "one.incumbent".into(), mode: Mode::Twin, ..instance.clone() };
    EngineConfig {
        engine_id: "live-1".into(),
        state_dir: "unused".into(),
        feed: String::new(),
        symbols: symbols(),
        markets: vec![MarketFeedConfig {
            venue: MarketVenue::BinanceSpot,
            symbols: BTreeMap::from([("BTCUSDT".to_owned(), "BTCUSDT".to_owned())]),
            streams: MarketStreams { quotes: true, candles: Some(CandleInterval::M1), ..MarketStreams::default() },
            ws_url: None,
            rest_url: None,
            stale_after_ms: 60_000,
        }],
        state: StateConfig::default(),
        pace: Pace::Realtime,
        trade_from_ns: clock().0,
        instances: vec![instance, twin],
        costs: Costs::default(),
        venue: VenueConfig {
            model: VenueModel::External,
            short_sales: venue == Venue::Usdm,
            simulated: VenueModel::Book,
            ..VenueConfig::default()
        },
        limits: RiskLimits::basic(money("100000"), money("100000"), money("100000"), 1_000.0),
        advice: AdvicePolicy {
            enabled: false,
            min_strength: 1.0,
            min_notional_krw: 1e12,
            krw_per_quote: 1_400.0,
            rate_max_age_ms: 86_400_000,
            deadline_ms: 950,
        },
        mark_interval_ms: 3_600_000,
        bridge_url: "ws://127.0.0.1:1/ai_bridge".into(),
        bridge_encoding: Default::default(),
        bridge_compression: Default::default(),
        bridge_tls: None,
        secret_file: "unused".into(),
        dead_man_ms: None,
        metrics_listen: None,
    }
}

/// The engine, its account, and the loop between them.
struct World {
    engine: Runtime,
    account: Account,
    exchange: Arc<PrivateExchange>,
    /// What the account holds that is not the engine's.
    keep: Qty,
    clock: Clock,
    agreement: Agreement,
    is_equal: bool,
    n_ready: usize,
    log: Vec<String>,
}

impl World {
    fn new(venue: Venue, strategy: &str, keep: Qty, script: Script) -> Self {
        let clock = clock();
        let exchange = exchange_with(venue, keep, script, &clock);
        let account = open_with(Arc::new(Memory(Arc::clone(&exchange))), venue, keep, &clock, &[]);
        let engine = Runtime::new(&config(venue, strategy, &clock), Vec::new()).unwrap();
        let mut world = Self {
            engine,
            account,
            exchange,
            keep,
            clock,
            agreement: Agreement::default(),
            is_equal: false,
            n_ready: 0,
            log: Vec::new(),
        };
        let begun = world.agreement.begin();
        world.tell(Some(begun));
        world
    }

    fn tell(&mut self, news: Option<Reconciliation>) {
        let Some(news) = news else { return };
        self.log.push(format!("{} {news:?}", (self.clock)().0));
        self.engine.apply(&Input::Reconciliation(news), (self.clock)()).unwrap();
    }

    fn hear(&mut self, said: Said) {
        let now = (self.clock)();
        match said {
            Said::Report(report) => {
                self.log.push(format!("{} {report:?}", now.0));
                if let Some(lost) = self.engine.apply(&Input::Report(report), now).unwrap() {
                    self.log.push(lost);
                }
            }
            Said::Unready(reason) => {
                self.is_equal = false;
                let news = self.agreement.on_unready(reason);
                self.tell(news);
            }
            Said::View { view, is_moving } => {
                let is_unready = self.engine.stop().is_some_and(|stop| stop.by == "reconciliation");
                let verdict = self.agreement.on_view(&self.engine.own_view(), &view, is_moving, is_unready);
                self.is_equal = verdict.news.as_ref().map_or(self.is_equal, |news| news.mismatch.is_none());
                self.n_ready += usize::from(self.is_equal);
                self.tell(verdict.news);
                match verdict.again {
                    Again::Steady => {}
                    Again::Soon => self.account.recheck(),
                    Again::OnceMore => self.account.look_once_more(),
                }
            }
            Said::Problem(what) => self.log.push(format!("{} {what}", now.0)),
        }
        self.send();
    }

    fn send(&mut self) {
        let to_ns = (self.clock)().0;
        self.engine.apply(&Input::Advance(AdvanceTo { to_ns }), (self.clock)()).unwrap();
        while self.engine.advance(1_024).unwrap() {}
        self.engine.drain();
        self.engine.drain_requests().into_iter().for_each(|request| self.account.request(request));
    }

    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Ok(said) = timeout_at(end, self.account.next()).await {
            self.hear(said.expect("the account's task lives"));
        }
    }

    /// The middle moves, and with it what rests at the exchange.
    fn quote(&mut self, mid_cents: i64) {
        let price = |cents: i64| Price(cents * 1_000_000);
        let (bid, ask) = (price(mid_cents - 1), price(mid_cents + 1));
        self.exchange.set_prices(bid, ask);
        let at = (self.clock)();
        let size = Qty(100_000_000);
        let quote = Quote { symbol: BTC, at, exch_at: at, bid, bid_qty: size, ask, ask_qty: size };
        self.engine.enqueue(MarketEvent::Quote(quote)).unwrap();
        self.send();
    }

    /// A minute's candle that closes now.
    fn candle(&mut self, (from_cents, to_cents): (i64, i64)) {
        let at = (self.clock)();
        let price = |cents: i64| Price(cents * 1_000_000);
        let bar = Bar {
            symbol: BTC,
            opened_at: at.plus_ns(-60_000 * Ts::MS),
            closed_at: at,
            open: price(from_cents),
            high: price(from_cents.max(to_cents) + 5),
            low: price(from_cents.min(to_cents) - 5),
            close: price(to_cents),
            volume: Qty(100_000_000),
        };
        self.engine.enqueue(MarketEvent::Bar(bar)).unwrap();
        self.send();
    }

    /// On Spot the coins that are not the engine's are there, and no order of it could sell them.
    fn assert_keeps(&self) {
        self.exchange.truth(|book| {
            let free = book.base - book.locked().0;
            assert!(free >= self.keep, "{free} of {} are left\n{}", self.keep, self.log.join("\n"));
        });
    }

    /// Stops, so that nothing more is opened, and waits until both sides agree.
    async fn settle(&mut self, action: CommandAction) {
        let (by, reason) = ("tester".to_owned(), "the end".to_owned());
        let stop = Command { command_id: "end".into(), action, by, reason };
        self.engine.apply(&Input::Command(stop), (self.clock)()).unwrap();
        self.send();
        self.exchange.behave();
        self.pass(Duration::from_secs(SETTLES_WITHIN / 2)).await;
        self.account.recheck();
        self.pass(Duration::from_secs(SETTLES_WITHIN / 2)).await;
    }
}

async fn session(venue: Venue, seed: u64) -> (usize, usize) {
    let mut world = World::new(venue, "market_making", initial(venue), Script::random(seed, 400));
    world.pass(Duration::from_secs(2)).await;
    let mut random = seed;
    let mut mid_cents = 10_000;
    for _ in 0..STEPS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        mid_cents += (random >> 33) as i64 % 31 - 15;
        world.quote(mid_cents);
        world.pass(STEP).await;
        if venue == Venue::Spot {
            world.assert_keeps();
        }
    }
    world.settle(CommandAction::Halt).await;
    let story = || format!("{venue:?} seed {seed}\n{}", world.log.join("\n"));
    assert!(world.is_equal, "{}", story());
    let own = world.engine.own_view();
    assert!(own.orders.is_empty(), "{}", story());
    let position = own.positions.get(&BTC).copied().unwrap_or_default();
    let n_fills = usize::try_from(world.engine.n_fills()).unwrap();
    world.exchange.truth(|book| {
        assert_eq!(book.base - initial(venue), position, "{}", story());
        assert_eq!(book.trades.len(), n_fills, "every trade is booked once: {}", story());
        assert!(book.taken.values().all(|times| *times == 1), "no order is taken twice: {}", story());
        let ours = |client: &str| client.strip_prefix(&format!("xc-{RUN}-")).is_some();
        assert!(book.taken.keys().all(|client| ours(client)), "{}", story());
        assert!(book.orders.values().all(|o| !o.is_open() && o.executed <= o.qty), "{}", story());
    });
    (n_fills, world.n_ready)
}

async fn sessions(venue: Venue) {
    let (mut fills, mut ready) = (0, 0);
    for seed in 0..50 {
        let (n_fills, n_ready) = session(venue, seed).await;
        (fills, ready) = (fills + n_fills, ready + n_ready);
    }
    assert!(fills > 50 && ready > 100, "the sessions trade ({fills}) and become ready again ({ready})");
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_on_spot_both_sides_agree_in_the_end_and_nothing_trades_twice() {
    sessions(Venue::Spot).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_on_usdm_both_sides_agree_in_the_end_and_nothing_trades_twice() {
    sessions(Venue::Usdm).await;
}

/// Trades on Spot for two hours, flattens, and gives how often it traded.
async fn spot_session(strategy: &str, keep: &str, seed: u64) -> usize {
    let mut world = World::new(Venue::Spot, strategy, qty(keep), Script::default());
    world.pass(Duration::from_secs(2)).await;
    let (mut random, mut mid_cents) = (seed, 10_000);
    for _ in 0..2 * STEPS {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let before = mid_cents;
        // Trends of some length, so that every kind of strategy enters and leaves.
        mid_cents += (random >> 33) as i64 % 61 - 30 + if (random >> 40) % 2 == 0 { 20 } else { -20 };
        world.pass(Duration::from_secs(60)).await;
        world.quote(mid_cents);
        world.candle((before, mid_cents));
        world.assert_keeps();
    }
    world.settle(CommandAction::Flatten).await;
    world.assert_keeps();
    let story = || format!("{strategy} keep {keep} seed {seed}\n{}", world.log.join("\n"));
    assert!(world.is_equal && world.engine.own_view().orders.is_empty(), "{}", story());
    let n_placed = world.exchange.log().iter().filter(|line| line.starts_with("POST")).count();
    world.exchange.truth(|book| {
        let dust = book.base - world.keep;
        assert!(dust >= Qty::ZERO && dust < symbols()[0].lot, "{dust} is left of the position: {}", story());
        assert_eq!(book.taken.len(), n_placed, "the exchange refused none: {}", story());
        book.trades.len()
    })
}

#[tokio::test(start_paused = true)]
async fn on_spot_a_session_ends_flat_and_never_touches_what_is_not_its_own() {
    for strategy in ["market_making", "momentum_scalping", "sma_cross"] {
        let mut n_trades = 0;
        for seed in 0..5 {
            n_trades += spot_session(strategy, "0", seed).await + spot_session(strategy, "0.5", seed).await;
        }
        assert!(n_trades > 20, "{strategy} trades: {n_trades}");
    }
}

#[test]
fn every_lock_refuses_by_name_and_all_of_them_open_together() {
    let clock: Clock = Arc::new(|| model::Ts(1_700_000_000_000_000_000));
    let dir = tempfile::tempdir().unwrap();
    let live: LiveConfig = serde_json::from_value(serde_json::json!({
        "venue": "binance_usdm", "symbols": {"BTCUSDT": {"name": "BTCUSDT", "base": "BTC", "quote": "USDT"}},
        "key_file": "k", "secret_file": "s", "approval_file": dir.path().join("approval.json"),
    }))
    .unwrap();
    let mut good = config(Venue::Usdm, "market_making", &clock);
    good.limits.max_daily_loss = Some(money("500"));
    let refused = |change: fn(&mut EngineConfig)| {
        let mut engine = good.clone();
        change(&mut engine);
        locks::check_config(&engine, &live).unwrap_err()
    };
    assert!(matches!(refused(|c| c.venue.model = VenueModel::Book), Locked::NotExternal));
    assert!(matches!(refused(|c| c.venue.short_sales = false), Locked::NoShortSales));
    let spot = LiveConfig { venue: MarketVenue::BinanceSpot, ..live.clone() };
    assert!(matches!(locks::check_config(&good, &spot), Err(Locked::ShortOnSpot)));
    assert!(matches!(refused(|c| c.pace = Pace::Granted), Locked::NotLiveData));
    assert!(matches!(refused(|c| c.markets.clear()), Locked::NotLiveData));
    for mode in [Mode::Shadow, Mode::Twin] {
        let mut engine = good.clone();
        engine.instances[0].mode = mode;
        assert!(matches!(locks::check_config(&engine, &live), Err(Locked::NothingLive)));
    }
    assert!(matches!(refused(|c| c.instances[0].strategy = "liquidation".into()), Locked::PaperOnly(_)));
    let mut shadowed = good.clone();
    shadowed.instances[1].strategy = "liquidation".into();
    assert!(locks::check_config(&shadowed, &live).is_ok(), "a twin is paper");
    assert!(matches!(refused(|c| c.limits.max_daily_loss = None), Locked::NoLossLimit));
    assert!(matches!(refused(|c| c.symbols.clear()), Locked::Config(_)));
    assert!(matches!(locks::check(&good, &live, clock()), Err(Locked::NotApproved(_))));
    approval::approve(&good.limits, &live, "kim", 1, clock()).unwrap();
    assert_eq!(locks::check(&good, &live, clock()).unwrap().by, "kim");
}
