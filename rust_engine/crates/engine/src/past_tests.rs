use crate::test_world::{after_burst, bar, core, instance};
use crate::{Core, CoreError, LiveRecorder};
use model::message::{Message, TradeEvent};
use model::{MarketEvent, Mode, Qty};

fn live(core: &mut Core<LiveRecorder>, n: i64, open: f64, close: f64) {
    core.on_market(&MarketEvent::Bar(bar(n, open, close))).unwrap();
}

fn missed(core: &mut Core<LiveRecorder>, n: i64, open: f64, close: f64) {
    core.on_market(&MarketEvent::Missed(bar(n, open, close))).unwrap();
}

fn position(core: &Core<LiveRecorder>) -> Qty {
    core.marks(core.now())[0].positions["AAA"]
}

fn trades(core: &mut Core<LiveRecorder>) -> Vec<TradeEvent> {
    let trade = |m| if let Message::TradeEvent(trade) = m { Some(trade) } else { None };
    core.drain_outbox().into_iter().filter_map(trade).collect()
}

#[test]
fn nothing_is_decided_on_a_missed_burst_and_the_next_live_bar_knows_it() {
    let quiet = |core: &mut Core<LiveRecorder>| (0..20).for_each(|n| live(core, n, 100.0, 100.0));
    let momentum = || core(&[instance("m-1", "momentum_scalping", Mode::Live)], None);
    let (mut here, mut away) = (momentum(), momentum());
    quiet(&mut here);
    quiet(&mut away);
    live(&mut here, 20, 100.0, 110.0);
    missed(&mut away, 20, 100.0, 110.0);
    assert_eq!((here.n_resting(), away.n_resting(), away.drain_outbox().len()), (1, 0, 0));
    assert_eq!(away.bars(), 20, "it was not traded");
    live(&mut away, 21, 110.0, 110.0);
    assert_eq!(
        away.n_resting(),
        1,
        "the move over the lookback, the missed bar in it, is seen at the first live close"
    );
}

#[test]
fn a_stop_that_was_crossed_meanwhile_acts_at_the_first_live_price() {
    let mut core = after_burst(Mode::Live, None);
    live(&mut core, 21, 110.0, 110.0);
    let held = position(&core);
    core.drain_outbox();
    missed(&mut core, 22, 110.0, 60.0);
    missed(&mut core, 23, 60.0, 70.0);
    assert_eq!((position(&core), core.n_resting()), (held, 2), "position, stop and target are as they were");
    assert!(trades(&mut core).is_empty());
    live(&mut core, 24, 75.0, 75.0);
    assert_eq!(position(&core), Qty::ZERO);
    assert_eq!(trades(&mut core)[0].exit.fill_price.to_string(), "75", "not at 60, which nobody could trade");
}

#[test]
fn an_order_that_would_open_ends_with_the_candle_that_was_missed() {
    let mut core = after_burst(Mode::Live, None);
    assert_eq!(core.n_resting(), 1);
    missed(&mut core, 21, 110.0, 90.0);
    assert_eq!(core.n_resting(), 0);
    live(&mut core, 22, 90.0, 90.0);
    assert_eq!(position(&core), Qty::ZERO, "the price that the entry was decided on is gone");
    for n in 23..50 {
        live(&mut core, n, 90.0, 90.0);
    }
    live(&mut core, 50, 90.0, 99.0);
    live(&mut core, 51, 99.0, 99.0);
    assert!(position(&core) > Qty::ZERO, "its strategy knows and enters again");
}

#[test]
fn a_candle_that_is_known_is_refused_whichever_way_it_comes() {
    let mut core = after_burst(Mode::Live, None);
    for event in [MarketEvent::Missed(bar(20, 100.0, 110.0)), MarketEvent::Missed(bar(3, 1.0, 1.0))] {
        assert!(matches!(core.on_market(&event), Err(CoreError::BackInTime { .. })));
    }
    missed(&mut core, 25, 110.0, 110.0);
    assert!(core.on_market(&MarketEvent::Bar(bar(25, 110.0, 110.0))).is_err());
    live(&mut core, 26, 110.0, 110.0);
}
