//! What must hold before an engine may trade an account. Each lock refuses by name.

use super::approval::{self, Approval, NotApproved};
use super::config::{LiveConfig, LiveConfigError, Market};
use model::config::{EngineConfig, Pace};
use model::{Ts, VenueModel};

/// Why an engine may not trade an account.
#[derive(Debug, thiserror::Error)]
pub enum Locked {
    /// It simulates.
    #[error("not_external: the engine's venue.model is simulated; set it to external to trade an account")]
    NotExternal,
    /// It does not follow the market as it happens.
    #[error("not_live_data: an account is traded on live markets in real time; set pace to realtime and name markets")]
    NotLiveData,
    /// Shadows and twins are simulated, whatever the venue is.
    #[error("nothing_live: no instance is live or canary, so nothing would trade the account; simulate the venue")]
    NothingLive,
    /// Its fills are made up.
    #[error("instance '{0}' runs liquidation, which is for paper alone")]
    PaperOnly(String),
    /// The engine would sell what is not its own.
    #[error("short_on_spot: venue.short_sales is true, but a Spot account cannot hold less than nothing; leave it out")]
    ShortOnSpot,
    /// The engine would refuse every short sale, and targets beside stops.
    #[error("no_short_sales: a USD-M account may hold less than nothing; set venue.short_sales to true")]
    NoShortSales,
    /// Losses would not stop it.
    #[error("no_loss_limit: set limits.max_daily_loss or limits.max_drawdown_pct before an account is traded")]
    NoLossLimit,
    /// See [`LiveConfigError`].
    #[error(transparent)]
    Config(#[from] LiveConfigError),
    /// See [`NotApproved`].
    #[error(transparent)]
    NotApproved(#[from] NotApproved),
}

/// Checks what can be said before an operator approves.
///
/// # Errors
/// [`Locked`] with the first lock that holds.
pub fn check_config(engine: &EngineConfig, live: &LiveConfig) -> Result<(), Locked> {
    live.check(&engine.symbols)?;
    if engine.venue.model != VenueModel::External {
        return Err(Locked::NotExternal);
    }
    match (live.market()?, engine.venue.short_sales) {
        (Market::Spot, true) => return Err(Locked::ShortOnSpot),
        (Market::Usdm, false) => return Err(Locked::NoShortSales),
        (Market::Spot, false) | (Market::Usdm, true) => {}
    }
    if engine.pace != Pace::Realtime || engine.markets.is_empty() {
        return Err(Locked::NotLiveData);
    }
    let funded = || engine.instances.iter().filter(|instance| instance.mode.is_funded());
    if funded().next().is_none() {
        return Err(Locked::NothingLive);
    }
    if let Some(paper) = funded().find(|instance| instance.strategy == "liquidation") {
        return Err(Locked::PaperOnly(paper.instance_id.clone()));
    }
    if !engine.limits.limits_losses() {
        return Err(Locked::NoLossLimit);
    }
    Ok(())
}

/// Checks everything, and gives the approval that lets the engine trade.
///
/// # Errors
/// [`Locked`] with the first lock that holds.
pub fn check(engine: &EngineConfig, live: &LiveConfig, now: Ts) -> Result<Approval, Locked> {
    check_config(engine, live)?;
    Ok(approval::check(&engine.limits, live, now)?)
}
