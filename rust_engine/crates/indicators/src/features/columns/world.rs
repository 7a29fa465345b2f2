//! Funding, and series about the world, as they were known at the close.

use crate::features::input::Input;
use crate::features::registry::{Columns, Normaliser};

pub(super) fn define_funding(c: &mut Columns) {
    let rate = c.graph.input(Input::FundingRate);
    let bps = c.graph.scale(rate, 1e4);
    c.feature("funding_rate_bps", Normaliser::Ratio, "bps", bps);
    for n in [72, 168] {
        let mean = c.graph.mean(bps, n);
        c.feature(format!("funding_mean_bps_{n}"), Normaliser::Ratio, "bps", mean);
        let z = c.graph.z_score(bps, n);
        c.feature(format!("funding_z_{n}"), Normaliser::Z, "sigma", z);
    }
    let change = c.graph.change(bps, 24);
    c.feature("funding_change_bps_24", Normaliser::Difference, "bps", change);
    let age = c.graph.input(Input::FundingAgeH);
    c.feature("funding_age_hours", Normaliser::Plain, "hours", age);
}

pub(super) fn define(c: &mut Columns) {
    let greed = c.graph.input(Input::FearGreed);
    let share = c.graph.scale(greed, 0.01);
    c.feature("fear_greed", Normaliser::Bounded, "0..1", share);
    let dominance = c.graph.input(Input::BtcDominance);
    let share = c.graph.scale(dominance, 0.01);
    c.feature("btc_dominance", Normaliser::Bounded, "0..1", share);
    let vix = c.graph.input(Input::Vix);
    let share = c.graph.scale(vix, 0.01);
    c.feature("vix", Normaliser::Ratio, "share/year", share);
    let bonds = c.graph.input(Input::Us10y);
    let share = c.graph.scale(bonds, 0.01);
    c.feature("us10y", Normaliser::Ratio, "share/year", share);
    for (name, input) in
        [("fear_greed", Input::FearGreed), ("btc_dominance", Input::BtcDominance), ("us10y", Input::Us10y)]
    {
        let level = c.graph.input(input);
        for n in [24, 168] {
            let change = c.graph.change(level, n);
            c.feature(format!("{name}_change_{n}"), Normaliser::Difference, "points", change);
        }
    }
    markets(c);
    ages(c);
}

fn markets(c: &mut Columns) {
    let close = c.graph.close();
    let own = c.graph.log_change(close, 24);
    let series = [("dxy", Input::Dxy), ("vix", Input::Vix), ("nasdaq", Input::Nasdaq), ("gold", Input::Gold)];
    for (name, input) in series {
        let level = c.graph.input(input);
        for n in [24, 168] {
            let change = c.graph.log_change(level, n);
            c.feature(format!("{name}_change_{n}"), Normaliser::Ratio, "log", change);
        }
        let z = c.graph.z_score(level, 720);
        c.feature(format!("{name}_z_720"), Normaliser::Z, "sigma", z);
        let change = c.graph.log_change(level, 24);
        for n in [168, 720] {
            let correlation = c.graph.correlation(own, change, n);
            c.feature(format!("{name}_correlation_{n}"), Normaliser::Coefficient, "-1..1", correlation);
        }
    }
    let rate = c.graph.input(Input::Hashrate);
    let change = c.graph.log_change(rate, 168);
    c.feature("hashrate_change_168", Normaliser::Ratio, "log", change);
}

fn ages(c: &mut Columns) {
    let ages = [
        ("fear_greed", Input::FearGreedAgeH),
        ("btc_dominance", Input::BtcDominanceAgeH),
        ("dxy", Input::DxyAgeH),
        ("vix", Input::VixAgeH),
        ("nasdaq", Input::NasdaqAgeH),
        ("gold", Input::GoldAgeH),
        ("us10y", Input::Us10yAgeH),
        ("hashrate", Input::HashrateAgeH),
    ];
    for (name, input) in ages {
        let age = c.graph.input(input);
        c.feature(format!("{name}_age_hours"), Normaliser::Plain, "hours", age);
    }
}
