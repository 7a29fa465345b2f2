use crate::external::{Reported, VenueReport, VenueRequest};
use crate::test_world::{bar, core_on_spot, instance, usd};
use crate::{Core, LiveRecorder};
use model::message::{Command, CommandAction, Message};
use model::{
    Action, CancelReason, Liquidity, MarketEvent, Mode, OrderId, OrderKind, OrderRequest, Price, Purpose, Qty, Quote,
    Side, SymbolId, Ts,
};
use risk::Rule;

const AAA: SymbolId = SymbolId(0);

fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_f64(value).unwrap()
}

/// A core on an account that cannot be short, at a price of 100.
fn world(strategy: &str) -> Core<LiveRecorder> {
    let mut core = core_on_spot(&[instance("s-1", strategy, Mode::Live)]);
    quote(&mut core, 10, 100.0);
    core
}

fn quote(core: &mut Core<LiveRecorder>, at: i64, middle: f64) {
    let (bid, ask, size) = (price(middle - 0.5), price(middle + 0.5), qty(1.0));
    let quote = Quote { symbol: AAA, at: Ts(at), exch_at: Ts(at), bid, bid_qty: size, ask, ask_qty: size };
    core.on_market(&MarketEvent::Quote(quote)).unwrap();
}

fn order(side: Side, size: f64) -> OrderRequest {
    OrderRequest { strength: 0.5, ..OrderRequest::market(AAA, side, qty(size), price(100.0)) }
}

fn exit(size: f64) -> OrderRequest {
    OrderRequest { reduce_only: true, purpose: Purpose::Exit, ..order(Side::Sell, size) }
}

fn stop(size: f64, trigger: f64) -> OrderRequest {
    let kind = OrderKind::Stop { trigger: price(trigger) };
    OrderRequest { kind, purpose: Purpose::StopLoss, ..exit(size) }
}

fn submit(core: &mut Core<LiveRecorder>, order: OrderRequest) -> Vec<VenueRequest> {
    core.act_on(0, &[Action::Submit(order)], core.now());
    core.settle_all(core.now()).unwrap();
    core.drain_requests()
}

fn placed(requests: &[VenueRequest]) -> Vec<OrderRequest> {
    let order = |r: &VenueRequest| if let VenueRequest::Place(order) = r { Some(*order.get()) } else { None };
    requests.iter().filter_map(order).collect()
}

fn cancelled(requests: &[VenueRequest]) -> Vec<OrderId> {
    let id = |r: &VenueRequest| if let VenueRequest::Cancel { id, .. } = r { Some(*id) } else { None };
    requests.iter().filter_map(id).collect()
}

fn fill(core: &mut Core<LiveRecorder>, id: OrderId, trade_id: u64, size: f64, base_fee: f64) {
    let (base_fee, liquidity) = (qty(base_fee), Liquidity::Taker);
    let fee = price(100.0) * base_fee;
    let what = Reported::Filled { trade_id, price: price(100.0), qty: qty(size), fee, base_fee, liquidity };
    core.on_report(&VenueReport { id, at: core.now(), what }).unwrap();
}

fn end(core: &mut Core<LiveRecorder>, id: OrderId) {
    let what = Reported::Ended { reason: CancelReason::Requested };
    core.on_report(&VenueReport { id, at: core.now(), what }).unwrap();
}

fn position(core: &Core<LiveRecorder>) -> Qty {
    core.marks(core.now())[0].positions["AAA"]
}

fn refused(core: &Core<LiveRecorder>) -> u64 {
    core.gate.counts().refused().find(|(rule, _)| *rule == Rule::ShortSale).map_or(0, |(_, n)| n)
}

/// Buys `size` at a fee of 0.1 per cent of it.
fn hold(core: &mut Core<LiveRecorder>, size: f64) {
    let id = placed(&submit(core, order(Side::Buy, size)))[0].id;
    fill(core, id, id.0, size, size * 0.001);
}

#[test]
fn a_sale_of_more_than_was_bought_and_is_held_is_refused_by_name_and_counted() {
    let mut core = world("sma_cross");
    assert!(submit(&mut core, order(Side::Sell, 0.001)).is_empty(), "flat, whatever the account holds beside");
    assert_eq!(refused(&core), 1);
    hold(&mut core, 0.25);
    assert_eq!(position(&core), qty(0.249));
    for too_much in [order(Side::Sell, 0.25), exit(0.25)] {
        assert!(submit(&mut core, too_much).is_empty());
    }
    assert_eq!(refused(&core), 3);
    let limit = OrderKind::Limit { price: price(105.0) };
    let target = OrderRequest { kind: limit, purpose: Purpose::TakeProfit, ..exit(0.249) };
    assert_eq!(placed(&submit(&mut core, stop(0.249, 95.0))).len(), 1);
    assert!(submit(&mut core, target).is_empty(), "one balance is not locked twice");
    assert_eq!(refused(&core), 4);
    let both = [Action::Together(2), Action::Submit(order(Side::Sell, 0.1)), Action::Submit(order(Side::Sell, 0.2))];
    core.act_on(0, &both, core.now());
    assert!(core.drain_requests().is_empty());
}

#[test]
fn a_group_counts_its_own_sales() {
    let mut core = world("sma_cross");
    hold(&mut core, 0.25);
    let group = |second| {
        [Action::Together(2), Action::Submit(order(Side::Sell, 0.1)), Action::Submit(order(Side::Sell, second))]
    };
    core.act_on(0, &group(0.15), core.now());
    assert!(core.drain_requests().is_empty());
    core.act_on(0, &group(0.149), core.now());
    assert_eq!(placed(&core.drain_requests()).len(), 2);
}

#[test]
fn fees_in_base_currency_leave_a_position_of_whole_lots_and_parts_of_them_are_not_lost() {
    let mut core = world("sma_cross");
    let id = placed(&submit(&mut core, order(Side::Buy, 0.01)))[0].id;
    for n in 1..=10 {
        fill(&mut core, id, n, 0.001, 0.000_001);
    }
    assert_eq!((position(&core), core.n_resting()), (qty(0.009), 0));
    assert_eq!((core.own_view().positions[&AAA], core.dust()["AAA"]), (qty(0.009_99), qty(0.000_99)));
    assert_eq!(core.costs_paid(0).0, usd(0.001), "the fee is booked to the last unit");
    hold(&mut core, 0.99);
    assert_eq!((position(&core), core.own_view().positions[&AAA]), (qty(0.999), qty(0.999)));
    assert!(core.dust().is_empty());
    let sale = placed(&submit(&mut core, exit(0.999)))[0].id;
    fill(&mut core, sale, 99, 0.999, 0.0);
    assert_eq!((position(&core), core.own_view().positions.len()), (Qty::ZERO, 0));
}

#[test]
fn what_fees_take_from_coins_beside_the_position_is_bought_again_before_anything_is_sold() {
    let mut core = world("sma_cross");
    hold(&mut core, 1.0);
    let sale = placed(&submit(&mut core, exit(0.5)))[0].id;
    fill(&mut core, sale, 50, 0.5, 0.0025);
    assert_eq!((position(&core), core.own_view().positions[&AAA]), (qty(0.499), qty(0.4965)));
    assert!(submit(&mut core, exit(0.499)).is_empty(), "0.0025 of it are not there");
    assert_eq!(placed(&submit(&mut core, exit(0.496))).len(), 1);
}

#[test]
fn an_exit_cancels_the_stops_of_what_it_sells_and_leaves_once_they_have_ended() {
    let mut core = world("sma_cross");
    hold(&mut core, 0.2);
    let stops: Vec<OrderId> = [0.1, 0.099].map(|size| placed(&submit(&mut core, stop(size, 95.0)))[0].id).into();
    let asked = submit(&mut core, exit(0.199));
    assert_eq!((placed(&asked).len(), cancelled(&asked)), (0, stops.clone()));
    assert!(submit(&mut core, stop(0.1, 96.0)).is_empty(), "no stop gets in between");
    end(&mut core, stops[0]);
    assert!(core.drain_requests().is_empty(), "half of it is still locked");
    end(&mut core, stops[1]);
    let sent = placed(&core.drain_requests());
    assert_eq!(sent.iter().map(|o| (o.purpose, o.qty)).collect::<Vec<_>>(), [(Purpose::Exit, qty(0.199))]);
    fill(&mut core, sent[0].id, 77, 0.199, 0.0);
    assert_eq!((position(&core), core.n_resting()), (Qty::ZERO, 0));
}

#[test]
fn an_exit_that_a_stop_overtakes_ends_unsent() {
    let mut core = world("sma_cross");
    hold(&mut core, 0.2);
    let stop = placed(&submit(&mut core, stop(0.199, 95.0)))[0].id;
    submit(&mut core, exit(0.199));
    fill(&mut core, stop, 7, 0.199, 0.0);
    assert!(core.drain_requests().is_empty());
    assert_eq!((position(&core), core.n_resting(), refused(&core)), (Qty::ZERO, 0, 0));
}

#[test]
fn a_stop_that_replaces_another_waits_for_its_end() {
    let mut core = world("sma_cross");
    hold(&mut core, 0.2);
    let old = placed(&submit(&mut core, stop(0.199, 95.0)))[0].id;
    core.act_on(0, &[Action::Submit(stop(0.199, 97.0)), Action::Cancel(old)], core.now());
    assert_eq!(cancelled(&core.drain_requests()), [old]);
    end(&mut core, old);
    let sent = placed(&core.drain_requests());
    assert_eq!(sent.iter().map(OrderRequest::named_price).collect::<Vec<_>>(), [Some(price(97.0))]);
}

#[test]
fn what_waits_is_cancelled_at_once_and_never_leaves() {
    let mut core = world("sma_cross");
    hold(&mut core, 0.2);
    let old = placed(&submit(&mut core, stop(0.199, 95.0)))[0].id;
    submit(&mut core, exit(0.199));
    core.act_on(0, &[Action::CancelAll(AAA)], core.now());
    assert_eq!(core.n_resting(), 1, "the stop, until the exchange ends it");
    end(&mut core, old);
    assert!(core.drain_requests().is_empty());
}

fn flatten(core: &mut Core<LiveRecorder>, id: &str) -> Vec<VenueRequest> {
    let (by, reason) = ("kim".to_owned(), "test".to_owned());
    let command = Command { command_id: id.into(), action: CommandAction::Flatten, by, reason };
    core.command(&command, core.now()).unwrap();
    core.drain_requests()
}

#[test]
fn a_flatten_sells_what_a_stop_locks_once_that_has_ended_and_a_second_one_sells_nothing_more() {
    let mut core = world("sma_cross");
    hold(&mut core, 0.25);
    let stop = placed(&submit(&mut core, stop(0.249, 95.0)))[0].id;
    assert_eq!((placed(&flatten(&mut core, "1")).len(), core.n_resting()), (0, 2));
    end(&mut core, stop);
    let first = placed(&core.drain_requests());
    assert_eq!(first.iter().map(|o| (o.purpose, o.qty)).collect::<Vec<_>>(), [(Purpose::Flatten, qty(0.249))]);
    assert!(placed(&flatten(&mut core, "2")).is_empty(), "the first is not answered yet");
    fill(&mut core, first[0].id, 9, 0.249, 0.0);
    assert!(placed(&core.drain_requests()).is_empty());
    assert!(placed(&flatten(&mut core, "3")).is_empty());
    assert_eq!((position(&core), core.n_resting(), core.dust()["AAA"]), (Qty::ZERO, 0, qty(0.000_75)));
}

#[test]
fn a_strategy_that_would_go_short_is_told_and_asks_no_more_than_once_a_bar() {
    let mut core = world("momentum_scalping");
    for n in 1..21 {
        core.on_market(&MarketEvent::Bar(bar(n, 100.0, 100.0))).unwrap();
    }
    for n in 21..25 {
        let fall = 100.0 - 10.0 * (n - 20) as f64;
        core.on_market(&MarketEvent::Bar(bar(n, fall + 10.0, fall))).unwrap();
    }
    let told = core.drain_outbox();
    let outcomes =
        told.iter().filter_map(|m| if let Message::SignalEvent(s) = m { Some(s.outcome.as_str()) } else { None });
    let outcomes: Vec<&str> = outcomes.collect();
    assert!(outcomes.contains(&"short_sale") && outcomes.len() <= 4, "{outcomes:?}");
    assert!(core.drain_requests().is_empty());
    assert_eq!(refused(&core), outcomes.iter().filter(|o| **o == "short_sale").count() as u64);
}

#[test]
fn a_scalper_leaves_by_its_exit_and_puts_up_no_stop_again_meanwhile() {
    let mut core = world("momentum_scalping");
    for n in 1..21 {
        core.on_market(&MarketEvent::Bar(bar(n, 100.0, 100.0))).unwrap();
    }
    quote(&mut core, bar(20, 1.0, 1.0).closed_at.0, 110.0);
    core.on_market(&MarketEvent::Bar(bar(21, 100.0, 110.0))).unwrap();
    let entry = placed(&core.drain_requests())[0];
    let base_fee = entry.qty.to_f64() * 0.001;
    fill(&mut core, entry.id, 1, entry.qty.to_f64(), base_fee);
    let stops = placed(&core.drain_requests());
    assert_eq!(stops.iter().map(|o| (o.purpose, o.qty)).collect::<Vec<_>>(), [(Purpose::StopLoss, position(&core))]);
    for (n, close) in [(22, 100.0), (23, 80.0), (24, 60.0)] {
        core.on_market(&MarketEvent::Bar(bar(n, close + 10.0, close))).unwrap();
    }
    let asked = core.drain_requests();
    assert_eq!((placed(&asked).len(), cancelled(&asked)), (0, vec![stops[0].id]));
    end(&mut core, stops[0].id);
    let sent = placed(&core.drain_requests());
    assert_eq!(sent.iter().map(|o| (o.purpose, o.qty)).collect::<Vec<_>>(), [(Purpose::Exit, position(&core))]);
    fill(&mut core, sent[0].id, 2, sent[0].qty.to_f64(), 0.0);
    assert_eq!((position(&core), core.n_resting()), (Qty::ZERO, 0));
}
