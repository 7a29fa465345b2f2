use crate::external::{Reported, VenueReport, VenueRequest};
use crate::test_world::{core_limited, core_with, instance, limits, usd};
use crate::{Core, CoreError, LiveRecorder};
use model::message::{Message, SignalEvent, TradeEvent};
use model::{
    Action, CancelReason, Capture, Depth, FeedbackView, Funding, Level, Liquidity, MarketEvent, MarketTrade, Mode,
    Money, OrderKind, OrderRequest, Price, Purpose, Qty, Quote, RiskLimits, Side, Staleness, SymbolId, TradingState,
    Ts, VenueModel,
};

const AAA: SymbolId = SymbolId(0);

fn price(value: f64) -> Price {
    Price::from_f64(value).unwrap()
}

fn qty(value: f64) -> Qty {
    Qty::from_f64(value).unwrap()
}

fn quote(at: i64, bid: f64, ask: f64) -> MarketEvent {
    let (bid, ask) = (price(bid), price(ask));
    MarketEvent::Quote(Quote {
        symbol: AAA,
        at: Ts(at),
        exch_at: Ts(at),
        bid,
        bid_qty: qty(1.0),
        ask,
        ask_qty: qty(1.0),
    })
}

/// A whole book of one bid and one ask.
fn depth(at: i64, bid: f64, ask: f64) -> MarketEvent {
    let level = |side, value| Level { side, price: price(value), qty: qty(5.0) };
    MarketEvent::Depth(Depth {
        symbol: AAA,
        at: Ts(at),
        exch_at: Ts(at),
        first_id: at.unsigned_abs(),
        last_id: at.unsigned_abs(),
        is_snapshot: true,
        levels: vec![level(Side::Buy, bid), level(Side::Sell, ask)],
    })
}

fn print(at: i64, value: f64) -> MarketEvent {
    MarketEvent::Trade(MarketTrade {
        symbol: AAA,
        at: Ts(at),
        exch_at: Ts(at),
        price: price(value),
        qty: qty(1.0),
        aggressor: Side::Buy,
        id: 1,
    })
}

fn world(model: VenueModel) -> Core<LiveRecorder> {
    let mut core = core_with(&[instance("s-1", "sma_cross", Mode::Live)], None, model);
    core.on_market(&quote(10, 99.0, 101.0)).unwrap();
    core
}

fn buy(size: f64) -> OrderRequest {
    OrderRequest { strength: 0.5, ..OrderRequest::market(AAA, Side::Buy, qty(size), price(100.0)) }
}

fn signals(messages: &[Message]) -> Vec<&SignalEvent> {
    messages.iter().filter_map(|m| if let Message::SignalEvent(s) = m { Some(s) } else { None }).collect()
}

fn trades(messages: &[Message]) -> Vec<&TradeEvent> {
    messages.iter().filter_map(|m| if let Message::TradeEvent(t) = m { Some(t) } else { None }).collect()
}

#[test]
fn a_group_is_sent_whole_or_not_at_all() {
    let mut core = world(VenueModel::Bars);
    let group = |second: f64| [Action::Together(2), Action::Submit(buy(1.0)), Action::Submit(buy(second))];
    core.act_on(0, &group(1_000.0), Ts(10));
    assert_eq!(core.n_resting(), 0);
    let told = core.drain_outbox();
    assert_eq!(signals(&told).iter().map(|s| s.outcome.as_str()).collect::<Vec<_>>(), ["max_order_notional"; 2]);
    core.act_on(0, &group(1.0), Ts(10));
    assert_eq!(core.n_resting(), 2);
    core.act_on(0, &[Action::Together(2), Action::Submit(buy(1.0))], Ts(10));
    assert_eq!(core.n_resting(), 2, "a group with a leg missing is no group");
}

#[test]
fn a_capture_is_one_closed_round_trip_and_never_rests() {
    let mut core = world(VenueModel::Bars);
    let capture = Capture {
        symbol: AAA,
        qty: qty(2.0),
        buy_price: price(95.0),
        sell_price: price(100.0),
        fee: usd(1.5),
        strength: 1.0,
    };
    core.act_on(0, &[Action::Capture(capture)], Ts(10));
    let told = core.drain_outbox();
    let trade = trades(&told)[0];
    assert_eq!((trade.net_pnl, trade.exit_reason), (usd(8.5), Purpose::Liquidation));
    assert_eq!((core.n_resting(), core.marks(Ts(10))[0].positions["AAA"]), (0, Qty::ZERO));
}

#[test]
fn an_order_at_an_exchange_lives_by_its_reports_and_a_repeated_trade_counts_once() {
    let mut core = world(VenueModel::External);
    core.act_on(0, &[Action::Submit(buy(2.0))], Ts(10));
    let sent = core.drain_requests();
    let [VenueRequest::Place(order)] = &sent[..] else { panic!("{sent:?}") };
    let id = order.get().id;
    let filled = |trade_id, size| VenueReport {
        id,
        at: Ts(20),
        what: Reported::Filled {
            trade_id,
            price: price(101.0),
            qty: qty(size),
            fee: usd(0.1),
            base_fee: Qty::ZERO,
            liquidity: Liquidity::Taker,
        },
    };
    assert_eq!(core.on_report(&filled(1, 0.5)).unwrap(), None);
    assert_eq!(core.on_report(&filled(1, 0.5)).unwrap(), None);
    assert_eq!(core.marks(Ts(20))[0].positions["AAA"], qty(0.5));
    let ended = VenueReport { id, at: Ts(21), what: Reported::Ended { reason: CancelReason::Requested } };
    assert_eq!(core.on_report(&ended).unwrap(), None);
    assert_eq!(core.n_resting(), 0);
    assert!(core.on_report(&filled(2, 0.5)).unwrap().unwrap().contains("is not open here"));
    assert_eq!(core.marks(Ts(21))[0].costs, usd(0.1));
}

#[test]
fn a_cancel_is_asked_once_and_the_order_stays_until_the_exchange_ends_it() {
    let mut core = world(VenueModel::External);
    let rests = OrderRequest { kind: OrderKind::Limit { price: price(99.0) }, ..buy(1.0) };
    core.act_on(0, &[Action::Submit(rests), Action::CancelAll(AAA), Action::CancelAll(AAA)], Ts(10));
    let requests = core.drain_requests();
    assert!(matches!(requests[..], [VenueRequest::Place(_), VenueRequest::Cancel { symbol: AAA, .. }]), "{requests:?}");
    assert_eq!(core.n_resting(), 1);
}

#[test]
fn stale_data_stop_what_opens_and_not_what_closes() {
    let mut core = world(VenueModel::Bars);
    let stale = |at, is_stale| MarketEvent::Staleness(Staleness { symbol: AAA, at: Ts(at), is_stale });
    core.on_market(&stale(20, true)).unwrap();
    core.act_on(0, &[Action::Submit(buy(1.0)), Action::Submit(OrderRequest { reduce_only: true, ..buy(1.0) })], Ts(20));
    assert_eq!(core.n_resting(), 1);
    assert_eq!(signals(&core.drain_outbox())[0].outcome, "stale_data");
    core.on_market(&stale(30, false)).unwrap();
    core.act_on(0, &[Action::Submit(buy(1.0))], Ts(30));
    assert_eq!(core.n_resting(), 2);
}

#[test]
fn a_long_position_pays_funding_when_the_rate_is_above_zero() {
    let mut core = world(VenueModel::External);
    core.act_on(0, &[Action::Submit(buy(2.0))], Ts(10));
    let VenueRequest::Place(order) = &core.drain_requests()[0] else { panic!() };
    let what = Reported::Filled {
        trade_id: 1,
        price: price(100.0),
        qty: qty(2.0),
        fee: Money::ZERO,
        base_fee: Qty::ZERO,
        liquidity: Liquidity::Maker,
    };
    core.on_report(&VenueReport { id: order.get().id, at: Ts(11), what }).unwrap();
    let before = core.marks(Ts(12))[0].equity;
    let funding = Funding { symbol: AAA, at: Ts(13), rate_e8: 10_000, mark: price(100.0) };
    core.on_market(&MarketEvent::Funding(funding)).unwrap();
    assert_eq!(before - core.marks(Ts(13))[0].equity, usd(0.02));
}

#[test]
fn what_the_market_cannot_have_said_is_refused_and_changes_nothing() {
    let mut core = world(VenueModel::Bars);
    let hash = core.actions_sha256();
    let print = |at, value| MarketTrade {
        symbol: AAA,
        at: Ts(at),
        exch_at: Ts(at),
        price: price(value),
        qty: qty(1.0),
        aggressor: Side::Buy,
        id: 1,
    };
    let refuse = |core: &mut Core<_>, event: MarketEvent| core.on_market(&event).unwrap_err();
    assert!(matches!(refuse(&mut core, quote(20, 101.0, 99.0)), CoreError::Unsound { what: "quote", .. }));
    assert!(matches!(refuse(&mut core, MarketEvent::Trade(print(20, 0.0))), CoreError::Unsound { what: "print", .. }));
    assert!(matches!(refuse(&mut core, MarketEvent::Trade(print(9, 1.0))), CoreError::OutOfOrder { .. }));
    let foreign = MarketEvent::Trade(MarketTrade { symbol: SymbolId(7), ..print(20, 1.0) });
    assert!(matches!(refuse(&mut core, foreign), CoreError::UnknownSymbol { symbol: 7, .. }));
    assert_eq!((core.now(), core.actions_sha256()), (Ts(10), hash));
}

#[test]
fn a_taker_on_a_book_pays_half_the_spread_at_either_end_as_spread() {
    let mut core = world(VenueModel::Book);
    core.act_on(0, &[Action::Submit(buy(0.5))], Ts(10));
    core.on_market(&quote(20, 99.0, 101.0)).unwrap();
    let sell = OrderRequest { side: Side::Sell, reduce_only: true, ..buy(0.5) };
    core.act_on(0, &[Action::Submit(sell)], Ts(20));
    core.on_market(&quote(30, 97.0, 99.0)).unwrap();
    let told = core.drain_outbox();
    let shortfall = trades(&told)[0].shortfall;
    // Half of a spread of 2 on half a unit, twice. The sale was decided at 100 and arrived at a middle of 98 or 100.
    assert_eq!((shortfall.spread, shortfall.impact), (usd(1.0), Money::ZERO), "{shortfall:?}");
    assert_eq!(shortfall.opportunity, Money::ZERO);
}

#[test]
fn quotes_outrank_a_book_and_a_book_outranks_prints_as_the_last_price() {
    let mut core = core_with(&[instance("s-1", "sma_cross", Mode::Live)], None, VenueModel::Book);
    let mut check = |event: MarketEvent, expected: f64| {
        let at = event.at();
        core.on_market(&event).unwrap();
        assert_eq!(core.marks(at)[0].prices["AAA"], price(expected), "{event:?}");
    };
    check(print(10, 150.0), 150.0);
    check(depth(20, 103.0, 105.0), 104.0);
    check(print(30, 150.0), 104.0);
    check(depth(40, 101.0, 103.0), 102.0);
    check(quote(50, 99.0, 101.0), 100.0);
    check(depth(60, 103.0, 105.0), 100.0);
    check(print(70, 150.0), 100.0);
    check(quote(80, 98.0, 100.0), 99.0);
}

#[test]
fn a_loss_that_only_the_book_shows_halts() {
    let limits = RiskLimits { max_daily_loss: Some(usd(20.0)), ..limits() };
    let live = [instance("s-1", "sma_cross", Mode::Live)];
    let mut core = core_limited(&live, None, VenueModel::Book, limits);
    core.on_market(&depth(10, 99.5, 100.5)).unwrap();
    core.act_on(0, &[Action::Submit(buy(2.0))], Ts(10));
    let second = 1_000_000_000;
    core.on_market(&depth(second, 99.5, 100.5)).unwrap();
    assert_eq!(core.marks(Ts(second))[0].positions["AAA"], qty(2.0));
    core.on_market(&depth(3 * second, 79.5, 80.5)).unwrap();
    assert_eq!(core.gate.state(), TradingState::Halted);
}

#[test]
fn a_taker_at_an_exchange_pays_half_the_spread_that_was_quoted_when_its_order_left() {
    let mut core = world(VenueModel::External);
    let fill = |core: &mut Core<LiveRecorder>, order: OrderRequest, at: i64, value: f64| {
        core.act_on(0, &[Action::Submit(order)], Ts(at));
        let VenueRequest::Place(order) = &core.drain_requests()[0] else { panic!() };
        let id = order.get().id;
        // What is quoted later is not what it met, nor does a snapshot between the two lose it.
        core.on_market(&quote(at + 1, 90.0, 120.0)).unwrap();
        let saved = core.save().unwrap();
        core.restore(&saved).unwrap();
        let what = Reported::Filled {
            trade_id: 1,
            price: price(value),
            qty: qty(0.5),
            fee: Money::ZERO,
            base_fee: Qty::ZERO,
            liquidity: Liquidity::Taker,
        };
        core.on_report(&VenueReport { id, at: Ts(at + 2), what }).unwrap();
    };
    fill(&mut core, buy(0.5), 10, 101.0);
    core.on_market(&quote(20, 97.0, 99.0)).unwrap();
    let sell = OrderRequest { side: Side::Sell, reduce_only: true, decision_price: price(98.0), ..buy(0.5) };
    fill(&mut core, sell, 20, 97.0);
    let told = core.drain_outbox();
    let shortfall = trades(&told)[0].shortfall;
    assert_eq!((shortfall.spread, shortfall.impact), (usd(1.0), Money::ZERO), "{shortfall:?}");
}

#[test]
fn feedback_carries_the_name_of_its_prediction() {
    let mut core = world(VenueModel::Bars);
    let prediction: model::message::Prediction = serde_json::from_value(serde_json::json!({
        "prediction_id": "p-77", "at_ns": 10, "symbol": "AAA", "direction": 0.5, "confidence": 0.7,
        "expected_move_bps": 12.0, "horizon_ms": 60000, "expected_volatility_bps": null, "regime": null,
        "recommended_strategy": "twap", "strategy_params": {}, "expires_at_ns": 1000, "model": "lstm",
        "model_sha256": "", "feature_schema": "", "reasons": []
    }))
    .unwrap();
    let unknown = model::message::Prediction { symbol: "ZZZ".into(), ..prediction.clone() };
    assert!(core.on_prediction(&unknown, Ts(11)).unwrap().unwrap().contains("no symbol 'ZZZ'"));
    assert_eq!(core.on_prediction(&prediction, Ts(11)).unwrap(), None);
    let view = FeedbackView {
        number: 1,
        symbol: AAA,
        outcome: "low_confidence",
        received_at: Ts(11),
        side: None,
        qty: Qty::ZERO,
        decision_price: None,
        mean_fill_price: None,
        shortfall: None,
        realised_move_bps: None,
    };
    core.act_on(0, &[Action::Feedback(view), Action::Feedback(FeedbackView { number: 9, ..view })], Ts(12));
    let told = core.drain_outbox();
    let [Message::PerformanceFeedback(feedback)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((feedback.prediction_id.as_str(), feedback.feedback_id.as_str()), ("p-77", "e:s-1-p1"));
    assert!(feedback.simulated);
}

#[test]
fn what_the_exchange_should_hold_is_positions_less_fees_in_base_currency() {
    let mut core = world(VenueModel::External);
    assert_eq!(core.own_view().positions.len(), 0);
    core.act_on(0, &[Action::Submit(buy(2.0))], Ts(10));
    let VenueRequest::Place(order) = &core.drain_requests()[0] else { panic!() };
    let id = order.get().id;
    assert_eq!(core.outstanding().len(), 1);
    let what = Reported::Filled {
        trade_id: 5,
        price: price(100.0),
        qty: qty(1.5),
        fee: usd(0.15),
        base_fee: qty(0.0015),
        liquidity: Liquidity::Taker,
    };
    let report = VenueReport { id, at: Ts(21), what };
    core.on_report(&report).unwrap();
    core.on_report(&report).unwrap();
    let own = core.own_view();
    assert_eq!((own.at, own.positions[&AAA]), (Ts(21), qty(1.4985)));
    assert_eq!((own.orders[&id].qty_left, own.orders[&id].price), (qty(0.5), None));
}
