use super::*;
use model::message::{AdvanceTo, Prediction, Recommendation};
use proptest::prelude::*;
use std::fs;

fn advance(n: i64) -> Input {
    Input::Advance(AdvanceTo { to_ns: n })
}

/// Opens as a run does: reads everything, then writes on.
fn open(dir: &Path) -> Result<(Journal, Vec<Record>, u64), JournalError> {
    let lock = StateLock::take(dir)?;
    let mut reader = JournalReader::open(dir)?;
    let mut records = Vec::new();
    while let Some(record) = reader.next_record()? {
        records.push(record);
    }
    let (journal, torn_bytes) = reader.into_writer(lock)?;
    Ok((journal, records, torn_bytes))
}

fn written(dir: &Path, n: i64) {
    let mut journal = open(dir).unwrap().0;
    for i in 1..=n {
        journal.append(Some(i as u64), i as u64 * 10, Ts(i), &advance(i)).unwrap();
    }
    journal.sync().unwrap();
}

#[test]
fn what_was_synced_is_read_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let (mut journal, records, torn_bytes) = open(dir.path()).unwrap();
    let steps: Vec<u64> = records.iter().map(|r| r.step).collect();
    assert_eq!((steps, torn_bytes, journal.next_n()), (vec![10, 20, 30], 0, 4));
    assert_eq!(records[2].input().unwrap(), advance(3));
    journal.append(None, 40, Ts(4), &Input::Progress).unwrap();
    journal.sync().unwrap();
    drop(journal);
    assert_eq!(read(dir.path()).unwrap().records.len(), 4);
}

#[test]
fn a_torn_last_line_is_cut_off_at_every_length_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let path = dir.path().join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    let second_end = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(1).unwrap().0 + 1;
    for cut in second_end..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        // As after a loss of power: the head is behind, or not there.
        fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
        let (_, records, torn_bytes) = open(dir.path()).unwrap();
        assert_eq!((records.len(), torn_bytes), (2, (cut - second_end) as u64));
        assert_eq!(fs::read(&path).unwrap(), &whole[..second_end]);
    }
}

#[test]
fn a_changed_removed_or_reordered_record_is_named() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 4);
    let path = dir.path().join(JOURNAL_FILE);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let damaged = [
        text.replacen("\"step\":20", "\"step\":21", 1),
        [lines[0], lines[2], lines[3], ""].join("\n"),
        [lines[0], lines[2], lines[1], lines[3], ""].join("\n"),
        [lines[0], "garbage", lines[2], lines[3], ""].join("\n"),
    ];
    for content in damaged {
        fs::write(&path, content).unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("record 2 is damaged"), "{error}");
    }
}

#[test]
fn a_second_engine_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(JournalError::Locked(_))));
    drop(journal);
    open(dir.path()).unwrap();
}

#[test]
fn any_flipped_byte_is_named_by_its_record() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let path = dir.path().join(JOURNAL_FILE);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x04;
        fs::write(&path, &damaged).unwrap();
        let n = whole[..at].iter().filter(|b| **b == b'\n').count() as u64 + 1;
        match read(dir.path()) {
            Err(JournalError::Broken { n: named, .. }) => assert_eq!(named, n, "byte {at}"),
            other => panic!("byte {at}: {other:?}"),
        }
    }
}

#[test]
fn a_file_that_grew_before_its_bytes_came_is_torn_and_not_damaged() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 2);
    let path = dir.path().join(JOURNAL_FILE);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(b"{\"n\":3,\"se\0\0\0\0");
    fs::write(&path, &bytes).unwrap();
    let contents = read(dir.path()).unwrap();
    assert_eq!((contents.records.len(), contents.torn_bytes), (2, 14));
}

#[test]
fn records_that_are_missing_at_the_end_are_known_by_the_head() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let (path, head) = (dir.path().join(JOURNAL_FILE), dir.path().join(HEAD_FILE));
    let (whole, named) = (fs::read(&path).unwrap(), fs::read(&head).unwrap());
    // Whole records, the middle of one, and its end alone.
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        assert!(matches!(read(dir.path()), Err(JournalError::Lacks { n: 3, .. })), "cut at byte {cut}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(read(dir.path()), Err(JournalError::Lacks { n: 3, .. })));
    // A head that is behind is what a loss of power leaves; the next start names what there is.
    fs::write(&path, &whole).unwrap();
    for behind in [Vec::new(), vec![0; named.len()]] {
        fs::write(&head, behind).unwrap();
        assert_eq!(open(dir.path()).unwrap().1.len(), 3);
        assert_eq!(fs::read(&head).unwrap(), named);
    }
}

#[test]
fn a_head_of_another_journal_and_a_damaged_one_are_named() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    written(dir.path(), 3);
    let mut journal = open(other.path()).unwrap().0;
    (0..3).for_each(|i| journal.append(None, i, Ts(0), &Input::Progress).unwrap());
    journal.sync().unwrap();
    let head = dir.path().join(HEAD_FILE);
    let whole = fs::read(&head).unwrap();
    fs::copy(other.path().join(HEAD_FILE), &head).unwrap();
    assert!(matches!(read(dir.path()), Err(JournalError::Lacks { n: 3, .. })));
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x01;
        fs::write(&head, &damaged).unwrap();
        let error = open(dir.path()).unwrap_err().to_string();
        assert!(error.contains("journal.head is damaged"), "byte {at}: {error}");
    }
}

#[test]
fn a_record_that_says_the_same_in_other_words_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 2);
    let path = dir.path().join(JOURNAL_FILE);
    let text = fs::read_to_string(&path).unwrap();
    for (from, to) in
        [("{\"n\":2,", "{ \"n\":2,"), ("\"kind\":\"advance", "\"kind\":\"\\u0061dvance"), ("}\n", "}\r\n")]
    {
        let at = text.rfind(from).unwrap();
        let damaged = format!("{}{}", &text[..at], text[at..].replacen(from, to, 1));
        fs::write(&path, &damaged).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("line 2: record 2 is damaged"), "{to:?}: {error}");
    }
    // A last record without its end is cut off only as it was written, and only in its place.
    fs::remove_file(dir.path().join(HEAD_FILE)).unwrap();
    let unfinished = text.trim_end();
    fs::write(&path, unfinished).unwrap();
    assert_eq!(read(dir.path()).unwrap().records.len(), 1);
    for damaged in
        [unfinished.replace("\"step\":20", "\"step\":21"), format!("{unfinished}\t"), text.clone() + "{\"n\":4,"]
    {
        fs::write(&path, &damaged).unwrap();
        assert!(matches!(read(dir.path()), Err(JournalError::Broken { .. })), "{damaged}");
    }
}

#[test]
fn reading_starts_after_any_record_and_refuses_one_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 3);
    let mut reader = JournalReader::open(dir.path()).unwrap();
    reader.next_record().unwrap();
    reader.next_record().unwrap();
    let second = reader.position().clone();
    let mut tail = JournalReader::open_after(dir.path(), &second).unwrap();
    assert_eq!(tail.next_record().unwrap().map(|r| r.n), Some(3));
    assert_eq!(tail.next_record().unwrap(), None);
    let elsewhere = Position { hash: "00".into(), ..second.clone() };
    assert!(matches!(JournalReader::open_after(dir.path(), &elsewhere), Err(JournalError::Lacks { n: 2, .. })));
    let path = dir.path().join(JOURNAL_FILE);
    let bytes = fs::read(&path).unwrap();
    let cut = usize::try_from(second.ends_at).unwrap() - 1;
    fs::write(&path, &bytes[..cut]).unwrap();
    assert!(matches!(JournalReader::open_after(dir.path(), &second), Err(JournalError::Lacks { n: 2, .. })));
}

proptest! {
    #[test]
    fn what_came_over_the_bridge_is_read_back_to_the_last_bit(bits in prop::collection::vec(any::<u64>(), 4)) {
        let [direction, confidence, expected_move_bps, reason] = [0, 1, 2, 3].map(|i| f64::from_bits(bits[i]));
        prop_assume!([direction, confidence, expected_move_bps, reason].iter().all(|x| x.is_finite()));
        let input = Input::Prediction(Prediction {
            prediction_id: "p-1".into(),
            at_ns: 1,
            symbol: "BTCUSDT".into(),
            direction,
            confidence,
            expected_move_bps,
            horizon_ms: 60_000,
            expected_volatility_bps: Some(reason),
            regime: None,
            recommended_strategy: Recommendation::Twap,
            strategy_params: std::collections::BTreeMap::from([("slices".into(), reason)]),
            expires_at_ns: 2,
            model: "m".into(),
            model_sha256: "00".into(),
            feature_schema: "00".into(),
            reasons: vec![("x".into(), reason)],
        });
        prop_assert_eq!(Input::parse(input.kind(), &input.body().unwrap()).unwrap(), input);
    }
}
