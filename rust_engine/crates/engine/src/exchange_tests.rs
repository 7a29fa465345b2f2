use super::*;
use crate::test_world::{bar, core_at, instance, limits, symbols};
use crate::{Core, LiveRecorder, Setup};
use model::message::{Message, TradeEvent};
use model::{Costs, InstanceConfig, MarketEvent, Price, Purpose, Quote, RuleSet};

const SECOND: i64 = 1_000 * Ts::MS;
const MINUTE: i64 = 60 * SECOND;

fn quote(at: i64, bid: f64) -> MarketEvent {
    // On the grid of ticks, or the book does not take it.
    let price = |value: f64| Price::from_f64((value * 100.0).round() / 100.0).unwrap();
    let (bid, ask, size) = (price(bid), price(bid + 0.2), Qty::from_f64(1_000.0).unwrap());
    let (symbol, at) = (SymbolId(0), Ts(at));
    MarketEvent::Quote(Quote { symbol, at, exch_at: at, bid, bid_qty: size, ask, ask_qty: size })
}

fn slow(reject_rate: f64) -> VenueConfig {
    let model = VenueModel::Book;
    VenueConfig { model, order_latency_us: 50_000, feed_latency_us: 50_000, reject_rate, ..VenueConfig::default() }
}

fn trades(core: &mut Core<LiveRecorder>) -> Vec<TradeEvent> {
    let told = core.drain_outbox().into_iter();
    told.filter_map(|m| if let Message::TradeEvent(trade) = m { Some(trade) } else { None }).collect()
}

/// An instance that buys when bar 20 closes at 110, and protects what it bought by a stop.
fn protected(strategy: &str) -> InstanceConfig {
    const RULES: &str = r#"{"name":"t","entry_long":{"above":["close",{"highest":{"window":3}}]},
        "exit_long":{"below":["close",{"lowest":{"window":3}}]},"stop":{"atr":{"window":5}}}"#;
    let rules = (strategy == "rules").then(|| RuleSet::parse(RULES).unwrap());
    InstanceConfig { rules, ..instance("s-1", strategy, Mode::Live) }
}

#[test]
fn a_stop_that_the_market_passes_before_it_arrives_is_refused_and_the_position_is_left() {
    for strategy in ["momentum_scalping", "rules"] {
        let mut core = core_at(&[protected(strategy)], None, slow(0.0), limits());
        let mut play = |event: MarketEvent| core.on_market(&event).unwrap();
        (0..20).for_each(|n| play(MarketEvent::Bar(bar(n, 100.0, 100.0))));
        play(MarketEvent::Bar(bar(20, 100.0, 110.0)));
        let bought = 21 * MINUTE + SECOND;
        play(quote(bought, 109.9));
        // The stop leaves with the news of the fill; the market falls while it is on its way.
        play(quote(bought + 60 * Ts::MS, 59.9));
        play(quote(bought + SECOND, 61.9));
        play(quote(bought + 2 * SECOND, 60.9));
        play(quote(bought + 3 * SECOND, 60.9));
        let trades = trades(&mut core);
        assert_eq!(trades.iter().map(|t| t.exit_reason).collect::<Vec<_>>(), [Purpose::Exit], "{strategy}");
        let exit = &trades[0].exit;
        let price = Price::from_f64(61.9).unwrap();
        assert_eq!((exit.fill_price, exit.filled_at_ns), (price, bought + SECOND + 100 * Ts::MS), "{strategy}");
        assert_eq!(core.n_resting(), 0, "{strategy}: stop and target are gone");
    }
}

#[test]
fn a_share_of_refusals_without_a_book_venue_is_refused_at_the_start() {
    let symbols = symbols();
    let problem = |venue: VenueConfig| {
        let instances = [instance("s-1", "sma_cross", Mode::Live)];
        let (costs, limits) = (Costs::default(), Some(limits()));
        let setup =
            Setup { engine_id: "e", symbols: &symbols, instances: &instances, costs, venue, limits, advice: None };
        Core::new(&setup, LiveRecorder::new(&symbols)).err().map(|e| e.to_string())
    };
    let external = |reject_rate, simulated| VenueConfig { model: VenueModel::External, simulated, ..slow(reject_rate) };
    assert_eq!(problem(slow(0.5)), None);
    assert_eq!(problem(external(0.5, VenueModel::Book)), None);
    for bad in [
        slow(1.5),
        slow(f64::NAN),
        VenueConfig { model: VenueModel::Bars, ..slow(0.5) },
        external(0.5, VenueModel::Bars),
        external(-0.5, VenueModel::Book),
    ] {
        assert!(problem(bad.clone()).unwrap().starts_with("venue.reject_rate = "), "{bad:?}");
    }
}

/// Trades of one instance on a market of waves, by quotes and candles, on a venue that refuses a share of all orders.
fn lived(config: InstanceConfig, reject_rate: f64) -> usize {
    let mut core = core_at(&[config], None, slow(reject_rate), limits());
    for n in 0..2_000_i64 {
        let mid = |n: i64| 100.0 + 8.0 * (n as f64 / 9.0).sin();
        for k in 1..=4 {
            core.on_market(&quote(n * MINUTE + k * 12 * SECOND, mid(n) - 0.1 + 0.3 * (k - 2) as f64)).unwrap();
        }
        core.on_market(&MarketEvent::Bar(bar(n, mid(n), mid(n + 1)))).unwrap();
    }
    trades(&mut core).len()
}

#[test]
fn strategies_go_on_where_the_venue_refuses_a_third_of_their_orders() {
    for (strategy, driver) in [
        ("sma_cross", model::Driver::Bars),
        ("momentum_scalping", model::Driver::Bars),
        ("rules", model::Driver::Bars),
        ("market_making", model::Driver::Quotes),
    ] {
        let mut config = InstanceConfig { driver, ..protected(strategy) };
        if strategy == "sma_cross" {
            config.params.extend([("fast".to_owned(), 3.0), ("slow".to_owned(), 10.0)]);
        }
        if strategy == "market_making" {
            config.params.insert("spread_threshold".into(), 10.0);
        }
        let (all, most, none) = (lived(config.clone(), 0.0), lived(config.clone(), 0.3), lived(config, 1.0));
        assert!(all >= 20 && most * 3 > all && none == 0, "{strategy}: {all}, {most}, {none}");
    }
}
