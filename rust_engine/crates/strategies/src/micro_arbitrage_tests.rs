use super::*;
use crate::test_market::{ask, market, submitted};
use model::{CancelReason, Liquidity, SymbolSpec};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

const SECOND: i64 = 1_000_000_000;

fn qty(value: f64) -> Qty {
    Qty::from_f64(value).unwrap()
}

fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

fn world() -> Market {
    let spec = |id: u16, venue: &str| {
        let plain = SymbolSpec::new(&format!("BTC-{venue}"), price(0.01), qty(0.001));
        (SymbolId(id), SymbolSpec { venue: venue.into(), base: "BTC".into(), quote: "USDT".into(), ..plain })
    };
    Market { symbols: vec![spec(0, "x"), spec(1, "y")], ..market(100_000.0) }
}

fn strategy() -> MicroArbitrage {
    MicroArbitrage::new(MicroArbitrageParams::default(), &world())
}

fn quote(strategy: &mut MicroArbitrage, symbol: u16, at: i64, bid: f64) -> Vec<Action> {
    let quote = Quote {
        symbol: SymbolId(symbol),
        at: Ts(at),
        exch_at: Ts(at),
        bid: price(bid),
        bid_qty: qty(2.0),
        ask: price(bid + 1.0),
        ask_qty: qty(2.0),
    };
    ask(strategy, Event::Quote(&quote))
}

/// Both legs of a round, after a difference of 30 bps appeared.
fn sent(strategy: &mut MicroArbitrage, at: i64) -> Vec<OrderRequest> {
    assert!(quote(strategy, 0, at, 9_999.0).is_empty());
    let actions = quote(strategy, 1, at, 10_030.0);
    assert_eq!(actions[0], Action::Together(2));
    submitted(&actions)
}

fn filled(strategy: &mut MicroArbitrage, order: OrderRequest, qty: Qty) -> Vec<OrderRequest> {
    filled_less(strategy, order, qty, Qty::ZERO)
}

fn filled_less(strategy: &mut MicroArbitrage, order: OrderRequest, qty: Qty, base_fee: Qty) -> Vec<OrderRequest> {
    let fill = Fill {
        order,
        at: Ts(0),
        price: order.decision_price,
        qty,
        base_fee,
        fee: Money::ZERO,
        slippage: Money::ZERO,
        arrival_price: order.decision_price,
        half_spread: Price::ZERO,
        liquidity: Liquidity::Taker,
    };
    submitted(&ask(strategy, Event::Fill(&fill)))
}

fn ended(strategy: &mut MicroArbitrage, order: OrderRequest) -> Vec<OrderRequest> {
    submitted(&ask(strategy, Event::OrderUpdate(&OrderUpdate { order, reason: CancelReason::Unfilled })))
}

#[test]
fn both_legs_go_out_together_as_immediate_limits() {
    let legs = sent(&mut strategy(), 0);
    let seen: Vec<_> = legs.iter().map(|o| (o.symbol.0, o.side, o.kind, o.qty)).collect();
    let limit = |p| OrderKind::Limit { price: price(p) };
    assert_eq!(seen, [(0, Side::Buy, limit(10_000.0), qty(0.5)), (1, Side::Sell, limit(10_030.0), qty(0.5))]);
    assert!(legs.iter().all(|o| o.tif == TimeInForce::Ioc && o.purpose == Purpose::Arbitrage && !o.reduce_only));
}

#[test]
fn old_stale_spent_and_small_differences_are_left_alone() {
    let mut old = strategy();
    quote(&mut old, 0, 0, 9_999.0);
    assert!(quote(&mut old, 1, 500_000_001, 10_030.0).is_empty(), "the other quote is older than 500 ms");
    let mut stale = strategy();
    ask(&mut stale, Event::Staleness(&Staleness { symbol: SymbolId(0), at: Ts(0), is_stale: true }));
    quote(&mut stale, 0, 0, 9_999.0);
    assert!(quote(&mut stale, 1, 0, 10_030.0).is_empty());
    let mut small = strategy();
    quote(&mut small, 0, 0, 9_999.0);
    assert!(quote(&mut small, 1, 0, 10_012.0).is_empty(), "12 bps, and 13 are needed");
    let mut spent = strategy();
    let legs = sent(&mut spent, 0);
    legs.iter().for_each(|o| assert!(filled(&mut spent, *o, o.qty).is_empty()));
    assert!(quote(&mut spent, 1, 1, 10_030.0).is_empty(), "the other side was already traded against");
    assert!(!quote(&mut spent, 0, 2, 9_999.0).is_empty(), "both are new: a whole round needs no pause");
}

#[test]
fn legs_that_do_not_fill_alike_are_evened_out_and_pause() {
    let mut arbitrage = strategy();
    let legs = sent(&mut arbitrage, 0);
    assert!(filled(&mut arbitrage, legs[0], qty(0.5)).is_empty());
    assert!(filled(&mut arbitrage, legs[1], qty(0.2)).is_empty());
    let unwind = ended(&mut arbitrage, legs[1]);
    let [unwind] = unwind[..] else { panic!("{unwind:?}") };
    assert_eq!((unwind.symbol.0, unwind.side, unwind.qty), (0, Side::Sell, qty(0.3)));
    assert!(unwind.reduce_only && unwind.purpose == Purpose::Unwind && unwind.kind == OrderKind::Market);
    // Refused: asked again a second later, and not before.
    assert!(ended(&mut arbitrage, unwind).is_empty());
    assert!(quote(&mut arbitrage, 0, SECOND - 1, 9_999.0).is_empty());
    let again = submitted(&quote(&mut arbitrage, 0, SECOND, 9_999.0));
    assert_eq!(again[0].qty, qty(0.3));
    assert!(filled(&mut arbitrage, again[0], qty(0.3)).is_empty());
    let both = |arbitrage: &mut MicroArbitrage, at| {
        quote(arbitrage, 0, at, 9_999.0).len() + quote(arbitrage, 1, at, 10_030.0).len()
    };
    assert_eq!((both(&mut arbitrage, 30 * SECOND - 1), both(&mut arbitrage, 30 * SECOND)), (0, 3));
}

#[test]
fn what_an_exchange_kept_as_its_fee_is_not_taken_back() {
    let mut arbitrage = strategy();
    let legs = sent(&mut arbitrage, 0);
    assert!(filled_less(&mut arbitrage, legs[0], qty(0.5), qty(0.001)).is_empty());
    let unwind = ended(&mut arbitrage, legs[1])[0];
    assert_eq!((unwind.side, unwind.qty, unwind.reduce_only), (Side::Sell, qty(0.499), true));
}

#[test]
fn an_unwind_that_would_open_is_not_reduce_only() {
    let mut arbitrage = strategy();
    // Short 0.5 on the first venue: buying 0.5 there flattens it, and giving them back opens it again.
    let reverse = |arbitrage: &mut MicroArbitrage| {
        quote(arbitrage, 1, 0, 9_999.0);
        submitted(&quote(arbitrage, 0, 0, 10_030.0))
    };
    for order in reverse(&mut arbitrage) {
        filled(&mut arbitrage, order, order.qty);
    }
    let legs = sent(&mut arbitrage, 1);
    filled(&mut arbitrage, legs[0], legs[0].qty);
    let unwind = ended(&mut arbitrage, legs[1])[0];
    assert!(!unwind.reduce_only && unwind.side == Side::Sell && unwind.qty == legs[0].qty);
}

#[test]
fn what_is_restored_takes_back_what_was_left() {
    let mut first = strategy();
    let legs = sent(&mut first, 0);
    filled(&mut first, legs[0], qty(0.5));
    let mut second = strategy();
    second.restore(&first.save().unwrap()).unwrap();
    assert_eq!(ended(&mut second, legs[1]), ended(&mut first, legs[1]));
}

proptest! {
    /// Quotes move, legs fill in part, whole or not at all, unwinds are refused or filled in part: once everything is
    /// answered, what was bought was sold, and no leg ever went out alone.
    #[test]
    fn after_all_answers_the_net_position_is_nothing(
        steps in proptest::collection::vec(
            (any::<bool>(), -40_i32..40, 0_i64..1001, 0_i64..1001, any::<[u8; 4]>()), 1..40
        )
    ) {
        let (mut arbitrage, mut net, mut n_rounds) = (strategy(), 0_i64, 0);
        for (n, (first, drift, fill_a, fill_b, unwinds)) in steps.into_iter().enumerate() {
            let at = n as i64 * 40 * SECOND;
            let middle = 10_000.0 + f64::from(drift);
            quote(&mut arbitrage, u16::from(first), at, 10_000.0);
            let actions = quote(&mut arbitrage, u16::from(!first), at + 1, middle);
            let legs = submitted(&actions);
            if legs.is_empty() {
                continue;
            }
            n_rounds += 1;
            prop_assert_eq!(actions.first(), Some(&Action::Together(2)));
            prop_assert!(legs.len() == 2 && legs.iter().all(|o| o.purpose == Purpose::Arbitrage));
            let mut pending = Vec::new();
            for (leg, permille) in legs.iter().zip([fill_a, fill_b]) {
                let part = Qty(leg.qty.0 * permille / 1000).round_down(qty(0.001));
                if part > Qty::ZERO {
                    net += leg.side.sign() * part.0;
                    pending.extend(filled(&mut arbitrage, *leg, part));
                }
                if part < leg.qty {
                    pending.extend(ended(&mut arbitrage, *leg));
                }
            }
            for (k, chance) in unwinds.into_iter().chain([255]).enumerate() {
                let Some(order) = pending.pop() else { break };
                prop_assert!(pending.is_empty() && order.purpose == Purpose::Unwind);
                let part = Qty(order.qty.0 * i64::from(chance) / 255).round_down(qty(0.001));
                if part > Qty::ZERO {
                    net += order.side.sign() * part.0;
                    pending.extend(filled(&mut arbitrage, order, part));
                }
                if part < order.qty {
                    pending.extend(ended(&mut arbitrage, order));
                    pending.extend(submitted(&quote(&mut arbitrage, 0, at + (2 + k as i64) * SECOND, 10_000.0)));
                }
            }
            prop_assert_eq!(net, 0);
        }
        prop_assert!(n_rounds < 40);
    }
}

#[test]
fn another_capital_changes_the_next_round() {
    let run = |strategy: &mut MicroArbitrage| {
        assert!(quote(strategy, 0, SECOND, 9_999.0).is_empty());
        quote(strategy, 1, SECOND, 10_030.0)
    };
    let build = |capital: f64| {
        let capital = Money::from_f64(capital).unwrap();
        MicroArbitrage::new(MicroArbitrageParams::default(), &Market { capital, ..world() })
    };
    crate::test_market::asked_on_a_quarter(build, run);
}
