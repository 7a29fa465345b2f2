//! What a running engine tells about itself: the answer to `status`, and the figures for Prometheus.

use super::Server;
use crate::clock;
use crate::latency::{QUANTILES, Stage, Summary};
use crate::metrics::{FeedGauge, Snapshot};
use engine::journal::JOURNAL_FILE;
use model::Ts;
use serde_json::{Value, json};
use std::collections::BTreeMap;
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
            "bridge": self.bridge(),
            "feeds": self.feed.health(),
            "market": self.market(),
            "account": self.account(),
            "restamped": self.run.restamped(),
            "snapshot_problem": self.run.snapshot_problem(),
            "instances": runtime.instance_states(),
        })
    }

    /// What became of live market events; null where a recorded feed is played.
    fn market(&self) -> Value {
        if self.config.markets.is_empty() {
            return Value::Null;
        }
        let counts = self.run.runtime().market_counts();
        json!({ "received": counts.received, "refused": counts.refused, "missed": counts.missed })
    }

    /// How account and engine were compared; null without an account.
    fn account(&self) -> Value {
        self.live.figures().map_or(Value::Null, |account| {
            json!({
                "looks": account.looks, "agreed": account.agreed, "differed": account.differed, "told": account.told,
                "last_agreed_at": account.last_agreed_at.map(clock::iso), "dust": self.run.runtime().dust(),
            })
        })
    }

    /// How the line to the worker does.
    fn bridge(&self) -> Value {
        let (monitor, round_trips) = (self.session.monitor(), self.round_trips());
        let quantiles = |(q, ns): (f64, u64)| json!({ "quantile": q, "ns": ns });
        json!({
            "carrier": self.config.bridge_url.split(':').next(),
            "encoding": self.config.bridge_encoding,
            "compression": self.config.bridge_compression,
            "round_trips": round_trips.n,
            "round_trip_quantiles": round_trips.quantiles_ns.into_iter().map(quantiles).collect::<Vec<_>>(),
            "last_round_trip_ns": monitor.last_round_trip_ns(),
            "offset_ns": monitor.offset_ns(),
            "success_pct": monitor.success_pct(),
            "signals_received": self.session.signals_received(),
            "waiting": self.session.n_waiting(),
            "waiting_in_memory": self.session.n_kept() + self.run.in_memory(),
            "counts": self.bridge_counts().into_iter().collect::<BTreeMap<_, _>>(),
        })
    }

    /// What the session counted, and the signals that it handed on but that had acted already.
    fn bridge_counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = self.session.monitor().counts.all();
        counts.push(("signals_repeated", self.run.repeated()));
        counts
    }

    fn round_trips(&self) -> Summary {
        let monitor = self.session.monitor();
        let quantiles_ns = QUANTILES.map(|(q, _)| (q, monitor.round_trips(q).1)).to_vec();
        Summary { n: monitor.round_trips(0.5).0, sum_ns: monitor.round_trips_ns(), quantiles_ns }
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
            market: runtime.market_counts(),
            journal_records: self.run.next_record() - 1,
            account: self.live.figures(),
            journal_bytes: std::fs::metadata(journal).map_or(0, |file| file.len()),
            is_connected: self.session.is_up(),
            connections: self.watch.connections(),
            silent_s: self.watch.silent_for().as_secs_f64(),
            bridge_counts: self.bridge_counts(),
            round_trips: self.round_trips(),
            latencies: Stage::ALL.map(|stage| (stage, latency.summary(stage))).to_vec(),
        }
    }
}
