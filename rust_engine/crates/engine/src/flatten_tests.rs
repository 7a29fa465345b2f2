use super::*;
use crate::LiveRecorder;
use crate::external::{Reported, VenueReport, VenueRequest};
use crate::test_world::{bar, core_with, instance};
use model::message::{Command, CommandAction};
use model::{Action, CancelReason, Liquidity, MarketEvent, Mode, Money, Quote, VenueModel};

const AAA: SymbolId = SymbolId(0);
const S: i64 = 1_000 * Ts::MS;

fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_f64(value).unwrap()
}

fn quote(at: i64, bid: f64, ask: f64) -> MarketEvent {
    let (bid, ask, size) = (price(bid), price(ask), qty(10.0));
    MarketEvent::Quote(Quote { symbol: AAA, at: Ts(at), exch_at: Ts(at), bid, bid_qty: size, ask, ask_qty: size })
}

fn buy(size: f64) -> OrderRequest {
    OrderRequest { strength: 0.5, ..OrderRequest::market(AAA, Side::Buy, qty(size), price(100.0)) }
}

fn order_by(core: &mut Core<LiveRecorder>, id: &str, action: CommandAction, by: &str) {
    let command = Command { command_id: id.into(), action, by: by.into(), reason: "test".into() };
    core.command(&command, Ts(20)).unwrap();
}

fn flatten(core: &mut Core<LiveRecorder>, id: &str) {
    order_by(core, id, CommandAction::Flatten, "ann");
}

fn position(core: &Core<LiveRecorder>) -> Qty {
    core.marks(core.now())[0].positions["AAA"]
}

fn placed(core: &mut Core<LiveRecorder>) -> Vec<OrderRequest> {
    let order = |request| if let VenueRequest::Place(order) = request { Some(*order.get()) } else { None };
    core.drain_requests().into_iter().filter_map(order).collect()
}

fn report(core: &mut Core<LiveRecorder>, order: OrderRequest, what: Reported) {
    let report = VenueReport { id: order.id, at: core.now(), what };
    assert_eq!(core.on_report(&report).unwrap(), None);
}

fn trade(core: &mut Core<LiveRecorder>, order: OrderRequest, trade_id: u64, size: f64) {
    let (price, qty, fee) = (price(100.0), qty(size), Money::ZERO);
    let liquidity = Liquidity::Taker;
    report(core, order, Reported::Filled { trade_id, price, qty, fee, base_fee: Qty::ZERO, liquidity });
}

fn end(core: &mut Core<LiveRecorder>, order: OrderRequest, reason: CancelReason) {
    report(core, order, Reported::Ended { reason });
}

/// A core at an exchange that saw 100 as a price at time 10.
fn at_exchange(strategy: &str) -> Core<LiveRecorder> {
    let mut core = core_with(&[instance("s-1", strategy, Mode::Live)], None, VenueModel::External);
    core.on_market(&quote(10, 99.0, 101.0)).unwrap();
    core
}

/// The same with a long position.
fn holding(size: f64) -> Core<LiveRecorder> {
    let mut core = at_exchange("sma_cross");
    core.act_on(0, &[Action::Submit(buy(size))], Ts(10));
    let order = placed(&mut core)[0];
    trade(&mut core, order, 1, size);
    core
}

#[test]
fn a_position_is_closed_once_however_often_it_is_asked_for() {
    let mut core = holding(2.0);
    flatten(&mut core, "f-1");
    let sent = placed(&mut core);
    assert_eq!((sent.len(), sent[0].side, sent[0].qty, sent[0].reduce_only), (1, Side::Sell, qty(2.0), true));
    flatten(&mut core, "f-2");
    order_by(&mut core, "h", CommandAction::Halt, "ann");
    let further = core.drain_requests();
    assert!(further.is_empty(), "neither a second sale nor the end of the first: {further:?}");
    trade(&mut core, sent[0], 7, 2.0);
    assert_eq!(position(&core), Qty::ZERO);
    core.on_time(Ts(3_600 * S)).unwrap();
    flatten(&mut core, "f-3");
    assert!(core.drain_requests().is_empty());
    assert_eq!(core.next_due(), None);
}

#[test]
fn what_an_order_left_open_is_sent_again_after_a_while() {
    for reason in [CancelReason::RateLimited, CancelReason::Rejected, CancelReason::Unfilled] {
        let mut core = holding(2.0);
        flatten(&mut core, "f-1");
        let first = placed(&mut core)[0];
        assert_eq!(core.next_due(), None, "an answer is awaited");
        trade(&mut core, first, 7, 0.5);
        end(&mut core, first, reason);
        assert!(core.drain_requests().is_empty(), "not at once");
        let due = core.next_due().unwrap();
        assert_eq!(due, Ts(10 + S / 2));
        core.on_time(Ts(due.0 - 1)).unwrap();
        assert!(core.drain_requests().is_empty());
        core.on_time(due).unwrap();
        let again = placed(&mut core);
        assert_eq!((again.len(), again[0].qty, again[0].reduce_only), (1, qty(1.5), true));
        assert_ne!(again[0].id, first.id);
    }
}

#[test]
fn an_exchange_that_always_refuses_is_asked_ever_more_rarely() {
    let mut core = holding(1.0);
    flatten(&mut core, "f-1");
    let mut waits = Vec::new();
    for _ in 0..9 {
        let order = placed(&mut core);
        assert_eq!(order.len(), 1);
        end(&mut core, order[0], CancelReason::Rejected);
        let (now, due) = (core.now(), core.next_due().unwrap());
        waits.push((due.0 - now.0) / Ts::MS);
        core.on_time(due).unwrap();
    }
    assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000, 32_000]);
    let order = placed(&mut core)[0];
    end(&mut core, order, CancelReason::Rejected);
    flatten(&mut core, "f-2");
    assert_eq!(placed(&mut core).len(), 1, "a person who asks again does not wait");
}

#[test]
fn only_a_named_person_ends_a_flatten() {
    let mut core = holding(1.0);
    flatten(&mut core, "f-1");
    let first = placed(&mut core)[0];
    end(&mut core, first, CancelReason::Rejected);
    order_by(&mut core, "r-1", CommandAction::Resume, "dead_man");
    core.on_time(Ts(60 * S)).unwrap();
    let second = placed(&mut core);
    assert_eq!(second.len(), 1);
    order_by(&mut core, "r-2", CommandAction::Resume, "kim");
    end(&mut core, second[0], CancelReason::Rejected);
    core.on_time(Ts(3_600 * S)).unwrap();
    assert!(core.drain_requests().is_empty());
    assert_eq!((core.next_due(), position(&core)), (None, qty(1.0)));
}

#[test]
fn what_opens_after_all_is_closed_as_well() {
    let mut core = holding(2.0);
    let rests = OrderRequest { kind: OrderKind::Limit { price: price(99.0) }, ..buy(1.0) };
    core.act_on(0, &[Action::Submit(rests)], Ts(10));
    let rests = placed(&mut core)[0];
    flatten(&mut core, "f-1");
    let requests = core.drain_requests();
    let [VenueRequest::Cancel { .. }, VenueRequest::Place(sale)] = &requests[..] else { panic!("{requests:?}") };
    trade(&mut core, *sale.get(), 7, 2.0);
    assert!(core.drain_requests().is_empty());
    // The cancel came too late.
    trade(&mut core, rests, 8, 1.0);
    let sent = placed(&mut core);
    assert_eq!((sent.len(), sent[0].side, sent[0].qty), (1, Side::Sell, qty(1.0)));
}

#[test]
fn a_strategys_stop_comes_back_after_a_halt_and_not_while_positions_are_closed() {
    for (action, n_stops, n_sales) in [(CommandAction::Halt, 2, 0), (CommandAction::Flatten, 0, 1)] {
        let mut core = core_with(&[instance("m-1", "momentum_scalping", Mode::Live)], None, VenueModel::External);
        (0..20).for_each(|n| core.on_market(&MarketEvent::Bar(bar(n, 100.0, 100.0))).unwrap());
        core.on_market(&MarketEvent::Bar(bar(20, 100.0, 110.0))).unwrap();
        let entry = placed(&mut core)[0];
        trade(&mut core, entry, 1, entry.qty.to_f64());
        let exits = placed(&mut core);
        assert_eq!(exits.len(), 2, "a stop and a target");
        order_by(&mut core, "c", action, "ann");
        let mut sent = placed(&mut core);
        exits.into_iter().for_each(|exit| end(&mut core, exit, CancelReason::Requested));
        sent.extend(placed(&mut core));
        let is_sale = |order: &&OrderRequest| order.purpose == Purpose::Flatten;
        let sales = sent.iter().filter(is_sale).count();
        assert_eq!((sent.len() - sales, sales), (n_stops, n_sales), "{action:?}: {sent:?}");
    }
}

#[test]
fn what_a_strategy_closes_at_the_market_still_leaves() {
    let mut core = holding(2.0);
    flatten(&mut core, "f-1");
    let first = placed(&mut core)[0];
    end(&mut core, first, CancelReason::Rejected);
    let exit = OrderRequest { side: Side::Sell, reduce_only: true, purpose: Purpose::Exit, ..buy(1.0) };
    let stop = OrderRequest { kind: OrderKind::Stop { trigger: price(90.0) }, purpose: Purpose::StopLoss, ..exit };
    core.act_on(0, &[Action::Submit(stop), Action::Submit(exit)], Ts(20));
    let sent = placed(&mut core);
    assert_eq!(sent.iter().map(|order| order.kind).collect::<Vec<_>>(), [OrderKind::Market]);
    order_by(&mut core, "r", CommandAction::Resume, "kim");
    core.act_on(0, &[Action::Submit(stop)], Ts(20));
    assert_eq!(placed(&mut core).len(), 1);
}

#[test]
fn a_restored_core_goes_on_closing() {
    let mut core = holding(1.0);
    flatten(&mut core, "f-1");
    let first = placed(&mut core)[0];
    end(&mut core, first, CancelReason::RateLimited);
    let mut restored = at_exchange("sma_cross");
    restored.restore(&core.save().unwrap()).unwrap();
    let due = core.next_due();
    assert!(due.is_some());
    assert_eq!(restored.next_due(), due);
    for core in [&mut core, &mut restored] {
        core.on_time(due.unwrap()).unwrap();
    }
    let sent = placed(&mut core);
    assert_eq!((sent.len(), &sent), (1, &placed(&mut restored)));
}

#[test]
fn a_simulated_venue_closes_to_zero_and_not_beyond_when_told_twice() {
    let mut core = core_with(&[instance("s-1", "sma_cross", Mode::Live)], None, VenueModel::Book);
    core.on_market(&quote(10, 99.0, 101.0)).unwrap();
    core.act_on(0, &[Action::Submit(buy(0.5))], Ts(10));
    core.on_market(&quote(30, 99.0, 101.0)).unwrap();
    assert_eq!(position(&core), qty(0.5));
    flatten(&mut core, "f-1");
    flatten(&mut core, "f-2");
    assert_eq!(core.n_resting(), 1);
    for at in [40, 50, 60 * S] {
        core.on_market(&quote(at, 99.0, 101.0)).unwrap();
    }
    assert_eq!((position(&core), core.n_resting()), (Qty::ZERO, 0));
}
