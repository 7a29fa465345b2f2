//! Whether a run hears the events that its instances decide on. One that does not would never act, and look well.

use crate::error::CoreError;
use model::config::EngineConfig;
use model::{Driver, InstanceConfig, MarketStreams, VenueModel};

/// Whether every instance's driver is among what comes in for each of its symbols.
///
/// # Errors
/// The first instance that would wait for ever, with what to change.
pub(crate) fn check(config: &EngineConfig) -> Result<(), CoreError> {
    for instance in &config.instances {
        let (wanted, has): (&str, fn(&MarketStreams) -> bool) = match instance.driver {
            Driver::Bars => continue,
            Driver::Trades => ("trades", |s| s.trades),
            Driver::Quotes => ("quotes", |s| s.quotes),
            Driver::Book => ("depth", |s| s.depth),
        };
        if config.markets.is_empty() {
            let problem = format!("its driver needs {wanted}, and this run plays a feed of bars; configure `markets`");
            return Err(refused(instance, problem));
        }
        let is_heard = |symbol: &&String| {
            config.markets.iter().any(|market| has(&market.streams) && market.symbols.contains_key(*symbol))
        };
        if let Some(silent) = instance.symbols.iter().find(|symbol| !is_heard(symbol)) {
            let problem = format!("its driver needs {wanted} of {silent}, and no market streams them; add the stream");
            return Err(refused(instance, problem));
        }
        // Only that venue puts a book together from what changed in it; without one there is nothing to tell.
        if instance.driver == Driver::Book && config.venue.model != VenueModel::Book {
            let problem = "its driver needs the book that only the book venue keeps; set venue.model to book, or its driver \
                           to quotes, trades or bars";
            return Err(refused(instance, problem.to_owned()));
        }
    }
    Ok(())
}

fn refused(instance: &InstanceConfig, problem: String) -> CoreError {
    CoreError::Setup { what: format!("instance '{}'", instance.instance_id), problem }
}
