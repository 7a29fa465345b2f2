use crate::{Breach, RiskGate, Rule};
use model::{Money, RiskLimits, SymbolSpec, TradingState, Ts};
use proptest::prelude::*;

const HOUR: i64 = 3_600_000_000_000;

fn usd(value: f64) -> Money {
    Money::from_f64(value).unwrap()
}

fn limits() -> RiskLimits {
    RiskLimits::basic(usd(1.0), usd(1.0), usd(1.0), 100.0)
}

/// A loss of 1,000 a day and a fall of 20 % halt; four fifths of it reduce.
fn gate(daily: bool, drawdown: bool) -> RiskGate {
    let limits = RiskLimits {
        max_daily_loss: daily.then(|| usd(1_000.0)),
        max_drawdown_pct: drawdown.then_some(20.0),
        ..limits()
    };
    RiskGate::new(Some(limits), &[SymbolSpec::new("AAA", "1".parse().unwrap(), "1".parse().unwrap())]).unwrap()
}

fn mark(gate: &mut RiskGate, hour: i64, equity: f64) -> Option<(TradingState, Rule)> {
    gate.on_equity(Ts(hour * HOUR), usd(equity), usd(10_000.0)).map(|Breach { state, rule, .. }| (state, rule))
}

#[test]
fn a_daily_loss_reduces_and_then_halts() {
    let mut gate = gate(true, false);
    assert_eq!(mark(&mut gate, 1, 9_200.01), None);
    assert_eq!(mark(&mut gate, 2, 9_200.0), Some((TradingState::Reducing, Rule::MaxDailyLoss)));
    assert_eq!(mark(&mut gate, 3, 9_199.0), None, "once");
    assert_eq!(mark(&mut gate, 4, 9_900.0), None, "a recovery releases nothing");
    assert_eq!(gate.state(), TradingState::Reducing);
    let breach = gate.on_equity(Ts(5 * HOUR), usd(9_000.0), usd(10_000.0)).unwrap();
    assert_eq!(breach.text, "max_daily_loss: the account lost 1000 since 00:00 UTC; the limit is 1000");
    let stop = gate.stop().unwrap();
    assert_eq!((stop.state, stop.by.as_str(), stop.at), (TradingState::Halted, "risk", Ts(5 * HOUR)));
    assert!(stop.release.contains("resume"));
}

#[test]
fn a_new_utc_day_starts_from_the_last_equity_of_the_old_one() {
    let mut gate = gate(true, false);
    assert_eq!(mark(&mut gate, 23, 9_300.0), None);
    assert_eq!(mark(&mut gate, 24, 8_600.0), None, "700 on each of two days");
    assert_eq!(mark(&mut gate, 47, 8_300.0), Some((TradingState::Halted, Rule::MaxDailyLoss)));
}

#[test]
fn a_fall_from_the_peak_counts_over_days() {
    let mut gate = gate(false, true);
    assert_eq!(mark(&mut gate, 1, 20_000.0), None);
    assert_eq!(mark(&mut gate, 100, 16_800.01), None);
    assert_eq!(mark(&mut gate, 200, 16_800.0), Some((TradingState::Reducing, Rule::MaxDrawdown)));
    assert_eq!(mark(&mut gate, 300, 16_000.0), Some((TradingState::Halted, Rule::MaxDrawdown)));
    assert_eq!(
        gate.stop().unwrap().reason,
        "max_drawdown_pct: the account fell 4000 from its peak of 20000; the limit is 4000"
    );
}

#[test]
fn the_stronger_of_two_breaches_counts() {
    // A loss of 1,700 halts by the day and only reduces by the peak; without a daily limit it only reduces.
    assert_eq!(mark(&mut gate(true, true), 1, 8_300.0), Some((TradingState::Halted, Rule::MaxDailyLoss)));
    assert_eq!(mark(&mut gate(false, true), 1, 8_300.0), Some((TradingState::Reducing, Rule::MaxDrawdown)));
    let mut both = gate(true, true);
    // Day by day 900 less: the day only reduces, the peak halts at the third.
    assert_eq!(mark(&mut both, 1, 9_100.0), Some((TradingState::Reducing, Rule::MaxDailyLoss)));
    assert_eq!(mark(&mut both, 25, 8_200.0), None);
    assert_eq!(mark(&mut both, 49, 7_300.0), Some((TradingState::Halted, Rule::MaxDrawdown)));
}

#[test]
fn a_resume_accepts_the_loss_and_measures_from_there() {
    let mut gate = gate(true, true);
    assert_eq!(mark(&mut gate, 1, 8_000.0), Some((TradingState::Halted, Rule::MaxDailyLoss)));
    assert_eq!(gate.resume("kim"), Ok(true));
    assert_eq!(mark(&mut gate, 2, 7_900.0), None);
    assert_eq!(mark(&mut gate, 3, 7_200.0), Some((TradingState::Reducing, Rule::MaxDailyLoss)));
}

#[test]
fn a_limit_reached_while_the_gate_is_unready_is_told_and_stays_latched() {
    let mut gate = gate(true, false);
    gate.make_unready("reconciliation: no_answer: timeout", Ts(0));
    assert_eq!(mark(&mut gate, 1, 9_200.0), Some((TradingState::Reducing, Rule::MaxDailyLoss)));
    assert_eq!(mark(&mut gate, 2, 9_100.0), None, "once");
    assert_eq!(mark(&mut gate, 3, 9_000.0), Some((TradingState::Halted, Rule::MaxDailyLoss)));
    assert_eq!(gate.latched().map(|halt| (halt.state, halt.by.as_str())), Some((TradingState::Halted, "risk")));
    gate.make_ready();
    assert_eq!(gate.state(), TradingState::Halted);
}

#[test]
fn capital_moved_in_or_out_is_neither_profit_nor_loss() {
    let mut gate = gate(true, true);
    assert_eq!(mark(&mut gate, 1, 9_500.0), None);
    assert_eq!(gate.on_equity(Ts(2 * HOUR), usd(4_500.0), usd(5_000.0)), None, "5,000 taken out");
    let breach = gate.on_equity(Ts(3 * HOUR), usd(4_200.0), usd(5_000.0)).unwrap();
    assert_eq!((breach.state, breach.rule), (TradingState::Reducing, Rule::MaxDailyLoss), "800 lost of 5,000");
}

#[test]
fn without_limits_no_equity_stops_anything() {
    let mut gate = RiskGate::new(None, &[]).unwrap();
    assert_eq!(gate.on_equity(Ts(0), usd(-5.0), usd(100.0)), None);
    assert_eq!(gate.state(), TradingState::Active);
}

proptest! {
    #[test]
    fn trading_stops_exactly_when_a_loss_reaches_its_limit(
        marks in proptest::collection::vec((0_i64..20, 5_000_i64..15_000), 1..40)
    ) {
        let mut gate = gate(true, true);
        let (mut at, mut day, mut start, mut last, mut peak) = (0, 0, 10_000, 10_000, 10_000);
        for (hours, equity) in marks {
            at += hours;
            if at / 24 > day {
                (day, start) = (at / 24, last);
            }
            last = equity;
            peak = peak.max(equity);
            let halts = start - equity >= 1_000 || (peak - equity) * 5 >= peak;
            let before = gate.state();
            let breach = gate.on_equity(Ts(at * HOUR), usd(equity as f64), usd(10_000.0));
            if halts {
                prop_assert_eq!(gate.state(), TradingState::Halted);
            } else {
                let reduces = start - equity >= 800 || (peak - equity) * 25 >= peak * 4;
                prop_assert_eq!(gate.state() != before, reduces && before == TradingState::Active);
            }
            prop_assert_eq!(breach.is_some(), gate.state() != before);
        }
    }
}
