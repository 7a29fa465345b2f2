use super::*;
use SequenceRule::{BinanceSpot, BinanceUsdm, Bybit};
use Step::{Applied, GapNeedsSnapshot, Skipped};

const fn diff(first: u64, last: u64, previous: Option<u64>) -> UpdateIds {
    UpdateIds { first, last, previous, is_snapshot: false }
}

const fn snapshot(last: u64) -> UpdateIds {
    UpdateIds { first: last, last, previous: None, is_snapshot: true }
}

fn steps(rule: SequenceRule, updates: &[UpdateIds]) -> Vec<Step> {
    let mut resync = Resync::new(rule);
    updates.iter().map(|ids| resync.take(*ids)).collect()
}

#[test]
fn spot_updates_join_the_snapshot_and_then_each_other() {
    let updates =
        [diff(1, 5, None), snapshot(10), diff(6, 10, None), diff(9, 12, None), diff(13, 13, None), diff(13, 13, None)];
    assert_eq!(steps(BinanceSpot, &updates), [GapNeedsSnapshot, Applied, Skipped, Applied, Applied, Skipped]);
    assert_eq!(steps(BinanceSpot, &[snapshot(10), diff(12, 13, None)]), [Applied, GapNeedsSnapshot]);
    assert_eq!(steps(BinanceSpot, &[snapshot(10), diff(11, 12, None), diff(12, 14, None)])[2], GapNeedsSnapshot);
}

#[test]
fn futures_updates_name_the_one_before() {
    let updates =
        [snapshot(10), diff(3, 9, Some(2)), diff(10, 14, Some(9)), diff(20, 24, Some(14)), diff(25, 30, Some(24))];
    assert_eq!(steps(BinanceUsdm, &updates), [Applied, Skipped, Applied, Applied, Applied]);
    assert_eq!(steps(BinanceUsdm, &[snapshot(10), diff(8, 10, Some(7)), diff(15, 16, Some(10))]), [Applied; 3]);
    assert_eq!(steps(BinanceUsdm, &[snapshot(10), diff(12, 14, Some(11))]), [Applied, GapNeedsSnapshot]);
    assert_eq!(
        steps(BinanceUsdm, &[snapshot(10), diff(10, 14, Some(9)), diff(16, 18, Some(15))]),
        [Applied, Applied, GapNeedsSnapshot]
    );
}

#[test]
fn bybit_numbers_count_up_by_one_and_restart_at_one() {
    let updates =
        [snapshot(7), diff(8, 8, None), diff(8, 8, None), diff(1, 1, None), diff(2, 2, None), diff(4, 4, None)];
    assert_eq!(steps(Bybit, &updates), [Applied, Applied, Skipped, Applied, Applied, GapNeedsSnapshot]);
}

#[test]
fn a_gap_lasts_until_the_next_snapshot_and_is_counted_once() {
    let mut resync = Resync::new(BinanceSpot);
    resync.take(snapshot(10));
    assert_eq!(resync.take(diff(20, 21, None)), GapNeedsSnapshot);
    assert_eq!(resync.take(diff(22, 23, None)), GapNeedsSnapshot);
    assert!(!resync.is_synced());
    assert_eq!(resync.gaps(), 1);
    assert_eq!(resync.take(snapshot(23)), Applied);
    assert_eq!(resync.take(diff(24, 24, None)), Applied);
    assert_eq!(resync.last_id(), Some(24));
    assert_eq!(resync.take(snapshot(20)), Skipped);
}
