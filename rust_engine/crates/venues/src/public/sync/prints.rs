//! Public prints.

use super::REORDER_WINDOW_NS;
use crate::public::source::Print;
use model::Ts;
use std::collections::{BTreeMap, HashSet, VecDeque};

/// Prints that may wait for an earlier one; a jump beyond this is believed once the next print continues it.
const WINDOW_IDS: u64 = 64;
/// Names that are remembered where ids do not count up.
const REMEMBERED: usize = 4096;

/// What became of prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrintStep {
    /// Pass it on.
    Emit(Print),
    /// Seen before.
    Duplicate,
    /// Its number belongs to no sequence; dropped.
    Strange,
    /// So many numbers never came.
    Gap(u64),
}

/// Prints of one symbol.
#[derive(Clone, Debug)]
pub enum PrintSync {
    /// Numbers that count up by one.
    Counted(Counted),
    /// Names without order.
    Named(Named),
}

impl PrintSync {
    /// For an exchange that counts its prints.
    #[must_use]
    pub fn counted() -> Self {
        Self::Counted(Counted::default())
    }

    /// For an exchange that names its prints.
    #[must_use]
    pub fn named() -> Self {
        Self::Named(Named::default())
    }

    /// Takes one print that was received at `at`.
    pub fn on_print(&mut self, print: Print, at: Ts, out: &mut Vec<PrintStep>) {
        match self {
            Self::Counted(counted) => counted.on_print(print, at, out),
            Self::Named(named) => out.push(named.on_print(print)),
        }
    }

    /// Gives up what waited too long.
    pub fn on_time(&mut self, now: Ts, out: &mut Vec<PrintStep>) {
        if let Self::Counted(counted) = self {
            counted.on_time(now, out);
        }
    }

    /// A connection opened: numbers may have passed meanwhile.
    pub fn reopened(&mut self) {
        if let Self::Counted(counted) = self {
            counted.is_fresh = true;
        }
    }
}

/// See [`PrintSync::Counted`].
#[derive(Clone, Debug, Default)]
pub struct Counted {
    next: Option<u64>,
    early: BTreeMap<u64, (Print, Ts)>,
    jump: Option<Print>,
    is_fresh: bool,
}

impl Counted {
    fn on_print(&mut self, print: Print, at: Ts, out: &mut Vec<PrintStep>) {
        let is_fresh = std::mem::take(&mut self.is_fresh);
        let Some(next) = self.next else {
            return self.emit(print, out);
        };
        if print.id < next || self.early.contains_key(&print.id) {
            // What was said before says nothing of where the stream now is.
            self.is_fresh = is_fresh;
            out.push(PrintStep::Duplicate);
        } else if print.id == next {
            self.emit(print, out);
            self.drain(out);
        } else if is_fresh {
            self.give_up(out);
            self.skip_to(print.id, out);
            self.emit(print, out);
        } else if print.id - next <= WINDOW_IDS {
            self.early.insert(print.id, (print, at));
        } else {
            self.on_jump(print, out);
        }
    }

    /// One wild number proves nothing; two in a row are where the exchange now is.
    fn on_jump(&mut self, print: Print, out: &mut Vec<PrintStep>) {
        match self.jump.take() {
            Some(jump) if jump.id == print.id => {
                self.jump = Some(jump);
                out.push(PrintStep::Duplicate);
            }
            Some(jump) if jump.id.checked_add(1) == Some(print.id) => {
                self.give_up(out);
                self.skip_to(jump.id, out);
                self.emit(jump, out);
                self.emit(print, out);
            }
            before => {
                if before.is_some() {
                    out.push(PrintStep::Strange);
                }
                self.jump = Some(print);
            }
        }
    }

    fn on_time(&mut self, now: Ts, out: &mut Vec<PrintStep>) {
        let oldest = self.early.values().map(|(_, at)| *at).min();
        if oldest.is_some_and(|at| now.0 >= at.0.saturating_add(REORDER_WINDOW_NS)) {
            self.give_up(out);
        }
    }

    /// Stops waiting: what came early goes out with the holes before it.
    fn give_up(&mut self, out: &mut Vec<PrintStep>) {
        while let Some((id, (print, _))) = self.early.pop_first() {
            self.skip_to(id, out);
            self.emit(print, out);
        }
    }

    fn skip_to(&mut self, id: u64, out: &mut Vec<PrintStep>) {
        if let Some(missing) = self.next.and_then(|next| id.checked_sub(next)).filter(|n| *n > 0) {
            out.push(PrintStep::Gap(missing));
        }
    }

    fn drain(&mut self, out: &mut Vec<PrintStep>) {
        while let Some((print, _)) = self.next.and_then(|next| self.early.remove(&next)) {
            self.emit(print, out);
        }
    }

    fn emit(&mut self, print: Print, out: &mut Vec<PrintStep>) {
        self.next = print.id.checked_add(1);
        out.push(PrintStep::Emit(print));
    }
}

/// See [`PrintSync::Named`].
#[derive(Clone, Debug, Default)]
pub struct Named {
    seen: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Named {
    fn on_print(&mut self, print: Print) -> PrintStep {
        if !self.seen.insert(print.id) {
            return PrintStep::Duplicate;
        }
        self.order.push_back(print.id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        PrintStep::Emit(print)
    }
}
