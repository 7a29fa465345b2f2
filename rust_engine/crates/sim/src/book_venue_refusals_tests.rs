//! Orders that the venue refuses for reasons of its own.

use super::*;

const N: u64 = 10_000;

fn refusing(reject_rate: f64, reject_seed: u64) -> VenueConfig {
    VenueConfig { reject_rate, reject_seed, ..config() }
}

/// Which of `n` orders that would rest are refused; the venue is written down and read back after every `restarts` of them.
fn refused(config: &VenueConfig, n: u64, restarts: u64) -> Vec<u64> {
    let mut world = World::with_book(config);
    let mut refused = Vec::new();
    for id in 1..=n {
        let now = us(200 + 100 * id as i64);
        world.limit(id, Side::Buy, 98, 1, now);
        if restarts > 0 && id % restarts == 0 {
            // Between the order's leaving and its arrival.
            let text = serde_json::to_string(&world.venue).unwrap();
            world.venue = serde_json::from_str(&text).unwrap();
        }
        for (id, told) in world.told(us(250 + 100 * id as i64)) {
            match told {
                Err(CancelReason::Rejected) => refused.push(id),
                told => assert_eq!(told, Err(CancelReason::Requested)),
            }
        }
        world.venue.cancel(ME, OrderId(id), us(260 + 100 * id as i64));
    }
    refused
}

/// The numbers of orders that end with their cancel, not by a refusal.
fn cancelled(config: &VenueConfig, n: u64) -> Vec<u64> {
    let mut world = World::with_book(config);
    (1..=n).for_each(|id| world.limit(id, Side::Buy, 98, 1, us(200)));
    let kept = n as usize - world.told(us(300)).len();
    (1..=n).for_each(|id| world.venue.cancel(ME, OrderId(id), us(400)));
    let told = world.told(us(500));
    assert!(world.venue.is_empty() && told.len() == kept, "every cancel of an order that stood was taken");
    told.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn the_share_that_is_asked_for_is_refused() {
    assert!(refused(&refusing(0.0, 7), 500, 0).is_empty());
    assert_eq!(refused(&refusing(1.0, 7), 500, 0).len(), 500);
    for seed in 0..5 {
        let n = refused(&refusing(0.2, seed), N, 0).len() as f64;
        // Four standard deviations of a binomial count.
        assert!((n - 2_000.0).abs() < 4.0 * (N as f64 * 0.2 * 0.8).sqrt(), "seed {seed}: {n} of {N}");
    }
}

#[test]
fn seed_symbol_and_number_alone_say_which() {
    let first = refused(&refusing(0.2, 1), 2_000, 0);
    assert_eq!(first, refused(&refusing(0.2, 1), 2_000, 0));
    assert_eq!(first, refused(&refusing(0.2, 1), 2_000, 7), "also over restarts");
    assert_ne!(first, refused(&refusing(0.2, 2), 2_000, 0));
    let more = refused(&refusing(0.4, 1), 2_000, 0);
    assert!(first.iter().all(|id| more.contains(id)), "a larger share refuses the same ones and others");
    let of = |symbol: u16| {
        let refusals = Refusals::new(&refusing(0.2, 1)).unwrap();
        let order = |id| OrderRequest {
            id: OrderId(id),
            ..OrderRequest::market(SymbolId(symbol), Side::Sell, Qty(3), Price(9))
        };
        (1..=2_000).filter(|id| refusals.hit(&order(*id))).collect::<Vec<_>>()
    };
    assert_eq!(first, of(0), "side, size and price say nothing");
    assert_ne!(first, of(1));
}

#[test]
fn no_cancel_is_refused_and_a_refused_order_trades_nothing() {
    assert!(cancelled(&refusing(0.5, 3), 1_000).len().abs_diff(500) < 80);
    let mut world = World::with_book(&refusing(1.0, 0));
    world.send(1, Side::Buy, OrderKind::Market, 5, TimeInForce::Gtc, us(200));
    assert_eq!(world.venue.resting(ME, A), (Qty(5 * LOT), Qty::ZERO), "nobody knows of it before the answer");
    assert_eq!(world.told(us(214)), [], "which takes its time");
    assert_eq!(world.told(us(215)), [(1, Err(CancelReason::Rejected))]);
    assert_eq!((world.venue.resting(ME, A), world.venue.is_empty()), ((Qty::ZERO, Qty::ZERO), true));
}

#[test]
fn a_message_beyond_the_rate_limit_counts_as_that() {
    let mut world = World::with_book(&VenueConfig { max_messages_per_s: 1, ..refusing(1.0, 0) });
    world.limit(1, Side::Buy, 98, 1, us(200));
    world.limit(2, Side::Buy, 98, 1, us(200));
    let expected = [(1, Err(CancelReason::Rejected)), (2, Err(CancelReason::RateLimited))];
    assert_eq!(world.told(us(300)), expected);
}

#[test]
fn a_share_that_is_none_and_one_without_a_book_venue_are_refused_by_name() {
    let error = |config: VenueConfig| Refusals::new(&config).err().map(|e| e.to_string());
    for bad in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
        let told = error(refusing(bad, 0)).unwrap();
        assert!(told.starts_with("venue.reject_rate = ") && told.ends_with("a number from 0 to 1"), "{told}");
    }
    let on = |model, simulated, reject_rate| VenueConfig { model, simulated, ..refusing(reject_rate, 0) };
    for simulated in [VenueModel::Bars, VenueModel::Book] {
        let told = error(on(VenueModel::Bars, simulated, 0.1)).unwrap();
        assert!(told.contains("venue.reject_rate = 0.1: only the book venue"), "{told}");
        assert_eq!(error(on(VenueModel::Bars, simulated, 0.0)), None);
    }
    assert!(error(on(VenueModel::External, VenueModel::Bars, 0.1)).is_some());
    assert_eq!(error(on(VenueModel::External, VenueModel::Book, 0.1)), None);
}

#[test]
fn a_configuration_without_refusals_is_written_as_it_was_before_there_were_any() {
    let written = serde_json::to_string(&refusing(0.0, 0)).unwrap();
    assert!(!written.contains("reject"), "{written}");
    let refusing = refusing(0.25, u64::MAX);
    let written = serde_json::to_string(&refusing).unwrap();
    assert_eq!(serde_json::from_str::<VenueConfig>(&written).unwrap(), refusing);
}
