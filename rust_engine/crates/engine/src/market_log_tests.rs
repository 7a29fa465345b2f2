use super::*;
use model::{Bar, Depth, Funding, Level, MarketTrade, Price, Qty, Quote, Side, Staleness, SymbolId};
use proptest::prelude::*;

const NO_ROTATION: Rotation = Rotation { max_bytes: u64::MAX, max_ns: i64::MAX };
/// Closes a segment after every batch.
const EVERY_BATCH: Rotation = Rotation { max_bytes: 1, max_ns: i64::MAX };

fn events() -> impl Strategy<Value = MarketEvent> {
    let number = || any::<i64>();
    let level = (any::<bool>(), number(), number()).prop_map(|(sells, price, qty)| Level {
        side: if sells { Side::Sell } else { Side::Buy },
        price: Price(price),
        qty: Qty(qty),
    });
    let stamps = || (any::<u16>().prop_map(SymbolId), number().prop_map(Ts), number().prop_map(Ts));
    prop_oneof![
        (stamps(), [number(), number(), number(), number(), number()]).prop_map(|((symbol, a, b), v)| {
            let [open, high, low, close, volume] = v;
            MarketEvent::Bar(Bar {
                symbol,
                opened_at: a,
                closed_at: b,
                open: Price(open),
                high: Price(high),
                low: Price(low),
                close: Price(close),
                volume: Qty(volume),
            })
        }),
        (stamps(), number(), number(), any::<u64>(), any::<bool>()).prop_map(
            |((symbol, at, exch_at), price, qty, id, sells)| {
                let aggressor = if sells { Side::Sell } else { Side::Buy };
                MarketEvent::Trade(MarketTrade {
                    symbol,
                    at,
                    exch_at,
                    price: Price(price),
                    qty: Qty(qty),
                    aggressor,
                    id,
                })
            }
        ),
        (stamps(), [number(), number(), number(), number()]).prop_map(|((symbol, at, exch_at), v)| {
            let [bid, bid_qty, ask, ask_qty] = v;
            let (bid, ask) = (Price(bid), Price(ask));
            MarketEvent::Quote(Quote { symbol, at, exch_at, bid, bid_qty: Qty(bid_qty), ask, ask_qty: Qty(ask_qty) })
        }),
        (stamps(), any::<(u64, u64, bool)>(), prop::collection::vec(level, 0..5)).prop_map(
            |((symbol, at, exch_at), (first_id, last_id, is_snapshot), levels)| {
                MarketEvent::Depth(Depth { symbol, at, exch_at, first_id, last_id, is_snapshot, levels })
            }
        ),
        (stamps(), number()).prop_map(|((symbol, at, mark), rate_e8)| {
            MarketEvent::Funding(Funding { symbol, at, rate_e8, mark: Price(mark.0) })
        }),
        (stamps(), any::<bool>()).prop_map(|((symbol, at, _), is_stale)| MarketEvent::Staleness(Staleness {
            symbol,
            at,
            is_stale
        })),
    ]
}

fn trade(n: i64) -> MarketEvent {
    MarketEvent::Trade(MarketTrade {
        symbol: SymbolId(0),
        at: Ts(n),
        exch_at: Ts(n),
        price: Price(n + 1),
        qty: Qty(1),
        aggressor: Side::Buy,
        id: n as u64,
    })
}

fn book(n: i64) -> MarketEvent {
    let level = |side, price| Level { side, price: Price(price), qty: Qty(n) };
    let levels = vec![level(Side::Buy, 99), level(Side::Sell, 101), level(Side::Sell, 102)];
    let (at, id) = (Ts(n), n as u64);
    MarketEvent::Depth(Depth {
        symbol: SymbolId(1),
        at,
        exch_at: at,
        first_id: id,
        last_id: id,
        is_snapshot: false,
        levels,
    })
}

fn create(dir: &Path, rotation: Rotation) -> MarketLog {
    MarketLogReader::open(dir, &Position::default()).unwrap().into_writer(rotation).unwrap().0
}

/// Ten batches of a print and a book; the seal after each.
fn written(dir: &Path, rotation: Rotation) -> Vec<Position> {
    let mut log = create(dir, rotation);
    let seals = (0..10).map(|n| {
        let seal = log.append(&[trade(n), book(n)]).unwrap();
        log.sync().unwrap();
        seal
    });
    seals.collect()
}

fn read_all(dir: &Path, from: &Position, until: &Position) -> Result<Vec<MarketEvent>, MarketLogError> {
    let mut found = Vec::new();
    MarketLogReader::open(dir, from)?.read_to(until, |event| found.push(event))?;
    Ok(found)
}

fn expected(batches: std::ops::Range<i64>) -> Vec<MarketEvent> {
    batches.flat_map(|n| [trade(n), book(n)]).collect()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    segment_files(&dir.join(MARKET_DIR)).unwrap().into_iter().map(|(_, path)| path).collect()
}

proptest! {
    #[test]
    fn every_event_survives_its_rows(event in events()) {
        let (mut decoder, mut found) = (rows::Decoder::default(), Vec::new());
        rows::encode(&event, |row| {
            let read = Row::parse(&row.to_bytes()).unwrap();
            found.extend(decoder.push(&read).unwrap());
        });
        prop_assert_eq!(found, vec![event]);
        prop_assert!(decoder.is_between_events());
    }

    #[test]
    fn rows_of_any_bytes_are_refused_or_read(bytes in prop::array::uniform32(any::<u8>()), kind in any::<u8>()) {
        let mut row = [0; ROW_BYTES];
        row[..32].copy_from_slice(&bytes);
        prop_assert_eq!(Row::parse(&row), None);
        row[0] = kind;
        row[4..8].fill(0);
        let crc = crc32fast::hash(&row);
        row[4..8].copy_from_slice(&crc.to_le_bytes());
        let read = Row::parse(&row).unwrap();
        prop_assert_eq!(read.to_bytes(), row);
        // No answer is wrong here; it must only not panic.
        let _ = rows::Decoder::default().push(&read);
    }
}

#[test]
fn what_was_sealed_is_read_back_from_every_seal_over_every_rotation() {
    let by_time = Rotation { max_bytes: u64::MAX, max_ns: 4 };
    for (rotation, n_files) in [(NO_ROTATION, 1), (EVERY_BATCH, 10), (by_time, 3)] {
        let dir = tempfile::tempdir().unwrap();
        let seals = written(dir.path(), rotation);
        assert_eq!(files(dir.path()).len(), n_files);
        assert_eq!(seals.iter().map(|s| s.rows).collect::<Vec<_>>(), (1..=10).map(|n| n * 4).collect::<Vec<_>>());
        for (i, from) in std::iter::once(&Position::default()).chain(&seals).enumerate() {
            for (j, until) in seals.iter().enumerate().skip(i.saturating_sub(1)) {
                assert_eq!(read_all(dir.path(), from, until).unwrap(), expected(i as i64..j as i64 + 1), "{i} to {j}");
            }
        }
    }
}

#[test]
fn writing_goes_on_after_any_seal_and_gives_the_same_bytes() {
    for rotation in [NO_ROTATION, EVERY_BATCH] {
        let whole = tempfile::tempdir().unwrap();
        let seals = written(whole.path(), rotation);
        let bytes = |dir: &Path| files(dir).iter().map(|f| fs::read(f).unwrap()).collect::<Vec<_>>();
        for (i, seal) in seals.iter().enumerate() {
            let dir = tempfile::tempdir().unwrap();
            written(dir.path(), rotation);
            let (mut log, _) = MarketLogReader::open(dir.path(), seal).unwrap().into_writer(rotation).unwrap();
            for n in i as i64 + 1..10 {
                assert_eq!(log.append(&[trade(n), book(n)]).unwrap(), seals[n as usize]);
            }
            log.sync().unwrap();
            assert_eq!(bytes(dir.path()), bytes(whole.path()));
        }
    }
}

#[test]
fn what_follows_the_last_counted_seal_is_cut_off_however_it_is_torn() {
    for rotation in [NO_ROTATION, EVERY_BATCH] {
        let dir = tempfile::tempdir().unwrap();
        let seals = written(dir.path(), rotation);
        let last = files(dir.path()).pop().unwrap();
        let whole = fs::read(&last).unwrap();
        // In the one file the first five batches end at row 26; a file of its own is all torn.
        let first_cut = if rotation == NO_ROTATION { 26 * ROW_BYTES } else { 0 };
        for cut in first_cut..whole.len() {
            fs::write(&last, &whole[..cut]).unwrap();
            let reader = MarketLogReader::open(dir.path(), &seals[4]).unwrap();
            assert_eq!(reader.position(), seals[4]);
        }
        let reader = MarketLogReader::open(dir.path(), &seals[4]).unwrap();
        let (mut log, cut_bytes) = reader.into_writer(rotation).unwrap();
        assert!(cut_bytes > 0);
        let again = log.append(&[trade(5), book(5)]).unwrap();
        log.sync().unwrap();
        assert_eq!(again, seals[5]);
        assert_eq!(read_all(dir.path(), &seals[3], &seals[5]).unwrap(), expected(4..6));
    }
}

#[test]
fn any_flipped_byte_before_the_last_seal_is_named_by_segment_and_row() {
    for rotation in [NO_ROTATION, EVERY_BATCH] {
        let dir = tempfile::tempdir().unwrap();
        let end = *written(dir.path(), rotation).last().unwrap();
        for file in files(dir.path()) {
            let whole = fs::read(&file).unwrap();
            for at in (0..whole.len()).step_by(7) {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x10;
                fs::write(&file, &damaged).unwrap();
                let row = (at / ROW_BYTES) as u64;
                match read_all(dir.path(), &Position::default(), &end) {
                    Err(MarketLogError::Broken { path, row: named, .. }) => {
                        assert_eq!((path, named), (file.clone(), row), "byte {at}");
                    }
                    other => panic!("byte {at}: {other:?}"),
                }
            }
            fs::write(&file, &whole).unwrap();
        }
    }
}

#[test]
fn rows_that_were_forged_with_their_checksum_break_the_seal() {
    let dir = tempfile::tempdir().unwrap();
    let end = *written(dir.path(), NO_ROTATION).last().unwrap();
    let file = files(dir.path()).pop().unwrap();
    let mut bytes = fs::read(&file).unwrap();
    let row: &mut [u8; ROW_BYTES] = bytes.as_chunks_mut().0.get_mut(1).unwrap();
    *row = Row { v: [0, 0, 5, 5, 5, 0, 0], ..Row::parse(row).unwrap() }.to_bytes();
    fs::write(&file, &bytes).unwrap();
    let error = read_all(dir.path(), &Position::default(), &end).unwrap_err().to_string();
    assert!(error.contains("row 5 is damaged (its hash does not follow"), "{error}");
}

#[test]
fn a_segment_that_is_missing_or_from_another_run_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let end = *written(dir.path(), EVERY_BATCH).last().unwrap();
    let mut log = create(other.path(), EVERY_BATCH);
    for n in 0..3 {
        log.append(&[trade(n + 7), book(n)]).unwrap();
    }
    log.sync().unwrap();
    let (mine, foreign) = (files(dir.path()), files(other.path()));
    fs::copy(&foreign[1], &mine[1]).unwrap();
    let error = read_all(dir.path(), &Position::default(), &end).unwrap_err().to_string();
    assert!(error.contains("row 0 is damaged (it does not follow the segment before)"), "{error}");
    fs::remove_file(&mine[1]).unwrap();
    let error = read_all(dir.path(), &Position::default(), &end).unwrap_err().to_string();
    assert!(error.contains("does not hold event row 5"), "{error}");
    files(dir.path()).iter().skip(5).for_each(|f| fs::remove_file(f).unwrap());
    assert!(matches!(read_all(dir.path(), &end, &end), Err(MarketLogError::Missing { row: 25, .. })));
}

#[test]
fn only_segments_that_the_archive_proves_to_hold_are_deleted_and_only_from_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let seals = written(dir.path(), EVERY_BATCH);
    let log = MarketLogReader::open(dir.path(), seals.last().unwrap()).unwrap().into_writer(EVERY_BATCH).unwrap().0;
    let mine = files(dir.path());
    let archive = |i: usize, hash: [u8; 32]| fs::write(archived_path(&mine[i]), hex::encode(hash) + "\n").unwrap();
    let final_hash = |i: usize| reader::read_header(&mine[i + 1]).unwrap().hash(3);
    archive(1, final_hash(1));
    assert_eq!(log.delete_archived(u64::MAX - 1).unwrap(), 0);
    archive(0, [7; 32]);
    assert_eq!(log.delete_archived(u64::MAX - 1).unwrap(), 0);
    archive(0, final_hash(0));
    archive(2, final_hash(2));
    // Rows 9 to 12 are in the third segment, so a state of row 11 still needs it.
    assert_eq!(log.delete_archived(11).unwrap(), 2);
    assert_eq!(files(dir.path()), mine[2..]);
    assert_eq!(read_all(dir.path(), &seals[2], &seals[9]).unwrap(), expected(3..10));
    assert!(matches!(
        read_all(dir.path(), &Position::default(), &seals[9]),
        Err(MarketLogError::Missing { row: 1, .. })
    ));
}
