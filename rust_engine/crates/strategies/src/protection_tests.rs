use super::*;
use crate::test_market::price;
use model::{OrderKind, SymbolId, Ts};

fn stop(side: Side, trigger: f64, qty: i64) -> OrderRequest {
    let order = OrderRequest::market(SymbolId(0), side, Qty(qty), price(100.0));
    OrderRequest { kind: OrderKind::Stop { trigger: price(trigger) }, reduce_only: true, ..order }
}

fn at(value: f64) -> Moment {
    after(0, value)
}

fn after(minutes: i64, value: f64) -> Moment {
    Moment { symbol: SymbolId(0), at: Ts(minutes * 60_000 * Ts::MS), price: price(value) }
}

#[test]
fn what_was_lost_comes_back_once_at_the_tightest_trigger_of_the_position() {
    for (side, position, triggers, tightest) in
        [(Side::Sell, Qty(10), [98.0, 97.0], 98.0), (Side::Buy, Qty(-10), [102.0, 103.0], 102.0)]
    {
        let mut protection = Protection::default();
        assert_eq!(protection.remedy(position, at(100.0)), None);
        triggers.iter().for_each(|trigger| protection.lost(&stop(side, *trigger, 4), position));
        let again = Remedy::Stop { trigger: price(tightest), qty: Qty(8) };
        assert_eq!(protection.remedy(position, at(100.0)), Some(again));
        assert_eq!(protection.remedy(position, at(100.0)), None);
        protection.lost(&stop(side, triggers[1], 8), position);
        let partly_closed = Remedy::Stop { trigger: price(tightest), qty: Qty(3) };
        assert_eq!(protection.remedy(Qty(3 * position.0.signum()), after(1, 100.0)), Some(partly_closed));
    }
}

#[test]
fn at_the_trigger_and_beyond_it_the_exit_is_asked_for_until_the_position_is_gone() {
    for (side, position, prices) in [(Side::Sell, Qty(10), [98.0, 97.0]), (Side::Buy, Qty(-10), [98.0, 99.0])] {
        let mut protection = Protection::default();
        protection.lost(&stop(side, 98.0, 10), position);
        for (minutes, now) in (0..).zip(prices) {
            assert_eq!(protection.remedy(position, after(minutes, now)), Some(Remedy::Exit));
        }
        assert_eq!(protection.remedy(Qty::ZERO, at(98.0)), None);
    }
}

#[test]
fn the_stop_of_another_position_is_no_loss() {
    let mut protection = Protection::default();
    protection.lost(&stop(Side::Sell, 98.0, 10), Qty(-10));
    protection.lost(&stop(Side::Sell, 98.0, 10), Qty::ZERO);
    assert_eq!(protection, Protection::default());
}

#[test]
fn a_stop_that_is_refused_for_good_is_asked_for_with_growing_pauses() {
    let (mut protection, position, second) = (Protection::default(), Qty(10), 1_000 * Ts::MS);
    let mut asked = Vec::new();
    for tenths in 0..6_000 {
        let now = Moment { at: Ts(tenths * second / 10), ..at(100.0) };
        protection.lost(&stop(Side::Sell, 98.0, 10), position);
        if protection.remedy(position, now).is_some() {
            asked.push(tenths / 10);
        }
    }
    assert_eq!(asked, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 303, 363, 423, 483, 543]);
    protection.lost(&stop(Side::Sell, 98.0, 10), position);
    let later = |s: i64| Moment { at: Ts(3_600 * second + s * second), ..at(100.0) };
    assert!(protection.remedy(position, later(0)).is_some());
    protection.lost(&stop(Side::Sell, 98.0, 10), position);
    assert!(protection.remedy(position, later(1)).is_some(), "after a quiet hour the pauses begin anew");
}
