//! Signals reach the disk in another thread: they are acknowledged in memory, so the loop need not wait for it. What they caused
//! waits as everything does: it leaves when the disk has its cause.

use super::{Run, RunError};
use crate::journal::Unwritten;
use model::message::Message;

/// Records on their way to the disk, and the messages that may leave once they are there.
pub struct Flush {
    records: Unwritten,
    messages: Vec<Message>,
}

impl Flush {
    /// Makes the records durable and returns the messages; blocks for as long as the disk takes.
    ///
    /// # Errors
    /// The disk refused; nothing may leave and the run must stop.
    pub fn write(self) -> Result<Vec<Message>, RunError> {
        self.records.write()?;
        Ok(self.messages)
    }
}

impl Run {
    /// Whether nothing but signals came in since the last [`Run::commit`].
    #[must_use]
    pub fn has_only_signals(&self) -> bool {
        let at = self.runtime.reached();
        !self.is_urgent && self.runtime.steps() == self.noted_step && !self.snapshots.is_due(at)
    }

    /// Whether an input waits to be written down.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        self.journal.has_unwritten()
    }

    /// What must be written of signals that came in, for another thread to write; `None` without any. Until it is written,
    /// neither this nor [`Run::commit`] may be called again.
    ///
    /// # Errors
    /// The system gave no second handle of the journal, or the disk refused.
    pub fn start_flush(&mut self) -> Result<Option<Flush>, RunError> {
        let Some(records) = self.journal.take_unwritten()? else { return Ok(None) };
        let messages = self.drain()?;
        Ok(Some(Flush { records, messages }))
    }
}

#[cfg(test)]
#[path = "flush_tests.rs"]
mod tests;
