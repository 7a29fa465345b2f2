"""Seen days only: what a search may read, how the days divide, and the fresh re-test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from core.clock import VirtualClock
from core.errors import Refused
from core.metrics import sharpe
from core.native import Bars, generate
from core.settings_sections import CostSettings
from market.synthetic import demo_market
from strategies import backtest
from strategies.gate.split import HistorySplit
from strategies.proposers.fresh import Retest, SeenParts, retest, split_seen
from strategies.proposers.protocol import Score, Trial
from strategies.proposers.seen import SeenBars, build_judge, load_seen
from tests.gate_world import MemoryBars
from tests.proposer_world import running_version

START_AT = datetime(2026, 1, 1, 15, tzinfo=UTC)
SEEN_AT = START_AT + timedelta(days=30)
END_AT = START_AT + timedelta(days=100)
SPLIT = HistorySplit(SEEN_AT, START_AT, START_AT + timedelta(days=25), SEEN_AT, 25, 365)
CAPITAL_USD = Decimal(10_000)


@pytest.fixture(scope="module")
def history() -> Bars:
    return generate(demo_market(5, START_AT, 100, n_symbols=1))


def load(history: Bars, start_at: datetime, end_at: datetime = END_AT) -> SeenBars:
    return load_seen(MemoryBars(history, VirtualClock(END_AT)), ("BTCUSDT",), SPLIT, start_at, end_at)


def test_a_window_of_seen_days_is_loaded_with_its_warm_up_and_never_with_older_days(history):
    first = load(history, SEEN_AT)
    assert int(first.bars.opened_at_ns[0]) == int(SEEN_AT.timestamp()) * 10**9
    later = load(history, SEEN_AT + timedelta(days=20))
    assert int(later.bars.opened_at_ns[0]) == int((SEEN_AT + timedelta(days=5)).timestamp()) * 10**9


def test_sealed_and_embargo_days_make_no_seen_bars(history):
    for start_at in (START_AT, START_AT + timedelta(days=27), SEEN_AT - timedelta(minutes=15)):
        with pytest.raises(Refused, match="seen days"):
            load(history, start_at)
    with pytest.raises(Refused, match="seen days"):
        SeenBars(history, SPLIT, SEEN_AT, END_AT)


def test_bars_after_the_window_are_refused(history):
    seen = load(history, SEEN_AT)
    with pytest.raises(Refused, match="after the window's end"):
        replace(seen, end_at=END_AT - timedelta(days=1))


def test_a_score_is_the_paired_difference_of_what_the_engine_makes(history):
    running = running_version()
    judge = build_judge(running, load(history, SEEN_AT), CostSettings(), CAPITAL_USD)
    wide = {**running.params, "entry_threshold": 2.0}
    (score,) = judge([wide])
    incumbent, candidate = (
        backtest.run(
            "momentum_scalping", params, judge.seen.bars, CostSettings(), CAPITAL_USD, int(SEEN_AT.timestamp()) * 10**9
        )
        for params in (running.params, wide)
    )
    # A mean difference at equal volatility is the difference of the Sharpe ratios, in the incumbent's deviations.
    gain = (sharpe(candidate.pnl_usd) - sharpe(incumbent.pnl_usd)) * incumbent.pnl_usd.std(ddof=1) / np.sqrt(365)
    assert score.value == pytest.approx(gain)
    assert (score.n_days, score.n_trades, score.refusal) == (70, candidate.n_trades, "")


def test_what_cannot_be_compared_has_a_reason_instead_of_a_number(history):
    running = running_version()
    judge = build_judge(running, load(history, SEEN_AT), CostSettings(), CAPITAL_USD)
    same, never = judge([running.params, {**running.params, "entry_threshold": 6.0, "lookback": 1.0}])
    assert (same.value, never.value) == (None, None)
    assert "the candidate is the incumbent" in same.refusal
    short = build_judge(running, load(history, END_AT - timedelta(days=50)), CostSettings(), CAPITAL_USD)
    assert "too few" in short([{**running.params, "lookback": 4.0}])[0].refusal


def test_seen_days_divide_into_searched_embargo_and_fresh_ones():
    parts = split_seen(START_AT, START_AT + timedelta(days=180), fresh_days=60, embargo_days=5)
    assert isinstance(parts, SeenParts)
    assert (parts.search_start_at, parts.fresh_end_at) == (START_AT, START_AT + timedelta(days=180))
    assert parts.fresh_start_at - parts.search_end_at == timedelta(days=5)
    assert parts.fresh_end_at - parts.fresh_start_at == timedelta(days=60)


@pytest.mark.parametrize(
    ("n_days", "fresh_days", "reason"), [(124, 60, "59 to search"), (180, 59, "59 fresh days"), (20, 60, "leave 0")]
)
def test_too_few_days_for_both_parts_are_no_split(n_days, fresh_days, reason):
    parts = split_seen(START_AT, START_AT + timedelta(days=n_days), fresh_days, embargo_days=5)
    assert reason in parts


def trial(name: str, value: float) -> Trial:
    return Trial("momentum_scalping", "calm", "base", {"lookback": value}, name, "tpe", Score(value, 115, 50, ""))


def test_the_fresh_score_alone_orders_the_finds():
    finds = [trial("a", 9.0), trial("b", 5.0), trial("c", 3.0), trial("d", 2.0)]
    fresh = {
        9.0: Score(-1.0, 60, 20, ""),
        5.0: Score(0.5, 60, 20, ""),
        3.0: Score(None, 60, 0, "none"),
        2.0: Score(2.0, 60, 9, ""),
    }
    tested = retest(finds, lambda several, programs: [fresh[params["lookback"]] for params in several])
    assert [(each.trial.params_sha256, each.passed) for each in tested] == [
        ("d", True),
        ("b", True),
        ("a", False),
        ("c", False),
    ]
    assert retest([], lambda several, programs: pytest.fail("nothing to judge")) == ()


def test_a_fresh_score_of_exactly_zero_has_not_passed():
    assert not Retest(trial("a", 1.0), Score(0.0, 60, 20, "")).passed
