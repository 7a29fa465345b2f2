use super::*;
use crate::public::source::{Best, BookUpdate, Candle, Mark, Print};
use book::SequenceRule;
use model::{Level, Price, Qty, Side, Ts};
use proptest::prelude::*;

const MINUTE: i64 = 60_000_000_000;

fn print(id: u64) -> Print {
    Print { id, price: Price(1), qty: Qty(1), aggressor: Side::Buy, exch_at: Ts(1) }
}

/// Numbers that pass, in their order, when these come at time zero and time then passes.
fn passed(ids: &[u64]) -> Vec<u64> {
    let mut sync = PrintSync::counted();
    let mut steps = Vec::new();
    ids.iter().for_each(|id| sync.on_print(print(*id), Ts(0), &mut steps));
    sync.on_time(Ts(REORDER_WINDOW_NS), &mut steps);
    steps.iter().filter_map(|step| if let PrintStep::Emit(print) = step { Some(print.id) } else { None }).collect()
}

#[test]
fn prints_pass_once_and_in_order() {
    assert_eq!(passed(&[5, 6, 6, 5, 7]), [5, 6, 7]);
    assert_eq!(passed(&[5, 8, 7, 6, 9]), [5, 6, 7, 8, 9]);
    assert_eq!(passed(&[5, 8]), [5, 8], "a hole is given up in the end");
    assert_eq!(passed(&[5, 1_000_000, 6, 7]), [5, 6, 7], "one wild number is not believed");
    assert_eq!(passed(&[5, 1_000_000, 1_000_001]), [5, 1_000_000, 1_000_001], "two in a row are");
    assert_eq!(passed(&[5, u64::MAX, 6]), [5, 6]);
}

#[test]
fn holes_are_counted() {
    let mut sync = PrintSync::counted();
    let mut steps = Vec::new();
    [5, 8].iter().for_each(|id| sync.on_print(print(*id), Ts(0), &mut steps));
    sync.on_time(Ts(REORDER_WINDOW_NS - 1), &mut steps);
    assert_eq!(steps, [PrintStep::Emit(print(5))], "it waits the whole window");
    sync.on_time(Ts(REORDER_WINDOW_NS), &mut steps);
    assert_eq!(steps[1..], [PrintStep::Gap(2), PrintStep::Emit(print(8))]);
}

#[test]
fn after_a_new_connection_the_next_number_is_believed() {
    let mut sync = PrintSync::counted();
    let mut steps = Vec::new();
    sync.on_print(print(5), Ts(0), &mut steps);
    sync.reopened();
    // What the exchange repeats does not use the belief up.
    [4, 5, 500].iter().for_each(|id| sync.on_print(print(*id), Ts(0), &mut steps));
    let duplicate = PrintStep::Duplicate;
    assert_eq!(steps[1..], [duplicate, duplicate, PrintStep::Gap(494), PrintStep::Emit(print(500))]);
}

#[test]
fn named_prints_pass_once() {
    let mut sync = PrintSync::named();
    let mut steps = Vec::new();
    [9, 3, 9, 7].iter().for_each(|id| sync.on_print(print(*id), Ts(0), &mut steps));
    let emit = |id| PrintStep::Emit(print(id));
    assert_eq!(steps, [emit(9), emit(3), PrintStep::Duplicate, emit(7)]);
}

fn best(update_id: u64, bid: i64) -> Best {
    Best { update_id, bid: Price(bid), bid_qty: Qty(1), ask: Price(100), ask_qty: Qty(1), exch_at: None }
}

#[test]
fn only_newer_best_prices_pass() {
    let mut sync = BestSync::default();
    assert_eq!(sync.on_best(best(10, 5)), BestStep::Emit { best: best(10, 5), is_change: true });
    assert_eq!(sync.on_best(best(10, 5)), BestStep::Duplicate);
    assert_eq!(sync.on_best(best(9, 4)), BestStep::Duplicate);
    assert_eq!(sync.on_best(best(11, 5)), BestStep::Emit { best: best(11, 5), is_change: false });
    assert!(matches!(sync.on_best(best(1, 6)), BestStep::Emit { .. }), "number 1 restarts");
}

#[test]
fn a_wild_number_of_best_prices_is_outlived() {
    let mut sync = BestSync::default();
    sync.on_best(best(u64::MAX, 5));
    let n_lost = (1..100).take_while(|n| sync.on_best(best(10 + n, 6)) == BestStep::Duplicate).count();
    assert_eq!(n_lost, 15);
}

#[test]
fn a_changed_side_keeps_the_other() {
    let mut sync = BestSync::default();
    let bid = Some((Price(7), Qty(2)));
    assert_eq!(sync.on_delta(3, bid, None, None), BestStep::Strange, "nothing to change yet");
    sync.on_best(best(2, 5));
    let expected = Best { bid: Price(7), bid_qty: Qty(2), ..best(3, 0) };
    assert_eq!(sync.on_delta(3, bid, None, None), BestStep::Emit { best: expected, is_change: true });
    assert_eq!(sync.on_delta(4, Some((Price(100), Qty(1))), None, None), BestStep::Strange, "it would cross");
}

fn change(first_id: u64, last_id: u64, previous_id: Option<u64>) -> BookUpdate {
    let levels = vec![Level { side: Side::Buy, price: Price(1), qty: Qty(1) }];
    BookUpdate { is_snapshot: false, first_id, last_id, previous_id, levels, exch_at: None }
}

fn snapshot(last_id: u64) -> BookUpdate {
    BookUpdate { is_snapshot: true, ..change(last_id, last_id, None) }
}

/// What each update makes the book do: the ranges that pass, `!` for a broken chain, `?` for a snapshot asked for.
fn told(rule: SequenceRule, updates: &[BookUpdate]) -> String {
    let mut sync = BookSync::new(rule);
    let mut steps = Vec::new();
    updates.iter().for_each(|update| sync.on_update(update.clone(), Ts(0), &mut steps));
    sync.on_time(Ts(REORDER_WINDOW_NS), &mut steps);
    let word = |step: &BookStep| match step {
        BookStep::Emit(update) if update.is_snapshot => format!("s{}", update.last_id),
        BookStep::Emit(update) => format!("{}-{}", update.first_id, update.last_id),
        BookStep::Duplicate => "=".to_owned(),
        BookStep::Gap => "!".to_owned(),
        BookStep::NeedSnapshot => "?".to_owned(),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn spot_changes_wait_for_their_snapshot_and_join_it() {
    let c = |first, last| change(first, last, None);
    let spot = |updates: &[BookUpdate]| told(SequenceRule::BinanceSpot, updates);
    assert_eq!(spot(&[c(1, 4), c(5, 9), c(10, 12), snapshot(6)]), "? s6 7-9 10-12");
    assert_eq!(spot(&[c(5, 9), snapshot(2)]), "? ?", "a snapshot that ends before the changes begin");
    assert_eq!(spot(&[c(1, 4), snapshot(4), c(5, 6), c(8, 9), c(7, 7)]), "? s4 5-6 7-7 8-9");
    assert_eq!(spot(&[c(1, 4), snapshot(4), c(5, 6), c(8, 9)]), "? s4 5-6 ! ?");
    assert_eq!(spot(&[c(1, 4), snapshot(4), c(5, 6), c(5, 6), snapshot(3)]), "? s4 5-6 = =");
}

#[test]
fn usdm_changes_follow_the_one_they_name() {
    let c = |first, last, previous| change(first, last, Some(previous));
    let usdm = |updates: &[BookUpdate]| told(SequenceRule::BinanceUsdm, updates);
    assert_eq!(usdm(&[c(3, 9, 1), snapshot(6), c(14, 20, 9)]), "? s6 7-9 10-20", "numbers have holes, names have none");
    assert_eq!(
        usdm(&[c(3, 6, 1), snapshot(6), c(9, 12, 6)]),
        "? s6 = 7-12",
        "one that ends with the snapshot is in it"
    );
    assert_eq!(usdm(&[c(3, 9, 1), snapshot(6), c(14, 20, 11)]), "? s6 7-9 ! ?");
}

#[test]
fn bybit_books_come_by_themselves() {
    let c = |id: u64| change(id, id, Some(id - 1));
    let bybit = |updates: &[BookUpdate]| told(SequenceRule::Bybit, updates);
    assert_eq!(bybit(&[snapshot(5), c(6), c(7)]), "s5 6-6 7-7");
    assert_eq!(bybit(&[snapshot(5), c(6), c(8), snapshot(9), c(10)]), "s5 6-6 s9 10-10");
    assert_eq!(bybit(&[snapshot(5), c(6), snapshot(1), c(2)]), "s5 6-6 s1 2-2", "a restart counts from 1");
    assert_eq!(bybit(&[snapshot(5), c(7)]), "s5 ! ?");
}

#[test]
fn a_snapshot_older_than_the_book_is_asked_for_again() {
    let mut sync = BookSync::new(SequenceRule::BinanceSpot);
    let mut steps = Vec::new();
    for update in [change(1, 4, None), snapshot(4), change(5, 9, None)] {
        sync.on_update(update, Ts(0), &mut steps);
    }
    sync.lost_downstream(&mut steps);
    steps.clear();
    sync.on_update(snapshot(7), Ts(0), &mut steps);
    assert_eq!(steps, [BookStep::NeedSnapshot]);
    sync.on_update(snapshot(9), Ts(0), &mut steps);
    assert_eq!(steps[1..], [BookStep::Emit(snapshot(9))]);
}

fn candle(minute: i64) -> Candle {
    let price = Price(100);
    let opened_at = Ts(minute * MINUTE);
    Candle { opened_at, open: price, high: price, low: price, close: price, volume: Qty(minute), is_closed: true }
}

#[test]
fn a_hole_between_candles_is_fetched_before_the_later_one_passes() {
    let mut sync = CandleSync::new(MINUTE, None);
    let mut steps = Vec::new();
    let at = Ts(100 * MINUTE);
    [1, 1, 2, 5, 6, 5].iter().for_each(|n| sync.on_closed(candle(*n), at, &mut steps));
    let fetch = CandleStep::Fetch { from: Ts(3 * MINUTE), to: Ts(5 * MINUTE) };
    let emit = |n| CandleStep::Emit(candle(n));
    assert_eq!(steps, [emit(1), CandleStep::Duplicate, emit(2), fetch, CandleStep::Duplicate]);
    steps.clear();
    sync.on_fetched(Ts(3 * MINUTE), &[candle(2), candle(4), candle(5), candle(4)], &mut steps);
    let lost = CandleStep::Gap { from: Ts(3 * MINUTE), to: Ts(4 * MINUTE) };
    let missed = |n| CandleStep::Missed(candle(n));
    assert_eq!(steps, [CandleStep::Duplicate, lost, missed(4), missed(5), emit(6)], "6 alone can be decided on");
    steps.clear();
    sync.on_closed(candle(7), at, &mut steps);
    assert_eq!(steps, [emit(7)]);
}

/// What a sync says in words: `7` live, `m7` missed, `=` seen before, `?3-5` asked for, `!3-5` lost.
fn candle_words(steps: &mut Vec<CandleStep>) -> String {
    let minute = |at: Ts| at.0 / MINUTE;
    let word = |step: CandleStep| match step {
        CandleStep::Emit(c) => format!("{}", minute(c.opened_at)),
        CandleStep::Missed(c) => format!("m{}", minute(c.opened_at)),
        CandleStep::Duplicate => "=".to_owned(),
        CandleStep::Strange => "~".to_owned(),
        CandleStep::Fetch { from, to } => format!("?{}-{}", minute(from), minute(to)),
        CandleStep::Gap { from, to } => format!("!{}-{}", minute(from), minute(to)),
    };
    steps.drain(..).map(word).collect::<Vec<_>>().join(" ")
}

/// A sync that knows what closed by minute 10, and a stream that opens in the middle of minute 15.
fn behind() -> (CandleSync, Vec<CandleStep>) {
    let (mut sync, mut steps) = (CandleSync::new(MINUTE, Some(Ts(10 * MINUTE))), Vec::new());
    sync.reopened(Ts(15 * MINUTE + MINUTE / 2), &mut steps);
    assert_eq!(candle_words(&mut steps), "?10-14", "the newest may still be forming by the exchange's clock");
    (sync, steps)
}

#[test]
fn a_stream_that_opens_asks_for_what_closed_since_and_a_live_candle_waits_for_it() {
    let (mut sync, mut steps) = behind();
    sync.reopened(Ts(15 * MINUTE + MINUTE / 2 + 1), &mut steps);
    sync.on_closed(candle(15), Ts(16 * MINUTE), &mut steps);
    assert_eq!(candle_words(&mut steps), "", "asked once");
    sync.on_fetched(Ts(10 * MINUTE), &[10, 11, 12, 13].map(candle), &mut steps);
    assert_eq!(candle_words(&mut steps), "m10 m11 m12 m13 ?14-15", "what closed while the request was under way");
    sync.on_fetched(Ts(14 * MINUTE), &[candle(14)], &mut steps);
    sync.on_closed(candle(16), Ts(17 * MINUTE), &mut steps);
    assert_eq!(candle_words(&mut steps), "m14 15 16");
    sync.reopened(Ts(17 * MINUTE + 1), &mut steps);
    assert_eq!(candle_words(&mut steps), "", "nothing is missing");
}

#[test]
fn what_cannot_be_fetched_is_tried_once_more_and_then_a_gap() {
    let (mut sync, mut steps) = behind();
    sync.on_fetched(Ts(10 * MINUTE), &[], &mut steps);
    assert_eq!(candle_words(&mut steps), "", "the next candle tells");
    sync.on_closed(candle(15), Ts(16 * MINUTE), &mut steps);
    sync.on_fetched(Ts(10 * MINUTE), &[candle(12)], &mut steps);
    assert_eq!(candle_words(&mut steps), "?10-15 !10-12 m12 !13-15 15");
}

#[test]
fn a_live_candle_waits_half_a_minute_and_a_late_answer_changes_nothing() {
    let (mut sync, mut steps) = behind();
    let at = 16 * MINUTE;
    sync.on_closed(candle(15), Ts(at), &mut steps);
    sync.on_time(Ts(at + MINUTE / 2 - 1), &mut steps);
    assert_eq!(candle_words(&mut steps), "");
    sync.on_time(Ts(at + MINUTE / 2), &mut steps);
    assert_eq!(candle_words(&mut steps), "!10-15 15");
    sync.on_fetched(Ts(10 * MINUTE), &[10, 11, 12, 13].map(candle), &mut steps);
    sync.on_closed(candle(17), Ts(18 * MINUTE), &mut steps);
    sync.on_fetched(Ts(10 * MINUTE), &[candle(10)], &mut steps);
    assert_eq!(candle_words(&mut steps), "?16-17");
    sync.on_fetched(Ts(16 * MINUTE), &[candle(16)], &mut steps);
    assert_eq!(candle_words(&mut steps), "m16 17");
}

#[test]
fn candles_off_the_grid_or_from_the_future_are_dropped() {
    let mut sync = CandleSync::new(MINUTE, None);
    let mut steps = Vec::new();
    sync.on_closed(Candle { opened_at: Ts(MINUTE + 1), ..candle(1) }, Ts(9 * MINUTE), &mut steps);
    sync.on_closed(candle(60), Ts(9 * MINUTE), &mut steps);
    assert_eq!(steps, [CandleStep::Strange, CandleStep::Strange]);
}

#[test]
fn funding_falls_due_when_the_next_payment_is_announced() {
    let hour = 3_600_000_000_000;
    let said =
        |mark, rate_e8, next_at| Mark { mark: Some(Price(mark)), rate_e8: Some(rate_e8), next_at: Some(Ts(next_at)) };
    let mut sync = FundingSync::default();
    assert_eq!(sync.on_mark(&said(10, 1, 8 * hour), Ts(8 * hour - 5)), FundingStep::Waiting);
    assert_eq!(sync.on_mark(&Mark { rate_e8: Some(2), ..Mark::default() }, Ts(8 * hour - 1)), FundingStep::Waiting);
    let due = FundingStep::Due { rate_e8: 2, mark: Price(10) };
    assert_eq!(sync.on_mark(&said(11, 3, 16 * hour), Ts(8 * hour + 1)), due);
    assert_eq!(sync.on_mark(&said(12, 4, 16 * hour), Ts(9 * hour)), FundingStep::Waiting);
    let missed = FundingStep::Missed { due_at: Ts(16 * hour) };
    assert_eq!(sync.on_mark(&said(13, 5, 24 * hour), Ts(17 * hour)), missed, "the rate heard was seven hours old");
    assert_eq!(sync.on_mark(&said(14, 6, 48 * hour), Ts(18 * hour)), FundingStep::Waiting, "not before it is due");
}

proptest! {
    /// Whatever comes, a print passes at most once and numbers never go back.
    #[test]
    fn prints_never_go_back(ids in prop::collection::vec(prop_oneof![1_u64..80, any::<u64>()], 0..200)) {
        let passed = passed(&ids);
        prop_assert!(passed.is_sorted_by(|a, b| a < b), "{passed:?}");
    }

    /// Whatever comes, what passes of a book is a chain: every change begins where the last one ended.
    #[test]
    fn books_pass_as_chains(
        rule in prop_oneof![Just(SequenceRule::BinanceSpot), Just(SequenceRule::BinanceUsdm), Just(SequenceRule::Bybit)],
        updates in prop::collection::vec((0_u64..40, 0_u64..4, 0_u8..10), 0..200),
    ) {
        let mut sync = BookSync::new(rule);
        let mut steps = Vec::new();
        for (n, (first, length, kind)) in updates.into_iter().enumerate() {
            let update = if kind == 0 { snapshot(first) } else { change(first, first + length, first.checked_sub(1)) };
            let at = Ts(n as i64 * 100_000_000);
            sync.on_update(update, at, &mut steps);
            sync.on_time(at, &mut steps);
        }
        let mut reached = None;
        for step in steps {
            match step {
                BookStep::Emit(update) if update.is_snapshot => reached = Some(update.last_id),
                BookStep::Emit(update) => {
                    prop_assert_eq!(reached, Some(update.first_id - 1));
                    prop_assert!(update.first_id <= update.last_id);
                    reached = Some(update.last_id);
                }
                BookStep::Gap => reached = None,
                _ => {}
            }
        }
    }

    /// Whatever comes, by stream or by request, late or not: candles pass in order, each at most once, and with the gaps that
    /// are told they leave no hole.
    #[test]
    fn candles_pass_once_and_every_hole_is_told(
        asked in prop::collection::vec((0_u8..6, 0_i64..40, 0_usize..6), 0..120),
    ) {
        let (mut sync, mut steps, mut now) = (CandleSync::new(MINUTE, Some(Ts(MINUTE))), Vec::new(), 40 * MINUTE);
        let (mut said, mut open): (Vec<CandleStep>, Option<(Ts, Ts)>) = (Vec::new(), None);
        for (kind, minute, n) in asked {
            now += MINUTE / 4;
            match (kind, open) {
                (0, _) => sync.reopened(Ts(minute * MINUTE), &mut steps),
                (1, _) => sync.on_time(Ts(now), &mut steps),
                (2, Some((from, _))) => sync.on_fetched(from, &(minute..minute + n as i64).map(candle).collect::<Vec<_>>(), &mut steps),
                (3, Some((from, to))) => {
                    let all: Vec<Candle> = (from.0 / MINUTE..to.0 / MINUTE).map(candle).collect();
                    sync.on_fetched(from, &all, &mut steps);
                }
                _ => sync.on_closed(candle(minute), Ts(now), &mut steps),
            }
            for step in steps.drain(..) {
                if let CandleStep::Fetch { from, to } = step {
                    prop_assert!(from < to);
                    open = Some((from, to));
                }
                said.push(step);
            }
        }
        let mut next = Ts(MINUTE);
        for step in said {
            match step {
                CandleStep::Emit(c) | CandleStep::Missed(c) => {
                    prop_assert_eq!(c.opened_at, next);
                    next = next.plus_ns(MINUTE);
                }
                CandleStep::Gap { from, to } => {
                    prop_assert_eq!(from, next);
                    prop_assert!(to > from);
                    next = to;
                }
                _ => {}
            }
        }
    }
}
