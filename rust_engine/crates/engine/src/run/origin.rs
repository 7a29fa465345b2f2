//! What a run began with: its first record, and the bars that warmed it up.

use super::RunError;
use crate::feed;
use crate::input::{Input, Start};
use crate::journal::Record;
use crate::whole_file;
use model::config::{EngineConfig, StateConfig};
use model::{Bar, RuleSet};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The warm-up bars of a run on live markets, kept because their file may be gone or renewed at the next start.
const WARM_UP_FILE: &str = "warm_up.npy";

/// The bars of a run, and what identifies them.
pub(super) struct Feed {
    pub(super) bars: Vec<Bar>,
    bytes: Vec<u8>,
    pub(super) sha256: String,
}

impl Feed {
    /// The bars of `config`; on live markets, once there `is_run`, those that it was started with. A start that died before its
    /// first record may have kept bars too: nothing has seen them, and today's are newer.
    pub(super) fn load(config: &EngineConfig, is_run: bool) -> Result<Self, RunError> {
        let is_live = !config.markets.is_empty();
        let kept = Path::new(&config.state_dir).join(WARM_UP_FILE);
        let path = if is_live && is_run && kept.is_file() { kept } else { PathBuf::from(&config.feed) };
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(_) if is_live && config.feed.is_empty() => Vec::new(),
            Err(source) => return Err(RunError::File { path, source }),
        };
        let bars = if is_live && bytes.is_empty() { Vec::new() } else { feed::load(&path, &config.symbols)? };
        let sha256 = hex::encode(Sha256::digest(&bytes));
        Ok(Self { bars, bytes, sha256 })
    }

    /// Keeps them with the run.
    pub(super) fn keep(&self, state_dir: &Path) -> Result<(), RunError> {
        let path = state_dir.join(WARM_UP_FILE);
        whole_file::replace(&path, &path.with_extension("tmp"), &self.bytes)
            .map_err(|source| RunError::File { path, source })
    }
}

/// Checks the bars that are kept with a run on live markets against its first record.
pub(super) fn check_kept(state_dir: &Path, start: &Start) -> Result<(), RunError> {
    let path = state_dir.join(WARM_UP_FILE);
    if start.config.markets.is_empty() {
        return Ok(());
    }
    let bytes = fs::read(&path).map_err(|source| RunError::File { path: path.clone(), source })?;
    if hex::encode(Sha256::digest(&bytes)) != start.feed_sha256 {
        return Err(RunError::Damaged { path, problem: "the run began with other bars".to_owned() });
    }
    Ok(())
}

/// A record that this build cannot replay.
pub(super) fn diverged(n: u64, problem: String) -> RunError {
    RunError::Diverged { n, problem }
}

/// The input of a record.
pub(super) fn parse(record: &Record) -> Result<Input, RunError> {
    record.input().map_err(|e| diverged(record.n, e.to_string()))
}

/// What may differ between two starts of one run: addresses and what is spoken there, how its state is kept, and the rate, which has its own message.
/// On live markets also what warmed it up: that is kept with the run.
fn comparable(config: &EngineConfig) -> serde_json::Value {
    let mut config = config.clone();
    config.state_dir.clear();
    config.feed.clear();
    config.bridge_url.clear();
    (config.bridge_encoding, config.bridge_compression) = Default::default();
    config.bridge_tls = None;
    config.secret_file.clear();
    config.metrics_listen = None;
    (config.dead_man_ms, config.metrics_listen) = (None, None);
    config.advice.krw_per_quote = 0.0;
    config.state = StateConfig::default();
    if !config.markets.is_empty() {
        config.trade_from_ns = 0;
    }
    for market in &mut config.markets {
        (market.ws_url, market.rest_url) = (None, None);
    }
    serde_json::json!(config)
}

/// `config` with those instances alone that the run on disk was started with: a run may have chosen some strategies of it.
pub(super) fn as_chosen(config: &EngineConfig, first: &Record) -> Result<EngineConfig, RunError> {
    let mut config = config.clone();
    if let Input::Start(start) = parse(first)? {
        config.instances.retain(|i| start.config.instances.iter().any(|then| then.instance_id == i.instance_id));
    }
    Ok(config)
}

/// What the run on disk was started with, if that is what `config` and the feed say too.
pub(super) fn check_same_run(config: &EngineConfig, first: &Record, feed_sha256: &str) -> Result<Start, RunError> {
    let Input::Start(start) = parse(first)? else {
        return Err(diverged(first.n, "it is not the start of a run".to_owned()));
    };
    let changed = |field: &str| RunError::Changed { state_dir: (&config.state_dir).into(), field: field.to_owned() };
    if start.feed_sha256 != feed_sha256 {
        return Err(changed("feed"));
    }
    check_same_rules(config, &start.config)?;
    let (now, then) = (comparable(config), comparable(&start.config));
    match now.as_object().and_then(|fields| fields.iter().find(|(name, value)| then.get(*name) != Some(*value))) {
        Some((field, _)) => Err(changed(field)),
        None => Ok(*start),
    }
}

/// Whether every instance of both configurations still follows the rule set that it was started with.
fn check_same_rules(now: &EngineConfig, then: &EngineConfig) -> Result<(), RunError> {
    let told = |rules: &RuleSet| format!("'{}' ({})", rules.name, rules.sha256().unwrap_or_default());
    for instance in &now.instances {
        let Some(before) = then.instances.iter().find(|i| i.instance_id == instance.instance_id) else { continue };
        if let (Some(now_rules), Some(was_rules)) = (&instance.rules, &before.rules)
            && now_rules != was_rules
        {
            return Err(RunError::RulesChanged {
                state_dir: (&now.state_dir).into(),
                instance: instance.instance_id.clone(),
                was: told(was_rules),
                now: told(now_rules),
            });
        }
    }
    Ok(())
}
