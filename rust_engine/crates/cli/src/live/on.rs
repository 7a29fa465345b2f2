//! The account of a run: three locks before it opens, orders out after they are on disk, reports in as inputs.

use crate::clock;
use crate::log;
use crate::metrics::AccountFigures;
use anyhow::{Context, Result, bail};
use engine::input::{Input, Reconciliation};
use engine::{Run, whole_file};
use model::config::EngineConfig;
use model::message::{Command, CommandAction};
use model::{Ts, VenueModel};
use serde_json::{Value, json};
use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use venues::private::agreement::{Again, Agreement};
use venues::private::approval::{self, Approval};
use venues::private::{Account, ApiKey, LiveConfig, Opening, RunName, Said, locks};

/// Words of the account that one turn takes.
const WORDS_PER_TURN: usize = 256;
/// The name of the run among all runs of the account, in the state directory.
const RUN_FILE: &str = "live_run";

struct Unlocked {
    config: LiveConfig,
    key: ApiKey,
    approval: Approval,
}

/// An account that may be traded, or none.
pub struct Live {
    unlocked: Option<Unlocked>,
    account: Option<Account>,
    agreement: Agreement,
    is_over: bool,
}

fn load(path: &Path) -> Result<LiveConfig> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no account (see docs/guides/live.md)", path.display()))
}

impl Live {
    /// Tries every lock. Nothing is opened.
    pub fn check(config: &EngineConfig, live: Option<&Path>) -> Result<Self> {
        let is_external = config.venue.model == VenueModel::External;
        let unlocked = match live {
            None if is_external => {
                bail!(
                    "not_configured: venue.model is external; name the account with --live FILE, or simulate the venue"
                )
            }
            None => None,
            Some(path) => {
                let live = load(path)?;
                let approval = locks::check(config, &live, clock::now())?;
                let key = ApiKey::load(&live.key_file, &live.secret_file).context("the account's key")?;
                log::warning(
                    "orders go to an exchange",
                    json!({ "venue": live.venue, "approved_by": approval.by, "until_ns": approval.expires_at_ns }),
                );
                Some(Unlocked { config: live, key, approval })
            }
        };
        Ok(Self { unlocked, account: None, agreement: Agreement::default(), is_over: false })
    }

    /// Opens the account for `run`, which is not ready until both agree.
    pub fn open(&mut self, config: &EngineConfig, run: &mut Run) -> Result<()> {
        let Some(unlocked) = &self.unlocked else { return Ok(()) };
        let outstanding = run.runtime().outstanding();
        let opening = Opening {
            config: &unlocked.config,
            symbols: &config.symbols,
            costs: config.costs,
            key: unlocked.key.clone(),
            run: run_name(Path::new(&config.state_dir), outstanding.is_empty())?,
            outstanding: &outstanding,
        };
        self.account = Some(Account::open(opening, Arc::new(clock::now))?);
        let begun = self.agreement.begin();
        tell(run, Some(begun))
    }

    /// Waits for the next word of the account; for ever where there is none.
    pub async fn next(&mut self) -> Said {
        if let Some(account) = &mut self.account {
            if let Some(said) = account.next().await {
                return said;
            }
            self.account = None;
            return Said::Unready("no_answer: the account's task has ended".to_owned());
        }
        pending().await
    }

    /// Takes `first` and what has come after it.
    pub fn hear(&mut self, first: Said, run: &mut Run) -> Result<()> {
        let mut next = Some(first);
        for _ in 0..WORDS_PER_TURN {
            let Some(said) = next else { return Ok(()) };
            self.take(said, run)?;
            next = self.account.as_mut().and_then(Account::try_next);
        }
        next.map_or(Ok(()), |said| self.take(said, run))
    }

    fn take(&mut self, said: Said, run: &mut Run) -> Result<()> {
        match said {
            Said::Report(report) => {
                if let Some(reason) = run.accept(None, Input::Report(report), clock::now())? {
                    log::warning("report without effect", json!({ "reason": reason }));
                }
                Ok(())
            }
            Said::Unready(reason) => tell(run, self.agreement.on_unready(reason)),
            Said::View { view, is_moving } => {
                let runtime = run.runtime();
                let is_unready = runtime.stop().is_some_and(|stop| stop.by == "reconciliation");
                let verdict = self.agreement.on_view(&runtime.own_view(), &view, is_moving, is_unready);
                if let Some(account) = &self.account {
                    match verdict.again {
                        Again::Steady => {}
                        Again::Soon => account.recheck(),
                        Again::OnceMore => account.look_once_more(),
                    }
                }
                tell(run, verdict.news)
            }
            Said::Problem(what) => {
                log::warning("account problem", json!({ "problem": what }));
                Ok(())
            }
        }
    }

    /// How the account was compared with the engine so far; nothing without an account.
    pub fn figures(&self) -> Option<AccountFigures> {
        self.unlocked.as_ref()?;
        let looks = self.agreement.looks();
        Some(AccountFigures {
            looks: looks.n,
            agreed: looks.n_agreed,
            differed: looks.n_differed,
            told: looks.n_told,
            last_agreed_at: looks.last_agreed_at,
        })
    }

    /// Lets out what the run asks for. It must be on disk by now.
    ///
    /// # Errors
    /// The account's task has ended, so nothing can leave: the process must end, and its next start asks about every order.
    pub fn dispatch(&mut self, run: &mut Run) -> Result<()> {
        let requests = run.take_requests();
        match (&self.account, &self.unlocked) {
            (Some(account), _) => requests.into_iter().for_each(|request| account.request(request)),
            (None, Some(_)) => bail!("the account's task has ended; {} requests did not leave", requests.len()),
            (None, None) => {}
        }
        self.reduce_once_over(run, clock::now())
    }

    /// An approval that ends while the engine runs lets positions shrink and nothing open.
    fn reduce_once_over(&mut self, run: &mut Run, now: Ts) -> Result<()> {
        let Some(Unlocked { approval, .. }) = &self.unlocked else { return Ok(()) };
        if self.is_over || now.0 < approval.expires_at_ns {
            return Ok(());
        }
        self.is_over = true;
        let command = Command {
            command_id: format!("approval-over-{}", approval.expires_at_ns),
            action: CommandAction::Reduce,
            by: "engine".to_owned(),
            reason: format!("approval_expired: {}'s approval has ended", approval.by),
        };
        log::warning("the approval has ended", json!({ "by": approval.by }));
        run.accept(None, Input::Command(command), now)?;
        Ok(())
    }
}

fn tell(run: &mut Run, news: Option<Reconciliation>) -> Result<()> {
    let Some(news) = news else { return Ok(()) };
    match &news.mismatch {
        None => log::info("the account agrees", json!({})),
        Some(reason) => log::warning("the account is not ready", json!({ "reason": reason })),
    }
    run.accept(None, Input::Reconciliation(news), clock::now())?;
    Ok(())
}

/// The name that orders of this run carry; drawn at its first start.
fn run_name(state_dir: &Path, is_new: bool) -> Result<RunName> {
    let path = state_dir.join(RUN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(RunName::new(text.trim()).with_context(|| format!("in {}", path.display()))?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_new => {
            let name: String = crate::config::nonce()?.chars().take(8).collect();
            whole_file::replace(&path, &path.with_extension("tmp"), name.as_bytes())
                .with_context(|| format!("cannot write {}", path.display()))?;
            Ok(RunName::new(&name)?)
        }
        Err(error) => Err(error).with_context(|| {
            format!("cannot read {}, and without it orders of this run cannot be told from others", path.display())
        }),
    }
}

/// Writes the approval of `by` and shows it.
pub fn approve(config: &EngineConfig, live: &Path, by: &str, days: u32) -> Result<Value> {
    let live = load(live)?;
    locks::check_config(config, &live)?;
    let approval = approval::approve(&config.limits, &live, by, days, clock::now())?;
    Ok(json!({ "approval": approval, "file": live.approval_file, "limits": config.limits }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A run that trades an account, and the account as it is once its task has ended.
    fn without_its_task(dir: &Path) -> (Run, Live) {
        let word = |name: &str| {
            let path = dir.join(name);
            std::fs::write(&path, "0123456789abcdef").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            path
        };
        let live: LiveConfig = serde_json::from_value(json!({
            "venue": "binance_spot", "symbols": {}, "key_file": word("key"), "secret_file": word("secret"),
            "approval_file": dir.join("approval"),
        }))
        .unwrap();
        let limit = "100";
        let config: EngineConfig = serde_json::from_value(json!({
            "engine_id": "engine-1", "state_dir": dir.join("state"), "pace": "realtime", "trade_from_ns": 0, "feed": "",
            "symbols": [{ "name": "BTCUSDT", "tick": "0.01", "lot": "0.001" }],
            "markets": [{ "venue": "binance_spot", "symbols": { "BTCUSDT": "BTCUSDT" }, "streams": { "quotes": true } }],
            "instances": [{
                "instance_id": "making-1", "strategy": "market_making", "symbols": ["BTCUSDT"], "capital": "100",
                "mode": "live", "version": 1, "driver": "quotes",
                "params": model::StrategyParams::defaults("market_making").unwrap().values(),
            }],
            "costs": model::Costs::default(), "venue": { "model": "external" },
            "limits": {
                "max_order_notional": limit, "max_position_notional": limit, "max_gross_notional": limit,
                "price_collar_bps": 500.0,
            },
            "advice": {
                "enabled": false, "min_strength": 1.0, "min_notional_krw": 1.0, "krw_per_quote": 1400.0,
                "rate_max_age_ms": 1, "deadline_ms": 1,
            },
            "mark_interval_ms": 3_600_000, "bridge_url": "ws://127.0.0.1:9/ai_bridge", "secret_file": "unused",
        }))
        .unwrap();
        let key = ApiKey::load(&live.key_file, &live.secret_file).unwrap();
        let approval = Approval { by: "kim".into(), at_ns: 0, expires_at_ns: i64::MAX, sha256: String::new() };
        let unlocked = Some(Unlocked { config: live, key, approval });
        let live = Live { unlocked, account: None, agreement: Agreement::default(), is_over: false };
        (Run::open(&config).unwrap().0, live)
    }

    #[test]
    fn an_account_whose_task_has_ended_ends_the_process_and_drops_nothing_in_silence() {
        let dir = tempfile::tempdir().unwrap();
        let (mut run, mut live) = without_its_task(dir.path());
        assert!(live.dispatch(&mut run).unwrap_err().to_string().contains("the account's task has ended"));
        live.unlocked = None;
        live.dispatch(&mut run).unwrap();
    }

    #[test]
    fn the_name_of_a_run_is_drawn_once_and_never_anew_while_orders_are_out() {
        let dir = tempfile::tempdir().unwrap();
        assert!(run_name(dir.path(), false).is_err());
        let name = run_name(dir.path(), true).unwrap();
        assert_eq!(run_name(dir.path(), false).unwrap(), name);
        std::fs::write(dir.path().join(RUN_FILE), "nonsense").unwrap();
        assert!(run_name(dir.path(), true).is_err());
    }
}
