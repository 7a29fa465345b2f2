"""A month's buckets and checked rules as findings of the rule analyzer."""

from collections.abc import Sequence
from typing import Literal

from core.model.analysis import Finding, PatternRule
from core.model.language import Language
from feedback.analyzer.rule_texts import say
from feedback.analyzer.summary import BucketResult, TradesSummary

MIN_BUCKET = 20
"""Trades that a bucket needs before anything is said about it."""


def describe_rules(
    rules: Sequence[PatternRule], direction: Literal["better", "worse"], language: Language
) -> tuple[Finding, ...]:
    """Return the rules of one direction, confirmed ones first, then by the size of the difference."""
    chosen = [rule for rule in rules if rule.direction == direction]
    chosen.sort(key=lambda rule: (rule.state != "confirmed", -abs(rule.mean_bps), rule.pattern_id))
    return tuple(
        Finding(
            say(
                "rule",
                language,
                dimension=rule.dimension,
                bucket=rule.bucket,
                direction=say(direction, language),
                mean=rule.mean_bps,
                n=rule.n,
                state=rule.state,
            ),
            action=rule_name(rule.dimension, rule.bucket, direction),
        )
        for rule in chosen
    )


def describe_hours(summary: TradesSummary, language: Language) -> tuple[Finding, ...]:
    """Return the best and the worst hour among those with enough trades."""
    hours = [b for b in summary.buckets if b.dimension == "hour_kst" and b.n >= MIN_BUCKET]
    if len(hours) < 2:
        return ()
    ranked = sorted(hours, key=lambda b: (b.net_pnl_usd, b.bucket))
    return (_hour("best_hour", ranked[-1], language), _hour("worst_hour", ranked[0], language))


def describe_conditions(summary: TradesSummary, language: Language) -> dict[str, str]:
    """Return, for each volatility bucket, which strategy did best in it."""
    best: dict[str, tuple[str, BucketResult]] = {}
    for bucket in summary.buckets:
        if bucket.dimension == "strategy_by_volatility" and bucket.n >= MIN_BUCKET:
            strategy, volatility = bucket.bucket.rsplit("/", 1)
            if volatility not in best or bucket.mean_bps > best[volatility][1].mean_bps:
                best[volatility] = (strategy, bucket)
    return {
        volatility: say("best_for", language, volatility=volatility, strategy=name, mean=b.mean_bps, n=b.n)
        for volatility, (name, b) in sorted(best.items())
    }


def describe_edges(summary: TradesSummary, alive: Sequence[PatternRule], language: Language) -> tuple[Finding, ...]:
    """Return what cannot be said: no rule at all, and buckets with too few trades."""
    thin = sum(bucket.n < MIN_BUCKET for bucket in summary.buckets)
    found = [] if alive else [Finding(say("no_rule", language))]
    return (*found, Finding(say("edge_cases", language, n=thin, limit=MIN_BUCKET))) if thin else tuple(found)


def rule_name(dimension: str, bucket: str, direction: str) -> str:
    """Return a rule as text that a program can read: `rule:hour_kst=14:better`."""
    return f"rule:{dimension}={bucket}:{direction}"


def _hour(key: str, bucket: BucketResult, language: Language) -> Finding:
    return Finding(say(key, language, bucket=bucket.bucket, net=bucket.net_pnl_usd, n=bucket.n))
