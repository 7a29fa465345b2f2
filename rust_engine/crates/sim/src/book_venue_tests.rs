use super::*;
use crate::outcome::BookVenueError;
use model::{Depth, Level, MarketTrade, OrderKind, SweptFill, TimeInForce, VenueModel};
use risk::{Exposure as Held, RiskGate};

#[path = "book_venue_refusals_tests.rs"]
mod refusals;
#[path = "book_venue_session_tests.rs"]
mod session;

const TICK: i64 = 100;
const LOT: i64 = 10;
const A: SymbolId = SymbolId(0);
const ME: InstanceId = InstanceId(3);

struct Nothing;

impl Held for Nothing {
    fn last_price(&self, _: SymbolId) -> Price {
        Price::ZERO
    }
    fn position(&self, _: InstanceId, _: SymbolId) -> Qty {
        Qty::ZERO
    }
    fn resting(&self, _: InstanceId, _: SymbolId) -> (Qty, Qty) {
        (Qty::ZERO, Qty::ZERO)
    }
    fn gross_elsewhere(&self, _: InstanceId, _: SymbolId) -> model::Money {
        model::Money::ZERO
    }
}

fn config() -> VenueConfig {
    VenueConfig { model: VenueModel::Book, order_latency_us: 10, feed_latency_us: 5, ..VenueConfig::default() }
}

/// Lots, tick and whether as maker, or why it ended.
type Told = Result<(i64, i64, bool), CancelReason>;

/// A venue of one symbol, and what it answered.
struct World {
    venue: BookVenue<u64>,
    gate: RiskGate,
    out: Vec<VenueOutcome<u64>>,
}

fn us(n: i64) -> Ts {
    Ts(n * 1_000)
}

impl World {
    fn new(config: &VenueConfig) -> Self {
        let symbols = [SymbolSpec::new("A", Price(TICK), Qty(LOT))];
        let gate = RiskGate::new(None, &symbols).unwrap();
        Self { venue: BookVenue::new(&symbols, config).unwrap(), gate, out: Vec::new() }
    }

    fn send(&mut self, id: u64, side: Side, kind: OrderKind, lots: i64, tif: TimeInForce, now: Ts) {
        let order = OrderRequest {
            id: OrderId(id),
            instance: ME,
            kind,
            tif,
            ..OrderRequest::market(A, side, Qty(lots * LOT), Price(1))
        };
        let approved = self.gate.approve(order, now, &Nothing).unwrap();
        self.venue.send(approved, now, id);
    }

    fn limit(&mut self, id: u64, side: Side, tick: i64, lots: i64, now: Ts) {
        self.send(id, side, OrderKind::Limit { price: Price(tick * TICK) }, lots, TimeInForce::Gtc, now);
    }

    fn level(&mut self, side: Side, tick: i64, lots: i64, at: Ts) {
        let level = Level { side, price: Price(tick * TICK), qty: Qty(lots * LOT) };
        let depth =
            Depth { symbol: A, at, exch_at: at, first_id: 1, last_id: 1, is_snapshot: false, levels: vec![level] };
        self.venue.on_market(&MarketEvent::Depth(depth), &mut self.out);
    }

    fn print(&mut self, aggressor: Side, tick: i64, lots: i64, at: Ts) {
        let trade = MarketTrade {
            symbol: A,
            at,
            exch_at: at,
            price: Price(tick * TICK),
            qty: Qty(lots * LOT),
            aggressor,
            id: 1,
        };
        self.venue.on_market(&MarketEvent::Trade(trade), &mut self.out);
    }

    fn quote(&mut self, bid: (i64, i64), ask: (i64, i64), at: Ts) {
        let quote = Quote {
            symbol: A,
            at,
            exch_at: at,
            bid: Price(bid.0 * TICK),
            bid_qty: Qty(bid.1 * LOT),
            ask: Price(ask.0 * TICK),
            ask_qty: Qty(ask.1 * LOT),
        };
        self.venue.on_market(&MarketEvent::Quote(quote), &mut self.out);
    }

    /// A book of 10 lots on ticks 99 and 98, and on 101 and 102.
    fn with_book(config: &VenueConfig) -> Self {
        let mut world = Self::new(config);
        for (side, tick) in [(Side::Buy, 98), (Side::Buy, 99), (Side::Sell, 102), (Side::Sell, 101)] {
            world.level(side, tick, 10, us(100));
        }
        world
    }

    /// What was answered until `now`: id, lots, tick and whether as maker, or the reason of the end.
    fn told(&mut self, now: Ts) -> Vec<(u64, Told)> {
        self.venue.on_time(now, &mut self.out);
        let one = |outcome: VenueOutcome<u64>| match outcome {
            VenueOutcome::Fill { order, qty, price, liquidity, tag, .. } => {
                assert_eq!(order.id.0, tag);
                (tag, Ok((qty.0 / LOT, price.0 / TICK, liquidity == Liquidity::Maker)))
            }
            VenueOutcome::Ended { order, reason, .. } => (order.id.0, Err(reason)),
        };
        self.out.drain(..).map(one).collect()
    }
}

#[test]
fn an_order_meets_the_book_of_the_moment_it_arrives() {
    let mut world = World::with_book(&config());
    world.send(1, Side::Buy, OrderKind::Market, 15, TimeInForce::Gtc, us(200));
    assert_eq!(world.venue.resting(ME, A), (Qty(15 * LOT), Qty::ZERO));
    // Made at 204 and 209: before the order arrives at 210.
    world.level(Side::Sell, 101, 0, us(209));
    world.level(Side::Sell, 102, 12, us(214));
    assert_eq!(world.told(us(214)), [], "the answer is due at 215");
    assert_eq!(world.told(us(215)), [(1, Ok((12, 102, false)))]);
    assert_eq!(world.venue.resting(ME, A), (Qty(3 * LOT), Qty::ZERO), "the rest waits for liquidity");
    world.level(Side::Sell, 103, 50, us(230));
    assert_eq!(world.told(us(300)), [(1, Ok((3, 103, false)))]);
    assert!(world.venue.is_empty() && world.venue.is_quiet(A));
}

#[test]
fn what_we_took_is_not_there_twice_until_the_level_changes() {
    let mut world = World::with_book(&config());
    world.send(1, Side::Buy, OrderKind::Market, 8, TimeInForce::Ioc, us(200));
    world.send(2, Side::Buy, OrderKind::Limit { price: Price(101 * TICK) }, 8, TimeInForce::Ioc, us(201));
    world.send(3, Side::Buy, OrderKind::Limit { price: Price(101 * TICK) }, 1, TimeInForce::Ioc, us(202));
    let unfilled = Err(CancelReason::Unfilled);
    assert_eq!(world.told(us(300)), [(1, Ok((8, 101, false))), (2, Ok((2, 101, false))), (2, unfilled), (3, unfilled)]);
    world.level(Side::Sell, 101, 10, us(310));
    world.send(4, Side::Buy, OrderKind::Market, 10, TimeInForce::Ioc, us(320));
    assert_eq!(world.told(us(400)), [(4, Ok((10, 101, false)))]);
}

#[test]
fn a_quote_fills_behind_the_queue_and_oldest_first() {
    let mut world = World::with_book(&config());
    world.limit(1, Side::Buy, 99, 4, us(200));
    world.limit(2, Side::Buy, 99, 4, us(201));
    world.print(Side::Sell, 99, 10, us(230));
    assert_eq!(world.told(us(240)), [], "ten stood before us");
    world.print(Side::Sell, 99, 3, us(250));
    world.print(Side::Sell, 99, 3, us(260));
    assert_eq!(world.told(us(300)), [(1, Ok((3, 99, true))), (1, Ok((1, 99, true))), (2, Ok((2, 99, true)))]);
    assert_eq!(world.venue.resting(ME, A), (Qty(2 * LOT), Qty::ZERO));
}

#[test]
fn a_price_beyond_ours_fills_what_was_offered_or_all() {
    for (swept, first) in [(SweptFill::Offered, 3), (SweptFill::Whole, 5)] {
        let mut world = World::with_book(&VenueConfig { swept, ..config() });
        world.limit(1, Side::Buy, 99, 5, us(200));
        world.print(Side::Sell, 98, 3, us(230));
        assert_eq!(world.told(us(240)), [(1, Ok((first, 99, true)))], "{swept:?}");
    }
    let mut world = World::with_book(&config());
    world.limit(1, Side::Buy, 99, 5, us(200));
    world.limit(2, Side::Buy, 98, 5, us(200));
    world.level(Side::Sell, 98, 7, us(230));
    assert_eq!(world.told(us(240)), [(1, Ok((5, 99, true))), (2, Ok((2, 98, true)))], "best first, seven in all");
    world.send(3, Side::Buy, OrderKind::Market, 1, TimeInForce::Ioc, us(250));
    assert_eq!(world.told(us(300)), [(3, Ok((1, 101, false)))], "the seven are taken");
}

#[test]
fn post_only_ends_where_it_would_cross() {
    let mut world = World::with_book(&config());
    world.send(1, Side::Sell, OrderKind::Limit { price: Price(99 * TICK) }, 1, TimeInForce::PostOnly, us(200));
    world.send(2, Side::Sell, OrderKind::Limit { price: Price(100 * TICK) }, 1, TimeInForce::PostOnly, us(200));
    assert_eq!(world.told(us(300)), [(1, Err(CancelReason::WouldCross))]);
    assert_eq!(world.venue.resting(ME, A), (Qty::ZERO, Qty(LOT)));
}

#[test]
fn a_cancel_takes_its_way_and_may_come_too_late() {
    let mut world = World::with_book(&config());
    world.limit(1, Side::Buy, 100, 2, us(200));
    world.limit(2, Side::Buy, 98, 2, us(200));
    assert_eq!(world.told(us(220)), []);
    world.venue.cancel_where(ME, A, |_| true, us(230));
    world.venue.cancel(ME, OrderId(1), us(231));
    // Made at 235, before the cancels arrive at 240.
    world.print(Side::Sell, 100, 2, us(240));
    assert_eq!(world.venue.len(), 1, "the fill is known, the end of the other is not");
    assert_eq!(world.told(us(300)), [(1, Ok((2, 100, true))), (2, Err(CancelReason::Requested))]);
    assert_eq!(world.venue.resting(ME, A), (Qty::ZERO, Qty::ZERO));
    assert_eq!(world.venue.next_due(), None);
}

#[test]
fn a_stop_wakes_on_a_print_or_on_the_middle_of_the_book() {
    let mut world = World::with_book(&config());
    world.send(1, Side::Sell, OrderKind::Stop { trigger: Price(97 * TICK) }, 2, TimeInForce::Gtc, us(200));
    world.send(2, Side::Buy, OrderKind::Stop { trigger: Price(103 * TICK) }, 2, TimeInForce::Gtc, us(200));
    assert_eq!(world.told(us(220)), []);
    world.print(Side::Sell, 97, 1, us(230));
    assert_eq!(world.told(us(240)), [(1, Ok((2, 99, false)))], "what is shown, not the trigger");
    for (side, tick, lots) in [(Side::Sell, 101, 0), (Side::Sell, 102, 0), (Side::Sell, 106, 9), (Side::Buy, 101, 9)] {
        world.level(side, tick, lots, us(250));
    }
    assert_eq!(world.told(us(300)), [(2, Ok((2, 106, false)))]);
}

#[test]
fn a_stop_that_would_trigger_at_once_is_refused() {
    let stop = |world: &mut World, id: u64, side: Side, tick: i64| {
        world.send(id, side, OrderKind::Stop { trigger: Price(tick * TICK) }, 1, TimeInForce::Gtc, us(200));
    };
    let mut world = World::with_book(&config());
    for (id, side, tick) in [(1, Side::Sell, 101), (2, Side::Sell, 100), (3, Side::Buy, 99), (4, Side::Buy, 100)] {
        stop(&mut world, id, side, tick);
    }
    stop(&mut world, 5, Side::Sell, 99);
    stop(&mut world, 6, Side::Buy, 101);
    let rejected = Err(CancelReason::Rejected);
    assert_eq!(world.told(us(300)), [(1, rejected), (2, rejected), (3, rejected), (4, rejected)], "the middle is 100");
    assert_eq!(world.venue.resting(ME, A), (Qty(LOT), Qty(LOT)), "the others rest");
    // Nobody knows a price yet, so nobody can say that it would trigger.
    let mut silent = World::new(&config());
    stop(&mut silent, 1, Side::Sell, 101);
    assert_eq!(silent.told(us(300)), []);
    assert_eq!(silent.venue.len(), 1);
}

#[test]
fn messages_beyond_the_rate_are_not_taken() {
    let mut world = World::with_book(&VenueConfig { max_messages_per_s: 2, ..config() });
    for id in 1..=3 {
        world.limit(id, Side::Buy, 98, 1, us(200));
    }
    world.venue.cancel(ME, OrderId(1), us(201));
    assert_eq!(world.told(us(300)), [(3, Err(CancelReason::RateLimited))], "the cancel is lost too");
    world.venue.cancel(ME, OrderId(1), us(1_000_300));
    assert_eq!(world.told(us(1_000_400)), [(1, Err(CancelReason::Requested))], "and may be asked for again");
}

#[test]
fn with_best_prices_alone_a_hidden_queue_is_endless_until_it_shows() {
    let mut world = World::new(&config());
    world.quote((99, 5), (101, 5), us(100));
    world.limit(1, Side::Buy, 98, 1, us(200));
    world.print(Side::Sell, 98, 500, us(230));
    assert_eq!(world.told(us(240)), [], "nobody knows how long the queue at 98 is");
    world.quote((98, 3), (101, 5), us(250));
    world.print(Side::Sell, 98, 4, us(260));
    assert_eq!(world.told(us(300)), [(1, Ok((1, 98, true)))]);
    assert_eq!(world.venue.quote(A).unwrap().bid, Price(98 * TICK));
    world.quote((98, 3), (102, 5), us(310));
    assert_eq!(world.venue.top(A).unwrap().asks[0].0, Price(102 * TICK), "the old best ask is no level any more");
}

#[test]
fn with_prints_alone_a_market_order_takes_the_next_one() {
    let mut world = World::new(&config());
    world.print(Side::Buy, 100, 1, us(100));
    world.send(1, Side::Buy, OrderKind::Market, 3, TimeInForce::Gtc, us(200));
    world.print(Side::Sell, 101, 2, us(230));
    world.print(Side::Sell, 102, 2, us(240));
    assert_eq!(world.told(us(300)), [(1, Ok((2, 101, false))), (1, Ok((1, 102, false)))]);
}

#[test]
fn a_snapshot_shortens_queues_that_it_shows() {
    let mut world = World::with_book(&config());
    world.limit(1, Side::Buy, 99, 1, us(200));
    let levels = [(Side::Buy, 99, 4), (Side::Sell, 101, 4)].map(|(side, tick, lots)| Level {
        side,
        price: Price(tick * TICK),
        qty: Qty(lots * LOT),
    });
    let depth = Depth {
        symbol: A,
        at: us(230),
        exch_at: us(230),
        first_id: 9,
        last_id: 9,
        is_snapshot: true,
        levels: levels.to_vec(),
    };
    world.venue.on_market(&MarketEvent::Depth(depth), &mut world.out);
    world.print(Side::Sell, 99, 5, us(240));
    assert_eq!(world.told(us(300)), [(1, Ok((1, 99, true)))]);
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    let symbols = [SymbolSpec::new("A", Price(TICK), Qty(LOT))];
    let refused = |config: &VenueConfig| BookVenue::<u64>::new(&symbols, config).unwrap_err();
    assert_eq!(refused(&VenueConfig { order_latency_us: u64::MAX, ..config() }), BookVenueError::Latency);
    let queue = QueueModel::ProbPower { power: 0.0 };
    assert_eq!(refused(&VenueConfig { queue, ..config() }), BookVenueError::Power(0.0));
    let lotless = [SymbolSpec::new("A", Price(TICK), Qty(0))];
    assert!(BookVenue::<u64>::new(&lotless, &config()).is_err());
}
