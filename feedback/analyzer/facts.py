"""A dataset as the language model may see it: numbers and closed words. No text that a person or a site wrote enters.

Symbols get aliases and dates stay out, so that a model cannot answer from what it remembers of that market and day.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.clock import KST
from core.model.analysis import Forecast, PatternRule
from core.model.canonical import canonical_json
from core.model.dataset import DailyDataset, DaySummary, Lesson, StrategyResult
from core.model.news import NewsCount
from core.model.proposal import ParamVersion
from core.model.trade import Trade
from feedback.analyzer.edits import EditRules
from feedback.analyzer.grounding import names_in, numbers_in
from feedback.analyzer.summary import TradesSummary
from feedback.analyzer.symptoms import DayOfInstance, find_symptoms
from market.sources.text import KEY_EVENTS, MARKET
from strategies.schema import load_param_specs

_CLOSED_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9_/-]{0,59}")
_NEWS_FIELDS = frozenset(("news_sentiment",))
_CONTEXT_NAMES = frozenset(
    ("btc_dominance_pct", "fear_greed", "news_sentiment", "exchange_flow_btc", "whale_moves", "mining_difficulty")
)
_SYMBOL_FIELDS = ("return_24h_bps", "volatility_24h_bps")
_TARGETS = ("trade", "proposal", "strategy", "general")
_TAGS = frozenset(("good", "bad", "hold", "risky", "too_early", "too_late", "wrong_size", "false_signal"))


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What goes into a prompt, the numbers that may be cited, and the names behind the aliases."""

    text: str
    numbers: tuple[float, ...]
    symbols: tuple[str, ...]
    """Real names; S1 is the first."""
    names: tuple[str, ...]
    """Names with a digit in them, which no number is looked for in."""

    def restore(self, text: str) -> str:
        """Return model text with real symbol names in place of aliases."""

        def name(found: re.Match[str]) -> str:
            n = int(found.group(1))
            return self.symbols[n - 1] if 1 <= n <= len(self.symbols) else found.group()

        return re.sub(r"(?<![A-Za-z0-9_])S(\d{1,3})(?![0-9A-Za-z_])", name, text)


def build_day_facts(dataset: DailyDataset) -> PromptFacts:
    """Return what a study of the day may look at."""
    symbols = _symbols_of(dataset)
    return pack_facts(_day(dataset, symbols), symbols)


def build_adjustment_facts(
    dataset: DailyDataset,
    running: Sequence[ParamVersion],
    forecasts: Sequence[Forecast],
    last_days: Sequence[DaySummary],
    rules: EditRules,
) -> PromptFacts:
    """Return what a proposal may look at: the day, current values, our own forecast, what failed before."""
    symbols = _symbols_of(dataset)
    results = {result.instance_id: result for result in dataset.strategies}
    facts = {
        "running": [_running(version, rules) for version in sorted(running, key=lambda v: v.instance_id)],
        "symptoms": {
            name: list(find_symptoms(DayOfInstance(result, max(1, len(symbols))))) for name, result in results.items()
        },
        "day": _day(dataset, symbols),
        "days_before": [_totals(day) for day in last_days],
        "lessons": [_lesson(lesson, symbols) for lesson in dataset.lessons],
        "forecast": [_forecast(forecast) for forecast in forecasts],
        "refuted": [
            {"strategy": e.strategy, "param": e.param, "from": e.from_value, "to": e.to_value}
            for e in dataset.refuted
            if e.stage != "admission"
        ],
    }
    return pack_facts(facts, symbols)


def build_pattern_facts(summary: TradesSummary, rules: Sequence[PatternRule]) -> PromptFacts:
    """Return what a study of 30 days may look at."""
    symbols = tuple(sorted(b.bucket for b in summary.buckets if b.dimension == "symbol"))
    facts = {
        "n_trades": summary.n_trades,
        "n_wins": summary.n_wins,
        "net_pnl_usd": summary.net_pnl_usd,
        "mean_bps": summary.mean_bps,
        "buckets": [
            {
                "dimension": b.dimension,
                "bucket": _alias(b.bucket, symbols) if b.dimension == "symbol" else b.bucket,
                "n": b.n,
                "n_wins": b.n_wins,
                "net_pnl_usd": b.net_pnl_usd,
                "mean_bps": b.mean_bps,
            }
            for b in summary.buckets
        ],
        "tested": [
            {
                "dimension": r.dimension,
                "bucket": _alias(r.bucket, symbols) if r.dimension == "symbol" else r.bucket,
                "direction": r.direction,
                "state": r.state,
                "n": r.n,
                "mean_bps": r.mean_bps,
                "q_value": r.q_value,
            }
            for r in rules
        ],
    }
    return pack_facts(facts, symbols)


def _day(dataset: DailyDataset, symbols: tuple[str, ...]) -> dict[str, Any]:
    return {
        "weekday": dataset.on.strftime("%a").lower(),
        "totals": _totals(dataset.totals),
        "instances": [_result(result) for result in dataset.strategies],
        "best": [_trade(trade, symbols) for trade in dataset.best],
        "worst": [_trade(trade, symbols) for trade in dataset.worst],
        "market": [
            {
                "symbol": _alias(p.symbol, symbols),
                "from_hour": _hour(p.start_at),
                "hours": (p.end_at - p.start_at).total_seconds() / 3600,
                "regime": _word(p.regime),
                "return_bps": p.return_bps,
                "volatility_bps": p.volatility_bps,
            }
            for p in dataset.phases
        ],
        "missed": [
            {
                "kind": _word(m.kind),
                "symbol": _alias(m.symbol, symbols),
                "hour": _hour(m.at),
                "side": _word(m.side),
                "move_bps": m.move_bps,
                "horizon_minutes": m.horizon_minutes,
                "reason": _word(m.reason),
            }
            for m in dataset.missed
        ],
        "context": _context(dataset, symbols),
        "events": [name for name in dataset.context.key_events if name in KEY_EVENTS],
        "news": [_news(count, symbols) for count in dataset.news],
        "feedback": _feedback(dataset),
        "parity_gap_usd": dataset.parity_gap_usd,
    }


def without_news(dataset: DailyDataset) -> DailyDataset:
    """Return the day as it would be without a headline: no reading, no event, no sentiment."""
    fields = tuple(
        replace(field, value=None, freshness="missing") if field.name in _NEWS_FIELDS else field
        for field in dataset.context.fields
    )
    return replace(dataset, news=(), context=replace(dataset.context, fields=fields, headlines=(), key_events=()))


def _news(count: NewsCount, symbols: tuple[str, ...]) -> dict[str, Any]:
    return {
        "asset": MARKET if count.asset == MARKET else _alias(count.asset, symbols),
        "event": count.event_type if count.event_type in KEY_EVENTS else "other",
        "n": count.n,
        "n_good": count.n_good,
        "n_bad": count.n_bad,
        "max_severity": count.max_severity,
    }


def _lesson(lesson: Lesson, symbols: tuple[str, ...]) -> dict[str, Any]:
    """Return a lesson's numbers and closed words; a bucket that is no such word of ours becomes `other`."""
    is_symbol = lesson.dimension == "symbol"
    return {
        "dimension": _word(lesson.dimension),
        "bucket": _alias(lesson.bucket, symbols) if is_symbol else _bucket(lesson.bucket),
        "direction": _word(lesson.direction),
        "n": lesson.n,
        "mean_bps": lesson.mean_bps,
        "weeks_held": lesson.hits,
        "weeks_failed": lesson.misses,
    }


def _bucket(text: str) -> str:
    return text if _BUCKET.fullmatch(text) else "other"


def _totals(day: DaySummary) -> dict[str, Any]:
    return {
        "n_trades": day.n_trades,
        "n_wins": day.n_wins,
        "win_rate": day.n_wins / day.n_trades if day.n_trades else None,
        "net_pnl_usd": day.net_pnl_usd,
        "costs_usd": day.fees_usd + day.slippage_usd,
        "equity_change_usd": day.equity_change_usd,
    }


def _result(result: StrategyResult) -> dict[str, Any]:
    return {
        "instance_id": result.instance_id,
        "strategy": result.strategy,
        "params": result.params,
        "n_trades": result.n_trades,
        "n_wins": result.n_wins,
        "win_rate": result.win_rate,
        "net_pnl_usd": result.net_pnl_usd,
        "gross_pnl_usd": result.gross_pnl_usd,
        "costs_usd": result.fees_usd + result.slippage_usd,
        "equity_change_usd": result.equity_change_usd,
        "max_drawdown_pct": result.max_drawdown_pct,
        "n_signals": result.n_signals,
        "n_signals_rejected": result.n_signals_rejected,
        "reject_reasons": _by_word(result.reject_reasons),
        "exit_reasons": _by_word(result.exit_reasons),
        "pnl_by_exit_usd": _by_word(result.pnl_by_exit_usd),
    }


def _trade(trade: Trade, symbols: tuple[str, ...]) -> dict[str, Any]:
    return {
        "instance_id": trade.instance_id,
        "symbol": _alias(trade.symbol, symbols),
        "side": trade.side,
        "hour": _hour(trade.closed_at),
        "held_minutes": (trade.exit.filled_at - trade.entry.filled_at).total_seconds() / 60,
        "net_pnl_usd": trade.net_pnl_usd,
        "net_bps": float(trade.net_pnl_usd / trade.notional_usd) * 1e4,
        "exit_reason": _word(trade.exit_reason),
        "signal_strength": trade.signal_strength,
        "rsi": trade.indicators.rsi,
        "volatility_bps": trade.conditions.volatility_bps,
        "trend_bps": trade.conditions.trend_bps,
        "volume_ratio": trade.conditions.volume_ratio,
    }


def _running(version: ParamVersion, rules: EditRules) -> dict[str, Any]:
    specs = load_param_specs(version.strategy)
    return {
        "instance_id": version.instance_id,
        "strategy": version.strategy,
        "params": version.params,
        "largest_move": {name: rules.largest_move(specs[name], value) for name, value in version.params.items()},
    }


def _forecast(forecast: Forecast) -> dict[str, Any]:
    return {
        "instance_id": forecast.instance_id,
        "regime": _word(forecast.regime),
        "n_days": forecast.n_days,
        "volatility_bps": forecast.volatility_bps,
        "pnl_p05_usd": forecast.pnl_p05_usd,
        "pnl_p50_usd": forecast.pnl_p50_usd,
        "pnl_p95_usd": forecast.pnl_p95_usd,
    }


def _context(dataset: DailyDataset, symbols: tuple[str, ...]) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for field in dataset.context.fields:
        kind, _, symbol = field.name.partition(":")
        if kind in _CONTEXT_NAMES or (kind in _SYMBOL_FIELDS and symbol in symbols):
            name = f"{kind}:{_alias(symbol, symbols)}" if symbol else kind
            known[name] = field.value if field.freshness == "fresh" else None
    return known


def _feedback(dataset: DailyDataset) -> list[dict[str, Any]]:
    names = {r.instance_id for r in dataset.strategies} | {r.strategy for r in dataset.strategies}
    return [
        {"on": f.target_kind, "name": f.target_id if f.target_id in names else "", "tag": f.tag, "n": f.n}
        for f in dataset.feedback
        if f.target_kind in _TARGETS and f.tag in _TAGS
    ]


def _symbols_of(dataset: DailyDataset) -> tuple[str, ...]:
    seen = {*dataset.context.symbols, *(p.symbol for p in dataset.phases), *(m.symbol for m in dataset.missed)}
    return tuple(sorted(seen | {t.symbol for t in (*dataset.best, *dataset.worst)}))


def _alias(symbol: str, symbols: tuple[str, ...]) -> str:
    return f"S{symbols.index(symbol) + 1}" if symbol in symbols else "S0"


def _word(text: str) -> str:
    """Return a closed word as it is, and anything else as `other`."""
    return text if _CLOSED_WORD.fullmatch(text) else "other"


def _by_word(counts: Mapping[str, float]) -> dict[str, float]:
    merged: dict[str, float] = {}
    for name, value in counts.items():
        merged[_word(name)] = merged.get(_word(name), 0) + value
    return merged


def _hour(at: datetime) -> int:
    return at.astimezone(KST).hour


def pack_facts(facts: dict[str, Any], symbols: tuple[str, ...]) -> PromptFacts:
    """Return facts as text with the numbers that may be cited; `symbols` are the names behind the aliases."""
    rounded = _round(facts)
    aliases = [_alias(symbol, symbols) for symbol in symbols]
    return PromptFacts(canonical_json(rounded), numbers_in(rounded), symbols, names_in([rounded, aliases, symbols]))


def _round(value: Any) -> Any:
    """Return the facts with every number to six significant digits: more is noise, and costs tokens."""
    if isinstance(value, dict):
        return {key: _round(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_round(item) for item in value]
    if value is None or isinstance(value, str | bool | int):
        return value
    return float(f"{float(value):.6g}")
