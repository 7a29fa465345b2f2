use super::*;
use model::{Level, MarketTrade, Price, Qty, Quote, Side, Ts};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn trade(id: u64) -> FeedEvent {
    let (symbol, at) = (SymbolId(0), Ts(i64::try_from(id).unwrap()));
    let trade = MarketTrade { symbol, at, exch_at: at, price: Price(1), qty: Qty(1), aggressor: Side::Buy, id };
    FeedEvent::Market(MarketEvent::Trade(trade))
}

fn quote(symbol: u16, at: i64) -> FeedEvent {
    let at = Ts(at);
    let (bid, ask) = (Price(1), Price(2));
    let quote = Quote { symbol: SymbolId(symbol), at, exch_at: at, bid, bid_qty: Qty(1), ask, ask_qty: Qty(1) };
    FeedEvent::Market(MarketEvent::Quote(quote))
}

fn depth(first_id: u64, last_id: u64, is_snapshot: bool, levels: Vec<Level>) -> FeedEvent {
    let at = Ts(i64::try_from(last_id).unwrap());
    let depth = Depth { symbol: SymbolId(0), at, exch_at: at, first_id, last_id, is_snapshot, levels };
    FeedEvent::Market(MarketEvent::Depth(depth))
}

fn level(price: i64, qty: i64) -> Level {
    Level { side: Side::Buy, price: Price(price), qty: Qty(qty) }
}

fn all(mut outbox: Outbox) -> Vec<FeedEvent> {
    std::iter::from_fn(|| outbox.pop()).collect()
}

#[test]
fn the_newest_quote_of_a_symbol_takes_the_last_place() {
    let mut outbox = Outbox::default();
    let puts = [quote(0, 1), trade(2), quote(1, 3), quote(0, 4)].map(|event| outbox.put(event));
    assert_eq!(puts, [Put::Queued, Put::Queued, Put::Queued, Put::Merged]);
    assert_eq!(all(outbox), [trade(2), quote(1, 3), quote(0, 4)]);
}

#[test]
fn book_changes_grow_together() {
    let mut outbox = Outbox::default();
    outbox.put(depth(1, 1, false, vec![level(5, 1)]));
    outbox.put(trade(2));
    assert_eq!(outbox.put(depth(2, 3, false, vec![level(5, 0)])), Put::Merged);
    assert_eq!(all(outbox), [trade(2), depth(1, 3, false, vec![level(5, 1), level(5, 0)])]);
}

#[test]
fn a_whole_book_replaces_what_waited_and_takes_changes_in() {
    let mut outbox = Outbox::default();
    outbox.put(depth(1, 1, false, vec![level(5, 1)]));
    outbox.put(depth(9, 9, true, vec![level(6, 1)]));
    outbox.put(depth(10, 11, false, vec![level(7, 1)]));
    assert_eq!(all(outbox), [depth(9, 11, true, vec![level(6, 1), level(7, 1)])]);
}

#[test]
fn a_change_that_grows_too_large_is_given_up() {
    let mut outbox = Outbox::default();
    outbox.put(depth(1, 1, false, vec![level(5, 1); MAX_LEVELS]));
    assert_eq!(outbox.put(depth(2, 2, false, vec![level(5, 1)])), Put::DepthLost(SymbolId(0)));
    assert!(outbox.is_empty());
    assert_eq!(outbox.pop(), None);
}

#[test]
fn what_cannot_merge_fills_it() {
    let mut outbox = Outbox::default();
    let mut n = 0;
    while outbox.has_room() {
        n += 1;
        outbox.put(trade(n));
        outbox.put(quote(0, 1));
    }
    assert_eq!(usize::try_from(n).unwrap(), MAX_FIRM);
    outbox.pop();
    assert!(outbox.has_room());
}

proptest! {
    /// Prints keep their order, quotes are the newest, and the sum of book changes is the book.
    #[test]
    fn nothing_that_matters_is_lost(kinds in prop::collection::vec((0_u8..4, 0_i64..6, 0_i64..4), 1..120)) {
        let mut outbox = Outbox::default();
        let (mut got, mut book) = (Vec::new(), BTreeMap::new());
        for (n, (kind, price, qty)) in (1_u64..).zip(kinds) {
            match kind {
                0 => drop(outbox.put(trade(n))),
                1 => drop(outbox.put(quote(0, i64::try_from(n).unwrap()))),
                2 => {
                    book.insert(price, qty);
                    outbox.put(depth(n, n, false, vec![level(price, qty)]));
                }
                _ => got.extend(outbox.pop()),
            }
        }
        got.extend(all(outbox));
        let stamps: Vec<Ts> = got.iter().filter_map(|e| if let FeedEvent::Market(e) = e { Some(e.at()) } else { None }).collect();
        prop_assert!(stamps.is_sorted());
        let mut sum = BTreeMap::new();
        for event in &got {
            if let FeedEvent::Market(MarketEvent::Depth(depth)) = event {
                sum.extend(depth.levels.iter().map(|level| (level.price.0, level.qty.0)));
            }
        }
        prop_assert_eq!(sum, book);
    }
}
