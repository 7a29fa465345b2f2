//! One event of every kind as the market log writes it. `tests/contract/test_market_log.py` reads the same rows, so both
//! languages mean the same.

use engine::market_log::{MARKET_DIR, MarketLogReader, Position, Rotation};
use model::{Bar, Depth, Funding, Level, MarketEvent, MarketTrade, Price, Qty, Quote, Side, Staleness, SymbolId, Ts};
use std::path::PathBuf;

fn one_of_every_kind() -> [MarketEvent; 7] {
    let (symbol, at, exch_at) = (SymbolId(1), Ts(1_100), Ts(1_000));
    let level = |side, price, qty| Level { side, price: Price(price), qty: Qty(qty) };
    let levels = vec![level(Side::Buy, 90, 5), level(Side::Sell, 110, 0)];
    let bar = Bar {
        symbol: SymbolId(0),
        opened_at: Ts(0),
        closed_at: Ts(1_050),
        open: Price(100),
        high: Price(120),
        low: Price(90),
        close: Price(110),
        volume: Qty(7),
    };
    [
        MarketEvent::Bar(bar),
        MarketEvent::Trade(MarketTrade {
            symbol,
            at,
            exch_at,
            price: Price(101),
            qty: Qty(3),
            aggressor: Side::Sell,
            id: 77,
        }),
        MarketEvent::Quote(Quote {
            symbol,
            at,
            exch_at,
            bid: Price(100),
            bid_qty: Qty(4),
            ask: Price(102),
            ask_qty: Qty(6),
        }),
        MarketEvent::Depth(Depth { symbol, at, exch_at, first_id: 8, last_id: 9, is_snapshot: true, levels }),
        MarketEvent::Funding(Funding { symbol, at, rate_e8: -12, mark: Price(103) }),
        MarketEvent::Staleness(Staleness { symbol, at, is_stale: true }),
        MarketEvent::Missed(Bar { opened_at: Ts(1_050), closed_at: Ts(2_100), ..bar }),
    ]
}

#[test]
fn the_rows_are_the_golden_ones() {
    let dir = tempfile::tempdir().unwrap();
    let rotation = Rotation { max_bytes: u64::MAX, max_ns: i64::MAX };
    let reader = MarketLogReader::open(dir.path(), &Position::default()).unwrap();
    let (mut log, _) = reader.into_writer(rotation).unwrap();
    log.append(&one_of_every_kind()).unwrap();
    log.sync().unwrap();
    let mut segments = std::fs::read_dir(dir.path().join(MARKET_DIR)).unwrap();
    let bytes = std::fs::read(segments.next().unwrap().unwrap().path()).unwrap();
    let rows: Vec<String> = bytes.chunks(64).map(hex::encode).collect();
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../tests/contract/market_log.hex");
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    assert_eq!(rows, expected.lines().collect::<Vec<_>>(), "{} has other rows", golden.display());
}
