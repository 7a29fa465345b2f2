use super::*;
use crate::test_world::{after_burst, bar, core, instance, symbols};
use model::message::Message;
use model::{Bar, Mode, Purpose, Side, SymbolId};
use sim::market::{MarketSpec, MarketSymbol, generate};

fn trades(messages: &[Message]) -> Vec<&model::message::TradeEvent> {
    messages.iter().filter_map(|m| if let Message::TradeEvent(t) = m { Some(t) } else { None }).collect()
}

#[test]
fn an_order_decided_at_a_close_fills_at_the_next_open_and_its_trade_tells_both_ends() {
    let mut core = after_burst(Mode::Live, None);
    assert_eq!(core.marks(core.now())[0].positions["AAA"], Qty::ZERO);
    core.on_bar(&bar(21, 110.2, 110.2)).unwrap();
    core.on_bar(&bar(22, 110.2, 80.0)).unwrap();
    let messages = core.drain_outbox();
    let trades = trades(&messages);
    let trade = trades[0];
    assert_eq!((trade.trade_id.as_str(), trade.side, trade.exit_reason), ("e:m-1-1", Side::Buy, Purpose::StopLoss));
    assert_eq!(trade.entry.decision_price.to_string(), "110");
    assert_eq!(trade.entry.fill_price.to_string(), "110.2");
    assert_eq!(trade.entry.decided_at_ns, bar(20, 1.0, 1.0).closed_at.0);
    assert!(trade.indicators.atr.is_some() && trade.conditions.trend_bps.is_none());
    let costs = trade.entry.fee + trade.entry.slippage + trade.exit.fee + trade.exit.slippage;
    assert_eq!(trade.net_pnl, trade.gross_pnl - costs);
    let lost = trade.shortfall;
    let slipped = trade.entry.slippage + trade.exit.slippage;
    assert_eq!(
        lost.delay,
        Price(20_000_000) * trade.qty + (trade.exit.decision_price - trade.exit.arrival_price) * trade.qty
    );
    let paper = (trade.exit.decision_price - trade.entry.decision_price) * trade.qty;
    assert_eq!(lost.delay + lost.spread + lost.impact + lost.opportunity, paper - trade.gross_pnl + slipped);
    assert_eq!(core.marks(core.now())[0].equity, core.instances[0].capital + trade.net_pnl);
}

#[test]
fn bars_that_cannot_be_are_refused_by_symbol_and_time_and_change_nothing() {
    let mut core = core(&[instance("m-1", "momentum_scalping", Mode::Live)], None);
    core.on_bar(&bar(5, 100.0, 100.0)).unwrap();
    let hash = core.actions_sha256();
    let check = |core: &mut Core<_>, bar: &Bar, expected: &str| {
        let error = core.on_bar(bar).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(&mut core, &bar(4, 100.0, 100.0), "AAA: the bar 240000000000 to 300000000000 ns goes back in time");
    check(&mut core, &Bar { high: Price(1), ..bar(6, 100.0, 100.0) }, "is not sound");
    check(&mut core, &Bar { symbol: SymbolId(9), ..bar(6, 100.0, 100.0) }, "symbol index 9");
    assert_eq!((core.bars(), core.actions_sha256()), (1, hash));
    core.on_bar(&bar(6, 100.0, 100.0)).unwrap();
}

#[test]
fn the_warm_up_teaches_indicators_and_sends_nothing() {
    let mut core = core(&[instance("m-1", "momentum_scalping", Mode::Live)], None);
    for n in 0..20 {
        core.warm_up(&bar(n, 100.0, 100.0)).unwrap();
    }
    core.warm_up(&bar(20, 100.0, 130.0)).unwrap();
    assert!(core.drain_outbox().is_empty() && core.n_resting() == 0);
    core.on_bar(&bar(21, 130.0, 130.0)).unwrap();
    assert!(
        matches!(&core.drain_outbox()[0], Message::SignalEvent(s) if s.outcome == "taken" && s.indicators.atr.is_some())
    );
}

#[test]
fn a_configuration_that_cannot_be_is_refused_by_name() {
    let symbols = symbols();
    let check = |instances: &[InstanceConfig], expected: &str| {
        let setup = Setup {
            engine_id: "e",
            symbols: &symbols,
            instances,
            costs: Costs::default(),
            venue: Default::default(),
            limits: None,
            advice: None,
        };
        let error = Core::new(&setup, crate::LiveRecorder::new(&symbols)).err().map(|e| e.to_string()).unwrap();
        assert!(error.contains(expected), "{error}");
    };
    let good = instance("m-1", "momentum_scalping", Mode::Live);
    check(&[good.clone(), good.clone()], "instance 'm-1': is configured twice");
    check(&[InstanceConfig { symbols: vec!["ZZZ".into()], ..good.clone() }], "symbol 'ZZZ'");
    check(&[InstanceConfig { symbols: vec![], ..good.clone() }], "trades no symbol");
    check(&[instance(&"m".repeat(59), "momentum_scalping", Mode::Live)], "shorten engine_id or the name to 60 in all");
    check(&[InstanceConfig { capital: Money::ZERO, ..good.clone() }], "capital 0 must be above zero");
    check(&[InstanceConfig { strategy: "hodl".into(), ..good }], "unknown strategy 'hodl'");
}

#[test]
fn a_limit_stops_an_entry_and_the_signal_says_which() {
    let mut big = instance("m-1", "momentum_scalping", Mode::Live);
    big.capital = Money::from_f64(1e6).unwrap();
    let mut core = core(&[big], None);
    for n in 0..20 {
        core.on_bar(&bar(n, 100.0, 100.0)).unwrap();
    }
    core.on_bar(&bar(20, 100.0, 110.0)).unwrap();
    assert!(matches!(&core.drain_outbox()[0], Message::SignalEvent(s) if s.outcome == "max_order_notional"));
    assert!(core.n_resting() == 0);
}

#[test]
fn shadows_do_not_use_up_the_limits_of_the_account() {
    let shadows: Vec<InstanceConfig> =
        (0..6).map(|n| instance(&format!("s-{n}"), "market_making", Mode::Shadow)).collect();
    let live = instance("live", "market_making", Mode::Live);
    let mut core = core(&[shadows, vec![live]].concat(), None);
    core.on_bar(&bar(0, 100.0, 100.0)).unwrap();
    // Seven times 2 x 2 quotes of 500: more than the gross limit in all, but each account for itself is inside.
    assert_eq!(core.n_resting(), 28);
}

fn market(n_bars: usize) -> Vec<Bar> {
    let symbols = symbols()
        .iter()
        .map(|s| MarketSymbol { tick: s.tick, lot: s.lot, start_price: Price::from_f64(100.0).unwrap() })
        .collect();
    let spec = MarketSpec {
        seed: 4,
        n_bars,
        bar_ns: 900_000_000_000,
        start_at: Ts(1_600_041_600_000_000_000),
        symbols,
        volatility_bps: 12.0,
        bounce_bps: 8.0,
        burst_strength: 2.2,
        turn: None,
    };
    generate(&spec).unwrap()
}

#[test]
fn the_same_run_twice_gives_the_same_messages_and_hash() {
    let run = || {
        let mut instances = Vec::new();
        for (n, strategy) in ["market_making", "momentum_scalping", "sma_cross"].into_iter().enumerate() {
            let symbols = vec!["AAA".into(), "BBB".into()];
            instances.push(InstanceConfig { symbols, ..instance(&format!("i-{n}"), strategy, Mode::Live) });
        }
        let mut core = core(&instances, None);
        market(500).iter().for_each(|bar| core.on_bar(bar).unwrap());
        (core.drain_outbox(), core.actions_sha256(), core.marks(core.now()))
    };
    let (first, second) = (run(), run());
    assert!(trades(&first.0).len() > 100);
    assert_eq!(first, second);
}

#[test]
fn equity_is_capital_plus_the_round_trips_when_all_is_closed() {
    let mut core = core(&[instance("mm", "market_making", Mode::Live)], None);
    market(400).iter().for_each(|bar| core.on_bar(bar).unwrap());
    let command = model::message::Command {
        command_id: "c".into(),
        action: model::message::CommandAction::Flatten,
        by: "test".into(),
        reason: "end".into(),
    };
    let at = core.now();
    core.command(&command, at).unwrap();
    let last = Bar { opened_at: at, closed_at: at.plus_ns(1), ..bar(0, 100.0, 100.0) };
    core.on_bar(&last).unwrap();
    let mark = &core.marks(core.now())[0];
    let net = trades(&core.drain_outbox()).iter().fold(Money::ZERO, |sum, t| sum + t.net_pnl);
    assert_eq!(mark.positions["AAA"], Qty::ZERO);
    assert_eq!(mark.equity, mark.capital + net);
}
