use super::*;
use crate::test_market::price;
use model::{OrderKind, SymbolId, Ts};

fn stop(side: Side, trigger: f64, qty: i64) -> OrderRequest {
    let order = OrderRequest::market(SymbolId(0), side, Qty(qty), price(100.0));
    OrderRequest { kind: OrderKind::Stop { trigger: price(trigger) }, reduce_only: true, ..order }
}

fn at(value: f64) -> Moment {
    Moment { symbol: SymbolId(0), at: Ts(0), price: price(value) }
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
        assert_eq!(protection.remedy(Qty(3 * position.0.signum()), at(100.0)), Some(partly_closed));
    }
}

#[test]
fn at_the_trigger_and_beyond_it_the_exit_is_asked_for_until_the_position_is_gone() {
    for (side, position, prices) in [(Side::Sell, Qty(10), [98.0, 97.0]), (Side::Buy, Qty(-10), [98.0, 99.0])] {
        let mut protection = Protection::default();
        protection.lost(&stop(side, 98.0, 10), position);
        prices.iter().for_each(|now| assert_eq!(protection.remedy(position, at(*now)), Some(Remedy::Exit)));
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
