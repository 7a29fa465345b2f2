//! What needs no running engine: backtests, replays and the journal.

use crate::output;
use anyhow::{Context, Result, bail};
use engine::backtest::{self, BacktestRequest};
use engine::journal::{self, JournalReader};
use engine::run::VerifiedSnapshot;
use engine::{feed, run};
use model::config::EngineConfig;
use model::message::Message;
use model::params::StrategyParams;
use model::{Costs, Money, RuleSet, SymbolSpec, Ts};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What to backtest, as the command line gives it.
pub struct Backtest<'a> {
    /// The feed.
    pub feed: &'a Path,
    /// `NAME:TICK:LOT`, in the feed's order.
    pub symbols: &'a [String],
    /// Strategy.
    pub strategy: &'a str,
    /// `NAME=VALUE`, the rest as by default.
    pub params: &'a [String],
    /// File with the rule set of strategy `rules`.
    pub rules: Option<&'a Path>,
    /// Capital.
    pub capital: &'a str,
    /// Costs.
    pub costs: Costs,
    /// Bars closed at or before this warm up.
    pub trade_from_ns: i64,
}

/// The facts of one backtest.
pub fn backtest(request: &Backtest<'_>) -> Result<Value> {
    let symbols = request.symbols.iter().map(|s| symbol(s)).collect::<Result<Vec<_>>>()?;
    let params = params(request.strategy, request.params)?;
    let rules = request.rules.map(rules).transpose()?;
    let bars = feed::load(request.feed, &symbols)?;
    let capital: Money = request.capital.parse().context("--capital")?;
    let facts = backtest::run(
        &BacktestRequest {
            symbols: &symbols,
            strategy: request.strategy,
            params: &params,
            rules: rules.as_ref(),
            capital,
            costs: request.costs,
            limits: None,
            predictions: None,
            trade_from: Ts(request.trade_from_ns),
            day_offset_ns: 0,
            keep_rows: false,
        },
        bars.as_slice(),
    )?;
    Ok(json!({
        "strategy": request.strategy,
        "params": params,
        "params_sha256": facts.params_sha256,
        "n_bars": facts.n_bars,
        "n_fills": facts.n_fills,
        "n_trades": facts.n_trades,
        "n_wins": facts.n_wins,
        "net_pnl": facts.net_pnl,
        "fees": facts.fees,
        "slippage": facts.slippage,
        "days": facts.days,
        "daily_pnl": facts.daily_pnl,
    }))
}

fn symbol(text: &str) -> Result<SymbolSpec> {
    let parts: Vec<&str> = text.split(':').collect();
    let [name, tick, lot] = parts[..] else {
        bail!("--symbol '{text}' must be NAME:TICK:LOT, for example BTCUSDT:0.01:0.00001");
    };
    let number = || format!("--symbol '{text}'");
    Ok(SymbolSpec::new(name, tick.parse().with_context(number)?, lot.parse().with_context(number)?))
}

fn rules(path: &Path) -> Result<RuleSet> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the rules {}", path.display()))?;
    RuleSet::parse(&text).with_context(|| path.display().to_string())
}

fn params(strategy: &str, changes: &[String]) -> Result<BTreeMap<String, f64>> {
    let mut values = StrategyParams::defaults(strategy)?.values();
    for change in changes {
        let pair = change.split_once('=').and_then(|(name, value)| Some((name, value.parse().ok()?)));
        let Some((name, value)) = pair else { bail!("--param '{change}' must be NAME=NUMBER, for example fast=20") };
        values.insert(name.to_owned(), value);
    }
    Ok(StrategyParams::validate(strategy, &values)?.values())
}

/// Replays the journal of a run and says where it stands; with `list`, also prints each message that it makes to the worker.
pub fn replay(config: &EngineConfig, list: bool) -> Result<Value> {
    let mut unprinted = None;
    let replay = run::replay_telling(config, &mut |seq, message| {
        if list && let Err(error) = print_message(seq, message) {
            unprinted.get_or_insert(error);
        }
    })?;
    if let Some(error) = unprinted {
        return Err(error);
    }
    Ok(json!({
        "records": replay.records,
        "messages": replay.messages,
        "steps": replay.standing.steps,
        "bars": replay.standing.bars,
        "reached_ns": replay.standing.reached.0,
        "feed_ended": replay.standing.feed_ended,
        "actions_sha256": replay.standing.actions_sha256,
        "state_sha256": replay.state_sha256,
    }))
}

fn print_message(seq: u64, message: &Message) -> Result<()> {
    let body: Value = serde_json::from_str(&message.body()?)?;
    output::line(&json!({ "seq": seq, "kind": message.kind(), "body": body }).to_string())
}

/// Verifies the journal in `state_dir`, with the market log, the snapshots and the spool beside it, and prints what was found; with
/// `list`, also prints its records first.
///
/// # Errors
/// The first damage, by file and place. That of a snapshot comes after the print: a start passes it over.
pub fn inspect_journal(state_dir: &Path, list: bool) -> Result<()> {
    let file = state_dir.join(journal::JOURNAL_FILE);
    if !file.is_file() && !state_dir.join(journal::HEAD_FILE).is_file() {
        bail!("{} does not exist: no engine has run with this --state-dir", file.display());
    }
    if list {
        let mut records = JournalReader::open(state_dir)?;
        while let Some(record) = records.next_record()? {
            output::line(&serde_json::to_string(&record)?)?;
        }
    }
    let found = run::verify(state_dir)?;
    let snapshot = |found: &VerifiedSnapshot| json!({ "record": found.record, "problem": found.problem.as_ref().map(ToString::to_string) });
    output::json(&json!({
        "records": found.records,
        "torn_bytes": found.torn_bytes,
        "sha256": found.sha256,
        "market_rows": found.market_rows,
        "market_rows_deleted": found.market_rows_deleted,
        "snapshots": found.snapshots.iter().map(snapshot).collect::<Vec<_>>(),
        "messages_spooled": found.spooled.as_ref().ok(),
    }))?;
    if let Some(damage) = found.damage() {
        bail!(
            "{damage}. The journal holds, and a start goes on from an older snapshot or from the journal: delete the file"
        );
    }
    if let Err(damage) = found.spooled {
        bail!("{damage}");
    }
    Ok(())
}
