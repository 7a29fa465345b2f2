//! Operations that carry nothing from bar to bar.
#![allow(clippy::eq_op, reason = "y - y is 0, and no number where y is none")]

use super::engine::Rows;
use super::op::{Op, Part};

/// Runs an operation over the rows.
#[inline]
pub(crate) fn run(op: Op, a: [u16; 3], out: u16, rows: &mut impl Rows) {
    match op {
        Op::Time(part) => rows.map1(a, out, |x| part_of(part, x)),
        Op::Scale(k) => rows.map1(a, out, |x| x * k.get()),
        Op::Offset(k) => rows.map1(a, out, |x| x + k.get()),
        Op::Between(low, high) => rows.map1(a, out, |x| between(x, low.get(), high.get())),
        Op::Abs => rows.map1(a, out, f64::abs),
        Op::Sqrt => rows.map1(a, out, f64::sqrt),
        Op::Sign => rows.map1(a, out, |x| if x == 0.0 { 0.0 } else { x.signum() }),
        Op::Positive => rows.map1(a, out, |x| if x < 0.0 { 0.0 } else { x }),
        Op::Negative => rows.map1(a, out, |x| if x > 0.0 { 0.0 } else { -x }),
        Op::Sine => rows.map1(a, out, f64::sin),
        Op::Cosine => rows.map1(a, out, f64::cos),
        Op::Logistic => rows.map1(a, out, |x| 1.0 / (1.0 + (-x).exp())),
        Op::Add => rows.map2(a, out, |x, y| x + y),
        Op::Sub => rows.map2(a, out, |x, y| x - y),
        Op::Mul => rows.map2(a, out, |x, y| x * y),
        Op::Div(k) => rows.map2(a, out, |x, y| k.get() * over(x, y)),
        Op::Ratio(k) => rows.map2(a, out, |x, y| k.get() * (over(x, y) - 1.0)),
        Op::Balance(k) => rows.map2(a, out, |x, y| k.get() * over(x - y, x + y)),
        Op::Share(k) => rows.map2(a, out, |x, y| k.get() * share(x, y)),
        Op::Line(k) => rows.map2(a, out, |x, y| x + k.get() * y),
        Op::Signed => rows.map2(a, out, |x, y| if y == 0.0 { 0.0 } else { x * y.signum() }),
        Op::Rising => rows.map2(a, out, |x, y| if y <= 0.0 { 0.0 } else { x + (y - y) }),
        Op::Falling => rows.map2(a, out, |x, y| if y >= 0.0 { 0.0 } else { x + (y - y) }),
        Op::TwoLess => rows.map2(a, out, |x, y| 2.0 * x - y),
        Op::Log => rows.map2(a, out, |x, y| if x > 0.0 && y > 0.0 { (x / y).ln() } else { f64::NAN }),
        Op::Larger => rows.map2(a, out, |x, y| if x > y || x.is_nan() { x } else { y }),
        Op::Smaller => rows.map2(a, out, |x, y| if x < y || x.is_nan() { x } else { y }),
        Op::MovedUp => rows.map2(a, out, dominant),
        Op::MovedDown => rows.map2(a, out, |x, y| dominant(-y, -x)),
        Op::CorwinSchultz => rows.map2(a, out, corwin_schultz),
        Op::Within(k) => rows.map3(a, out, |x, low, high| k.get() * over(x - low, high - low)),
        Op::ThreeLess => rows.map3(a, out, |x, y, z| 3.0 * (x - y) + z),
        Op::Location => rows.map3(a, out, |close, low, high| 2.0 * share(close - low, high - close) - 1.0),
        Op::TrueRange => rows.map3(a, out, true_range),
        Op::Typical => rows.map3(a, out, |high, low, close| (high + low + close) / 3.0),
        // Inputs are filled in by the caller; everything else has a state and so a kernel of its own.
        _ => {}
    }
}

#[inline]
fn over(x: f64, y: f64) -> f64 {
    if y == 0.0 { f64::NAN } else { x / y }
}

#[inline]
fn share(x: f64, y: f64) -> f64 {
    let whole = x + y;
    if whole == 0.0 { 0.5 } else { x / whole }
}

/// Movement `up` where it is further than the opposite one, `-down`.
#[inline]
fn dominant(up: f64, down: f64) -> f64 {
    let known = up + down;
    if up > -down && up > 0.0 { up } else { known - known }
}

/// Without a previous close there is no true range.
#[inline]
fn true_range(high: f64, low: f64, previous: f64) -> f64 {
    let (top, bottom) = (if high > previous { high } else { previous }, if low < previous { low } else { previous });
    top - bottom
}

#[inline]
fn between(x: f64, low: f64, high: f64) -> f64 {
    if x.is_nan() {
        x
    } else if x >= low && x < high {
        1.0
    } else {
        0.0
    }
}

/// Corwin and Schultz (2012), equations 14 and 18, negative estimates being zero: `beta` is the sum of the squared log ranges
/// of two bars, `gamma` the squared log range of both together.
fn corwin_schultz(beta: f64, gamma: f64) -> f64 {
    let denominator = 3.0 - 2.0 * std::f64::consts::SQRT_2;
    let alpha = ((2.0 * beta).sqrt() - beta.sqrt()) / denominator - (gamma / denominator).sqrt();
    let spread = 2.0 * (alpha.exp() - 1.0) / (1.0 + alpha.exp());
    if spread < 0.0 { 0.0 } else { spread }
}

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: f64 = 3_600_000.0;

fn part_of(part: Part, at_ms: f64) -> f64 {
    let at = at_ms as i64;
    let (day, within) = (at.div_euclid(DAY_MS), at.rem_euclid(DAY_MS));
    // 1970 began on a Thursday.
    let weekday = (day + 3).rem_euclid(7);
    match part {
        Part::HourOfDay => within as f64 / HOUR_MS,
        Part::MinuteOfHour => (within.rem_euclid(3_600_000) / 60_000) as f64,
        Part::Weekday => weekday as f64,
        Part::DayOfWeek => weekday as f64 + within as f64 / DAY_MS as f64,
        Part::OfMonth => share_of_month(day, within),
        Part::HoursToFunding => 8.0 - (within.rem_euclid(8 * 3_600_000)) as f64 / HOUR_MS,
    }
}

/// Civil date by Hinnant's days_from_civil, years beginning in March.
fn share_of_month(day: i64, within_ms: i64) -> f64 {
    let era_day = (day + 719_468).rem_euclid(146_097);
    let year = (era_day - era_day / 1_460 + era_day / 36_524 - era_day / 146_096) / 365;
    let day_of_year = era_day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let first = (153 * month + 2) / 5;
    // The year that ends this February is the one that began last March, less one.
    let civil = year + 1;
    let is_leap = civil % 4 == 0 && (civil % 100 != 0 || civil % 400 == 0);
    let length = match month {
        11 => 28 + i64::from(is_leap),
        _ => (153 * (month + 1) + 2) / 5 - first,
    };
    ((day_of_year - first) as f64 + within_ms as f64 / DAY_MS as f64) / length as f64
}
