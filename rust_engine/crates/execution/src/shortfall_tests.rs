use super::*;
use model::{SymbolId, Ts};
use proptest::prelude::*;

fn fill_of(order: OrderRequest, qty: i64, arrival: i64, price: i64, half_spread: i64, liquidity: Liquidity) -> Fill {
    Fill {
        order,
        at: Ts(0),
        price: Price(price),
        qty: Qty(qty),
        base_fee: Qty::ZERO,
        fee: Money::ZERO,
        slippage: Money::ZERO,
        arrival_price: Price(arrival),
        half_spread: Price(half_spread),
        liquidity,
    }
}

#[test]
fn a_buy_is_split_into_delay_spread_impact_and_opportunity() {
    let order = OrderRequest::market(SymbolId(0), Side::Buy, Qty(10), Price(100));
    let fill = fill_of(order, 6, 103, 108, 2, Liquidity::Taker);
    let split = shortfall(&order, &[fill], Price(120));
    assert_eq!(split.delay, Money(18));
    assert_eq!(split.spread, Money(12));
    assert_eq!(split.impact, Money(18));
    assert_eq!(split.opportunity, Money(80));
}

#[test]
fn a_sell_gains_where_a_buy_loses() {
    let order = OrderRequest::market(SymbolId(0), Side::Sell, Qty(10), Price(100));
    let fill = fill_of(order, 10, 103, 102, 1, Liquidity::Taker);
    let split = shortfall(&order, &[fill], Price(90));
    assert_eq!((split.delay, split.spread, split.impact), (Money(-30), Money(10), Money(0)));
    assert_eq!(split.opportunity, Money::ZERO);
}

#[test]
fn a_maker_pays_no_spread() {
    let order = OrderRequest::market(SymbolId(0), Side::Buy, Qty(4), Price(100));
    let split = shortfall(&order, &[fill_of(order, 4, 100, 99, 1, Liquidity::Maker)], Price(100));
    assert_eq!((split.spread, split.impact), (Money::ZERO, Money(-4)));
}

proptest! {
    #[test]
    fn the_four_parts_sum_to_paper_minus_real(
        buys in any::<bool>(),
        decision in 1_i64..1_000_000_000_000,
        end in 1_i64..1_000_000_000_000,
        unfilled in 0_i64..1_000_000_000_000,
        fills in proptest::collection::vec(
            (1_i64..1_000_000_000_000, 1_i64..1_000_000_000_000, 1_i64..1_000_000_000_000, 0_i64..1_000_000_000, any::<bool>()),
            0..12,
        ),
    ) {
        let side = if buys { Side::Buy } else { Side::Sell };
        let wanted = unfilled + fills.iter().map(|f| f.0).sum::<i64>();
        let order = OrderRequest::market(SymbolId(0), side, Qty(wanted), Price(decision));
        let made: Vec<Fill> = fills
            .iter()
            .map(|&(qty, arrival, price, half, taker)| {
                let liquidity = if taker { Liquidity::Taker } else { Liquidity::Maker };
                fill_of(order, qty, arrival, price, half, liquidity)
            })
            .collect();
        let split = shortfall(&order, &made, Price(end));
        // Paper holds everything from the decision price to the end price; real holds what it filled, from where it filled.
        let paper = (Price(end) - Price(decision)) * Qty(wanted);
        let real = made.iter().map(|f| ((Price(end) - f.price) * f.qty).0).sum::<i128>();
        let total = split.delay + split.spread + split.impact + split.opportunity;
        prop_assert_eq!(total.0, i128::from(side.sign()) * (paper.0 - real));
    }
}
