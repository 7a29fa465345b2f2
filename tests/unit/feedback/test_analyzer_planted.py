"""On a made market the facts of single days lead the rules to the improvements that were planted in it."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from core import native
from core.clock import VirtualClock
from core.model.dataset import StrategyResult
from feedback.analyzer import EditRules, RuleAnalyzer
from market.synthetic import demo_market
from strategies.schema import default_params
from tests.analyzer_days import MIDNIGHT, context, dataset, result, running, study

DAY_NS = 86_400 * 10**9
EXITS = ("entry", "quote", "exit", "stop_loss", "take_profit", "flatten")


def days_of(strategy: str, bars: native.Bars) -> Iterator[StrategyResult]:
    """What each day of a backtest looks like in a dataset."""
    facts = native.backtest(strategy, default_params(strategy), bars, native.Costs(), Decimal(40_000))
    trade_days = (facts.trades["exit_at_ns"] + 9 * 3600 * 10**9) // DAY_NS
    for day, change in zip(facts.days, facts.daily_pnl_usd, strict=True):
        trades = facts.trades[trade_days == day]
        gross, net = trades["gross_pnl_usd"].sum(), trades["net_pnl_usd"].sum()
        reasons = [EXITS[code] for code in trades["exit_reason"]]
        by_exit = {name: float(trades["net_pnl_usd"][np.array(reasons) == name].sum()) for name in set(reasons)}
        yield result(
            "x-1",
            strategy,
            n_trades=len(trades),
            n_wins=int((trades["net_pnl_usd"] > 0).sum()),
            net_pnl_usd=Decimal(f"{net:.4f}"),
            gross_pnl_usd=Decimal(f"{gross:.4f}"),
            fees_usd=Decimal(f"{gross - net:.4f}"),
            slippage_usd=Decimal(0),
            equity_change_usd=Decimal(f"{change:.4f}"),
            exit_reasons=dict(Counter(reasons)),
            pnl_by_exit_usd=by_exit,
        )


@pytest.mark.parametrize("seed", [1, 7])
@pytest.mark.parametrize(
    ("strategy", "edits"),
    [
        ("market_making", {("spread_threshold", 45.0)}),
        ("momentum_scalping", {("entry_threshold", 1.8), ("stop_loss", 2.5), ("take_profit", 3.7)}),
    ],
)
def test_most_days_lead_to_an_edit_that_the_market_rewards(
    strategy: str, edits: set[tuple[str, float]], seed: int
) -> None:
    bars = native.generate(demo_market(seed, datetime(2025, 1, 1, tzinfo=UTC), 45))
    rules = RuleAnalyzer(VirtualClock(MIDNIGHT), EditRules(0.25, native.validate_params))
    version, chosen = running("x-1", strategy), Counter[tuple[str, float]]()
    for facts in days_of(strategy, bars):
        day = dataset(facts, context=context(("BTCUSDT", "ETHUSDT", "SOLUSDT")))
        for made in rules.suggest_strategy_adjustments(day, study(day), [version], [], ()):
            chosen[made.edits[0].param, made.edits[0].value] += 1
    assert chosen.most_common(1)[0][0] in edits
    assert sum(chosen[edit] for edit in edits) > 0.6 * chosen.total()
