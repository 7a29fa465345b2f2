use super::*;
use model::Mode;

/// An engine with one of everything.
pub(crate) fn snapshot() -> Snapshot {
    let instance = InstanceState {
        instance_id: "sma-1".into(),
        strategy: "sma_cross".into(),
        symbols: vec!["BTCUSDT".into()],
        mode: Mode::Live,
        params_version: 3,
        params_sha256: String::new(),
        params: [("fast".into(), 2.0)].into(),
        positions: [("BTCUSDT".into(), "-0.25".parse().unwrap())].into(),
        equity: "9999.5".parse().unwrap(),
        capital: "10000".parse().unwrap(),
        capital_share: 1.0,
    };
    let taken = Summary { n: 2, sum_ns: 3_000, quantiles_ns: vec![(0.5, 1_000), (0.99, 2_000), (0.999, 2_000)] };
    Snapshot {
        state: TradingState::Halted,
        instances: vec![instance],
        orders_sent: 7,
        orders_refused: vec![("halted", 2), ("max_repeats", 0)],
        cancels: 4,
        fills: 6,
        messages_sent: 12,
        messages_acked: 11,
        messages_received: 5,
        feeds: vec![FeedGauge { symbol: "odd\"name\\".into(), lag_s: Some(1.5), is_stale: true }],
        market: MarketCounts { received: 31, refused: 3, missed: 2 },
        journal_records: 9,
        account: Some(AccountFigures {
            looks: 9,
            agreed: 7,
            differed: 2,
            told: 1,
            last_agreed_at: Some(Ts(1_500_000_000)),
        }),
        journal_bytes: 4096,
        is_connected: true,
        connections: 2,
        silent_s: 0.25,
        bridge_counts: vec![("links_opened", 2), ("signals_stale", 3)],
        round_trips: Summary { n: 4, sum_ns: 8_000_000, quantiles_ns: vec![(0.5, 2_000_000)] },
        latencies: vec![(Stage::Decide, taken), (Stage::Fill, Summary::default())],
    }
}

fn check(line: &str) {
    let text = snapshot().to_text();
    assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
}

#[test]
fn every_figure_has_its_line() {
    check("xcrack_trading_state{state=\"halted\"} 1");
    check("xcrack_trading_state{state=\"active\"} 0");
    check("xcrack_equity{instance=\"sma-1\",strategy=\"sma_cross\"} 9999.5");
    check("xcrack_position{instance=\"sma-1\",symbol=\"BTCUSDT\"} -0.25");
    check("xcrack_orders_refused_total{rule=\"halted\"} 2");
    check("xcrack_fills_total 6");
    check("xcrack_messages_acked_total 11");
    check("xcrack_feed_stale{symbol=\"odd\\\"name\\\\\"} 1");
    check("xcrack_market_events_total 31");
    check("xcrack_market_events_refused_total 3");
    check("xcrack_market_candles_missed_total 2");
    check("xcrack_journal_bytes 4096");
    check("xcrack_account_looks_total{outcome=\"differed\"} 2");
    check("xcrack_account_differences_total 1");
    check("xcrack_account_agreed_timestamp_seconds 1.5");
    check("xcrack_bridge_events_total{kind=\"signals_stale\"} 3");
    check("xcrack_bridge_round_trip_seconds{quantile=\"0.5\"} 0.002");
    check("xcrack_bridge_round_trip_seconds_sum 0.008");
    check("xcrack_bridge_round_trip_seconds_count 4");
    check("xcrack_latency_seconds{stage=\"decide\",quantile=\"0.5\"} 0.000001");
    check("xcrack_latency_seconds_count{stage=\"fill\"} 0");
}

#[test]
fn each_sample_follows_the_head_of_its_family_and_no_family_comes_twice() {
    let mut families = Vec::new();
    for line in snapshot().to_text().lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "summary"].contains(&kind), "{line}");
            assert!(!families.contains(&name.to_owned()), "{line}");
            families.push(name.to_owned());
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = families.last().unwrap();
            let tails = ["", "_sum", "_count"].map(|tail| format!("{family}{tail}"));
            assert!(tails.iter().any(|t| t == name), "{line} under {family}");
            line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
        }
    }
    assert!(families.len() > 15);
}
