//! The operator's word that this account may be traded within these limits. It is bound to both and ends by itself.

use super::config::LiveConfig;
use engine::whole_file;
use model::{RiskLimits, Ts};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The longest time that an approval holds, in days.
pub const MAX_DAYS: u32 = 7;
/// What a machine or nobody may sign with.
const NOBODY: [&str; 6] = ["engine", "operator", "worker", "system", "root", "nobody"];

/// An approval as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who gave it.
    pub by: String,
    /// When, in nanoseconds since 1970.
    pub at_ns: i64,
    /// When it ends, in nanoseconds since 1970.
    pub expires_at_ns: i64,
    /// SHA-256 of the limits and of the account, as hex.
    pub sha256: String,
}

/// Why an account may not be traded.
#[derive(Debug, thiserror::Error)]
pub enum NotApproved {
    /// There is none.
    #[error("approval_missing: {} is not there; run `xcrack-engine approve-live`", path.display())]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// It cannot be read, or is none.
    #[error("approval_unreadable: {}: {problem}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// Its time is over.
    #[error("approval_expired: {by}'s approval ended at {} ns; run `xcrack-engine approve-live` again", ended_at.0)]
    Expired {
        /// Whose.
        by: String,
        /// When it ended.
        ended_at: Ts,
    },
    /// It claims to hold for longer than any may, or begins later than now.
    #[error("approval_invalid: it must begin before now and end within {MAX_DAYS} days of that")]
    Invalid,
    /// It was given for something else.
    #[error(
        "approval_of_other_limits: {by} approved other limits or another account; run `xcrack-engine approve-live` again"
    )]
    Other {
        /// Whose.
        by: String,
    },
    /// Nobody in particular.
    #[error("approval needs the name of a person; '{0}' is none")]
    Unnamed(String),
    /// Too long, or nothing.
    #[error("an approval holds for 1 to {MAX_DAYS} days, not {0}")]
    Days(u32),
}

/// What an approval is bound to.
fn digest(limits: &RiskLimits, live: &LiveConfig) -> Result<String, serde_json::Error> {
    let what = (limits, live.venue, &live.symbols, &live.rest_url, &live.ws_url);
    Ok(hex::encode(Sha256::digest(serde_json::to_vec(&what)?)))
}

fn unreadable(path: &Path, problem: impl ToString) -> NotApproved {
    NotApproved::Unreadable { path: path.to_owned(), problem: problem.to_string() }
}

/// Writes the approval of `by` into the file that `live` names.
///
/// # Errors
/// [`NotApproved`]: no name, too many days, or a file that cannot be written.
pub fn approve(limits: &RiskLimits, live: &LiveConfig, by: &str, days: u32, now: Ts) -> Result<Approval, NotApproved> {
    let path = &live.approval_file;
    if by.trim().is_empty() || NOBODY.contains(&by.trim()) {
        return Err(NotApproved::Unnamed(by.to_owned()));
    }
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(NotApproved::Days(days));
    }
    let approval = Approval {
        by: by.trim().to_owned(),
        at_ns: now.0,
        expires_at_ns: now.plus_ns(i64::from(days) * Ts::DAY).0,
        sha256: digest(limits, live).map_err(|e| unreadable(path, e))?,
    };
    let text = serde_json::to_string_pretty(&approval).map_err(|e| unreadable(path, e))?;
    whole_file::replace(path, &path.with_extension("tmp"), text.as_bytes()).map_err(|e| unreadable(path, e))?;
    Ok(approval)
}

/// The approval that lets this account be traded within these limits now.
///
/// # Errors
/// [`NotApproved`], with the reason.
pub fn check(limits: &RiskLimits, live: &LiveConfig, now: Ts) -> Result<Approval, NotApproved> {
    let path = &live.approval_file;
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(NotApproved::Missing { path: path.clone() });
        }
        Err(error) => return Err(unreadable(path, error)),
    };
    let approval: Approval = serde_json::from_str(&text).map_err(|e| unreadable(path, e))?;
    let length_ns = approval.expires_at_ns.saturating_sub(approval.at_ns);
    if approval.at_ns > now.0 || !(1..=i64::from(MAX_DAYS) * Ts::DAY).contains(&length_ns) {
        return Err(NotApproved::Invalid);
    }
    if now.0 >= approval.expires_at_ns {
        return Err(NotApproved::Expired { by: approval.by, ended_at: Ts(approval.expires_at_ns) });
    }
    if digest(limits, live).map_err(|e| unreadable(path, e))? != approval.sha256 {
        return Err(NotApproved::Other { by: approval.by });
    }
    Ok(approval)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Money;

    const NOW: Ts = Ts(1_700_000_000_000_000_000);

    fn limits(order: &str) -> RiskLimits {
        let amount = |text: &str| text.parse::<Money>().unwrap();
        RiskLimits::basic(amount(order), amount("5000"), amount("20000"), 100.0)
    }

    fn live(dir: &Path) -> LiveConfig {
        LiveConfig {
            venue: model::MarketVenue::BinanceSpot,
            symbols: Default::default(),
            key_file: "k".into(),
            secret_file: "s".into(),
            approval_file: dir.join("approval.json"),
            recv_window_ms: 5_000,
            reconcile_every_s: 60,
            rest_url: None,
            ws_url: None,
        }
    }

    #[test]
    fn an_approval_holds_for_its_limits_its_account_and_its_time() {
        let dir = tempfile::tempdir().unwrap();
        let (limits_, live) = (limits("1000"), live(dir.path()));
        assert!(matches!(check(&limits_, &live, NOW), Err(NotApproved::Missing { .. })));
        approve(&limits_, &live, "kim", 7, NOW).unwrap();
        assert_eq!(check(&limits_, &live, NOW.plus_ns(7 * Ts::DAY - 1)).unwrap().by, "kim");
        let earlier = dir.path().join("earlier");
        std::fs::hard_link(&live.approval_file, &earlier).unwrap();
        let first = std::fs::read_to_string(&earlier).unwrap();
        approve(&limits_, &live, "lee", 7, NOW).unwrap();
        assert_eq!(std::fs::read_to_string(&earlier).unwrap(), first, "an approval is exchanged, not written over");
        assert!(matches!(check(&limits_, &live, NOW.plus_ns(7 * Ts::DAY)), Err(NotApproved::Expired { .. })));
        assert!(matches!(check(&limits("1001"), &live, NOW), Err(NotApproved::Other { .. })));
        let elsewhere = LiveConfig { venue: model::MarketVenue::BinanceUsdm, ..live.clone() };
        assert!(matches!(check(&limits_, &elsewhere, NOW), Err(NotApproved::Other { .. })));
        assert!(matches!(check(&limits_, &live, Ts(NOW.0 - 1)), Err(NotApproved::Invalid)));
    }

    #[test]
    fn nobody_cannot_approve_and_no_approval_is_longer_than_a_week() {
        let dir = tempfile::tempdir().unwrap();
        let (limits, live) = (limits("1000"), live(dir.path()));
        for by in ["", "  ", "operator", "engine"] {
            assert!(matches!(approve(&limits, &live, by, 1, NOW), Err(NotApproved::Unnamed(_))), "{by}");
        }
        for days in [0, 8] {
            assert!(matches!(approve(&limits, &live, "kim", days, NOW), Err(NotApproved::Days(_))));
        }
        let mut approval = approve(&limits, &live, "kim", 1, NOW).unwrap();
        approval.expires_at_ns += 30 * Ts::DAY;
        std::fs::write(&live.approval_file, serde_json::to_string(&approval).unwrap()).unwrap();
        assert!(matches!(check(&limits, &live, NOW), Err(NotApproved::Invalid)));
        std::fs::write(&live.approval_file, "{}").unwrap();
        assert!(matches!(check(&limits, &live, NOW), Err(NotApproved::Unreadable { .. })));
    }
}
