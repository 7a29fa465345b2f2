use super::*;
use model::{MarketStreams, Price, Qty};
use std::collections::BTreeMap;

fn specs(n: usize) -> Vec<SymbolSpec> {
    (0..n).map(|i| SymbolSpec::new(&format!("S{i:03}"), Price(1), Qty(1))).collect()
}

fn config(venue: MarketVenue, n: usize) -> MarketFeedConfig {
    let streams =
        MarketStreams { trades: true, quotes: true, depth: true, candles: Some(CandleInterval::M5), funding: true };
    let symbols = (0..n).map(|i| (format!("S{i:03}"), format!("s{i:03}usdt"))).collect();
    MarketFeedConfig { venue, symbols, streams, ws_url: None, rest_url: None, stale_after_ms: 60_000 }
}

fn topics(venue: MarketVenue) -> Vec<(&'static str, Vec<String>)> {
    let config = config(venue, 1);
    let plans = connections(&config, &listings(&config, &specs(1)).unwrap());
    plans.into_iter().map(|plan| (plan.path, plan.subscriptions.into_iter().map(|s| s.topic).collect())).collect()
}

#[test]
fn every_market_has_its_own_words() {
    let owned = |topics: &[&str]| topics.iter().map(|topic| (*topic).to_owned()).collect::<Vec<_>>();
    let spot = owned(&["s000usdt@trade", "s000usdt@bookTicker", "s000usdt@depth@100ms", "s000usdt@kline_5m"]);
    assert_eq!(topics(MarketVenue::BinanceSpot), [("/stream", spot)]);
    let fast = owned(&["s000usdt@trade", "s000usdt@bookTicker", "s000usdt@depth@0ms"]);
    let slow = owned(&["s000usdt@kline_5m", "s000usdt@markPrice@1s"]);
    assert_eq!(topics(MarketVenue::BinanceUsdm), [("/public/stream", fast), ("/market/stream", slow)]);
    let linear = owned(&[
        "publicTrade.S000USDT",
        "orderbook.1.S000USDT",
        "orderbook.200.S000USDT",
        "kline.5.S000USDT",
        "tickers.S000USDT",
    ]);
    assert_eq!(topics(MarketVenue::BybitLinear), [("/v5/public/linear", linear)]);
}

#[test]
fn many_symbols_share_connections_within_their_limit() {
    let config = config(MarketVenue::BybitLinear, 90);
    let plans = connections(&config, &listings(&config, &specs(90)).unwrap());
    assert_eq!(plans.len(), 5);
    assert!(plans.iter().all(|plan| plan.subscriptions.len() <= MAX_STREAMS));
    assert_eq!(plans.iter().map(|plan| plan.subscriptions.len()).sum::<usize>(), 450);
}

#[test]
fn requests_are_valid_json() {
    for venue in [MarketVenue::BinanceSpot, MarketVenue::BybitSpot] {
        for subscribe in [true, false] {
            let text = request(venue, subscribe, &["a@trade", "b"], 7);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let list = value.get("params").or(value.get("args")).unwrap();
            assert_eq!(*list, serde_json::json!(["a@trade", "b"]));
        }
    }
}

#[test]
fn what_cannot_be_listened_to_is_refused_with_its_reason() {
    let refused = |change: fn(&mut MarketFeedConfig)| {
        let mut config = config(MarketVenue::BinanceSpot, 2);
        change(&mut config);
        listings(&config, &specs(2)).expect_err("refused").to_string()
    };
    assert!(refused(|c| c.symbols = BTreeMap::new()).contains("lists no symbols"));
    assert!(
        refused(|c| c.streams = MarketStreams { funding: true, ..MarketStreams::default() }).contains("no streams")
    );
    assert!(refused(|c| drop(c.symbols.insert("X".into(), "Y".into()))).contains("'X'"));
    assert!(refused(|c| drop(c.symbols.insert("S000".into(), "a\"b".into()))).contains("not an exchange symbol"));
    assert!(refused(|c| drop(c.symbols.insert("S000".into(), "S001USDT".into()))).contains("listed twice"));
    assert!(refused(|c| c.stale_after_ms = 10).contains("stale_after_ms 10"));
}
