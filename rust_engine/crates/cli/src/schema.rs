//! `xcrack-engine schema`: the contracts as JSON Schema, written from the Rust types.

use anyhow::{Context, Result};
use indicators::features::Columns;
use model::RuleSet;
use model::config::EngineConfig;
use model::message::message_schemas;
use model::params::{STRATEGIES, StrategyParams};
use serde::Serialize;
use std::path::Path;

/// Writes `<strategy>.json`, `messages/<kind>.json`, `config/engine_config.json`, `config/rules_program.json` and
/// `features/registry.json` under `out`.
pub fn export(out: &Path) -> Result<usize> {
    let mut written = 0;
    for strategy in STRATEGIES {
        write(&out.join(format!("{strategy}.json")), &StrategyParams::schema(strategy)?)?;
        written += 1;
    }
    for (kind, schema) in message_schemas() {
        write(&out.join("messages").join(format!("{kind}.json")), &schema)?;
        written += 1;
    }
    write(&out.join("config").join("engine_config.json"), &schemars::schema_for!(EngineConfig))?;
    write(&out.join("config").join("rules_program.json"), &RuleSet::schema())?;
    write(&out.join("features").join("registry.json"), &Columns::new().registry())?;
    Ok(written + 3)
}

fn write(path: &Path, schema: &impl Serialize) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut text = serde_json::to_string_pretty(schema)?;
    text.push('\n');
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
