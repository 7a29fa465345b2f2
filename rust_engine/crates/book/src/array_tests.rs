use super::*;
use crate::TreeBook;
use model::{Depth, Quote, SymbolId, Ts};
use proptest::prelude::*;

const TICK: i64 = 10;

/// One change of a book: a side, a price in ticks and a quantity.
#[derive(Clone, Copy, Debug)]
enum Change {
    Set(bool, i64, i64),
    Quote(i64, i64, i64, i64),
    Clear,
}

fn change() -> impl Strategy<Value = Change> {
    // Most prices lie close together; some are a window away, so that the window moves and levels lie outside it.
    let price =
        prop_oneof![6 => 990_i64..1_010, 1 => 1_i64..60_000, 1 => Just(1_000 + WINDOW), 1 => Just(1_000 - MARGIN)];
    prop_oneof![
        30 => (any::<bool>(), price, prop_oneof![2 => Just(0_i64), 3 => 1_i64..50]).prop_map(|(b, p, q)| Change::Set(b, p.max(1), q)),
        3 => (995_i64..1_000, 0_i64..5, 1_i64..6, 0_i64..5).prop_map(|(b, bq, s, aq)| Change::Quote(b, bq, b + s, aq)),
        1 => Just(Change::Clear),
    ]
}

fn apply(book: &mut impl L2Book, change: Change) -> Option<Qty> {
    match change {
        Change::Set(is_bid, price, qty) => {
            let side = if is_bid { Side::Buy } else { Side::Sell };
            Some(book.set(Level { side, price: Price(price * TICK), qty: Qty(qty) }).unwrap())
        }
        Change::Quote(bid, bid_qty, ask, ask_qty) => {
            let quote = Quote {
                symbol: SymbolId(0),
                at: Ts(0),
                exch_at: Ts(0),
                bid: Price(bid * TICK),
                bid_qty: Qty(bid_qty),
                ask: Price(ask * TICK),
                ask_qty: Qty(ask_qty),
            };
            book.apply_quote(&quote).unwrap();
            None
        }
        Change::Clear => {
            book.clear();
            None
        }
    }
}

fn levels(book: &impl L2Book, side: Side) -> Vec<(Price, Qty)> {
    (0..).map_while(|k| book.level(side, k)).collect()
}

proptest! {
    #[test]
    fn both_forms_say_the_same_and_neither_is_ever_crossed(changes in prop::collection::vec(change(), 1..120)) {
        let (mut array, mut tree) = (ArrayBook::new(Price(TICK)).unwrap(), TreeBook::new(Price(TICK)).unwrap());
        for change in changes {
            prop_assert_eq!(apply(&mut array, change), apply(&mut tree, change));
            if let (Some((bid, _)), Some((ask, _))) = (array.best_bid(), array.best_ask()) {
                prop_assert!(bid < ask, "crossed: {} >= {}", bid, ask);
            }
            prop_assert_eq!(array.top(SymbolId(1), Ts(2)), tree.top(SymbolId(1), Ts(2)));
            prop_assert_eq!(array.uncrossed(), tree.uncrossed());
            if let Change::Set(is_bid, price, _) = change {
                let side = if is_bid { Side::Buy } else { Side::Sell };
                for near in [price * TICK - 1, price * TICK, price * TICK + 1] {
                    prop_assert_eq!(array.worse(side, Price(near)), tree.worse(side, Price(near)));
                    prop_assert_eq!(array.qty_at(side, Price(near)), tree.qty_at(side, Price(near)));
                    prop_assert_eq!(array.qty_at(side.opposite(), Price(near)), tree.qty_at(side.opposite(), Price(near)));
                }
            }
        }
        prop_assert_eq!(levels(&array, Side::Buy), levels(&tree, Side::Buy));
        prop_assert_eq!(levels(&array, Side::Sell), levels(&tree, Side::Sell));
        let text = serde_json::to_string(&array).unwrap();
        prop_assert_eq!(serde_json::from_str::<ArrayBook>(&text).unwrap(), array);
    }
}

#[test]
fn a_bid_that_crosses_removes_the_asks_it_crosses() {
    let mut book = ArrayBook::new(Price(1)).unwrap();
    for price in [101, 102, 104] {
        book.set(Level { side: Side::Sell, price: Price(price), qty: Qty(5) }).unwrap();
    }
    book.set(Level { side: Side::Buy, price: Price(103), qty: Qty(7) }).unwrap();
    assert_eq!(book.best_bid(), Some((Price(103), Qty(7))));
    assert_eq!(book.best_ask(), Some((Price(104), Qty(5))));
    assert_eq!(book.uncrossed(), 2);
    assert_eq!(book.qty_at(Side::Sell, Price(101)), Qty::ZERO);
}

#[test]
fn what_is_no_level_is_refused_and_changes_nothing() {
    let mut book = ArrayBook::new(Price(5)).unwrap();
    let level = |price, qty| Level { side: Side::Buy, price: Price(price), qty: Qty(qty) };
    book.set(level(10, 1)).unwrap();
    assert_eq!(book.set(level(12, 1)), Err(BookError::OffGrid { price: Price(12), tick: Price(5) }));
    assert_eq!(book.set(level(-5, 1)), Err(BookError::OffGrid { price: Price(-5), tick: Price(5) }));
    assert_eq!(book.set(level(15, -1)), Err(BookError::Negative(Qty(-1))));
    assert_eq!(levels(&book, Side::Buy), [(Price(10), Qty(1))]);
    assert_eq!(ArrayBook::new(Price(0)).unwrap_err(), BookError::Tick(Price(0)));
}

#[test]
fn a_snapshot_replaces_the_book() {
    let mut book = TreeBook::new(Price(1)).unwrap();
    book.set(Level { side: Side::Buy, price: Price(7), qty: Qty(1) }).unwrap();
    let levels_of = vec![Level { side: Side::Buy, price: Price(3), qty: Qty(2) }];
    let depth = Depth {
        symbol: SymbolId(0),
        at: Ts(0),
        exch_at: Ts(0),
        first_id: 1,
        last_id: 1,
        is_snapshot: true,
        levels: levels_of,
    };
    book.apply(&depth).unwrap();
    assert_eq!(levels(&book, Side::Buy), [(Price(3), Qty(2))]);
}
