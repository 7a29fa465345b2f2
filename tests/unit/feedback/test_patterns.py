from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.clock import KST, VirtualClock
from core.model.analysis import PatternRule
from core.model.trade import Conditions, Trade
from core.store import Store, patterns, trades
from feedback.patterns import PatternFinder
from feedback.patterns.finding import find_rules
from feedback.patterns.labels import LabelledTrades, label_trades
from feedback.patterns.shuffles import N_PERMUTATIONS, day_shuffle_p_values, sign_flip_p_values
from market.bars import BarArchive
from tests import factories

ON = date(2026, 3, 1)
PLANTED_HOUR = 9


def no_regime(_: str, __: datetime) -> str | None:
    return None


def make_trades(
    seed: int, planted_bps: float = 0.0, n_days: int = 30, end_on: date = ON, per_day: int = 16
) -> list[Trade]:
    """Trades with a shared luck of the day; those decided at 9 o'clock KST earn `planted_bps` more."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(n_days):
        day = datetime.combine(end_on - timedelta(days=n_days - 1 - n), datetime.min.time(), KST)
        luck_bps = rng.normal(0, 5)
        for k in range(per_day):
            hour = PLANTED_HOUR if k % 8 == 0 else int(rng.integers(0, 23))
            closed_at = (day + timedelta(hours=hour, minutes=35)).astimezone(UTC)
            bps = luck_bps + rng.normal(0, 20) + (planted_bps if hour == PLANTED_HOUR else 0)
            made.append(
                factories.trade(
                    f"t{n:02d}-{k:02d}",
                    closed_at,
                    str(round(bps / 100, 6)),
                    symbol=("BTCUSDT", "ETHUSDT", "SOLUSDT")[k % 3],
                    side=("buy", "sell")[int(rng.integers(0, 2))],
                    conditions=Conditions(volatility_bps=float(rng.gamma(4, 5))),
                )
            )
    return made


@cache
def unplanted(seed: int) -> LabelledTrades:
    return label_trades(make_trades(seed), no_regime)


def rules_of(found: Sequence[Trade], seed: int = 1) -> tuple[PatternRule, ...]:
    return find_rules(label_trades(found, no_regime), ON, seed)


def test_a_planted_hour_is_found_and_told_as_a_checkable_rule() -> None:
    rules = rules_of(make_trades(3, planted_bps=25.0))
    found = rules[0]
    assert (found.dimension, found.bucket, found.direction, found.state) == ("hour_kst", "09", "better", "new")
    assert found.n >= 60
    assert found.mean_bps == pytest.approx(25, abs=8)
    assert found.q_value <= 0.10
    assert found.p_value >= 1 / (N_PERMUTATIONS + 1)


def test_a_harmful_hour_is_worse() -> None:
    assert rules_of(make_trades(4, planted_bps=-25.0))[0].direction == "worse"


def test_without_a_pattern_almost_nothing_is_found() -> None:
    # At a false discovery rate of 10 % under the global null, a seed gives any rule with probability 0.1: more than 6
    # of 20 have a chance of 0.2 %.
    seeds_with_rules = sum(bool(rules_of(make_trades(seed), seed)) for seed in range(100, 120))
    assert seeds_with_rules <= 6


def test_a_lucky_day_is_no_pattern() -> None:
    made = make_trades(5)
    last_day = max(trade.closed_at for trade in made) - timedelta(hours=24)
    lucky = [
        replace(trade, net_pnl_usd=trade.net_pnl_usd + 5, symbol="DOGEUSDT") if trade.closed_at > last_day else trade
        for trade in make_trades(5, per_day=24)
    ]
    assert not [rule for rule in rules_of(lucky) if rule.bucket == "DOGEUSDT"]


def test_fewer_than_twenty_trades_in_a_bucket_are_not_tested() -> None:
    few = make_trades(6, planted_bps=200.0, n_days=6, per_day=16)
    assert not [rule for rule in rules_of(few) if rule.bucket == "09"]


def test_the_same_trades_give_the_same_rules() -> None:
    assert rules_of(make_trades(7, 25.0)) == rules_of(make_trades(7, 25.0))


@pytest.mark.parametrize(
    ("test", "dimension", "bucket"),
    [
        (sign_flip_p_values, "side", "buy"),
        (sign_flip_p_values, "hour_kst", "09"),
        (day_shuffle_p_values, "weekday", "mon"),
    ],
)
def test_p_values_of_no_effect_are_spread_evenly(test: Any, dimension: Any, bucket: str) -> None:
    p_values = []
    for seed in range(40):
        labelled = unplanted(seed)
        p_values.extend(test(labelled, [labelled.labels[dimension] == bucket], seed))
    share = np.mean(np.array(p_values) <= 0.2)
    assert abs(share - 0.2) <= 3 * np.sqrt(0.2 * 0.8 / 40)


def test_a_planted_weekday_is_found() -> None:
    made = [
        replace(trade, net_pnl_usd=trade.net_pnl_usd + 1) if trade.closed_at.astimezone(KST).weekday() == 2 else trade
        for trade in make_trades(12)
    ]
    assert ("weekday", "wed", "better") in {(r.dimension, r.bucket, r.direction) for r in rules_of(made)}


def test_a_planted_regime_is_found() -> None:
    def regime_at(_: str, at: datetime) -> str:
        return "turbulent" if at.astimezone(KST).day % 3 == 0 else "calm"

    made = [
        replace(trade, net_pnl_usd=trade.net_pnl_usd - 1)
        if regime_at("", trade.entry.decided_at) == "turbulent"
        else trade
        for trade in make_trades(13)
    ]
    rules = find_rules(label_trades(made, regime_at), ON, 1)
    assert ("regime", "turbulent", "worse") in {(r.dimension, r.bucket, r.direction) for r in rules}


def test_the_finder_reads_the_window_follows_and_is_repeatable(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    finder = PatternFinder(store, BarArchive(tmp_path / "bars", clock))
    with store.session() as session:
        for one in make_trades(3, planted_bps=25.0):
            trades.add(session, one)
    found = finder.find(ON)
    assert found == finder.find(ON)
    assert "09" in {one.bucket for one in found}
    with store.session() as session:
        for one in found:
            patterns.put(session, one)
    assert finder.find(ON) == ()
    summary = finder.summary(ON)
    assert (summary.n_trades, summary.start_on, summary.end_on) == (480, date(2026, 1, 31), ON)
    assert isinstance(summary.net_pnl_usd, Decimal)


def test_no_trades_give_no_rules(store: Store, clock: VirtualClock, tmp_path: Path) -> None:
    finder = PatternFinder(store, BarArchive(tmp_path / "bars", clock))
    assert finder.find(ON) == ()
    assert finder.summary(ON).mean_bps is None
