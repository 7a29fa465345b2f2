//! Whatever stands in the files of a run, reading them ends with what was written or with an error, never with anything else.
// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod closed_run;
mod live_world;
#[path = "../../model/tests/mutation/mod.rs"]
mod mutation;

use closed_run::closed_run;
use engine::book_backtest::{BookColumns, BookGrid, BookRequest, GridSpec};
use engine::journal::{JOURNAL_FILE, JournalReader, Record};
use engine::market_log::{MARKET_DIR, MarketLogReader};
use engine::run::verify;
use engine::snapshot;
use model::{Costs, MarketEvent, Price, Qty, SymbolSpec, VenueConfig, VenueModel};
use mutation::{Mutation, any_mutations};
use proptest::prelude::*;
use proptest::sample::Index;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a closed run left, and what its files say.
struct Written {
    folder: tempfile::TempDir,
    files: Vec<PathBuf>,
    records: Vec<Record>,
    events: Vec<MarketEvent>,
}

impl Written {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state_dir = PathBuf::from(closed_run(folder.path()).state_dir);
        let mut files = vec![state_dir.join(JOURNAL_FILE)];
        files.extend(snapshot::list(&state_dir).unwrap().into_iter().map(|(_, path)| path));
        let segments = fs::read_dir(state_dir.join(MARKET_DIR)).unwrap();
        files.extend(segments.map(|entry| entry.unwrap().path()));
        files.sort();
        let mut written = Self { folder, files, records: Vec::new(), events: Vec::new() };
        written.records = written.journal();
        written.events = written.market();
        assert!(written.records.len() > 60 && written.events.len() > 200 && written.files.len() >= 4);
        written
    }

    fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// Records up to the end or the first error.
    fn journal(&self) -> Vec<Record> {
        let Ok(mut reader) = JournalReader::open(&self.state_dir()) else { return Vec::new() };
        let records = std::iter::from_fn(|| reader.next_record().ok().flatten());
        records.collect()
    }

    /// Sealed events up to the end or the first error.
    fn market(&self) -> Vec<MarketEvent> {
        let Ok(Some(mut reader)) = MarketLogReader::open_oldest(&self.state_dir()) else { return Vec::new() };
        let mut sealed = Vec::new();
        let mut batch = Vec::new();
        while let Ok(Some(_)) = reader.next_batch(&mut batch) {
            sealed.append(&mut batch);
        }
        sealed
    }

    /// Reads all files with one of them changed.
    fn check(&self, file: &Path, mutations: &[Mutation]) -> Result<(), TestCaseError> {
        let whole = fs::read(file).unwrap();
        let mut bytes = whole.clone();
        mutations.iter().for_each(|mutation| mutation.apply(&mut bytes, &whole));
        fs::write(file, &bytes).unwrap();
        let (records, events, loaded) = (self.journal(), self.market(), snapshot::load(file).is_ok());
        // It may find damage or none, but it ends.
        drop(verify(&self.state_dir()));
        fs::write(file, &whole).unwrap();
        prop_assert!(self.records.starts_with(&records), "{}: records that were never written", file.display());
        prop_assert!(self.events.starts_with(&events), "{}: events that were never written", file.display());
        prop_assert!(!loaded || bytes == whole, "{}: a changed snapshot was taken", file.display());
        Ok(())
    }

    fn search(&self, n_cases: u32, seed: u64) {
        mutation::search(n_cases, seed, &(any::<Index>(), any_mutations()), |(file, mutations)| {
            self.check(file.get::<PathBuf>(&self.files), &mutations)
        });
    }
}

#[test]
fn a_changed_file_gives_what_was_written_up_to_the_change_or_an_error() {
    Written::new().search(150, 1);
}

#[test]
#[ignore = "soak: searches for two minutes"]
fn changed_files_of_two_minutes_give_what_was_written_or_an_error() {
    let (written, began) = (Written::new(), Instant::now());
    for seed in 2.. {
        if began.elapsed() > Duration::from_secs(120) {
            break;
        }
        written.search(500, seed);
    }
}

/// Any columns at all: mostly prices near each other, so that books meet, and now and then any number.
fn any_columns() -> impl Strategy<Value = Vec<(i64, u8, i8, i64, i64)>> {
    let price = prop_oneof![20 => (90..110_i64).prop_map(|tick| tick * 100), 1 => any::<i64>()];
    let qty = prop_oneof![20 => (0..9_i64).prop_map(|lots| lots * 10), 1 => any::<i64>()];
    let row = (0..2_000_i64, 0..3_u8, prop_oneof![Just(1_i8), Just(-1_i8)], price, qty);
    prop::collection::vec(row, 0..80)
}

fn play_columns(rows: &[(i64, u8, i8, i64, i64)]) {
    let mut at = 0;
    let at_ns: Vec<i64> = rows
        .iter()
        .map(|row| {
            at += row.0;
            at
        })
        .collect();
    let kind: Vec<u8> = rows.iter().map(|row| row.1).collect();
    let side: Vec<i8> = rows.iter().map(|row| row.2).collect();
    let price: Vec<i64> = rows.iter().map(|row| row.3).collect();
    let qty: Vec<i64> = rows.iter().map(|row| row.4).collect();
    let columns =
        BookColumns { at_ns: &at_ns, exch_at_ns: &at_ns, kind: &kind, side: &side, price_e8: &price, qty_e8: &qty };
    let Ok(checked) = columns.checked() else { return };
    let spec = GridSpec {
        qty_lots: 1,
        layers: 2,
        half_spread_ticks: 1,
        interval_ticks: 1,
        skew_half_ticks: 1,
        cap_quotes: 3,
        settle_ns: 1_000,
    };
    let symbol = SymbolSpec::new("A", Price(100), Qty(10));
    let venue = VenueConfig { model: VenueModel::Book, order_latency_us: 1, ..VenueConfig::default() };
    let request = BookRequest { symbol: &symbol, costs: Costs::default(), venue: &venue };
    let facts = engine::book_backtest::run(&request, &checked, &mut BookGrid::new(spec, &symbol).unwrap()).unwrap();
    let position: i64 = facts.fills.iter().map(|f| f.fill.order.side.sign() * f.fill.qty.0).sum();
    assert_eq!(facts.position.0, position);
}

proptest! {
    #[test]
    fn any_events_of_a_book_are_refused_or_played(rows in any_columns()) {
        play_columns(&rows);
    }
}

mod soak {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200_000))]
        #[test]
        #[ignore = "soak: two hundred thousand books"]
        fn many_events_of_a_book_are_refused_or_played(rows in any_columns()) {
            play_columns(&rows);
        }
    }
}
