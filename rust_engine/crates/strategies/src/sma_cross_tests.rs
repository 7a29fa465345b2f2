use super::*;
use crate::test_market::{fill, market, on_bar, submitted};
use model::params::SmaCrossParams;
use proptest::{prop_assert_eq, proptest};

fn strategy(fast: f64, slow: f64) -> SmaCross {
    SmaCross::new(SmaCrossParams { fast, slow, size: 2.0 }, &market(1_000.0))
}

#[test]
fn it_buys_when_fast_is_above_slow_and_sells_when_not() {
    let mut sma = strategy(2.0, 3.0);
    for (n, close) in [10.0, 10.0, 10.0].into_iter().enumerate() {
        assert!(on_bar(&mut sma, n as i64, close).is_empty());
    }
    let entry = submitted(&on_bar(&mut sma, 3, 11.0))[0];
    assert_eq!((entry.side, entry.qty, entry.reduce_only), (Side::Buy, Qty::from_f64(2.0).unwrap(), false));
    assert!(on_bar(&mut sma, 4, 12.0).is_empty(), "one order at a time");
    fill(&mut sma, entry, 12.0);
    assert!(on_bar(&mut sma, 5, 13.0).is_empty());
    let exit = submitted(&on_bar(&mut sma, 6, 5.0))[0];
    assert_eq!((exit.side, exit.qty, exit.reduce_only), (Side::Sell, entry.qty, true));
}

#[test]
fn a_share_of_the_capital_buys_that_share_of_the_quantity_and_new_parameters_keep_it() {
    let crossed = |mut sma: SmaCross| {
        (0..3).for_each(|n| assert!(on_bar(&mut sma, n, 10.0).is_empty()));
        submitted(&on_bar(&mut sma, 3, 11.0))[0].qty
    };
    let quarter = |quantity: f64| {
        let mut sma = strategy(2.0, 3.0);
        sma.set_capital(model::Money::from_f64(250.0).unwrap());
        sma.set_params(&StrategyParams::SmaCross(SmaCrossParams { fast: 2.0, slow: 3.0, size: quantity }));
        sma
    };
    let qty = |value: f64| Qty::from_f64(value).unwrap();
    assert_eq!((crossed(quarter(2.0)), crossed(quarter(4.0))), (qty(0.5), qty(1.0)));
    let mut whole = quarter(2.0);
    whole.set_capital(model::Money::from_f64(1_000.0).unwrap());
    assert_eq!(crossed(whole), qty(2.0));
}

proptest! {
    #[test]
    fn new_windows_decide_as_if_they_had_always_been_there(
        closes in proptest::collection::vec(1_i64..1000, 30..1200), fast in 2_usize..8, slow in 9_usize..20
    ) {
        let (mut changed, mut fresh) = (strategy(5.0, 25.0), strategy(fast as f64, slow as f64));
        for (n, close) in closes.iter().enumerate() {
            let bar = crate::test_market::bar(n as i64, *close as f64 + 1.0);
            changed.observe(&bar);
            fresh.observe(&bar);
        }
        let params = SmaCrossParams { fast: fast as f64, slow: slow as f64, size: 2.0 };
        changed.set_params(&StrategyParams::SmaCross(params));
        let n = closes.len() as i64;
        prop_assert_eq!(on_bar(&mut changed, n, 500.0), on_bar(&mut fresh, n, 500.0));
    }
}
