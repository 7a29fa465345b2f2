use super::*;
use crate::test_world::{instance, limits, symbols};
use model::config::{AdvicePolicy, StateConfig};
use model::message::AdvanceTo;
use model::{
    Costs, MarketFeedConfig, MarketStreams, MarketTrade, MarketVenue, Mode, Price, Qty, Quote, Side, SymbolId,
    VenueConfig,
};
use std::collections::BTreeMap;

const SECOND: i64 = 1_000_000_000;

fn live() -> Runtime {
    let config = EngineConfig {
        engine_id: "live-1".into(),
        state_dir: String::new(),
        feed: String::new(),
        symbols: symbols(),
        markets: vec![MarketFeedConfig {
            venue: MarketVenue::BinanceSpot,
            symbols: BTreeMap::new(),
            streams: MarketStreams::default(),
            ws_url: None,
            rest_url: None,
            stale_after_ms: 60_000,
        }],
        state: StateConfig::default(),
        pace: Pace::Realtime,
        trade_from_ns: 0,
        instances: vec![instance("s-1", "sma_cross", Mode::Live)],
        costs: Costs::default(),
        venue: VenueConfig::default(),
        limits: limits(),
        advice: AdvicePolicy { enabled: false, ..crate::test_world::advice() },
        mark_interval_ms: 60_000,
        bridge_url: String::new(),
        bridge_encoding: Default::default(),
        bridge_compression: Default::default(),
        bridge_tls: None,
        secret_file: String::new(),
        dead_man_ms: None,
        metrics_listen: None,
    };
    Runtime::new(&config, Vec::new()).unwrap()
}

fn trade(second: i64) -> MarketEvent {
    let at = Ts(second * SECOND);
    let (price, qty) = (Price::from_f64(100.0).unwrap(), Qty::from_f64(1.0).unwrap());
    MarketEvent::Trade(MarketTrade { symbol: SymbolId(0), at, exch_at: at, price, qty, aggressor: Side::Buy, id: 1 })
}

fn advance(runtime: &mut Runtime, second: i64) {
    runtime.apply(&Input::Advance(AdvanceTo { to_ns: second * SECOND }), Ts(second * SECOND)).unwrap();
}

fn marks(runtime: &mut Runtime) -> Vec<i64> {
    let said = runtime.drain();
    said.iter()
        .filter_map(|m| if let Message::EquityMark(mark) = m { Some(mark.at_ns / SECOND) } else { None })
        .collect()
}

#[test]
fn an_event_never_goes_back_behind_what_was_received_before() {
    let mut runtime = live();
    let stamps = [5, 3, 7, 6].map(|second| runtime.enqueue(trade(second)).unwrap().at().0 / SECOND);
    assert_eq!(stamps, [5, 5, 7, 7]);
    assert_eq!(runtime.market_counts().received, 4);
    assert!(!runtime.advance(100).unwrap());
    assert_eq!((runtime.steps(), runtime.reached()), (5, Ts(7 * SECOND)));
    assert_eq!(runtime.market_counts().refused, 0);
}

#[test]
fn an_event_needs_no_grant_and_the_clock_moves_only_while_nothing_waits() {
    let mut runtime = live();
    runtime.enqueue(trade(5)).unwrap();
    advance(&mut runtime, 9);
    assert!(runtime.advance(2).unwrap());
    assert_eq!(runtime.reached(), Ts(5 * SECOND));
    assert!(!runtime.advance(100).unwrap());
    assert_eq!((runtime.reached(), runtime.core.now()), (Ts(9 * SECOND), Ts(9 * SECOND)));
    // What is received after the clock moved is not before it.
    assert_eq!(runtime.enqueue(trade(8)).unwrap().at(), Ts(9 * SECOND));
}

#[test]
fn marks_come_when_the_clock_or_an_event_passes_them_and_before_that_event() {
    let mut runtime = live();
    runtime.advance(100).unwrap();
    assert_eq!(marks(&mut runtime), vec![0]);
    assert_eq!(runtime.next_due(), Some(Ts(60 * SECOND)));
    runtime.enqueue(trade(60)).unwrap();
    runtime.advance(100).unwrap();
    assert_eq!(marks(&mut runtime), Vec::<i64>::new());
    runtime.enqueue(trade(130)).unwrap();
    runtime.advance(1).unwrap();
    assert_eq!(marks(&mut runtime), vec![60]);
    runtime.advance(100).unwrap();
    assert_eq!(marks(&mut runtime), vec![120]);
    advance(&mut runtime, 180);
    runtime.advance(100).unwrap();
    assert_eq!(marks(&mut runtime), vec![180]);
}

#[test]
fn what_the_core_refuses_is_counted_and_the_next_event_is_played() {
    let mut runtime = live();
    let (price, qty) = (Price::from_f64(100.0).unwrap(), Qty(1));
    let at = Ts(SECOND);
    let crossed = Quote { symbol: SymbolId(0), at, exch_at: at, bid: price, bid_qty: qty, ask: price, ask_qty: qty };
    runtime.enqueue(MarketEvent::Quote(crossed)).unwrap();
    runtime.enqueue(MarketEvent::Quote(Quote { symbol: SymbolId(9), ..crossed })).unwrap();
    runtime.enqueue(MarketEvent::Bar(crate::test_world::bar(0, 100.0, 100.0))).unwrap();
    runtime.enqueue(MarketEvent::Bar(crate::test_world::bar(0, 100.0, 100.0))).unwrap();
    runtime.enqueue(trade(70)).unwrap();
    runtime.advance(100).unwrap();
    assert_eq!(runtime.market_counts(), MarketCounts { received: 5, refused: 3, missed: 0 });
    assert_eq!((runtime.standing().bars, runtime.reached()), (1, Ts(70 * SECOND)));
}

#[test]
fn a_candle_is_known_from_its_reception_on() {
    let mut runtime = live();
    assert_eq!(runtime.known_closes(), [Ts(i64::MIN); 2]);
    let bar = |n| crate::test_world::bar(n, 100.0, 100.0);
    runtime.enqueue(MarketEvent::Missed(bar(0))).unwrap();
    runtime.enqueue(MarketEvent::Bar(bar(1))).unwrap();
    runtime.enqueue(trade(300)).unwrap();
    let mut other = live();
    other.restore(&runtime.save().unwrap()).unwrap();
    assert_eq!(other.known_closes(), [bar(1).closed_at, Ts(i64::MIN)]);
    runtime.advance(100).unwrap();
    assert_eq!(runtime.known_closes(), other.known_closes());
    assert_eq!((runtime.market_counts().missed, runtime.standing().bars), (1, 1));
}

#[test]
fn a_state_that_is_read_back_is_written_the_same_and_another_configuration_refuses_it() {
    let mut runtime = live();
    (0..50).for_each(|n| drop(runtime.enqueue(trade(n)).unwrap()));
    runtime.advance(30).unwrap();
    let state = runtime.save().unwrap();
    let mut other = live();
    other.restore(&state).unwrap();
    assert_eq!(other.save().unwrap(), state);
    runtime.advance(100).unwrap();
    other.advance(100).unwrap();
    assert_eq!(other.state_sha256().unwrap(), runtime.state_sha256().unwrap());
    assert!(live().restore(&state[..state.len() - 1]).is_err());
    assert!(live().restore(b"").is_err());
}
