//! What every column is, one file a group.

mod calendar;
mod candle;
mod distribution;
mod microstructure;
mod momentum;
mod peers;
mod raw;
mod returns;
mod trend;
mod volatility;
mod volume;
mod world;

use super::registry::Columns;

/// Defines all columns, in the order of a whole vector.
pub(crate) fn define(columns: &mut Columns) {
    returns::define(columns.group("returns"));
    trend::define(columns.group("trend"));
    momentum::define(columns.group("momentum"));
    volume::define(columns.group("volume"));
    volatility::define(columns.group("volatility"));
    distribution::define(columns.group("distribution"));
    candle::define(columns.group("candle"));
    microstructure::define(columns.group("microstructure"));
    microstructure::define_book(columns.group("order_book"));
    peers::define(columns.group("cross_asset"));
    world::define_funding(columns.group("funding"));
    world::define(columns.group("world"));
    calendar::define(columns.group("calendar"));
    raw::define(columns);
}
