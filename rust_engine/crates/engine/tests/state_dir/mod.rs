//! What a run leaves on disk.

use engine::market_log::MARKET_DIR;
use engine::spool::SPOOL_DIR;
use engine::{Recovered, Run};
use model::message::Message;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What the worker has not acknowledged, as a start finds it.
pub fn waiting(run: &mut Run, recovered: &Recovered) -> Vec<Message> {
    let messages = run.messages(recovered.acked_seq + 1, usize::MAX).unwrap();
    assert_eq!(recovered.acked_seq + messages.len() as u64, recovered.made_seq);
    messages
}

/// Every file of a state directory with its length.
pub fn lengths(dir: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let (market, spool) = (dir.join(MARKET_DIR), dir.join(SPOOL_DIR));
    for dir in [dir, &market, &spool].into_iter().filter(|d| d.is_dir()) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            if entry.path().is_file() {
                found.insert(entry.path(), entry.metadata().unwrap().len());
            }
        }
    }
    found
}

pub fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}
