use crate::external::VenueRequest;
use crate::test_world::{bar, core_at, core_limited, core_on_spot, instance, limits, usd};
use crate::{Core, LiveRecorder};
use model::message::{Command, CommandAction, Message, ParamsAck, ParamsUpdate, TradeEvent};
use model::{
    FeeTier, InstanceConfig, InstanceId, MarketEvent, Mode, Money, Price, Purpose, Qty, Quote, RiskLimits,
    StrategyParams, SymbolId, TradingState, Ts, VenueConfig, VenueModel,
};
use risk::Rule;

fn with_share(config: InstanceConfig, capital_share: f64) -> InstanceConfig {
    InstanceConfig { capital_share, ..config }
}

fn momentum(name: &str, mode: Mode, share: f64) -> InstanceConfig {
    with_share(instance(name, "momentum_scalping", mode), share)
}

/// A live instance with the slots of an installation.
fn with_slots() -> Vec<InstanceConfig> {
    vec![
        momentum("m-1", Mode::Live, 1.0),
        momentum("m-1.canary", Mode::Canary, 0.0),
        momentum("m-1.shadow", Mode::Shadow, 0.0),
        momentum("m-1.incumbent", Mode::Twin, 1.0),
        momentum("m-1.day0", Mode::Twin, 1.0),
    ]
}

fn core_of(instances: &[InstanceConfig], limits: RiskLimits) -> Core<LiveRecorder> {
    core_limited(instances, None, VenueModel::Bars, limits)
}

/// The same parameters at another share, as the next version.
fn share_of(core: &Core<LiveRecorder>, i: usize, capital_share: f64) -> ParamsUpdate {
    let state = core.instance_states().remove(i);
    ParamsUpdate {
        deployment_id: format!("d-{i}-{}", state.params_version),
        rules: None,
        instance_id: state.instance_id,
        base_version: state.params_version,
        base_sha256: state.params_sha256.clone(),
        version: state.params_version + 1,
        params: state.params,
        params_sha256: state.params_sha256,
        capital_share,
        origin: "p-1".into(),
        issued_at_ns: 0,
        expires_at_ns: i64::MAX,
    }
}

fn give(core: &mut Core<LiveRecorder>, i: usize, share: f64) -> ParamsAck {
    core.apply_params(&share_of(core, i, share), Ts(5)).unwrap()
}

/// Twenty quiet bars, a burst in bar 20 that asks for an entry, its fill in bar 21.
fn burst(core: &mut Core<LiveRecorder>) {
    (0..20).for_each(|n| core.on_bar(&bar(n, 100.0, 100.0)).unwrap());
    core.on_bar(&bar(20, 100.0, 110.0)).unwrap();
    core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
}

fn position(core: &Core<LiveRecorder>, i: usize) -> Qty {
    core.marks(core.now())[i].positions["AAA"]
}

fn trades(messages: &[Message]) -> Vec<&TradeEvent> {
    messages.iter().filter_map(|m| if let Message::TradeEvent(trade) = m { Some(trade) } else { None }).collect()
}

#[test]
fn an_update_may_change_the_share_alone_and_the_next_entry_is_that_much_smaller() {
    let (mut whole, mut tenth) = (core_of(&with_slots(), limits()), core_of(&with_slots(), limits()));
    let ack = give(&mut tenth, 3, 0.1);
    assert!(ack.applied && ack.version == 2 && ack.capital_share == 0.1, "{ack:?}");
    assert_eq!(tenth.instance_states()[3].capital_share, 0.1);
    burst(&mut whole);
    burst(&mut tenth);
    let lot = Qty::from_f64(0.001).unwrap();
    assert_eq!(position(&tenth, 3), Qty(position(&whole, 3).0 / 10).round_down(lot));
    assert_eq!(position(&tenth, 4), position(&whole, 4), "the other twin keeps its size");
    let mark = &tenth.marks(Ts(0))[3];
    assert_eq!((mark.capital, mark.params_version), (usd(1_000.0), 2));
}

#[test]
fn a_share_that_is_none_and_a_stale_base_are_refused_and_change_nothing() {
    let mut core = core_of(&with_slots(), limits());
    for share in [-0.1, 1.000_1, f64::NAN, f64::INFINITY] {
        let ack = give(&mut core, 3, share);
        assert!(!ack.applied && ack.reason.contains("must be a number from 0 to 1"), "{ack:?}");
        assert_eq!((ack.version, ack.capital_share), (1, 1.0));
    }
    let late = share_of(&core, 3, 0.5);
    assert!(give(&mut core, 3, 0.2).applied);
    let ack = core.apply_params(&ParamsUpdate { deployment_id: "late".into(), ..late }, Ts(5)).unwrap();
    assert!(!ack.applied && ack.reason.contains("base is version 1") && ack.capital_share == 0.2, "{ack:?}");
}

#[test]
fn a_canary_has_at_most_what_the_live_instance_beside_it_leaves() {
    let mut core = core_of(&with_slots(), limits());
    let refused = give(&mut core, 1, 0.1);
    assert!(!refused.applied && refused.reason.contains("more than the capital that both trade"), "{refused:?}");
    assert!(give(&mut core, 0, 0.9).applied && give(&mut core, 1, 0.1).applied);
    assert!(!give(&mut core, 0, 1.0).applied, "not before the canary gave its share back");
    assert!(give(&mut core, 1, 0.0).applied && give(&mut core, 0, 1.0).applied);
    let over = [momentum("m-1", Mode::Live, 0.9), momentum("m-1.canary", Mode::Canary, 0.2)];
    let symbols = crate::test_world::symbols();
    let setup = crate::Setup {
        engine_id: "e",
        symbols: &symbols,
        instances: &over,
        costs: model::Costs::default(),
        venue: VenueConfig::default(),
        limits: None,
        advice: None,
    };
    let error = Core::new(&setup, LiveRecorder::new(&symbols)).err().unwrap().to_string();
    assert!(error.contains("instance 'm-1.canary'") && error.contains("more than the capital"), "{error}");
}

#[test]
fn an_idle_instance_closes_what_it_holds_in_every_state_and_opens_nothing() {
    for state in [TradingState::Active, TradingState::Reducing, TradingState::Halted] {
        let mut core = core_of(&with_slots(), limits());
        burst(&mut core);
        assert!(position(&core, 4) > Qty::ZERO);
        let order = |action| Command { command_id: "c".into(), action, by: "kim".into(), reason: "look".into() };
        match state {
            TradingState::Active => {}
            TradingState::Reducing => drop(core.command(&order(CommandAction::Reduce), core.now()).unwrap()),
            TradingState::Halted => drop(core.command(&order(CommandAction::Halt), core.now()).unwrap()),
        }
        core.drain_outbox();
        assert!(give(&mut core, 4, 0.0).applied);
        core.on_bar(&bar(22, 110.0, 110.0)).unwrap();
        assert_eq!(position(&core, 4), Qty::ZERO, "{state:?}");
        assert!(position(&core, 3) > Qty::ZERO, "the others keep theirs");
        let told = core.drain_outbox();
        let closed = trades(&told);
        assert_eq!(closed.len(), 1);
        assert_eq!((closed[0].instance_id.as_str(), closed[0].exit_reason), ("m-1.day0", Purpose::Flatten));
        // Nothing is left at the venue that could open or close again.
        for n in 23..60 {
            let close = if n == 40 { 150.0 } else { 110.0 };
            core.on_bar(&bar(n, 110.0, close)).unwrap();
            assert_eq!(position(&core, 4), Qty::ZERO);
        }
        let dropped = core.gate.counts().refused().find(|(rule, _)| *rule == Rule::Idle).unwrap().1;
        assert!(dropped > 0, "its wishes are counted");
    }
}

#[test]
fn an_idle_instance_stays_warm_and_trades_at_once_with_what_it_is_given() {
    let mut core = core_of(&with_slots(), limits());
    (0..20).for_each(|n| core.on_bar(&bar(n, 100.0, 100.0)).unwrap());
    assert!(give(&mut core, 2, 1.0).applied);
    core.on_bar(&bar(20, 100.0, 110.0)).unwrap();
    core.on_bar(&bar(21, 110.0, 110.0)).unwrap();
    assert_eq!(position(&core, 2), position(&core, 0));
    assert!(position(&core, 2) > Qty::ZERO);
}

#[test]
fn a_live_instance_without_a_share_says_why_it_does_not_trade_and_an_empty_slot_says_nothing() {
    let mut core = core_of(&with_slots(), limits());
    assert!(give(&mut core, 0, 0.0).applied);
    burst(&mut core);
    let told = core.drain_outbox();
    let wishes: Vec<(&str, &str)> = told
        .iter()
        .filter_map(|m| if let Message::SignalEvent(s) = m { Some((&*s.instance_id, &*s.outcome)) } else { None })
        .collect();
    assert!(!wishes.is_empty() && wishes.iter().all(|wish| *wish == ("m-1", "idle")), "{wishes:?}");
}

/// Trades and signals of the live instance over six hundred bars of a wave, under limits that five times the orders would reach.
fn lived(instances: &[InstanceConfig], prepare: impl Fn(&mut Core<LiveRecorder>)) -> Vec<Message> {
    let tight = RiskLimits { max_messages_per_s: Some(5), max_gross_notional: usd(2_500.0), ..limits() };
    let mut core = core_of(instances, RiskLimits { max_daily_loss: Some(usd(500.0)), ..tight });
    prepare(&mut core);
    let price = |n: i64| (10_000.0 + 1_000.0 * (n as f64 / 9.0).sin()).round() / 100.0;
    (0..600).for_each(|n| core.on_bar(&bar(n, price(n), price(n + 1))).unwrap());
    let is_live = |m: &Message| match m {
        Message::TradeEvent(trade) => trade.instance_id == "m-1",
        Message::SignalEvent(signal) => signal.instance_id == "m-1",
        _ => false,
    };
    core.drain_outbox().into_iter().filter(is_live).collect()
}

#[test]
fn companions_change_no_fill_and_no_trade_of_a_live_instance() {
    for strategy in ["sma_cross", "market_making"] {
        let mut instances = with_slots();
        for config in &mut instances {
            config.strategy = strategy.into();
            config.params = StrategyParams::defaults(strategy).unwrap().values();
        }
        let alone = lived(&instances[..1], |_| ());
        let beside = lived(&instances, |core| assert!(give(core, 2, 1.0).applied));
        assert!(alone.iter().filter(|m| matches!(m, Message::TradeEvent(_))).count() > 5, "{strategy}");
        assert_eq!(alone, beside, "{strategy}");
    }
}

/// Trades of a live maker on a book venue that takes few messages a second and is cheaper for who traded more, over four days of
/// prices that come and go.
fn made(instances: &[InstanceConfig]) -> Vec<TradeEvent> {
    let tier = FeeTier { from_notional: usd(20_000.0), maker_fee_bps: 0.5, taker_fee_bps: 1.0 };
    let venue = VenueConfig {
        model: VenueModel::Book,
        order_latency_us: 20_000,
        feed_latency_us: 5_000,
        max_messages_per_s: 6,
        fee_tiers: vec![tier],
        ..VenueConfig::default()
    };
    let mut core = core_at(instances, None, venue, limits());
    for n in 0..8_000_i64 {
        let cents = 10_000 + (n * 37 % 101) + (n / 13 % 29) * 4;
        let at = Ts(n * 43_000 * Ts::MS);
        let level = |cents: i64| Price::from_f64(cents as f64 / 100.0).unwrap();
        let (bid, ask, qty) = (level(cents - 1), level(cents + 1), Qty::from_f64(5.0).unwrap());
        let quote =
            Quote { symbol: SymbolId(0), at, exch_at: at.plus_ns(-Ts::MS), bid, bid_qty: qty, ask, ask_qty: qty };
        core.on_market(&MarketEvent::Quote(quote)).unwrap();
    }
    let told = core.drain_outbox();
    trades(&told).into_iter().filter(|trade| trade.instance_id == "m-1").cloned().collect()
}

#[test]
fn companions_on_a_book_take_no_message_no_fee_tier_and_no_time_of_a_live_instance() {
    let mut instances = with_slots();
    for config in &mut instances {
        (config.strategy, config.driver) = ("market_making".into(), model::Driver::Quotes);
        config.params = StrategyParams::defaults("market_making").unwrap().values();
        config.params.insert("spread_threshold".into(), 10.0);
    }
    let alone = made(&instances[..1]);
    let rate = |trade: &TradeEvent| trade.entry.fee.to_f64() / (trade.entry.fill_price * trade.qty).to_f64();
    assert!(alone.len() > 20 && rate(&alone[0]) > 1.9e-4, "{}", alone.len());
    assert!(alone.iter().any(|trade| rate(trade) < 1e-4), "it reaches the tier by itself");
    assert_eq!(alone, made(&instances));
}

#[test]
fn no_share_moves_the_capital_that_losses_are_measured_on() {
    let limited = RiskLimits { max_drawdown_pct: Some(5.0), ..limits() };
    let mut core = core_of(&with_slots(), limited);
    burst(&mut core);
    // A tenth goes to the canary and comes back: the account is what its live instance has and what both made.
    assert!(give(&mut core, 0, 0.9).applied && give(&mut core, 1, 0.1).applied);
    core.on_bar(&bar(22, 110.0, 110.0)).unwrap();
    assert_eq!(core.gate.state(), TradingState::Active);
    assert!(give(&mut core, 0, 0.0).applied && give(&mut core, 1, 0.0).applied);
    core.on_bar(&bar(23, 110.0, 110.0)).unwrap();
    core.on_bar(&bar(24, 110.0, 110.0)).unwrap();
    assert_eq!(core.gate.state(), TradingState::Active, "idle money is still the account's");
    let marks = core.marks(core.now());
    assert_eq!((marks[0].capital, marks[1].capital), (Money::ZERO, Money::ZERO));
    assert_eq!(marks[0].equity, core.profit(0));
}

#[test]
fn a_loss_of_a_canary_is_a_loss_of_the_account() {
    let limited = RiskLimits { max_daily_loss: Some(usd(25.0)), ..limits() };
    let mut core = core_of(&with_slots(), limited);
    assert!(give(&mut core, 0, 0.0).applied && give(&mut core, 1, 1.0).applied);
    burst(&mut core);
    assert!(position(&core, 1) > Qty::ZERO && position(&core, 0) == Qty::ZERO);
    core.on_bar(&bar(22, 110.0, 107.0)).unwrap();
    assert_ne!(core.gate.state(), TradingState::Active);
}

#[test]
fn a_twin_that_loses_stops_nothing() {
    let limited = RiskLimits { max_daily_loss: Some(usd(25.0)), ..limits() };
    let mut core = core_of(&with_slots(), limited);
    assert!(give(&mut core, 0, 0.0).applied);
    burst(&mut core);
    assert!(position(&core, 3) > Qty::ZERO);
    core.on_bar(&bar(22, 110.0, 60.0)).unwrap();
    core.on_bar(&bar(23, 60.0, 60.0)).unwrap();
    assert!(core.profit(3) < usd(-25.0));
    assert_eq!(core.gate.state(), TradingState::Active);
}

/// Everything that was asked of the exchange.
fn asked(core: &mut Core<LiveRecorder>) -> Vec<model::OrderRequest> {
    let order = |request| if let VenueRequest::Place(order) = request { Some(*order.get()) } else { None };
    core.drain_requests().into_iter().filter_map(order).collect()
}

#[test]
fn at_an_exchange_shadows_and_twins_fill_at_home_and_no_order_of_theirs_leaves() {
    for on_spot in [false, true] {
        let mut core = if on_spot {
            core_on_spot(&with_slots())
        } else {
            core_limited(&with_slots(), None, VenueModel::External, limits())
        };
        assert!(give(&mut core, 2, 1.0).applied);
        burst(&mut core);
        let asked_for = asked(&mut core);
        assert_eq!(asked_for.iter().map(|order| order.instance).collect::<Vec<_>>(), [InstanceId(0)]);
        for i in [2, 3, 4] {
            assert!(position(&core, i) > Qty::ZERO, "{i} fills on candles");
        }
        assert_eq!(position(&core, 0), Qty::ZERO, "the exchange has said nothing yet");
        // A crash through their stops, another idle, and all told to close: all of it stays at home.
        assert!(give(&mut core, 4, 0.0).applied);
        core.on_bar(&bar(22, 110.0, 60.0)).unwrap();
        let flatten =
            Command { command_id: "c".into(), action: CommandAction::Flatten, by: "kim".into(), reason: "over".into() };
        core.command(&flatten, core.now()).unwrap();
        core.on_bar(&bar(23, 60.0, 60.0)).unwrap();
        assert!((2..5).all(|i| position(&core, i) == Qty::ZERO), "on_spot: {on_spot}");
        assert!(asked(&mut core).is_empty());
        assert!(core.outstanding().iter().all(|open| open.order.instance == InstanceId(0)));
        assert!(core.own_view().positions.is_empty() && core.dust().is_empty());
    }
}

#[test]
fn what_a_twin_holds_is_no_part_of_the_account_at_an_exchange() {
    let mut core = core_limited(&with_slots(), None, VenueModel::External, limits());
    burst(&mut core);
    assert!(position(&core, 3) > Qty::ZERO);
    let own = core.own_view();
    assert!(own.positions.is_empty());
    assert_eq!(own.orders.len(), 1);
}

#[test]
fn a_venue_of_their_own_that_is_an_exchange_is_refused() {
    let symbols = crate::test_world::symbols();
    let simulated = VenueModel::External;
    let setup = crate::Setup {
        engine_id: "e",
        symbols: &symbols,
        instances: &with_slots(),
        costs: model::Costs::default(),
        venue: VenueConfig { model: VenueModel::External, simulated, ..VenueConfig::default() },
        limits: None,
        advice: None,
    };
    let error = Core::new(&setup, LiveRecorder::new(&symbols)).err().unwrap().to_string();
    assert!(error.contains("venue.simulated"), "{error}");
}
