use super::*;
use crate::curve::{HOURS, VolumeCurve};
use model::{Bar, OrderRequest, SymbolId};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;
const HOUR: i64 = 3_600 * SECOND;

fn parent(algorithm: Algorithm, lots: i64, horizon_ns: i64) -> ParentOrder {
    let order = OrderRequest::market(SymbolId(0), Side::Buy, Qty(lots * 10), Price(100));
    ParentOrder { order, algorithm, horizon_ns, limit: None }
}

fn slices(parent: &ParentOrder, shares: Option<&HourShares>) -> Vec<Slice> {
    match Schedule::new(parent, Qty(10), Price(1), Ts(0), shares).unwrap() {
        Schedule::Timed(slices) => slices,
        other => panic!("{other:?}"),
    }
}

fn children(slices: &[Slice]) -> Vec<i64> {
    let mut before = 0;
    slices
        .iter()
        .map(|s| std::mem::replace(&mut before, s.cumulative.0))
        .zip(slices)
        .map(|(b, s)| s.cumulative.0 - b)
        .collect()
}

fn optimal(slices: u16, risk_aversion: f64) -> Algorithm {
    Algorithm::AlmgrenChriss {
        slices,
        risk_aversion,
        temporary_impact: 2.5e-6,
        permanent_impact: 2.5e-7,
        volatility: 0.95,
    }
}

#[test]
fn equal_parts_start_at_once_and_leave_the_last_interval_for_the_last_part() {
    let list = slices(&parent(Algorithm::Twap { slices: 4 }, 10, 100), None);
    assert_eq!(children(&list), [30, 20, 30, 20]);
    assert_eq!(list.iter().map(|s| s.due.0).collect::<Vec<_>>(), [0, 25, 50, 75]);
}

#[test]
fn fewer_lots_than_slices_leaves_slices_out() {
    let list = slices(&parent(Algorithm::Twap { slices: 100 }, 3, 100), None);
    assert_eq!(children(&list), [10, 10, 10]);
}

#[test]
fn a_horizon_that_is_over_makes_everything_due_at_once() {
    for algorithm in
        [Algorithm::Twap { slices: 5 }, Algorithm::Vwap { slices: 5 }, optimal(5, 1e-6), Algorithm::Immediate]
    {
        assert!(slices(&parent(algorithm, 10, 0), None).is_empty());
    }
    // Shorter than one nanosecond a slice: still every lot, in order.
    let list = slices(&parent(Algorithm::Twap { slices: 100 }, 50, 3), None);
    assert_eq!(list.last().map(|s| s.cumulative), Some(Qty(500)));
}

#[test]
fn the_papers_trajectory_is_rounded_to_lots() {
    // A million units in lots of one, over five seconds.
    let order = OrderRequest::market(SymbolId(0), Side::Sell, Qty::from_f64(1e6).unwrap(), Price(100));
    let parent = ParentOrder { order, algorithm: optimal(5, 1e-6), horizon_ns: 5 * SECOND, limit: None };
    let lot = Qty::from_f64(1.0).unwrap();
    let Ok(Schedule::Timed(list)) = Schedule::new(&parent, lot, Price(1), Ts(0), None) else { panic!("not timed") };
    let sizes: Vec<f64> = children(&list).iter().map(|q| *q as f64 / 1e8).collect();
    assert_eq!(sizes, [458_044.0, 252_102.0, 141_957.0, 85_755.0, 62_142.0]);
}

#[test]
fn what_cannot_be_worked_is_refused_with_its_reason() {
    let check = |parent: ParentOrder, named: &str| {
        let text = Schedule::new(&parent, Qty(10), Price(5), Ts(0), None).unwrap_err().to_string();
        assert!(text.contains(named), "{text}");
    };
    let twap = parent(Algorithm::Twap { slices: 4 }, 10, 100);
    check(ParentOrder { order: OrderRequest { qty: Qty(15), ..twap.order }, ..twap }, "multiple of the lot");
    check(ParentOrder { order: OrderRequest { qty: Qty(0), ..twap.order }, ..twap }, "above zero");
    check(ParentOrder { limit: Some(Price(7)), ..twap }, "multiple of the tick");
    check(parent(Algorithm::Vwap { slices: 0 }, 10, 100), "at least one");
    check(parent(Algorithm::Pov { rate_e4: 0 }, 10, 100), "above zero and below one");
    check(parent(Algorithm::Pov { rate_e4: 10_000 }, 10, 100), "above zero and below one");
    check(parent(Algorithm::Pov { rate_e4: 100 }, 10, 0), "horizon is over");
    let berg = parent(Algorithm::Iceberg { display: Qty(20), price: Price(100) }, 10, 100);
    check(ParentOrder { limit: Some(Price(95)), ..berg }, "beyond the limit");
    check(parent(Algorithm::Iceberg { display: Qty(5), price: Price(100) }, 10, 100), "displayed quantity");
    let mut steep = parent(optimal(1, 1e-6), 10, 100 * SECOND);
    steep.horizon_ns = 1000 * SECOND;
    check(steep, "take more slices");
}

fn day_of(volumes: &[i64; HOURS]) -> VolumeCurve {
    let mut curve = VolumeCurve::default();
    for (h, volume) in volumes.iter().enumerate() {
        let (from, price) = (h as i64 * HOUR, Price(1));
        curve.learn(&Bar {
            symbol: SymbolId(0),
            opened_at: Ts(from),
            closed_at: Ts(from + HOUR),
            open: price,
            high: price,
            low: price,
            close: price,
            volume: Qty(*volume),
        });
    }
    curve
}

proptest! {
    #[test]
    fn every_timed_schedule_sums_to_the_parent_in_whole_lots(
        lots in 1_i64..1_000_000, n in 1_u16..500, horizon in 0_i64..100_000 * SECOND, kind in 0..4, lambda in -9.0_f64..-3.0,
        volumes in proptest::array::uniform24(0_i64..1_000_000_000),
    ) {
        let algorithm = match kind {
            0 => Algorithm::Twap { slices: n },
            1 => Algorithm::Vwap { slices: n },
            2 => Algorithm::Immediate,
            _ => Algorithm::AlmgrenChriss {
                slices: n, risk_aversion: 10_f64.powf(lambda), temporary_impact: 1e-3, permanent_impact: 0.0, volatility: 1.0,
            },
        };
        let shares = day_of(&volumes).shares();
        let list = slices(&parent(algorithm, lots, horizon), shares.as_ref());
        prop_assert!(list.windows(2).all(|w| w[0].due < w[1].due || horizon < i64::from(n)));
        prop_assert!(children(&list).iter().all(|q| *q > 0 && q % 10 == 0));
        prop_assert!(list.is_empty() || list.last().map(|s| s.cumulative) == Some(Qty(lots * 10)));
        prop_assert_eq!(list.is_empty(), kind == 2 || horizon == 0);
    }

    #[test]
    fn a_child_of_equal_parts_is_within_one_lot_of_its_share(lots in 1_i64..100_000, n in 1_u16..500) {
        let list = slices(&parent(Algorithm::Twap { slices: n }, lots, 1_000_000), None);
        let share = lots as f64 / f64::from(n);
        prop_assert!(children(&list).iter().all(|q| ((*q / 10) as f64 - share).abs() <= 1.0));
    }

    #[test]
    fn a_flat_curve_is_equal_parts(lots in 1_i64..100_000, n in 1_u16..300, horizon in 1_i64..100_000 * SECOND, volume in 1_i64..1_000_000) {
        let shares = day_of(&[volume * 1_000_000; HOURS]).shares();
        let twap = slices(&parent(Algorithm::Twap { slices: n }, lots, horizon), None);
        prop_assert!(shares.is_some());
        prop_assert_eq!(slices(&parent(Algorithm::Vwap { slices: n }, lots, horizon), shares.as_ref()), twap.clone());
        prop_assert_eq!(slices(&parent(Algorithm::Vwap { slices: n }, lots, horizon), None), twap);
    }

    #[test]
    fn no_risk_aversion_is_equal_parts(lots in 1_i64..100_000, n in 1_u16..300, seconds in 1_i64..1000, lambda in prop::sample::select(vec![0.0, 1e-300, 1e-40])) {
        let algorithm = Algorithm::AlmgrenChriss {
            slices: n, risk_aversion: lambda, temporary_impact: 1.0, permanent_impact: 0.0, volatility: 1.0,
        };
        let twap = slices(&parent(Algorithm::Twap { slices: n }, lots, seconds * SECOND), None);
        prop_assert_eq!(slices(&parent(algorithm, lots, seconds * SECOND), None), twap);
    }

    #[test]
    fn with_the_realised_curve_we_trade_the_markets_shares_to_the_lot(
        volumes in proptest::array::uniform24(1_i64..1_000_000_000), lots in 24_i64..10_000, per_hour in 1_u16..5,
    ) {
        // A parent over the very day that the curve was learned from, cut on the hours.
        let shares = day_of(&volumes).shares();
        let list = slices(&parent(Algorithm::Vwap { slices: 24 * per_hour }, lots, 24 * HOUR), shares.as_ref());
        let day: i64 = volumes.iter().sum();
        for hour in 1..=HOURS {
            let market = volumes[..hour].iter().sum::<i64>() as f64 / day as f64 * lots as f64;
            let ours = list.iter().filter(|s| s.due.0 < hour as i64 * HOUR).map(|s| s.cumulative.0 / 10).max().unwrap_or(0);
            prop_assert!((ours as f64 - market).abs() <= 1.0, "hour {}: {} of {}", hour, ours, market);
        }
    }
}
