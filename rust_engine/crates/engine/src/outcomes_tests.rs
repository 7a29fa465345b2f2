use super::*;
use crate::test_world::{bar, core_with, instance, limits, symbols};
use crate::{LiveRecorder, Setup};
use model::message::Message;
use model::{
    Actions, Bar, Costs, Event, Liquidity, MarketEvent, Mode, Price, Quote, Side, StrategyParams, SymbolId, Ts,
    VenueConfig, VenueModel,
};
use std::sync::{Arc, Mutex};
use strategies::Strategy;
use strategies::state::StateError;

const AAA: SymbolId = SymbolId(0);
const MINUTE: i64 = 60_000 * Ts::MS;

fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_f64(value).unwrap()
}

#[derive(Debug, PartialEq)]
enum Heard {
    Filled(Qty),
    Ended(CancelReason),
}

/// Writes down what it is told of its orders.
#[derive(Default)]
struct Ear(Arc<Mutex<Vec<Heard>>>);

impl Strategy for Ear {
    fn observe(&mut self, _: &Bar) {}

    fn on_event(&mut self, event: Event<'_>, _: &mut Actions) {
        let heard = match event {
            Event::Fill(fill) => Heard::Filled(fill.qty),
            Event::OrderUpdate(update) => Heard::Ended(update.reason),
            _ => return,
        };
        self.0.lock().unwrap().push(heard);
    }

    fn set_params(&mut self, _: &StrategyParams) {}

    fn set_capital(&mut self, _: model::Money) {}

    fn save(&self) -> Result<Vec<u8>, StateError> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _: &[u8]) -> Result<(), StateError> {
        Ok(())
    }
}

/// What a strategy with a position of one hears of a reduce-only sale of two, of which the exchange tells such parts: how much,
/// and what remains.
fn heard_of(parts: &[(f64, f64)]) -> Vec<Heard> {
    let mut core = core_with(&[instance("s-1", "sma_cross", Mode::Live)], None, VenueModel::Book);
    let ear = Ear::default();
    let heard = Arc::clone(&ear.0);
    core.instances[0].strategy = Box::new(ear);
    let buy = OrderRequest::market(AAA, Side::Buy, qty(1.0), price(100.0));
    let sale = OrderRequest { side: Side::Sell, qty: qty(2.0), reduce_only: true, ..buy };
    let fill = |core: &mut Core<LiveRecorder>, order: OrderRequest, size: f64, left: f64| {
        let outcome = VenueOutcome::Fill {
            order,
            qty: qty(size),
            price: price(100.0),
            liquidity: Liquidity::Taker,
            arrival: price(100.0),
            half_spread: Price::ZERO,
            exch_at: Ts(10),
            at: Ts(10),
            remaining: qty(left),
            tag: core.recorder.tag(&core.instances[0].identity, &order, None),
        };
        core.apply_outcomes(vec![outcome]).unwrap();
    };
    fill(&mut core, buy, 1.0, 0.0);
    heard.lock().unwrap().clear();
    parts.iter().for_each(|(size, left)| fill(&mut core, sale, *size, *left));
    std::mem::take(&mut *heard.lock().unwrap())
}

#[test]
fn a_strategy_hears_the_end_of_an_order_that_filled_for_more_than_counted() {
    let nothing_left = || Heard::Ended(CancelReason::NothingToReduce);
    assert_eq!(heard_of(&[(1.0, 1.0)]), [Heard::Filled(qty(1.0))], "all of it counted and more may come");
    assert_eq!(heard_of(&[(2.0, 0.0)]), [Heard::Filled(qty(1.0)), nothing_left()]);
    assert_eq!(heard_of(&[(1.0, 1.0), (1.0, 0.0)]), [Heard::Filled(qty(1.0)), nothing_left()]);
    let rest_is_cancelled = heard_of(&[(1.5, 0.5)]);
    assert_eq!(rest_is_cancelled, [Heard::Filled(qty(1.0))], "the end of the rest is the exchange's to tell");
}

fn quote(at: i64, bid: f64) -> MarketEvent {
    let (bid, ask, size) = (price(bid), price(bid + 0.2), qty(1_000.0));
    MarketEvent::Quote(Quote { symbol: AAA, at: Ts(at), exch_at: Ts(at), bid, bid_qty: size, ask, ask_qty: size })
}

#[test]
fn an_exit_that_came_after_the_stop_leaves_the_way_free_for_the_next_entry() {
    let symbols = symbols();
    let venue = VenueConfig {
        model: VenueModel::Book,
        order_latency_us: 50_000,
        feed_latency_us: 50_000,
        ..VenueConfig::default()
    };
    let instances = [instance("m-1", "momentum_scalping", Mode::Live)];
    let (costs, limits) = (Costs::default(), Some(limits()));
    let setup = Setup { engine_id: "e", symbols: &symbols, instances: &instances, costs, venue, limits, advice: None };
    let mut core = Core::new(&setup, LiveRecorder::new(&symbols)).unwrap();
    let mut play = |event: MarketEvent| core.on_market(&event).unwrap();
    (0..20).for_each(|n| play(MarketEvent::Bar(bar(n, 100.0, 100.0))));
    play(MarketEvent::Bar(bar(20, 100.0, 110.0)));
    (1..4).for_each(|s| play(quote(21 * MINUTE + s * 1_000 * Ts::MS, 109.9)));
    // The close asks for the exit; the stop is reached before it arrives.
    play(MarketEvent::Bar(bar(21, 110.0, 60.0)));
    play(quote(22 * MINUTE + 20 * Ts::MS, 59.9));
    play(quote(22 * MINUTE + 1_000 * Ts::MS, 59.9));
    let told = core.drain_outbox();
    let exits: Vec<_> =
        told.iter().filter_map(|m| if let Message::TradeEvent(t) = m { Some(t) } else { None }).collect();
    assert_eq!(exits.iter().map(|t| t.exit_reason).collect::<Vec<_>>(), [model::Purpose::StopLoss]);
    core.on_market(&MarketEvent::Bar(bar(22, 60.0, 60.0))).unwrap();
    let told = core.drain_outbox();
    let outcome = |m: &Message| if let Message::SignalEvent(s) = m { Some(s.outcome.clone()) } else { None };
    assert_eq!(told.iter().filter_map(outcome).collect::<Vec<_>>(), ["taken"]);
}
