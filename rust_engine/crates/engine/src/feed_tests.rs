use super::*;
use crate::feed_file::write_rows;

const GOOD: Row =
    Row { symbol: 0, opened_at_ns: 0, closed_at_ns: 60, open: 10.0, high: 11.5, low: 9.5, close: 11.0, volume: 3.0 };

fn load_rows(rows: &[Row]) -> Result<Vec<Bar>, FeedError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.npy");
    write_rows(&path, rows);
    let symbols = [SymbolSpec::new("A", Price(1), Qty(1))];
    load(&path, &symbols)
}

fn check(rows: &[Row], expected: &str) {
    let error = load_rows(rows).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn a_feed_survives_its_file() {
    let later = Row { opened_at_ns: 60, closed_at_ns: 120, ..GOOD };
    let bars = load_rows(&[GOOD, later]).unwrap();
    assert_eq!(bars.len(), 2);
    assert_eq!(bars[0].high, "11.5".parse().unwrap());
    assert_eq!(bars[1].closed_at, Ts(120));
}

#[test]
fn a_bad_row_is_refused_by_its_number() {
    check(&[GOOD, GOOD], "row 1: closed at 60 ns comes after 60 ns");
    check(&[Row { symbol: 1, ..GOOD }], "row 0: symbol index 1");
    check(&[Row { high: f64::NAN, ..GOOD }], "high NaN");
    check(&[Row { low: 10.5, ..GOOD }], "is not a candle");
    check(&[Row { close: 1e12, high: 1e12, ..GOOD }], "is not a candle");
    check(&[Row { opened_at_ns: 60, ..GOOD }], "is not a candle");
}

#[test]
fn a_file_that_is_no_feed_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("feed.npy");
    std::fs::write(&path, b"not numpy").unwrap();
    let error = load(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("feed.npy"), "{error}");
    assert!(load(Path::new("/nowhere/feed.npy"), &[]).unwrap_err().to_string().contains("/nowhere/feed.npy"));
}
