use super::*;
use crate::feed;
use crate::feed_file::write_rows;
use crate::input::Veto;
use crate::journal;
use crate::runtime::Standing;
use model::config::{AdvicePolicy, TradingState};
use model::message::{AdvanceTo, AdviceAnswer, Command, CommandAction, ParamsUpdate, RateUpdate};
use model::{
    Costs, Driver, InstanceConfig, MarketFeedConfig, MarketStreams, MarketVenue, Mode, Money, RiskLimits, RuleSet,
    StrategyParams, SymbolSpec, VenueModel,
};
use std::path::Path;

const HOUR: i64 = 3_600_000_000_000;

/// A wave, so that `sma_cross` trades every few bars.
fn write_feed(path: &Path, n: i64) {
    let rows: Vec<feed::Row> = (0..n)
        .map(|i| {
            let price = |k: i64| 100.0 + 10.0 * ((k % 24) as f64 / 24.0 * std::f64::consts::TAU).sin();
            let (open, close) = (price(i), price(i + 1));
            feed::Row {
                symbol: 0,
                opened_at_ns: i * HOUR,
                closed_at_ns: (i + 1) * HOUR,
                open,
                high: open.max(close) + 0.5,
                low: open.min(close) - 0.5,
                close,
                volume: 10.0,
            }
        })
        .collect();
    write_rows(path, &rows);
}

pub(super) fn config(dir: &Path, pace: Pace) -> EngineConfig {
    let feed = dir.join("bars.npy");
    write_feed(&feed, 200);
    let params = StrategyParams::defaults("sma_cross").unwrap().values();
    let params = params.into_iter().chain([("fast".to_owned(), 2.0), ("slow".to_owned(), 5.0)]).collect();
    EngineConfig {
        engine_id: "test-1".into(),
        state_dir: dir.join("state").display().to_string(),
        feed: feed.display().to_string(),
        symbols: vec![SymbolSpec::new("BTCUSDT", "0.01".parse().unwrap(), "0.001".parse().unwrap())],
        markets: Vec::new(),
        pace,
        state: model::config::StateConfig::default(),
        trade_from_ns: 20 * HOUR,
        instances: vec![InstanceConfig {
            instance_id: "sma-1".into(),
            strategy: "sma_cross".into(),
            symbols: vec!["BTCUSDT".into()],
            capital: "10000".parse().unwrap(),
            capital_share: 1.0,
            mode: Mode::Live,
            version: 1,
            params,
            driver: model::Driver::Bars,
            rules: None,
        }],
        costs: Costs::default(),
        venue: model::VenueConfig::default(),
        limits: {
            let money: model::Money = "100000".parse().unwrap();
            RiskLimits::basic(money, money, money, 500.0)
        },
        advice: AdvicePolicy {
            enabled: true,
            min_strength: 1.0,
            min_notional_krw: 100_000.0,
            krw_per_quote: 1400.0,
            rate_max_age_ms: 3_600_000 * 24 * 365,
            deadline_ms: 950,
        },
        mark_interval_ms: 6 * 3_600_000,
        bridge_url: "ws://127.0.0.1:1/ai_bridge".into(),
        bridge_encoding: Default::default(),
        bridge_compression: Default::default(),
        bridge_tls: None,
        secret_file: "unused".into(),
        dead_man_ms: None,
        metrics_listen: None,
    }
}

fn advance(hours: i64) -> Input {
    Input::Advance(AdvanceTo { to_ns: hours * HOUR })
}

/// Answers every request the way the test wants, until the grant is used up; returns everything said.
fn play(run: &mut Run, said: &mut Vec<Message>, seq: &mut u64, approve: bool) {
    loop {
        let more = run.advance(7).unwrap();
        let messages = run.commit(0).unwrap();
        let asked: Vec<String> = messages
            .iter()
            .filter_map(|m| if let Message::AdviceRequest(r) = m { Some(r.advice_id.clone()) } else { None })
            .collect();
        said.extend(messages);
        for advice_id in &asked {
            *seq += 1;
            let answer =
                AdviceAnswer { advice_id: advice_id.clone(), approve, size_factor: 0.5, reason: "test".into() };
            run.accept(Some(*seq), Input::Advice(answer), Ts(0)).unwrap();
        }
        if !more && asked.is_empty() {
            return;
        }
    }
}

fn update(run: &Run, fast: f64) -> ParamsUpdate {
    let state = &run.runtime().instance_states()[0];
    let mut params = state.params.clone();
    params.insert("fast".into(), fast);
    ParamsUpdate {
        deployment_id: format!("d-{fast}"),
        rules: None,
        instance_id: "sma-1".into(),
        base_version: state.params_version,
        base_sha256: state.params_sha256.clone(),
        version: state.params_version + 1,
        params_sha256: StrategyParams::validate("sma_cross", &params).unwrap().sha256(),
        capital_share: 1.0,
        params,
        origin: "test".into(),
        issued_at_ns: 0,
        expires_at_ns: i64::MAX,
    }
}

fn halt(id: &str, action: CommandAction) -> Input {
    Input::Command(Command { command_id: id.into(), action, by: "tester".into(), reason: "test".into() })
}

/// A run with every kind of input in it.
fn eventful(config: &EngineConfig) -> (Vec<Message>, Standing) {
    let (mut run, _) = Run::open(config).unwrap();
    let (mut said, mut seq) = (Vec::new(), 0);
    run.accept(Some(1), advance(60), Ts(0)).unwrap();
    run.accept(Some(2), Input::Rate(RateUpdate { krw_per_quote: 1300.0, observed_at_ns: 20 * HOUR }), Ts(0)).unwrap();
    seq += 2;
    play(&mut run, &mut said, &mut seq, true);
    let change = update(&run, 3.0);
    run.accept(Some(seq + 1), Input::Params(change), Ts(0)).unwrap();
    run.accept(Some(seq + 2), advance(120), Ts(0)).unwrap();
    seq += 2;
    play(&mut run, &mut said, &mut seq, true);
    run.accept(None, halt("c1", CommandAction::Flatten), Ts(0)).unwrap();
    run.accept(Some(seq + 1), advance(150), Ts(0)).unwrap();
    seq += 1;
    play(&mut run, &mut said, &mut seq, true);
    run.accept(None, halt("c2", CommandAction::Resume), Ts(0)).unwrap();
    run.accept(Some(seq + 1), advance(200), Ts(0)).unwrap();
    seq += 1;
    play(&mut run, &mut said, &mut seq, false);
    assert_eq!(run.received_seq(), seq);
    (said, run.runtime().standing())
}

fn count(messages: &[Message], kind: &str) -> usize {
    messages.iter().filter(|m| m.kind() == kind).count()
}

#[test]
fn opening_a_run_again_says_the_same_messages_and_stands_at_the_same_place() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Pace::Granted);
    let (said, standing) = eventful(&config);
    for kind in ["trade_event", "signal_event", "equity_mark", "advice_request", "params_ack", "command_ack", "reached"]
    {
        assert!(count(&said, kind) > 0, "{kind}");
    }
    let (mut run, _) = Run::open(&config).unwrap();
    assert_eq!(run.messages(1, usize::MAX).unwrap(), said);
    assert_eq!(run.runtime().standing(), standing);
    assert!(standing.feed_ended && standing.bars == 180 && standing.reached == Ts(200 * HOUR));
    drop(run);
    let replayed = replay(&config).unwrap();
    assert_eq!((replayed.standing, replayed.messages), (standing, said.len() as u64));
}

#[test]
fn a_run_cut_anywhere_makes_a_prefix_of_the_same_messages() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Pace::Granted);
    let (said, _) = eventful(&config);
    let path = Path::new(&config.state_dir).join(journal::JOURNAL_FILE);
    let whole = std::fs::read(&path).unwrap();
    let mut previous = 0;
    for cut in (0..whole.len()).step_by(whole.len() / 60 + 1) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        // The head is never ahead of the journal.
        std::fs::remove_file(path.with_file_name(journal::HEAD_FILE)).unwrap();
        let messages = Run::open(&config).unwrap().0.messages(1, usize::MAX).unwrap();
        assert_eq!(messages[..], said[..messages.len()]);
        assert!(messages.len() >= previous);
        previous = messages.len();
    }
    assert!(previous > said.len() / 2);
}

#[test]
fn an_order_that_waits_for_advice_stops_the_market_until_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, _) = Run::open(&config(dir.path(), Pace::Granted)).unwrap();
    run.accept(Some(1), advance(200), Ts(0)).unwrap();
    assert!(!run.advance(10_000).unwrap());
    assert!(run.runtime().waits_for_advice());
    let messages = run.commit(0).unwrap();
    assert_eq!((count(&messages, "advice_request"), count(&messages, "reached")), (1, 0));
    run.accept(None, Input::Veto(Veto::AdvisorTimeout), Ts(0)).unwrap();
    assert!(!run.runtime().waits_for_advice());
    let vetoed = run.commit(0).unwrap();
    assert!(matches!(&vetoed[..], [Message::SignalEvent(s)] if s.outcome == "advisor_timeout"), "{vetoed:?}");
}

#[test]
fn marks_come_at_round_times_and_reached_comes_last() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), Pace::Granted);
    config.advice.enabled = false;
    let (mut run, _) = Run::open(&config).unwrap();
    run.accept(Some(1), advance(48), Ts(0)).unwrap();
    assert!(!run.advance(10_000).unwrap());
    let messages = run.commit(0).unwrap();
    let marks: Vec<i64> = messages
        .iter()
        .filter_map(|m| if let Message::EquityMark(mark) = m { Some(mark.at_ns / HOUR) } else { None })
        .collect();
    assert_eq!(marks, vec![24, 30, 36, 42, 48]);
    assert!(matches!(messages.last(), Some(Message::Reached(r)) if r.to_ns == 48 * HOUR && r.bars == 28));
    run.accept(Some(2), advance(10), Ts(0)).unwrap();
    run.advance(10).unwrap();
    assert!(matches!(&run.commit(0).unwrap()[..], [Message::Reached(r)] if r.to_ns == 48 * HOUR));
}

#[test]
fn in_real_time_the_worker_cannot_grant_time() {
    let dir = tempfile::tempdir().unwrap();
    let (mut run, _) = Run::open(&config(dir.path(), Pace::Realtime)).unwrap();
    let said = run.accept(Some(1), advance(200), Ts(21 * HOUR)).unwrap();
    assert!(said.is_some_and(|why| why.contains("wall clock")));
    assert!(!run.advance(10).unwrap());
    assert_eq!(run.runtime().next_due(), Some(Ts(21 * HOUR)));
    run.accept(None, advance(21), Ts(21 * HOUR)).unwrap();
    run.advance(10).unwrap();
    assert_eq!(run.runtime().standing().bars, 1);
    assert_eq!(count(&run.commit(0).unwrap(), "reached"), 0);
}

#[test]
fn a_start_with_another_feed_or_configuration_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Pace::Granted);
    drop(Run::open(&config).unwrap());
    let mut richer = config.clone();
    richer.limits.max_order_notional = Money::ZERO;
    let refused = |c: &EngineConfig| Run::open(c).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused(&richer).contains("another 'limits'"));
    let mut moved = config.clone();
    moved.advice.krw_per_quote = 1500.0;
    moved.bridge_url = "ws://127.0.0.1:2/ai_bridge".into();
    Run::open(&moved).unwrap();
    write_feed(Path::new(&config.feed), 201);
    assert!(refused(&config).contains("another 'feed'"));
}

#[test]
fn a_start_with_another_rule_set_is_refused_by_the_instance_and_both_hashes() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), Pace::Granted);
    let rules = |window: u8| {
        let text = r#"{"name":"up","entry_long":{"above":["close",{"sma":{"window":N}}]},"exit_long":{"below":["close","open"]}}"#;
        RuleSet::parse(&text.replace('N', &window.to_string())).unwrap()
    };
    let follower = &mut config.instances[0];
    (follower.instance_id, follower.strategy) = ("rules-1".into(), "rules".into());
    follower.params = StrategyParams::defaults("rules").unwrap().values();
    follower.rules = Some(rules(5));
    drop(Run::open(&config).unwrap());
    Run::open(&config).unwrap();
    config.instances[0].rules = Some(rules(6));
    let refused = Run::open(&config).err().map(|e| e.to_string()).unwrap_or_default();
    for part in ["rules-1", &rules(5).sha256().unwrap(), &rules(6).sha256().unwrap(), "another strategy"] {
        assert!(refused.contains(part), "{refused}");
    }
}

#[test]
fn a_run_of_some_of_the_configured_strategies_is_replayed_by_the_whole_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let chosen = config(dir.path(), Pace::Granted);
    let (messages, standing) = eventful(&chosen);
    assert!(!messages.is_empty());
    let mut whole = chosen.clone();
    whole.instances.push(InstanceConfig { instance_id: "sma-2".into(), ..chosen.instances[0].clone() });
    assert_eq!(replay(&whole).unwrap().standing, standing);
    let mut changed = whole.clone();
    changed.instances[0].capital = "9000".parse().unwrap();
    assert!(replay(&changed).unwrap_err().to_string().contains("another 'instances'"));
}

#[test]
fn an_instance_that_the_run_tells_nothing_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), Pace::Granted);
    config.instances[0].driver = Driver::Quotes;
    let refused = |c: &EngineConfig| Run::open(c).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(refused(&config).contains("instance 'sma-1': its driver needs quotes"), "{}", refused(&config));
    config.instances[0].strategy = "micro_arbitrage".into();
    config.instances[0].params = StrategyParams::defaults("micro_arbitrage").unwrap().values();
    config.instances[0].driver = Driver::Bars;
    assert!(refused(&config).contains("'micro_arbitrage' decides on quotes and books"), "{}", refused(&config));
}

#[test]
fn an_instance_that_decides_on_books_needs_the_venue_that_keeps_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), Pace::Realtime);
    config.instances[0].driver = Driver::Book;
    let symbols = config.symbols.iter().map(|spec| (spec.name.clone(), spec.name.clone())).collect();
    config.markets.push(MarketFeedConfig {
        venue: MarketVenue::BinanceSpot,
        symbols,
        streams: MarketStreams { depth: true, ..MarketStreams::default() },
        ws_url: None,
        rest_url: None,
        stale_after_ms: 60_000,
    });
    for model in [VenueModel::Bars, VenueModel::External, VenueModel::Book] {
        config.venue.model = model;
        let refused = crate::heard::check(&config).err().map(|e| e.to_string());
        let expected = "instance 'sma-1': its driver needs the book that only the book venue keeps; set venue.model to book, \
                        or its driver to quotes, trades or bars";
        assert_eq!(refused.as_deref(), (model != VenueModel::Book).then_some(expected));
    }
}

#[test]
fn a_halt_is_latched_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), Pace::Granted);
    let (mut run, _) = Run::open(&config).unwrap();
    run.accept(None, halt("c1", CommandAction::Halt), Ts(0)).unwrap();
    run.commit(0).unwrap();
    drop(run);
    let (mut run, _) = Run::open(&config).unwrap();
    assert_eq!(run.runtime().state(), TradingState::Halted);
    let messages = run.messages(1, usize::MAX).unwrap();
    assert_eq!((count(&messages, "state_changed"), count(&messages, "command_ack")), (1, 1));
}
