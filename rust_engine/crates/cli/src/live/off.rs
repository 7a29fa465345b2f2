//! What a build without feature `live` has in place of an account.

use crate::metrics::AccountFigures;
use anyhow::{Result, bail};
use engine::Run;
use model::VenueModel;
use model::config::EngineConfig;
use serde_json::Value;
use std::convert::Infallible;
use std::future::pending;
use std::path::Path;

const LOCKED: &str =
    "not_built: this xcrack-engine cannot trade an account; build it with `--features live` (see docs/guides/live.md)";

/// No account.
pub struct Live;

impl Live {
    /// Refuses what would need an account.
    pub fn check(config: &EngineConfig, live: Option<&Path>) -> Result<Self> {
        if live.is_some() || config.venue.model == VenueModel::External {
            bail!(LOCKED);
        }
        Ok(Self)
    }

    /// Nothing to open.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other build does something here")]
    pub fn open(&mut self, _: &EngineConfig, _: &mut Run) -> Result<()> {
        Ok(())
    }

    /// Never says anything.
    pub async fn next(&mut self) -> Infallible {
        pending().await
    }

    /// Nothing is ever said.
    #[allow(clippy::unused_self, reason = "the other build does something here")]
    pub fn hear(&mut self, said: Infallible, _: &mut Run) -> Result<()> {
        match said {}
    }

    /// Nothing was compared.
    #[allow(clippy::unused_self, reason = "the other build does something here")]
    pub fn figures(&self) -> Option<AccountFigures> {
        None
    }

    /// Nothing leaves.
    #[allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "the other build does something here")]
    pub fn dispatch(&mut self, _: &mut Run) -> Result<()> {
        Ok(())
    }
}

/// Refuses.
pub fn approve(_: &EngineConfig, _: &Path, _: &str, _: u32) -> Result<Value> {
    bail!(LOCKED)
}
