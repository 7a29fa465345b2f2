"""Live against a backtest of the same day: same code, parameters, candles and costs must give the same P&L.

What a backtest cannot know is never guessed at: such an instance is left out, with the reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from core.clock import to_ns
from core.settings_sections import CostSettings
from feedback.day import DayRows, InstanceDay
from feedback.results import equity_change_usd
from market.bars import BarArchive
from strategies.programs import KEPT_BARS, RULES
from strategies.schema import is_judged_on_bars

if TYPE_CHECKING:
    from core.native import Bars

WARM_UP = timedelta(days=10)
"""Candles before the day that fill the strategy's windows; it trades from the day's start on."""


def warm_up_of(strategy: str, interval_ms: int) -> timedelta:
    """Return how much before a day fills the windows of a strategy: for a rule set no fewer bars than it begins on."""
    kept = timedelta(milliseconds=interval_ms * KEPT_BARS)
    return max(WARM_UP, kept) if strategy == RULES else WARM_UP


DayBacktest = Callable[[str, Mapping[str, float], "Bars", CostSettings, Decimal, int, date, str | None], float | None]
"""Strategy, parameters, bars, costs, capital, first trading time in ns, KST day, rule set -> that day's P&L in USD."""


@dataclass(frozen=True, slots=True)
class Parity:
    """The gap in USD over the instances that can be reproduced, None when none can, and why others cannot."""

    gap_usd: float | None
    left_out: tuple[tuple[str, str], ...]
    """Instance id and reason."""


def measure_parity(
    rows: DayRows,
    symbols: Mapping[str, Sequence[str]],
    archive: BarArchive,
    costs: CostSettings,
    backtest: DayBacktest,
) -> Parity:
    """Return live equity change minus the backtest's over the day's reproducible instances."""
    gaps: list[float] = []
    left_out: list[tuple[str, str]] = []
    for instance in rows.instances:
        reason = why_not_reproducible(instance, rows)
        if reason is not None:
            left_out.append((instance.instance_id, reason))
            continue
        names = symbols.get(instance.instance_id, ())
        expected_usd = _expected_usd(instance, rows, names, archive, costs, backtest)
        if expected_usd is None:
            left_out.append((instance.instance_id, "no_bars"))
        else:
            gaps.append(float(equity_change_usd(instance.before, instance.after)) - expected_usd)
    return Parity(sum(gaps) if gaps else None, tuple(left_out))


def why_not_reproducible(instance: InstanceDay, rows: DayRows) -> str | None:
    """Return the reason why no backtest can reproduce an instance's day, or None when one can."""
    if instance.before is None or instance.before.at < rows.start_at - timedelta(hours=1):
        return "not_marked_at_start"
    if instance.after.at < rows.end_at - timedelta(hours=1):
        return "not_marked_at_end"
    if instance.version is None:
        return "version_unknown"
    if not is_judged_on_bars(instance.strategy):
        return "not_decided_on_bars"
    if any(mark.params_version != instance.version.version for mark in instance.drawn):
        return "version_changed"
    if any(qty != 0 for qty in instance.before.positions.values()):
        return "position_carried_over_midnight"
    if instance.n_held_back:
        return "advice_held_back"
    return None


def play_day(
    strategy: str,
    params: Mapping[str, float],
    bars: "Bars",
    costs: CostSettings,
    capital_usd: Decimal,
    trade_from_ns: int,
    on: date,
    rules: str | None = None,
) -> float | None:
    """Return what the engine's own backtest makes on the KST day `on` in USD, or None when the bars do not hold it."""
    from strategies import backtest

    facts = backtest.run(strategy, params, bars, costs, capital_usd, trade_from_ns, rules)
    return dict(zip(facts.day_texts(), facts.pnl_usd.tolist(), strict=True)).get(on.isoformat())


def _expected_usd(
    instance: InstanceDay,
    rows: DayRows,
    symbols: Sequence[str],
    archive: BarArchive,
    costs: CostSettings,
    backtest: DayBacktest,
) -> float | None:
    assert instance.version is not None
    if not symbols or not set(symbols) <= set(archive.symbols()):
        return None
    warm_up = warm_up_of(instance.strategy, archive.interval_ms)
    bars = archive.load(symbols, rows.start_at - warm_up, rows.end_at)
    if len(bars.closed_at_ns) == 0:
        return None
    version, capital_usd = instance.version, instance.after.capital_usd
    asked = (instance.strategy, version.params, bars, costs, capital_usd)
    return backtest(*asked, to_ns(rows.start_at), rows.on, version.rules)
