use super::*;
use model::Ts;
use model::message::Reached;

fn message(n: u64) -> Message {
    let to_ns = Ts(n as i64 * 1_000).0;
    Message::Reached(Reached { to_ns, bars: n, feed_ended: false, actions_sha256: format!("{n:064x}") })
}

fn numbers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|m| if let Message::Reached(r) = m { r.bars } else { panic!("{m:?}") }).collect()
}

fn range(first: u64, last: u64) -> Vec<u64> {
    (first..=last).collect()
}

/// A new spool in its place, with messages 1 to `n`.
fn filled(dir: &Path, n: u64) -> Spool {
    let mut spool = Spool::anew(dir).unwrap();
    spool.replace().unwrap();
    push(&mut spool, n);
    spool
}

fn push(spool: &mut Spool, upto: u64) {
    for n in spool.made() + 1..=upto {
        spool.push(message(n)).unwrap();
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    segment::list(&dir.join(SPOOL_DIR)).unwrap().into_iter().map(|(_, path)| path).collect()
}

#[test]
fn two_hundred_thousand_messages_wait_in_bounded_memory_and_are_read_once_and_in_order() {
    const N: u64 = 200_000;
    let dir = tempfile::tempdir().unwrap();
    let mut spool = Spool::anew(dir.path()).unwrap();
    for n in 1..=N {
        spool.push(message(n)).unwrap();
        assert!(spool.in_memory() <= MOST_IN_MEMORY);
    }
    spool.replace().unwrap();
    let n_files = files(dir.path()).len();
    assert!(n_files > 10, "{n_files} segments");
    let mut next = 1;
    while next <= N {
        let messages = spool.read(next, 777).unwrap();
        assert_eq!(numbers(&messages), range(next, (next + 776).min(N)));
        next += messages.len() as u64;
        spool.acknowledge(next - 1);
        spool.forget(next - 1).unwrap();
    }
    assert_eq!((spool.read(next, 5).unwrap().len(), spool.in_memory(), files(dir.path()).len()), (0, 0, 0));
    push(&mut spool, N + 3);
    assert_eq!(numbers(&spool.read(N + 1, usize::MAX).unwrap()), range(N + 1, N + 3));
}

#[test]
fn what_is_acknowledged_in_time_never_reaches_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = filled(dir.path(), 0);
    for n in 1..=5_000 {
        push(&mut spool, n);
        spool.acknowledge(n.saturating_sub(500));
    }
    assert_eq!((spool.acked(), spool.in_memory(), files(dir.path()).len()), (4_500, 500, 0));
    spool.acknowledge(u64::MAX);
    assert_eq!((spool.acked(), spool.in_memory()), (5_000, 0));
}

#[test]
fn a_start_finds_what_a_snapshot_counted_on_and_makes_the_rest_again() {
    for (at, acked, lost) in [(3_000, 0, 5_000), (3_000, 2_999, 3_001), (3_000, 3_000, 9_000), (900, 400, 1_000)] {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = filled(dir.path(), at);
        spool.acknowledge(acked);
        let mark = spool.sync().unwrap();
        assert_eq!((mark.made, mark.acked), (at, acked));
        // Lived after the snapshot, and forgotten by the kill.
        push(&mut spool, lost);
        drop(spool);
        Spool::check(dir.path(), &mark).unwrap();
        let mut spool = Spool::at(dir.path(), &mark).unwrap();
        assert_eq!((spool.made(), spool.acked(), spool.in_memory()), (at, acked, 0));
        push(&mut spool, at + 2_500);
        let found = spool.read(acked + 1, usize::MAX).unwrap();
        assert_eq!(numbers(&found), range(acked + 1, at + 2_500), "{at} {acked}");
        spool.sync().unwrap();
        verify(dir.path()).unwrap();
        // And once more, from what was written after the first start.
        spool.acknowledge(at + 1_000);
        let mark = spool.sync().unwrap();
        drop(spool);
        let mut spool = Spool::at(dir.path(), &mark).unwrap();
        assert_eq!(numbers(&spool.read(at + 1_001, usize::MAX).unwrap()), range(at + 1_001, at + 2_500));
    }
}

#[test]
fn the_older_snapshot_finds_its_messages_too_until_they_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = filled(dir.path(), 40_000);
    spool.acknowledge(20_000);
    let older = spool.sync().unwrap();
    push(&mut spool, 60_000);
    spool.acknowledge(50_000);
    let newer = spool.sync().unwrap();
    spool.forget(older.acked).unwrap();
    drop(spool);
    for mark in [&newer, &older] {
        Spool::check(dir.path(), mark).unwrap();
    }
    let mut spool = Spool::at(dir.path(), &older).unwrap();
    assert_eq!(numbers(&spool.read(20_001, usize::MAX).unwrap()), range(20_001, 40_000));
    assert!(matches!(Spool::check(dir.path(), &newer), Err(SpoolError::Missing { seq: 40_001.., .. })));
}

#[test]
fn a_gap_of_acknowledged_messages_lies_between_segments() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = filled(dir.path(), 2_000);
    spool.sync().unwrap();
    push(&mut spool, 2_500);
    spool.acknowledge(2_400);
    let mark = spool.sync().unwrap();
    assert_eq!(files(dir.path()).len(), 2);
    assert_eq!(verify(dir.path()).unwrap(), 2_100);
    drop(spool);
    let mut spool = Spool::at(dir.path(), &mark).unwrap();
    assert_eq!(numbers(&spool.read(2_401, usize::MAX).unwrap()), range(2_401, 2_500));
}

#[test]
fn a_replay_from_the_start_leaves_the_old_spool_in_place_until_it_is_through() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = filled(dir.path(), 3_000);
    let mark = spool.sync().unwrap();
    drop(spool);
    let mut again = Spool::anew(dir.path()).unwrap();
    push(&mut again, 2_000);
    Spool::check(dir.path(), &mark).unwrap();
    // The replay failed; the next one does not.
    drop(again);
    let mut again = Spool::anew(dir.path()).unwrap();
    push(&mut again, 3_500);
    again.replace().unwrap();
    assert_eq!(numbers(&again.read(1, usize::MAX).unwrap()), range(1, 3_500));
    push(&mut again, 6_000);
    assert_eq!(numbers(&again.read(1, usize::MAX).unwrap()), range(1, 6_000));
    assert!(!dir.path().join(UNFINISHED_DIR).exists());
}

#[test]
fn a_flipped_bit_anywhere_is_found_and_a_lost_file_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = filled(dir.path(), 1_000);
    spool.sync().unwrap();
    push(&mut spool, 1_500);
    spool.acknowledge(1_200);
    let mark = spool.sync().unwrap();
    drop(spool);
    let paths = files(dir.path());
    assert_eq!(paths.len(), 2);
    for (i, path) in paths.iter().enumerate() {
        let whole = fs::read(path).unwrap();
        for at in (0..60).chain((60..whole.len()).step_by(101)).chain(whole.len() - 40..whole.len()) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(path, &bytes).unwrap();
            let (checked, verified) = (Spool::check(dir.path(), &mark), verify(dir.path()));
            assert!(checked.is_err() || i == 0, "byte {at} of the segment that is needed");
            assert!(checked.is_err() || verified.is_err(), "byte {at} of segment {i}");
        }
        fs::write(path, &whole[..whole.len() - 1]).unwrap();
        assert!(verify(dir.path()).is_err() || Spool::check(dir.path(), &mark).is_err(), "a cut of segment {i}");
        fs::write(path, whole).unwrap();
    }
    Spool::check(dir.path(), &mark).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    let error = Spool::at(dir.path(), &mark).unwrap_err().to_string();
    assert!(error.contains("does not hold message"), "{error}");
    assert!(paths[0].exists(), "nothing was changed");
}

#[test]
fn a_newest_segment_that_a_kill_left_without_a_whole_head_holds_nothing_and_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut spool = filled(dir.path(), 1_000);
    let mark = spool.sync().unwrap();
    drop(spool);
    let begun = segment::path(&dir.path().join(SPOOL_DIR), 1_001);
    let head = segment::header(1_001, &mark.written.sha256);
    for n in 0..head.len() {
        fs::write(&begun, &head[..n]).unwrap();
        assert_eq!(verify(dir.path()).unwrap(), 1_000, "{n} bytes of its head");
        Spool::check(dir.path(), &mark).unwrap();
    }
    let mut spool = Spool::at(dir.path(), &mark).unwrap();
    assert!(!begun.exists(), "what follows the snapshot is made again");
    push(&mut spool, 2_500);
    assert_eq!(numbers(&spool.read(1, usize::MAX).unwrap()), range(1, 2_500));
    fs::write(&files(dir.path())[0], []).unwrap();
    assert!(verify(dir.path()).is_err(), "an older segment was whole");
}
