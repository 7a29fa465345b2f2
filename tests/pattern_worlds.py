"""Weeks of made trades with a planted hour, as arrays: for counts over many seeds."""

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from core.model.analysis import PatternRule
from feedback.patterns.finding import find_rules
from feedback.patterns.labels import LabelledTrades
from feedback.patterns.lives import WeekOfTrades, follow_rules

FIRST_ON = date(2026, 1, 4)
"""A Sunday: weeks end on Saturdays."""
PLANTED_HOUR = 9
PER_DAY = 16
WINDOW_DAYS = 30
DAY_LUCK_BPS, TRADE_NOISE_BPS = 5.0, 20.0


def made_weeks(seed: int, n_weeks: int, planted_bps: float = 0.0, until_week: int | None = None) -> LabelledTrades:
    """Trades with a luck that each day shares; every eighth is at 9 and earns `planted_bps` more, until a week."""
    rng = np.random.default_rng(seed)
    n_days = 7 * n_weeks
    n = n_days * PER_DAY
    day = np.repeat(np.arange(n_days), PER_DAY)
    hours = rng.integers(10, 24, n)
    hours[::8] = PLANTED_HOUR
    planted = planted_bps * ((hours == PLANTED_HOUR) & (day < 7 * (n_weeks if until_week is None else until_week)))
    net_bps = rng.normal(0, DAY_LUCK_BPS, n_days)[day] + rng.normal(0, TRADE_NOISE_BPS, n) + planted
    weekdays = np.array([(FIRST_ON + timedelta(days=int(k))).strftime("%a").lower() for k in range(7)])
    regimes = rng.choice(["calm", "trending", "turbulent"], n_days)
    return LabelledTrades(
        net_bps=net_bps,
        day=day + FIRST_ON.toordinal(),
        labels={
            "hour_kst": np.char.zfill(hours.astype(np.str_), 2),
            "weekday": weekdays[day % 7],
            "volatility": rng.choice(["low", "mid", "high"], n),
            "symbol": rng.choice(["BTCUSDT", "ETHUSDT", "SOLUSDT"], n),
            "side": rng.choice(["buy", "sell"], n),
            "strategy": rng.choice(["market_making", "momentum_scalping"], n),
            "regime": regimes[day],
        },
    )


def lived(trades: LabelledTrades, n_weeks: int, seed: int, first_week: int = 4) -> Iterator[tuple[PatternRule, ...]]:
    """Yield all rules after each weekly look from the end of `first_week` on, as the weekly cycle would keep them."""
    kept: dict[str, PatternRule] = {}
    for week in range(first_week, n_weeks + 1):
        on = FIRST_ON + timedelta(days=7 * week - 1)
        window = _until(trades, on.toordinal()).after(on.toordinal() - WINDOW_DAYS)
        found = find_rules(window, on, seed + week)
        for rule in follow_rules(tuple(kept.values()), found, WeekOfTrades(window, on, seed + week)):
            kept[rule.pattern_id] = rule
        yield tuple(kept.values())


def _until(trades: LabelledTrades, day: int) -> LabelledTrades:
    upto = trades.day <= day
    labels = {name: values[upto] for name, values in trades.labels.items()}
    return LabelledTrades(trades.net_bps[upto], trades.day[upto], labels)


def without_day_labels(trades: LabelledTrades) -> LabelledTrades:
    """The same trades without weekday and regime, whose shuffles take most of the time."""
    empty = {name: np.full(len(trades.day), "") for name in ("weekday", "regime")}
    return LabelledTrades(trades.net_bps, trades.day, {**trades.labels, **empty})
