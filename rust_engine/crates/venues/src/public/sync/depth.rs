//! Book updates: a snapshot and the unbroken chain of changes after it.
//!
//! Whether a change continues the chain is [`book::Resync`]'s to say. Here is what it leaves open: a change that came too
//! early waits, changes wait for their snapshot, and a snapshot is asked for.

use super::REORDER_WINDOW_NS;
use crate::public::source::BookUpdate;
use book::{Resync, SequenceRule, Step, UpdateIds};
use model::Ts;
use std::collections::VecDeque;

/// Changes that may come too early before a snapshot is asked for.
const MAX_EARLY: usize = 8;
/// Changes kept while a snapshot is on its way.
const MAX_WAITING: usize = 4096;
/// So many old changes in a row mean that the newest number was wrong.
const OLD_IN_A_ROW: u32 = 4;
/// The same right after a snapshot, which is newer than what was on its way when it was taken.
const OLD_AFTER_SNAPSHOT: u32 = 64;
/// So many snapshots in a row that seem too old mean that what they are compared with is wrong.
const MAX_REFUSED: u32 = 8;

/// What became of an update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BookStep {
    /// Pass it on: a snapshot, or a change whose `first_id` continues what was passed on before.
    Emit(BookUpdate),
    /// Seen before.
    Duplicate,
    /// The chain broke.
    Gap,
    /// A snapshot is needed; said once until one comes.
    NeedSnapshot,
}

/// The book of one symbol.
#[derive(Clone, Debug)]
pub struct BookSync {
    resync: Resync,
    rule: SequenceRule,
    /// Changes that came too early, or that wait for the snapshot, oldest number first.
    waiting: VecDeque<(BookUpdate, Ts)>,
    has_asked: bool,
    n_old: u32,
    /// Snapshots in a row that were too old.
    n_refused: u32,
    /// `last_id` of what was passed on last.
    passed_on: Option<u64>,
    /// Whether nothing came after the snapshot yet.
    is_fresh: bool,
}

impl BookSync {
    /// Nothing known.
    #[must_use]
    pub const fn new(rule: SequenceRule) -> Self {
        let has_asked = is_pushed(rule);
        Self {
            resync: Resync::new(rule),
            rule,
            waiting: VecDeque::new(),
            has_asked,
            n_old: 0,
            n_refused: 0,
            passed_on: None,
            is_fresh: false,
        }
    }

    /// Whether the book stands.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.resync.is_synced()
    }

    /// A connection opened: what was known may be old.
    pub fn reopened(&mut self) {
        *self = Self::new(self.rule);
    }

    /// Whoever reads the book lost an update: it must be sent whole again.
    pub fn lost_downstream(&mut self, out: &mut Vec<BookStep>) {
        self.resync.forget();
        self.ask(out);
    }

    /// Takes a snapshot or a change, received at `at`.
    pub fn on_update(&mut self, update: BookUpdate, at: Ts, out: &mut Vec<BookStep>) {
        if update.is_snapshot {
            return self.on_snapshot(update, out);
        }
        if !self.is_live() {
            self.keep(update, at);
            // One that never came is asked for again when the wait has lost its oldest change.
            self.has_asked &= self.waiting.len() < MAX_WAITING;
            return self.ask(out);
        }
        match self.take(&update) {
            Step::Skipped => self.on_old(out),
            Step::Applied => {
                self.emit(update, out);
                self.drain(out);
            }
            Step::GapNeedsSnapshot => {
                self.keep(update, at);
                if self.waiting.len() > MAX_EARLY {
                    self.break_chain(out);
                }
            }
        }
    }

    /// Gives up the wait for a missing change.
    pub fn on_time(&mut self, now: Ts, out: &mut Vec<BookStep>) {
        let oldest = self.waiting.iter().map(|(_, at)| *at).min();
        if self.is_live() && oldest.is_some_and(|at| now.0 >= at.0.saturating_add(REORDER_WINDOW_NS)) {
            self.break_chain(out);
        }
    }

    fn on_snapshot(&mut self, snapshot: BookUpdate, out: &mut Vec<BookStep>) {
        let is_repeated = self.resync.last_id() == Some(snapshot.last_id);
        let is_unasked = self.is_live() && !is_pushed(self.rule);
        if is_repeated || is_unasked {
            return out.push(BookStep::Duplicate);
        }
        let mut trial = Resync::new(self.rule);
        trial.take(ids(&snapshot));
        self.has_asked = false;
        if !is_pushed(self.rule) && self.n_refused < MAX_REFUSED && self.is_behind(&snapshot, &trial) {
            self.n_refused += 1;
            return self.ask(out);
        }
        self.n_refused = 0;
        self.resync = trial;
        self.passed_on = Some(snapshot.last_id);
        self.is_fresh = true;
        self.n_old = 0;
        out.push(BookStep::Emit(snapshot));
        self.drain(out);
    }

    /// Whether a snapshot that was asked for is older than what was passed on, or ends before what waits begins.
    fn is_behind(&self, snapshot: &BookUpdate, after: &Resync) -> bool {
        let mut steps = self.waiting.iter().map(|(update, _)| after.clone().take(ids(update)));
        self.passed_on.is_some_and(|last| snapshot.last_id < last)
            || steps.find(|step| *step != Step::Skipped) == Some(Step::GapNeedsSnapshot)
    }

    fn on_old(&mut self, out: &mut Vec<BookStep>) {
        self.n_old += 1;
        if self.n_old >= if self.is_fresh { OLD_AFTER_SNAPSHOT } else { OLD_IN_A_ROW } {
            self.passed_on = None;
            return self.break_chain(out);
        }
        out.push(BookStep::Duplicate);
    }

    /// Judges a change; what came too early leaves the chain as it was.
    fn take(&mut self, update: &BookUpdate) -> Step {
        let mut trial = self.resync.clone();
        let step = trial.take(ids(update));
        if step == Step::Applied {
            self.resync = trial;
        }
        step
    }

    /// Passes a change on that was just applied.
    fn emit(&mut self, mut update: BookUpdate, out: &mut Vec<BookStep>) {
        if self.passed_on.is_some_and(|last| update.last_id <= last) {
            // A USD-M change that ends where the snapshot ends links the chain and says nothing new.
            return out.push(BookStep::Duplicate);
        }
        // USD-M numbers have holes between messages; from here on a change begins where the last one ended.
        update.first_id = self.passed_on.map_or(update.first_id, |last| last + 1);
        self.passed_on = Some(update.last_id);
        self.is_fresh = false;
        self.n_old = 0;
        out.push(BookStep::Emit(update));
    }

    /// Passes on what waited and now fits; forgets what is now old.
    fn drain(&mut self, out: &mut Vec<BookStep>) {
        while let Some((update, at)) = self.waiting.pop_front() {
            match self.take(&update) {
                Step::Skipped => {}
                Step::Applied => self.emit(update, out),
                Step::GapNeedsSnapshot => return self.waiting.push_front((update, at)),
            }
        }
    }

    fn keep(&mut self, update: BookUpdate, at: Ts) {
        let place = self.waiting.partition_point(|(kept, _)| kept.last_id < update.last_id);
        if self.waiting.get(place).is_some_and(|(kept, _)| kept.last_id == update.last_id) {
            return;
        }
        self.waiting.insert(place, (update, at));
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
        }
    }

    fn break_chain(&mut self, out: &mut Vec<BookStep>) {
        self.resync.forget();
        // The snapshot will be newer than what waited; a wild number among it would only break the next chain too.
        self.waiting.clear();
        self.n_old = 0;
        out.push(BookStep::Gap);
        self.ask(out);
    }

    fn ask(&mut self, out: &mut Vec<BookStep>) {
        if !self.has_asked {
            self.has_asked = true;
            out.push(BookStep::NeedSnapshot);
        }
    }
}

/// Whether the stream itself begins with a snapshot.
const fn is_pushed(rule: SequenceRule) -> bool {
    matches!(rule, SequenceRule::Bybit)
}

const fn ids(update: &BookUpdate) -> UpdateIds {
    UpdateIds {
        first: update.first_id,
        last: update.last_id,
        previous: update.previous_id,
        is_snapshot: update.is_snapshot,
    }
}
