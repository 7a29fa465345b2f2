//! The engine's figures as Prometheus text, version 0.0.4 of the exposition format.

use crate::latency::{Stage, Summary};
use engine::runtime::MarketCounts;
use model::message::InstanceState;
use model::{TradingState, Ts};
use std::fmt::{Display, Write};

/// Market data of one symbol.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedGauge {
    /// Symbol.
    pub symbol: String,
    /// Since its last candle closed, in seconds; `None` before the first.
    pub lag_s: Option<f64>,
    /// Whether it counts as stale.
    pub is_stale: bool,
}

/// Comparisons of an account at an exchange with the engine, since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountFigures {
    /// All.
    pub looks: u64,
    /// Those without a difference.
    pub agreed: u64,
    /// Those with one.
    pub differed: u64,
    /// Differences that stopped the engine.
    pub told: u64,
    /// When both sides were last seen to agree.
    pub last_agreed_at: Option<Ts>,
}

/// Everything that is told at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Active, reducing or halted.
    pub state: TradingState,
    /// Instances with equity, capital and positions.
    pub instances: Vec<InstanceState>,
    /// Orders passed by the risk gate.
    pub orders_sent: u64,
    /// Orders refused, by rule.
    pub orders_refused: Vec<(&'static str, u64)>,
    /// Cancels.
    pub cancels: u64,
    /// Fills.
    pub fills: u64,
    /// Messages to the worker: sent, and acknowledged by it.
    pub messages_sent: u64,
    /// See `messages_sent`.
    pub messages_acked: u64,
    /// Messages of the worker that are durable.
    pub messages_received: u64,
    /// Market data by symbol.
    pub feeds: Vec<FeedGauge>,
    /// What became of live market events.
    pub market: MarketCounts,
    /// Records in the journal.
    pub journal_records: u64,
    /// The account, where there is one.
    pub account: Option<AccountFigures>,
    /// Size of the journal's file.
    pub journal_bytes: u64,
    /// Whether the worker is connected.
    pub is_connected: bool,
    /// Connections that came about since the start.
    pub connections: u64,
    /// Seconds since anybody was heard from.
    pub silent_s: f64,
    /// What the session with the worker counted, by name.
    pub bridge_counts: Vec<(&'static str, u64)>,
    /// Round trips of its heartbeats.
    pub round_trips: Summary,
    /// Durations by stage.
    pub latencies: Vec<(Stage, Summary)>,
}

/// Text in the making: one family after the other.
struct Page(String);

impl Page {
    /// Starts a family of samples.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing into a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }
}

impl Snapshot {
    /// The page that `GET /metrics` answers.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut page = Page(String::new());
        self.write_state(&mut page);
        self.write_instances(&mut page);
        self.write_orders(&mut page);
        self.write_lines(&mut page);
        self.write_feeds(&mut page);
        self.write_market(&mut page);
        self.write_account(&mut page);
        self.write_latencies(&mut page);
        page.0
    }

    fn write_state(&self, page: &mut Page) {
        page.family("xcrack_trading_state", "gauge", "1 for the state in force, 0 for the others.");
        for (state, name) in
            [(TradingState::Active, "active"), (TradingState::Reducing, "reducing"), (TradingState::Halted, "halted")]
        {
            page.sample("xcrack_trading_state", &[("state", name)], u8::from(state == self.state));
        }
    }

    fn write_instances(&self, page: &mut Page) {
        page.family("xcrack_equity", "gauge", "Capital plus profit after costs, in quote currency.");
        for x in &self.instances {
            page.sample("xcrack_equity", &[("instance", &x.instance_id), ("strategy", &x.strategy)], x.equity);
        }
        page.family("xcrack_capital", "gauge", "Capital that sizes refer to, in quote currency.");
        for x in &self.instances {
            page.sample("xcrack_capital", &[("instance", &x.instance_id), ("strategy", &x.strategy)], x.capital);
        }
        page.family("xcrack_capital_share", "gauge", "Share of its own capital that the instance trades; 0 is idle.");
        for x in &self.instances {
            page.sample("xcrack_capital_share", &[("instance", &x.instance_id)], x.capital_share);
        }
        page.family("xcrack_position", "gauge", "Signed position in base currency.");
        for x in &self.instances {
            for (symbol, qty) in &x.positions {
                page.sample("xcrack_position", &[("instance", &x.instance_id), ("symbol", symbol)], qty);
            }
        }
        page.family("xcrack_params_version", "gauge", "Version of the parameters in force.");
        for x in &self.instances {
            page.sample("xcrack_params_version", &[("instance", &x.instance_id)], x.params_version);
        }
    }

    fn write_orders(&self, page: &mut Page) {
        page.single("xcrack_orders_total", "counter", "Orders passed by the risk gate.", self.orders_sent);
        page.single("xcrack_cancels_total", "counter", "Cancels.", self.cancels);
        page.single("xcrack_fills_total", "counter", "Fills of live and canary instances.", self.fills);
        page.family("xcrack_orders_refused_total", "counter", "Orders refused by the risk gate, by rule.");
        for (rule, n) in &self.orders_refused {
            page.sample("xcrack_orders_refused_total", &[("rule", rule)], n);
        }
    }

    fn write_lines(&self, page: &mut Page) {
        let connected = u8::from(self.is_connected);
        page.single("xcrack_bridge_connected", "gauge", "Whether the worker is connected.", connected);
        page.single("xcrack_bridge_connections_total", "counter", "Connections since the start.", self.connections);
        page.single("xcrack_messages_sent_total", "counter", "Messages to the worker.", self.messages_sent);
        page.single("xcrack_messages_acked_total", "counter", "Messages that the worker has.", self.messages_acked);
        let help = "Messages of the worker that are durable here.";
        page.single("xcrack_messages_received_total", "counter", help, self.messages_received);
        page.family("xcrack_bridge_events_total", "counter", "What happened on the line to the worker, by kind.");
        for (kind, n) in &self.bridge_counts {
            page.sample("xcrack_bridge_events_total", &[("kind", kind)], n);
        }
        let name = "xcrack_bridge_round_trip_seconds";
        page.family(name, "summary", "Round trips to the worker, by its heartbeats.");
        self.round_trips.write(page, name, &[]);
        page.single("xcrack_silent_seconds", "gauge", "Since the worker or an operator was heard from.", self.silent_s);
        page.single("xcrack_journal_records_total", "counter", "Records in the journal.", self.journal_records);
        page.single("xcrack_journal_bytes", "gauge", "Size of the journal.", self.journal_bytes);
    }

    fn write_feeds(&self, page: &mut Page) {
        page.family("xcrack_feed_lag_seconds", "gauge", "Since the last candle of the symbol closed.");
        for feed in &self.feeds {
            if let Some(lag_s) = feed.lag_s {
                page.sample("xcrack_feed_lag_seconds", &[("symbol", &feed.symbol)], lag_s);
            }
        }
        page.family("xcrack_feed_stale", "gauge", "Whether the symbol's data are too old to open on.");
        for feed in &self.feeds {
            page.sample("xcrack_feed_stale", &[("symbol", &feed.symbol)], u8::from(feed.is_stale));
        }
    }

    fn write_market(&self, page: &mut Page) {
        let MarketCounts { received, refused, missed } = self.market;
        let help = "Live market events in the log of this run.";
        page.single("xcrack_market_events_total", "counter", help, received);
        let help = "Live market events that the engine refused: not sound, of an unknown symbol, or known already.";
        page.single("xcrack_market_events_refused_total", "counter", help, refused);
        let help = "Candles that were missed and came later, as history.";
        page.single("xcrack_market_candles_missed_total", "counter", help, missed);
    }

    fn write_account(&self, page: &mut Page) {
        let Some(account) = self.account else { return };
        let help = "Comparisons of the account with the engine, by what they showed.";
        page.family("xcrack_account_looks_total", "counter", help);
        for (outcome, n) in [("agreed", account.agreed), ("differed", account.differed)] {
            page.sample("xcrack_account_looks_total", &[("outcome", outcome)], n);
        }
        let help = "Differences between account and engine that stopped the engine.";
        page.single("xcrack_account_differences_total", "counter", help, account.told);
        if let Some(at) = account.last_agreed_at {
            let help = "When account and engine were last seen to agree, in seconds since 1970.";
            page.single("xcrack_account_agreed_timestamp_seconds", "gauge", help, at.0 as f64 / 1e9);
        }
    }

    fn write_latencies(&self, page: &mut Page) {
        page.family("xcrack_latency_seconds", "summary", "Durations since the start, by stage.");
        for (stage, summary) in &self.latencies {
            summary.write(page, "xcrack_latency_seconds", &[("stage", stage.as_str())]);
        }
    }
}

impl Summary {
    fn write(&self, page: &mut Page, name: &str, labels: &[(&str, &str)]) {
        const NS_PER_S: f64 = 1e9;
        for (q, ns) in &self.quantiles_ns {
            let q = q.to_string();
            let labels: Vec<_> = labels.iter().copied().chain([("quantile", q.as_str())]).collect();
            page.sample(name, &labels, *ns as f64 / NS_PER_S);
        }
        page.sample(&format!("{name}_sum"), labels, self.sum_ns as f64 / NS_PER_S);
        page.sample(&format!("{name}_count"), labels, self.n);
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
pub(crate) mod tests;
