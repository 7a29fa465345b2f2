use super::*;

fn snapshot(n: u64) -> Snapshot {
    let journal = journal::Position { n, hash: "ab".into(), begins_at: 10, ends_at: 20 };
    let market = market_log::Position { rows: 7, sha256: [9; 32] };
    let messages = spool::Mark { made: 5, acked: 4, written: spool::Position { seq: 5, sha256: [7; 32] } };
    let header = Header { build: BUILD.to_owned(), journal, market, received_seq: 3, messages };
    Snapshot { header, state: (0..200).collect() }
}

fn numbers(dir: &Path) -> Vec<u64> {
    list(dir).unwrap().into_iter().map(|(n, _)| n).collect()
}

#[test]
fn a_snapshot_is_read_back_and_only_the_wanted_two_stay() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(list(&dir.path().join("nowhere")).unwrap(), vec![]);
    save(dir.path(), &snapshot(5), None).unwrap();
    save(dir.path(), &snapshot(8), Some(5)).unwrap();
    assert_eq!(numbers(dir.path()), vec![8, 5]);
    save(dir.path(), &snapshot(11), Some(8)).unwrap();
    assert_eq!(numbers(dir.path()), vec![11, 8]);
    let (_, newest) = &list(dir.path()).unwrap()[0];
    assert_eq!(load(newest).unwrap(), snapshot(11));
}

#[test]
fn a_snapshot_with_any_byte_flipped_or_cut_off_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), &snapshot(5), None).unwrap();
    let (_, path) = list(dir.path()).unwrap().remove(0);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("checksum"), "byte {at}");
        fs::write(&path, &whole[..at]).unwrap();
        load(&path).unwrap_err();
    }
}

#[test]
fn a_snapshot_of_another_build_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = snapshot(5);
    other.header.build = "other".into();
    save(dir.path(), &other, None).unwrap();
    let (_, path) = list(dir.path()).unwrap().remove(0);
    assert!(load(&path).unwrap_err().to_string().contains("build other wrote it"));
}
