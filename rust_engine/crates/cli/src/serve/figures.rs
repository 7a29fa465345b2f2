//! What a running engine tells about itself: the answer to `status`, and the figures for Prometheus.

use super::Server;
use crate::clock;
use crate::latency::Stage;
use crate::metrics::{FeedGauge, Snapshot};
use engine::journal::JOURNAL_FILE;
use model::Ts;
use serde_json::{Value, json};
use std::path::Path;

impl Server {
    /// What `status` and every command are answered.
    pub(super) fn status(&self) -> Value {
        let runtime = self.run.runtime();
        let standing = runtime.standing();
        json!({
            "ok": true,
            "engine_id": self.config.engine_id,
            "pid": std::process::id(),
            "state": runtime.state(),
            "stop": runtime.stop(),
            "journal_records": self.run.next_record() - 1,
            "latency": self.watch.latency().to_json(),
            "reached_ns": standing.reached.0,
            "reached_at": clock::iso(standing.reached),
            "bars": standing.bars,
            "feed_ended": standing.feed_ended,
            "actions_sha256": standing.actions_sha256,
            "waits_for_advice": runtime.waits_for_advice(),
            "connected": self.session.is_up(),
            "sent_seq": self.session.sent_seq(),
            "acked_seq": self.session.acked_seq(),
            "received_seq": self.session.durable_seq(),
            "feeds": self.feed.health(),
            "restamped": self.run.restamped(),
            "snapshot_problem": self.run.snapshot_problem(),
            "instances": runtime.instance_states(),
        })
    }

    /// What `GET /metrics` tells.
    pub(super) fn figures(&self) -> Snapshot {
        let (runtime, now, latency) = (self.run.runtime(), clock::now(), self.watch.latency());
        let counts = runtime.risk_counts();
        let journal = Path::new(&self.config.state_dir).join(JOURNAL_FILE);
        let feed = |(symbol, seen_at, is_stale): (&str, Ts, bool)| FeedGauge {
            symbol: symbol.to_owned(),
            lag_s: (seen_at != Ts(i64::MIN)).then(|| (now.0 - seen_at.0) as f64 / 1e9),
            is_stale,
        };
        Snapshot {
            state: runtime.state(),
            instances: runtime.instance_states(),
            orders_sent: counts.approved,
            orders_refused: counts.refused().map(|(rule, n)| (rule.as_str(), n)).collect(),
            cancels: counts.cancels,
            fills: runtime.n_fills(),
            messages_sent: self.session.sent_seq(),
            messages_acked: self.session.acked_seq(),
            messages_received: self.session.durable_seq(),
            feeds: runtime.feeds().map(feed).collect(),
            journal_records: self.run.next_record() - 1,
            journal_bytes: std::fs::metadata(journal).map_or(0, |file| file.len()),
            is_connected: self.session.is_up(),
            connections: self.watch.connections(),
            silent_s: self.watch.silent_for().as_secs_f64(),
            latencies: Stage::ALL.map(|stage| (stage, latency.summary(stage))).to_vec(),
        }
    }
}
