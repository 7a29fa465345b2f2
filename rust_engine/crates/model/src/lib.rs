//! What a thing is: fixed-point numbers, market events, orders, parameters and the messages of the bridge.
//!
//! # Layout
//! - [`fixed`]: `Price`, `Qty` and `Money`, exact integers with decimal text at the edges
//! - [`time`]: `Ts`, nanoseconds since 1970 in UTC; time always comes with an event
//! - [`market`]: `SymbolSpec`, and what the market says: `Bar`, `MarketTrade`, `Quote`, `Depth`, `Funding`
//! - [`order`]: `Side`, `OrderRequest`, `Fill`, `OrderUpdate`
//! - [`event`]: what a strategy is told, and what it may ask for
//! - [`params`]: one typed parameter struct per strategy, with bounds, step, unit and risk direction
//! - [`rules`]: a strategy as data, and what makes one acceptable
//! - [`config`]: instances, costs and limits, as read from the engine's own configuration
//! - [`message`]: everything that crosses the bridge, one struct per message
//!
//! **Invariant:** values only. Nothing here reads a clock, a file or a socket.

pub mod config;
pub mod event;
pub mod fixed;
pub mod market;
pub mod message;
pub mod order;
pub mod params;
pub mod rules;
pub mod time;

pub use config::{
    CandleInterval, Costs, Driver, FeeTier, InstanceConfig, MarketFeedConfig, MarketStreams, MarketVenue, Mode,
    QueueModel, RiskLimits, SweptFill, TradingState, VenueConfig, VenueModel,
};
pub use event::{
    Action, Actions, Capture, Event, FeedbackView, OpportunityView, PredictionView, Resting, SignalView, Worked,
};
pub use fixed::{FixedError, Money, Price, Qty};
pub use market::{
    Bar, BookTop, Depth, Funding, Level, MarketEvent, MarketTrade, Quote, Staleness, SymbolId, SymbolSpec, TOP_LEVELS,
};
pub use order::{
    Algorithm, CancelReason, Fill, InstanceId, Liquidity, OrderId, OrderKind, OrderRequest, OrderUpdate, ParentOrder,
    Purpose, Side, TimeInForce,
};
pub use params::{ParamError, ParamSpec, StrategyParams};
pub use rules::RuleSet;
pub use time::Ts;
