//! How long a text from outside may be. Acknowledgements give it back and are kept until they arrive: one that fits into no frame
//! would end every link, and every start after it.

use model::message::{Command, ParamsUpdate};
use sha2::{Digest, Sha256};

const MOST_BY: usize = 100;
const MOST_REASON: usize = 500;
const MOST_ID: usize = 200;
/// Of a reason that the engine words itself; it may name what it was told.
const MOST_ANSWER: usize = 2_000;

/// The text, or its beginning where it is longer than `most` characters.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Why a text of this length is too long, in words.
fn excess(what: &str, text: &str, most: usize) -> Option<String> {
    let n = text.chars().count();
    (n > most).then(|| format!("'{what}' has {n} characters, at most {most} are kept; shorten it"))
}

/// The first text of a command that is too long, in words.
pub(crate) fn excess_of_command(command: &Command) -> Option<String> {
    let id = || excess("command_id", &command.command_id, MOST_ID);
    id().or_else(|| excess("by", &command.by, MOST_BY)).or_else(|| excess("reason", &command.reason, MOST_REASON))
}

/// The command with what is kept of its texts.
pub(crate) fn kept_command(command: &Command) -> Command {
    Command {
        command_id: kept_id(&command.command_id),
        action: command.action,
        by: cut(&command.by, MOST_BY),
        reason: cut(&command.reason, MOST_REASON),
    }
}

/// The first id of an update that is too long, in words.
pub(crate) fn excess_of_update(update: &ParamsUpdate) -> Option<String> {
    let deployment = excess("deployment_id", &update.deployment_id, MOST_ID);
    deployment.or_else(|| excess("instance_id", &update.instance_id, MOST_ID))
}

/// Why an id is too long, in words.
pub(crate) fn excess_of_id(what: &str, id: &str) -> Option<String> {
    excess(what, id, MOST_ID)
}

/// The id, or the hash of one that is too long: no beginning of it would tell it from another.
pub(crate) fn kept_id(id: &str) -> String {
    if id.chars().count() <= MOST_ID { id.to_owned() } else { hex::encode(Sha256::digest(id)) }
}

/// What is told of a reason in the engine's words.
pub(crate) fn kept_answer(reason: &str) -> String {
    cut(reason, MOST_ANSWER)
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
