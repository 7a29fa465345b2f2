use super::*;
use crate::strategy::Strategy;
use crate::test_market::{ask, cancelled, end, fill, market, named_price, on_bar, price, quote as quote_of, submitted};
use model::{CancelReason, MarketTrade, Resting, SymbolId, Ts};
use proptest::prelude::*;

fn params(skew: f64) -> MarketMakingParams {
    MarketMakingParams {
        spread_threshold: 100.0,
        order_layers: 2.0,
        inventory_skew: skew,
        inventory_cap: 20.0,
        order_size: 5.0,
        ..MarketMakingParams::default()
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

const SECOND: i64 = 1_000_000_000;

fn quoting_on(driver: Driver, params: MarketMakingParams) -> MarketMaking {
    MarketMaking::new(params, &Market { driver, ..market(10_000.0) })
}

fn on_quote(maker: &mut MarketMaking, at: i64, middle: f64) -> Vec<Action> {
    ask(maker, Event::Quote(&quote_of(at, middle, 0.01)))
}

#[test]
fn on_quotes_it_leaves_what_is_still_right_and_moves_the_rest_by_name() {
    let mut maker = quoting_on(Driver::Quotes, MarketMakingParams { inventory_cap: 30.0, ..params(0.5) });
    let first = submitted(&on_quote(&mut maker, 1, 100.0));
    assert_eq!(first.iter().filter_map(named_price).collect::<Vec<_>>(), [99.5, 98.5, 100.5, 101.5].map(price));
    assert!(first.iter().all(|o| o.tif == TimeInForce::PostOnly));
    assert!(on_quote(&mut maker, 2, 100.005).is_empty(), "half a tick is no move");
    assert!(on_bar(&mut maker, 0, 120.0).is_empty(), "a candle is no quote");
    // One tick up: the four prices become 99.51, 98.51, 100.52 (100.5150.. up), 101.53.
    let moved = on_quote(&mut maker, 3, 100.015);
    assert_eq!((cancelled(&moved).len(), submitted(&moved).len()), (4, 4));
    assert_eq!(
        cancelled(&moved)[0],
        Resting { symbol: SymbolId(0), side: Side::Buy, purpose: Purpose::Quote, price: price(99.5) }
    );
}

#[test]
fn a_fill_makes_it_look_again_and_keeps_the_other_quotes_places() {
    let mut maker = quoting_on(Driver::Quotes, params(0.0));
    let first = submitted(&on_quote(&mut maker, 1, 100.0));
    fill(&mut maker, first[0], 99.5);
    let after = on_quote(&mut maker, 2, 100.0);
    assert_eq!((cancelled(&after).len(), submitted(&after)), (0, vec![first[0]]));
}

#[test]
fn a_cancelled_quote_counts_until_its_end_is_confirmed() {
    let mut maker =
        quoting_on(Driver::Quotes, MarketMakingParams { inventory_cap: 5.0, order_layers: 1.0, ..params(0.0) });
    let first = submitted(&on_quote(&mut maker, 1, 100.0));
    let moved = on_quote(&mut maker, 2, 99.0);
    assert_eq!((cancelled(&moved).len(), submitted(&moved).len()), (2, 0), "old and new together would pass the cap");
    end(&mut maker, first[0], CancelReason::Requested);
    end(&mut maker, first[1], CancelReason::Requested);
    assert_eq!(submitted(&on_quote(&mut maker, 3, 99.0)).len(), 2);
}

#[test]
fn a_quote_that_was_refused_waits_for_the_price_to_move() {
    let mut maker = quoting_on(Driver::Quotes, params(0.0));
    let first = submitted(&on_quote(&mut maker, 1, 100.0));
    end(&mut maker, first[0], CancelReason::WouldCross);
    assert!(on_quote(&mut maker, 2, 100.0).is_empty());
    // A tick up the bids round to the same prices: the one that was refused is tried again, the other one stayed.
    let moved = submitted(&on_quote(&mut maker, 3, 100.01));
    assert_eq!(moved.iter().filter_map(named_price).collect::<Vec<_>>(), [99.5, 100.52, 101.52].map(price));
}

#[test]
fn stale_data_take_every_quote_away_until_they_are_back() {
    for driver in [Driver::Bars, Driver::Quotes] {
        let mut maker = quoting_on(driver, params(0.0));
        let next = |maker: &mut MarketMaking, n: i64| match driver {
            Driver::Bars => on_bar(maker, n, 100.0),
            _ => on_quote(maker, n, 100.0),
        };
        assert_eq!(submitted(&next(&mut maker, 1)).len(), 4);
        let word = |is_stale| Staleness { symbol: SymbolId(0), at: Ts(2), is_stale };
        assert_eq!(ask(&mut maker, Event::Staleness(&word(true))), [Action::CancelAll(SymbolId(0))]);
        assert!(next(&mut maker, 3).is_empty());
        for side in [Side::Buy, Side::Sell] {
            for p in if side == Side::Buy { [99.5, 98.5] } else { [100.5, 101.5] } {
                let order = OrderRequest::market(SymbolId(0), side, Qty(1), price(100.0));
                let order = OrderRequest { kind: OrderKind::Limit { price: price(p) }, ..order };
                end(&mut maker, order, CancelReason::Requested);
            }
        }
        ask(&mut maker, Event::Staleness(&word(false)));
        assert_eq!(submitted(&next(&mut maker, 4)).len(), 4, "{driver:?}");
    }
}

/// A middle that goes up and down by one bp every second, 1 bp per root second, and the first quotes on it.
fn modelled(mode: f64) -> (MarketMaking, Vec<OrderRequest>) {
    let params =
        MarketMakingParams { mode, spread_threshold: 2.0, risk_aversion: 0.1, order_layers: 1.0, ..params(0.0) };
    let mut maker = quoting_on(Driver::Quotes, params);
    let mut first = Vec::new();
    for n in 0..4000 {
        let actions = on_quote(&mut maker, n * SECOND, if n % 2 == 0 { 100.0 } else { 100.01 });
        first = if first.is_empty() { submitted(&actions) } else { first };
    }
    (maker, first)
}

#[test]
fn a_model_quotes_nothing_until_it_knows_the_volatility() {
    let params = MarketMakingParams { mode: 1.0, ..params(0.0) };
    let mut maker = quoting_on(Driver::Quotes, params);
    assert!((0..100).all(|n| on_quote(&mut maker, n * SECOND, 100.0 + 0.01 * (n % 2) as f64).is_empty()));
}

#[test]
fn the_models_widths_reach_the_quotes() {
    for mode in [1.0, 2.0] {
        let (_, quotes) = modelled(mode);
        let expected = match mode {
            1.0 => quoting::avellaneda_stoikov(0.1, 1.0, 60.0, 0.3),
            _ => quoting::glft(0.1, 1.0, 1.0, 0.3, 1.0),
        };
        let width = (named_price(&quotes[1]).unwrap() - named_price(&quotes[0]).unwrap()).to_f64();
        // 1 bp is 0.01, each side is rounded outwards by a tick of 0.01 at most.
        let outwards = width - 2.0 * expected.half_spread * 0.01;
        assert!((-1e-4..0.02).contains(&outwards), "{width} {expected:?}");
    }
}

#[test]
fn inventory_moves_a_models_centre_by_its_skew() {
    let (mut maker, _) = modelled(1.0);
    let flat = maker.symbols[0].as_ref().unwrap().target(&maker.params, price(100.0), Qty(10), Qty(100)).unwrap();
    let bid = OrderRequest::market(SymbolId(0), Side::Buy, Qty(20), price(100.0));
    fill(&mut maker, bid, 100.0);
    let state = maker.symbols[0].as_ref().unwrap();
    let long = state.target(&maker.params, price(100.0), Qty(10), Qty(100)).unwrap();
    let skew = state.quoting(&maker.params).unwrap().skew;
    assert!((flat.centre - long.centre - 2.0 * skew * 1e-4 * price(100.0).0 as f64).abs() < 1.0);
    assert_eq!(flat.spread, long.spread);
}

#[test]
fn measured_arrivals_replace_the_assumed_ones() {
    let (mut maker, _) = modelled(2.0);
    for i in 0..2_000_i64 {
        let quantile = ((i * 7_919 % 2_000) as f64 + 0.5) / 2_000.0;
        let distance_bps = -(1.0 - quantile).ln() / 2.0;
        let (at, price) = (Ts(4_000 * SECOND + i * SECOND), price(100.01 * (1.0 + distance_bps * 1e-4)));
        let trade =
            MarketTrade { symbol: SymbolId(0), at, exch_at: at, price, qty: Qty(1), aggressor: Side::Buy, id: 0 };
        ask(&mut maker, Event::Trade(&trade));
    }
    let fitted = maker.symbols[0].as_ref().unwrap().view.fitted.unwrap();
    assert!((fitted.k - 2.0).abs() < 0.2 && (fitted.a - 1.0).abs() < 0.2, "{fitted:?}");
}

proptest! {
    #[test]
    fn on_quotes_the_cap_holds_whatever_fills_however_late(
        steps in proptest::collection::vec((-30_i32..30, any::<[bool; 6]>(), any::<bool>()), 1..60),
    ) {
        let mut maker = quoting_on(Driver::Quotes, MarketMakingParams { inventory_cap: 10.0, ..params(0.5) });
        let mut open: Vec<OrderRequest> = Vec::new();
        let mut leaving: Vec<OrderRequest> = Vec::new();
        let mut position = 0;
        for (n, (ticks, fills, answers)) in steps.into_iter().enumerate() {
            let actions = on_quote(&mut maker, n as i64, 100.0 + f64::from(ticks) * 0.01);
            for action in &actions {
                match action {
                    Action::Submit(order) => open.push(*order),
                    Action::CancelAt(named) => {
                        let (out, stays) = open.iter().partition(|o: &&OrderRequest| named.names(o));
                        leaving.extend::<Vec<OrderRequest>>(out);
                        open = stays;
                    }
                    other => prop_assert!(matches!(other, Action::CancelAll(_)), "{:?}", other),
                }
            }
            let mut chosen = fills.into_iter().cycle();
            for list in [&mut leaving, &mut open] {
                for order in std::mem::take(list) {
                    if chosen.next() == Some(true) {
                        position += order.side.sign() * order.qty.0;
                        fill(&mut maker, order, 100.0);
                    } else {
                        list.push(order);
                    }
                }
            }
            if answers {
                std::mem::take(&mut leaving).into_iter().for_each(|o| drop(end(&mut maker, o, CancelReason::Requested)));
            }
            let worst = |side: Side| {
                let sum: i64 = open.iter().chain(&leaving).filter(|o| o.side == side).map(|o| o.qty.0).sum();
                (position + side.sign() * sum).abs()
            };
            // The cap is a share of capital: at 99.7 it is a little more than ten.
            let cap = Qty::from_f64(10.1).unwrap().0;
            prop_assert!(worst(Side::Buy) <= cap && worst(Side::Sell) <= cap, "{} {:?} {:?}", position, open, leaving);
        }
    }
}

#[test]
fn another_capital_changes_the_next_quotes_and_the_cap() {
    crate::test_market::asked_on_a_quarter(
        |capital| MarketMaking::new(params(0.5), &market(capital)),
        |maker| on_bar(maker, 0, 100.0),
    );
    let mut maker = MarketMaking::new(params(0.5), &market(10_000.0));
    let bid = submitted(&on_bar(&mut maker, 0, 100.0))[0];
    fill(&mut maker, bid, 99.5);
    maker.set_capital(Money::from_f64(2_500.0).unwrap());
    // The 5 that are held are the whole cap now: only the other side is quoted.
    assert!(submitted(&on_bar(&mut maker, 1, 100.0)).iter().all(|order| order.side == Side::Sell));
}
