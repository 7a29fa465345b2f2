use super::super::to_units;
use super::*;
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000_000;

fn fresh() -> Seen {
    Seen { negative: 0, small: -1, candles: 0, series: 0 }
}

proptest! {
    #[test]
    fn the_fast_conversion_equals_the_careful_one(
        value in prop_oneof![0.0_f64..1e5, 0.0_f64..9e10, 0.0_f64..1e-6, -1.0_f64..0.0, Just(f64::NAN), Just(f64::INFINITY)]
    ) {
        let mut seen = fresh();
        let fast = seen.units_of(value);
        prop_assert_eq!(seen.is_exact(), (0.0..22_517_998.136_852_48).contains(&value));
        if seen.is_exact() {
            prop_assert_eq!((fast, to_units(value)), (Price::from_f64(value).unwrap().0, fast));
        }
    }
}

#[test]
fn a_tie_is_rounded_away_from_zero_like_everywhere_else() {
    for value in [0.5e-8, 1.5e-8, 2.5e-8, 12_345_678.5e-8] {
        assert_eq!(fresh().units_of(value), Price::from_f64(value).unwrap().0, "{value}");
    }
}

/// What may be wrong with one row.
#[derive(Clone, Copy, Debug)]
enum Flaw {
    None,
    Symbol(i16),
    OpensAt(i64),
    ClosesAt(i64),
    High(f64),
    Low(f64),
    Volume(f64),
}

fn flaw() -> impl Strategy<Value = Flaw> {
    let price = || prop_oneof![Just(f64::NAN), Just(-1.0), Just(0.0), Just(3e7), Just(1e12), 99.0_f64..101.0];
    let time = || prop_oneof![Just(i64::MIN), Just(i64::MAX), (-3 * MINUTE..600 * MINUTE)];
    prop_oneof![
        4 => Just(Flaw::None),
        1 => (-1..3_i16).prop_map(Flaw::Symbol),
        1 => time().prop_map(Flaw::OpensAt),
        1 => time().prop_map(Flaw::ClosesAt),
        1 => price().prop_map(Flaw::High),
        1 => price().prop_map(Flaw::Low),
        1 => price().prop_map(Flaw::Volume),
    ]
}

fn rows(n: usize, flaws: &[(usize, Flaw)]) -> Vec<Row> {
    let good = |n: usize| Row {
        symbol: 0,
        opened_at_ns: n as i64 * MINUTE,
        closed_at_ns: (n as i64 + 1) * MINUTE,
        open: 100.0,
        high: 100.5,
        low: 99.5,
        close: 100.25,
        volume: 3.0,
    };
    let mut rows: Vec<Row> = (0..n).map(good).collect();
    for (at, flaw) in flaws.iter().filter(|(at, _)| *at < n) {
        let row = &mut rows[*at];
        match *flaw {
            Flaw::None => {}
            Flaw::Symbol(symbol) => row.symbol = symbol as u16,
            Flaw::OpensAt(at) => row.opened_at_ns = at,
            Flaw::ClosesAt(at) => row.closed_at_ns = at,
            Flaw::High(price) => row.high = price,
            Flaw::Low(price) => row.low = price,
            Flaw::Volume(volume) => row.volume = volume,
        }
    }
    rows
}

/// The bars before the first that is refused, and what is said of that.
fn one_by_one(rows: &[Row], n_symbols: usize) -> (Vec<Bar>, Option<String>) {
    let (mut order, mut bars) = (Order::new(n_symbols), Vec::new());
    for (n, row) in rows.iter().enumerate() {
        let bar = bar_of(row);
        if let Err(refused) = order.check(n, &bar, || *row) {
            return (bars, Some(refused.to_string()));
        }
        bars.push(bar);
    }
    (bars, None)
}

/// The same from columns; every chunk that calls itself a series is one.
fn from_columns(rows: &[Row], n_symbols: usize) -> (Vec<Bar>, Option<String>) {
    let of = |pick: fn(&Row) -> f64| rows.iter().map(pick).collect::<Vec<_>>();
    let times = |pick: fn(&Row) -> i64| rows.iter().map(pick).collect::<Vec<_>>();
    let symbol: Vec<i16> = rows.iter().map(|row| row.symbol as i16).collect();
    let (opened, closed) = (times(|row| row.opened_at_ns), times(|row| row.closed_at_ns));
    let values = [of(|r| r.open), of(|r| r.high), of(|r| r.low), of(|r| r.close), of(|r| r.volume)];
    let [open, high, low, close, volume] = &values;
    let columns =
        Columns { symbol: &symbol, opened_at_ns: &opened, closed_at_ns: &closed, open, high, low, close, volume };
    let (mut source, mut bars) = (columns.checked().unwrap().bars(n_symbols), Vec::new());
    loop {
        match source.next_chunk() {
            Err(refused) => return (bars, Some(refused.to_string())),
            Ok(chunk) if chunk.bars.is_empty() => return (bars, None),
            Ok(Chunk { bars: next, is_series }) => {
                let follows = |pair: &[Bar]| pair[1].opened_at >= pair[0].closed_at;
                assert!(!is_series || next.windows(2).all(follows) && next.iter().all(|b| b.symbol.0 == 0));
                bars.extend_from_slice(next);
            }
        }
    }
}

proptest! {
    #[test]
    fn columns_give_the_bars_and_the_refusals_of_their_rows(
        n in 0_usize..3 * CHUNK,
        n_symbols in 1_usize..3,
        flaws in proptest::collection::vec((0_usize..3 * CHUNK, flaw()), 0..3),
    ) {
        let rows = rows(n, &flaws);
        let (expected, refused) = one_by_one(&rows, n_symbols);
        let (bars, said) = from_columns(&rows, n_symbols);
        prop_assert_eq!(&said, &refused);
        // A chunk with a refused row is not played, nor are its earlier rows.
        let whole = if refused.is_some() { expected.len() / CHUNK * CHUNK } else { expected.len() };
        prop_assert_eq!(&bars[..], &expected[..whole]);
    }
}

#[test]
fn sound_columns_of_one_symbol_are_a_series() {
    let rows = rows(2 * CHUNK, &[]);
    let symbol = vec![0_i16; rows.len()];
    let times: Vec<i64> = (0..=rows.len() as i64).map(|n| n * MINUTE).collect();
    let (opened_at_ns, closed_at_ns) = (&times[..rows.len()], &times[1..]);
    // Volumes that the fast conversion cannot take are no reason to play bar by bar.
    for volume in [1.0, 1e9] {
        let (price, volume) = (vec![100.0; rows.len()], vec![volume; rows.len()]);
        let (open, high, low, close, volume) = (&price[..], &price[..], &price[..], &price[..], &volume[..]);
        let columns = Columns { symbol: &symbol, opened_at_ns, closed_at_ns, open, high, low, close, volume };
        let mut source = columns.bars(1);
        assert!(source.next_chunk().unwrap().is_series && source.next_chunk().unwrap().is_series);
        assert!(source.next_chunk().unwrap().bars.is_empty());
    }
}
