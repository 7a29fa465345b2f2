"""Which parameter a rule moves on which symptom, and what it expects of that. One parameter a day and instance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.model.dataset import RefutedEdit
from core.model.proposal import Edit, ExpectedEffect, ParamVersion
from feedback.analyzer.edits import EditRules, is_refuted
from feedback.analyzer.symptoms import DayOfInstance
from strategies.schema import load_param_specs

Metric = Literal["daily_pnl_usd", "win_rate", "max_drawdown_pct", "n_trades"]
HORIZON_DAYS = 7


@dataclass(frozen=True, slots=True)
class Move:
    """A parameter, a direction (+1 up, -1 down) and the prediction that goes with it."""

    param: str
    sign: Literal[1, -1]
    metric: Metric
    direction: Literal["up", "down"]


def _m(param: str, sign: Literal[1, -1], metric: Metric, direction: Literal["up", "down"] = "up") -> Move:
    return Move(param, sign, metric, direction)


MOVES: dict[str, dict[str, tuple[Move, ...]]] = {
    "market_making": {
        "deep_drawdown": (
            _m("inventory_cap", -1, "max_drawdown_pct", "down"),
            _m("order_size", -1, "max_drawdown_pct", "down"),
            _m("order_layers", -1, "max_drawdown_pct", "down"),
        ),
        "quotes_rarely_hit": (_m("spread_threshold", -1, "n_trades"), _m("spread_threshold", 1, "daily_pnl_usd")),
        "adverse_selection": (
            _m("spread_threshold", 1, "daily_pnl_usd"),
            _m("inventory_skew", 1, "daily_pnl_usd"),
            _m("spread_threshold", -1, "daily_pnl_usd"),
        ),
        "costs_eat_gross": (_m("spread_threshold", 1, "daily_pnl_usd"), _m("spread_threshold", -1, "daily_pnl_usd")),
        "inventory_loss": (
            _m("inventory_skew", 1, "daily_pnl_usd"),
            _m("spread_threshold", 1, "daily_pnl_usd"),
            _m("inventory_skew", -1, "daily_pnl_usd"),
        ),
        "quotes_pay": (_m("spread_threshold", -1, "n_trades"), _m("spread_threshold", 1, "daily_pnl_usd")),
    },
    "momentum_scalping": {
        "deep_drawdown": (_m("size", -1, "max_drawdown_pct", "down"),),
        "no_trades": (_m("entry_threshold", -1, "n_trades"), _m("lookback", 1, "n_trades")),
        "stops_dominate": (
            _m("stop_loss", 1, "win_rate"),
            _m("entry_threshold", 1, "daily_pnl_usd"),
            _m("lookback", 1, "win_rate"),
            _m("stop_loss", -1, "daily_pnl_usd"),
        ),
        "costs_eat_gross": (
            _m("entry_threshold", 1, "n_trades", "down"),
            _m("take_profit", 1, "daily_pnl_usd"),
            _m("lookback", 1, "n_trades", "down"),
        ),
        "no_edge": (
            _m("entry_threshold", 1, "win_rate"),
            _m("lookback", 1, "win_rate"),
            _m("take_profit", -1, "win_rate"),
            _m("lookback", -1, "win_rate"),
            _m("entry_threshold", -1, "daily_pnl_usd"),
        ),
        "targets_pay": (_m("take_profit", 1, "daily_pnl_usd"), _m("entry_threshold", -1, "n_trades")),
    },
    "sma_cross": {
        "deep_drawdown": (_m("size", -1, "max_drawdown_pct", "down"),),
        "no_trades": (_m("fast", -1, "n_trades"), _m("slow", -1, "n_trades")),
        "whipsaw": (_m("slow", 1, "win_rate"), _m("fast", 1, "win_rate"), _m("slow", -1, "daily_pnl_usd")),
        "costs_eat_gross": (_m("slow", 1, "n_trades", "down"), _m("fast", 1, "n_trades", "down")),
    },
    "rules": {
        "deep_drawdown": (_m("size", -1, "max_drawdown_pct", "down"),),
        "stops_dominate": (_m("stop", 1, "win_rate"), _m("stop", -1, "daily_pnl_usd")),
        "targets_pay": (_m("target", 1, "daily_pnl_usd"),),
    },
    # No backtest over bars can speak for these three, so only what needs none is ever worth a proposal: lower caps.
    "predictive": {
        "deep_drawdown": (
            _m("size", -1, "max_drawdown_pct", "down"),
            _m("kelly_fraction", -1, "max_drawdown_pct", "down"),
        )
    },
    "micro_arbitrage": {
        "deep_drawdown": (
            _m("inventory_cap", -1, "max_drawdown_pct", "down"),
            _m("size", -1, "max_drawdown_pct", "down"),
        )
    },
    "liquidation": {"deep_drawdown": (_m("size", -1, "max_drawdown_pct", "down"),)},
}
"""By strategy and symptom, first choice first; the next one is taken where a choice was refuted from the same value."""

CONFIDENCE = {
    "deep_drawdown": 0.7,
    "quotes_rarely_hit": 0.6,
    "adverse_selection": 0.5,
    "stops_dominate": 0.5,
    "costs_eat_gross": 0.5,
    "whipsaw": 0.4,
    "inventory_loss": 0.4,
    "no_edge": 0.4,
    "no_trades": 0.4,
    "quotes_pay": 0.3,
    "targets_pay": 0.3,
}
"""The rule's own weight of a symptom, fixed in advance; the scorecard measures whether it deserves it."""


@dataclass(frozen=True, slots=True)
class ChosenMove:
    """A move with its number, allowed by every rule of the door."""

    symptom: str
    move: Move
    edit: Edit
    effect: ExpectedEffect


def choose_move(
    day: DayOfInstance,
    symptoms: Sequence[str],
    running: ParamVersion,
    refuted: Sequence[RefutedEdit],
    rules: EditRules,
) -> ChosenMove | None:
    """Return the first move of the most urgent symptom that is possible and not refuted, or None: no change."""
    for symptom in symptoms:
        for move in MOVES.get(running.strategy, {}).get(symptom, ()):
            value = _target(running, move, rules)
            if value is None or is_refuted(refuted, running, move.param, value):
                continue
            edit = Edit(move.param, value)
            if not rules.refusal(running, move.param, value) and not rules.contradiction(running, (edit,)):
                effect = ExpectedEffect(move.metric, move.direction, _magnitude(day, move.metric), HORIZON_DAYS)
                return ChosenMove(symptom, move, edit, effect)
    return None


def _target(running: ParamVersion, move: Move, rules: EditRules) -> float | None:
    """Return the grid point one largest step away, or the last one before the bound; None at the bound itself."""
    spec = load_param_specs(running.strategy)[move.param]
    current = running.params[move.param]
    here, last = spec.grid_index(current), math.floor((spec.maximum - spec.minimum) / spec.step + 1e-6)
    steps = math.floor(rules.largest_move(spec, current) / spec.step + 1e-6)
    there = min(max(here + move.sign * steps, 0), last)
    return None if there == here else spec.at_index(there)


def _magnitude(day: DayOfInstance, metric: Metric) -> float:
    """Return a size of the effect that the day's own numbers make plausible, in the metric's unit."""
    if metric == "n_trades":
        return float(max(1, round(0.25 * day.n_trades)))
    if metric == "win_rate":
        return 0.05
    if metric == "max_drawdown_pct":
        return round(0.25 * day.result.max_drawdown_pct, 4)
    return round(max(0.25 * max(abs(day.net_usd), day.costs_usd), 0.01), 4)
