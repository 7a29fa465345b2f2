use super::*;
use crate::test_market::{fill, market, named_price, on_bar, price, submitted};
use proptest::prelude::*;

fn params(skew: f64) -> MarketMakingParams {
    MarketMakingParams {
        spread_threshold: 100.0,
        order_layers: 2.0,
        inventory_skew: skew,
        inventory_cap: 20.0,
        order_size: 5.0,
    }
}

#[test]
fn it_quotes_layers_one_spread_apart_around_the_close() {
    let mut maker = MarketMaking::new(params(0.5), &market(10_000.0));
    let orders = submitted(&on_bar(&mut maker, 0, 100.0));
    let prices: Vec<Price> = orders.iter().filter_map(named_price).collect();
    assert_eq!(prices, [99.5, 98.5, 100.5, 101.5].map(price));
    assert!(orders.iter().all(|o| o.qty == Qty::from_f64(5.0).unwrap() && o.purpose == Purpose::Quote));
}

#[test]
fn it_cancels_before_it_quotes_again() {
    let mut maker = MarketMaking::new(params(0.5), &market(10_000.0));
    assert_eq!(on_bar(&mut maker, 0, 100.0)[0], Action::CancelAll(model::SymbolId(0)));
}

#[test]
fn a_long_inventory_moves_the_centre_down() {
    let mut maker = MarketMaking::new(params(2.0), &market(10_000.0));
    let bid = submitted(&on_bar(&mut maker, 0, 100.0))[0];
    fill(&mut maker, bid, 99.5);
    let quotes = submitted(&on_bar(&mut maker, 1, 100.0));
    // A quarter of the cap is held: 2 half spreads x 1/4 = 0.25 below.
    assert_eq!(named_price(&quotes[0]), Some(price(99.25)));
}

proptest! {
    #[test]
    fn inventory_never_passes_its_cap_whatever_fills(fills in proptest::collection::vec(any::<[bool; 4]>(), 1..80)) {
        let mut maker = MarketMaking::new(params(0.5), &market(10_000.0));
        let cap = Qty::from_f64(20.0).unwrap();
        let mut position = 0;
        for (n, chosen) in fills.iter().enumerate() {
            for (order, filled) in submitted(&on_bar(&mut maker, n as i64, 100.0)).into_iter().zip(chosen) {
                if *filled {
                    position += order.side.sign() * order.qty.0;
                    fill(&mut maker, order, 100.0);
                }
            }
            prop_assert!(position.abs() <= cap.0);
        }
    }
}
