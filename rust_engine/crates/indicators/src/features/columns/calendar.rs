//! The time at which the bar closed, UTC: that of the decision.

use crate::features::graph::Series;
use crate::features::input::Input;
use crate::features::op::Part;
use crate::features::registry::{Columns, Normaliser};
use std::f64::consts::TAU;

pub(super) fn define(c: &mut Columns) {
    let time = c.graph.input(Input::ClosedAtMs);
    let plain = [
        ("hour_of_day", Part::HourOfDay, "hours"),
        ("minute_of_hour", Part::MinuteOfHour, "minutes"),
        ("weekday", Part::Weekday, "0 Monday..6"),
        ("hours_to_funding", Part::HoursToFunding, "hours"),
    ];
    for (name, part, unit) in plain {
        let value = c.graph.part(time, part);
        c.feature(name, Normaliser::Plain, unit, value);
    }
    let (hour, day) = (c.graph.part(time, Part::HourOfDay), c.graph.part(time, Part::DayOfWeek));
    let month = c.graph.part(time, Part::OfMonth);
    circle(c, "hour", hour, 24.0);
    circle(c, "week", day, 7.0);
    circle(c, "month", month, 1.0);
    // Hours UTC in which the exchanges of a region are open, without their holidays.
    for (name, opens, closes) in [("asia", 0.0, 8.0), ("europe", 7.0, 15.5), ("us", 13.5, 20.0)] {
        let open = c.graph.between(hour, opens, closes);
        c.feature(format!("session_{name}"), Normaliser::Plain, "0 or 1", open);
    }
    let weekday = c.graph.part(time, Part::Weekday);
    let weekend = c.graph.between(weekday, 5.0, 7.0);
    c.feature("weekend", Normaliser::Plain, "0 or 1", weekend);
}

fn circle(c: &mut Columns, name: &str, value: Series, whole: f64) {
    let angle = c.graph.scale(value, TAU / whole);
    let (sine, cosine) = (c.graph.sine(angle), c.graph.cosine(angle));
    c.feature(format!("{name}_sin"), Normaliser::Bounded, "-1..1", sine);
    c.feature(format!("{name}_cos"), Normaliser::Bounded, "-1..1", cosine);
}
