use super::*;
use model::{MarketEvent, MarketStreams, Price, Qty, Staleness};
use std::collections::BTreeMap;

const S: i64 = 1_000_000_000;

fn feed(venue: MarketVenue, streams: MarketStreams) -> Feed {
    let symbols = BTreeMap::from([("BTC".to_owned(), "btcusdt".to_owned()), ("ETH".to_owned(), "ETHUSDT".to_owned())]);
    let config = MarketFeedConfig { venue, symbols, streams, ws_url: None, rest_url: None, stale_after_ms: 60_000 };
    let specs = ["ETH", "BTC"].map(|name| SymbolSpec::new(name, Price(1), Qty(1)));
    Feed::new(&config, &specs, &[], Ts(0)).unwrap()
}

fn quotes() -> MarketStreams {
    MarketStreams { quotes: true, ..MarketStreams::default() }
}

fn ticker(name: &str, u: u64, bid: &str) -> String {
    format!(r#"{{"stream":"x@bookTicker","data":{{"u":{u},"s":"{name}","b":"{bid}","B":"1","a":"99","A":"1"}}}}"#)
}

fn market(out: &mut Vec<Output>) -> Vec<MarketEvent> {
    let events = out.drain(..).filter_map(|o| if let Output::Event(FeedEvent::Market(e)) = o { Some(e) } else { None });
    events.collect()
}

fn staleness(symbol: u16, at: i64, is_stale: bool) -> MarketEvent {
    MarketEvent::Staleness(Staleness { symbol: SymbolId(symbol), at: Ts(at), is_stale })
}

#[test]
fn a_symbol_goes_by_its_engine_number_whatever_the_case() {
    let (mut feed, mut out) = (feed(MarketVenue::BinanceSpot, quotes()), Vec::new());
    feed.on_text(&ticker("BTCUSDT", 1, "5"), Ts(7), &mut out);
    let [MarketEvent::Quote(quote)] = market(&mut out)[..] else { panic!("one quote") };
    assert_eq!((quote.symbol, quote.at, quote.exch_at), (SymbolId(1), Ts(7), Ts(7)), "spot quotes carry no stamp");
    feed.on_text(&ticker("SOLUSDT", 1, "5"), Ts(8), &mut out);
    assert_eq!((out.len(), feed.health().unknown), (0, 1));
}

#[test]
fn silence_is_noticed_by_symbol_once_and_ends_with_a_change() {
    let (mut feed, mut out) = (feed(MarketVenue::BinanceSpot, quotes()), Vec::new());
    feed.on_text(&ticker("BTCUSDT", 1, "5"), Ts(30 * S), &mut out);
    out.clear();
    feed.on_time(Ts(60 * S - 1), &mut out);
    assert_eq!(market(&mut out), []);
    feed.on_time(Ts(60 * S), &mut out);
    assert_eq!(market(&mut out), [staleness(0, 60 * S, true)], "the other one never spoke");
    // The same prices under new numbers are a frozen market.
    for n in 1..=30 {
        feed.on_text(&ticker("BTCUSDT", 1 + n, "5"), Ts((30 + i64::try_from(n).unwrap()) * S), &mut out);
    }
    out.clear();
    feed.on_time(Ts(90 * S), &mut out);
    assert_eq!(market(&mut out), [staleness(1, 90 * S, true)]);
    feed.on_time(Ts(120 * S), &mut out);
    assert_eq!(market(&mut out), [], "said once");
    feed.on_text(&ticker("BTCUSDT", 99, "6"), Ts(121 * S), &mut out);
    let events = market(&mut out);
    assert_eq!(events[0], staleness(1, 121 * S, false), "first that it is back, then with what");
    assert!(matches!(events[1], MarketEvent::Quote(_)));
    assert!(!feed.health().symbols[1].is_stale && feed.health().symbols[0].is_stale);
}

#[test]
fn a_book_that_never_stands_makes_its_symbol_stale() {
    let streams = MarketStreams { depth: true, ..quotes() };
    let (mut feed, mut out) = (feed(MarketVenue::BinanceSpot, streams), Vec::new());
    let mut said = Vec::new();
    for n in 1..=70 {
        // Quotes change all the time; of the book there are only changes, no snapshot.
        let second = i64::try_from(n).unwrap();
        feed.on_text(&ticker("BTCUSDT", n, &n.to_string()), Ts(second * S), &mut out);
        let change = format!(
            r#"{{"stream":"x@depth","data":{{"s":"BTCUSDT","U":{n},"u":{n},"b":[["5","{n}"]],"a":[],"E":{n}}}}}"#
        );
        feed.on_text(&change, Ts(second * S), &mut out);
        feed.on_time(Ts(second * S), &mut out);
        let of_btc = |e: &MarketEvent| matches!(e, MarketEvent::Staleness(s) if s.symbol == SymbolId(1));
        said.extend(market(&mut out).into_iter().filter(of_btc));
    }
    assert_eq!(said, [staleness(1, 60 * S, true)]);
}

#[test]
fn the_book_is_asked_for_once_and_passed_on_when_it_comes() {
    let streams = MarketStreams { depth: true, ..MarketStreams::default() };
    let (mut feed, mut out) = (feed(MarketVenue::BinanceUsdm, streams), Vec::new());
    let change = |u: u64, pu: u64| {
        format!(
            r#"{{"stream":"x@depth@0ms","data":{{"s":"BTCUSDT","U":{u},"u":{u},"pu":{pu},"b":[["5","1"]],"a":[],"E":5}}}}"#
        )
    };
    feed.on_text(&change(7, 6), Ts(1), &mut out);
    feed.on_text(&change(8, 7), Ts(2), &mut out);
    assert_eq!(std::mem::take(&mut out), [Output::FetchBook(SymbolId(1))]);
    let text = r#"{"lastUpdateId":7,"bids":[["5","2"]],"asks":[["6","1"]]}"#;
    feed.on_book(SymbolId(1), source::binance::parse_snapshot(text).unwrap(), Ts(3), &mut out);
    let resynced = FeedEvent::Resynced { venue: MarketVenue::BinanceUsdm, symbol: SymbolId(1), at: Ts(3), last_id: 7 };
    assert_eq!(out[0], Output::Event(resynced));
    let depths: Vec<_> = market(&mut out)
        .into_iter()
        .map(|e| if let MarketEvent::Depth(d) = e { (d.is_snapshot, d.first_id, d.last_id, d.at) } else { panic!() })
        .collect();
    assert_eq!(depths, [(true, 7, 7, Ts(3)), (false, 8, 8, Ts(3))]);
}

#[test]
fn funding_is_an_event_when_it_falls_due() {
    let streams = MarketStreams { funding: true, ..quotes() };
    let (mut feed, mut out) = (feed(MarketVenue::BinanceUsdm, streams), Vec::new());
    let mark = |rate: &str, next_ms: i64| {
        format!(r#"{{"stream":"x@markPrice@1s","data":{{"s":"BTCUSDT","p":"100","r":"{rate}","T":{next_ms}}}}}"#)
    };
    feed.on_text(&mark("0.0001", 1000), Ts(999 * Ts::MS), &mut out);
    feed.on_text(&mark("0.0003", 2000), Ts(1001 * Ts::MS), &mut out);
    let expected = model::Funding {
        symbol: SymbolId(1),
        at: Ts(1001 * Ts::MS),
        rate_e8: 10_000,
        mark: Price(100 * model::fixed::SCALE),
    };
    assert_eq!(market(&mut out), [MarketEvent::Funding(expected)]);
}

#[test]
fn what_the_exchange_refuses_is_a_problem() {
    let (mut feed, mut out) = (feed(MarketVenue::BinanceSpot, quotes()), Vec::new());
    feed.on_text(r#"{"error":{"code":3,"msg":"Invalid stream"},"id":1}"#, Ts(5), &mut out);
    let [Output::Event(FeedEvent::Problem { what, .. })] = &out[..] else { panic!("{out:?}") };
    assert!(what.contains("Invalid stream"));
    assert_eq!(feed.health().refused, 1);
}
