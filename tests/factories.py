"""Values for tests: sound by default, every field can be overridden."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from core.clock import to_ns
from core.model import generated
from core.model.advice import AdviceRecord
from core.model.analysis import PatternRule
from core.model.canonical import from_json
from core.model.proposal import Check, Edit, ExpectedEffect, ParamVersion, Proposal, ProposalState, Stage, Verdict
from core.model.search import ArmTally, WeeklySearch
from core.model.trade import (
    Conditions,
    EquityPoint,
    Execution,
    Indicators,
    PerformanceRecord,
    Shortfall,
    SignalRecord,
    Trade,
)
from core.settings_sections import CostSettings

NOON = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
"""Noon of 2 March 2026 in Seoul."""
SHA = "a" * 64


def execution(at: datetime, price: str = "100", fee: str = "0.05", slippage: str = "0.02") -> Execution:
    return Execution(
        decision_price=Decimal(price),
        arrival_price=Decimal(price),
        fill_price=Decimal(price),
        decided_at=at - timedelta(milliseconds=40),
        filled_at=at,
        liquidity="taker",
        fee_usd=Decimal(fee),
        slippage_usd=Decimal(slippage),
    )


def trade(
    trade_id: str = "momentum-1-1",
    closed_at: datetime = NOON,
    net_pnl_usd: str = "1.00",
    held: timedelta = timedelta(minutes=30),
    **over: Any,
) -> Trade:
    costs = Decimal("0.14")
    fields: dict[str, Any] = {
        "trade_id": trade_id,
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "mode": "live",
        "params_version": 1,
        "params_sha256": SHA,
        "symbol": "BTCUSDT",
        "side": "buy",
        "qty": Decimal("1"),
        "signal_strength": 0.8,
        "entry": execution(closed_at - held),
        "exit": execution(closed_at, price=str(Decimal(100) + Decimal(net_pnl_usd) + costs)),
        "exit_reason": "take_profit",
        "gross_pnl_usd": Decimal(net_pnl_usd) + costs,
        "net_pnl_usd": Decimal(net_pnl_usd),
        "indicators": Indicators(rsi=55.0, ema_fast=101.0, ema_slow=100.0),
        "conditions": Conditions(volatility_bps=20.0, volume_ratio=1.1, trend_bps=5.0, sentiment=None),
        "book": "missing",
        "advice_id": None,
        "krw_per_usd": Decimal("1400"),
        "krw_rate_stale": False,
    }
    return Trade(**{**fields, **over})


def signal(signal_id: str = "momentum-1-s1", at: datetime = NOON, **over: Any) -> SignalRecord:
    fields: dict[str, Any] = {
        "signal_id": signal_id,
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "symbol": "BTCUSDT",
        "side": "buy",
        "strength": 0.6,
        "at": at,
        "price": Decimal("100"),
        "qty": Decimal("1"),
        "params_version": 1,
        "outcome": "position_limit",
        "indicators": Indicators(),
        "conditions": Conditions(volatility_bps=20.0),
    }
    return SignalRecord(**{**fields, **over})


def equity(at: datetime = NOON, equity_usd: str = "10000", instance_id: str = "momentum-1", **over: Any) -> EquityPoint:
    fields: dict[str, Any] = {
        "instance_id": instance_id,
        "strategy": "momentum_scalping",
        "mode": "live",
        "at": at,
        "capital_usd": Decimal("10000"),
        "equity_usd": Decimal(equity_usd),
        "gross_notional_usd": Decimal("0"),
        "costs_usd": Decimal("0"),
        "params_version": 1,
        "positions": {},
        "prices": {},
    }
    return EquityPoint(**{**fields, **over})


def advice(advice_id: str = "momentum-1-a1", asked_at: datetime = NOON, **over: Any) -> AdviceRecord:
    fields: dict[str, Any] = {
        "advice_id": advice_id,
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "symbol": "BTCUSDT",
        "side": "buy",
        "qty": Decimal("1"),
        "notional_usd": Decimal("1000"),
        "notional_krw": Decimal("1400000"),
        "strength": 0.8,
        "asked_at": asked_at,
        "answered_at": asked_at,
        "approve": True,
        "size_factor": 1.0,
        "reason": "sound",
        "source": "rule",
    }
    return AdviceRecord(**{**fields, **over})


_NO_INDICATORS = dict.fromkeys(
    ("rsi", "macd", "macd_signal", "bollinger_upper", "bollinger_lower", "ema_fast", "ema_slow", "atr")
)
_NO_CONDITIONS = dict.fromkeys(("volatility_bps", "volume_ratio", "trend_bps"))


def _end(at: datetime, price: str) -> dict[str, Any]:
    return {
        "arrival_price": price,
        "decided_at_ns": to_ns(at) - 1_000_000,
        "decision_price": price,
        "fee": "0.05",
        "fill_price": price,
        "filled_at_ns": to_ns(at),
        "liquidity": "taker",
        "slippage": "0.02",
    }


def trade_event_json(closed_at: datetime = NOON, **over: Any) -> dict[str, Any]:
    """The body of a sound `trade_event`: bought 1 at 100, sold at 101.14, net 1.00."""
    return {
        "trade_id": "momentum-1-1",
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "mode": "live",
        "params_version": 1,
        "params_sha256": SHA,
        "symbol": "BTCUSDT",
        "side": "buy",
        "qty": "1",
        "signal_strength": 0.8,
        "entry": _end(closed_at - timedelta(minutes=30), "100"),
        "exit": _end(closed_at, "101.14"),
        "exit_reason": "take_profit",
        "gross_pnl": "1.14",
        "net_pnl": "1.00",
        "indicators": {**_NO_INDICATORS, "rsi": 55.0},
        "conditions": {**_NO_CONDITIONS, "volatility_bps": 20.0},
        "book": None,
        "shortfall": {"delay": "0", "spread": "0", "impact": "0.04", "opportunity": "0"},
        "advice_id": None,
        **over,
    }


def trade_event(closed_at: datetime = NOON, **over: Any) -> generated.TradeEvent:
    return _message(trade_event_json(closed_at, **over), generated.TradeEvent)


def performance_feedback(at: datetime = NOON, **over: Any) -> generated.PerformanceFeedback:
    """A sound `performance_feedback`: bought 1 at 100.02 where 100 was decided, then the price rose by 12 bps."""
    body = {
        "feedback_id": "predictive-1-p1",
        "prediction_id": "prediction-1",
        "instance_id": "predictive-1",
        "symbol": "BTCUSDT",
        "outcome": "taken",
        "received_at_ns": to_ns(at) - 60_000_000_000,
        "at_ns": to_ns(at),
        "side": "buy",
        "qty": "1",
        "decision_price": "100",
        "mean_fill_price": "100.02",
        "shortfall": {"delay": "0.005", "spread": "0.01", "impact": "0.005", "opportunity": "0"},
        "realised_move_bps": 12.0,
        "params_version": 1,
        "simulated": True,
        **over,
    }
    return _message(body, generated.PerformanceFeedback)


def performance(feedback_id: str = "predictive-1-p1", at: datetime = NOON, **over: Any) -> PerformanceRecord:
    fields: dict[str, Any] = {
        "feedback_id": feedback_id,
        "prediction_id": f"prediction-of-{feedback_id}",
        "instance_id": "predictive-1",
        "symbol": "BTCUSDT",
        "outcome": "taken",
        "received_at": at - timedelta(minutes=1),
        "at": at,
        "side": "buy",
        "qty": Decimal("1"),
        "decision_price": Decimal("100"),
        "mean_fill_price": Decimal("100.02"),
        "shortfall": Shortfall(Decimal("0.005"), Decimal("0.01"), Decimal("0.005"), Decimal(0)),
        "realised_move_bps": 12.0,
        "params_version": 1,
        "simulated": True,
    }
    return PerformanceRecord(**{**fields, **over})


def signal_event(at: datetime = NOON, **over: Any) -> generated.SignalEvent:
    body = {
        "signal_id": "momentum-1-s1",
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "symbol": "BTCUSDT",
        "side": "buy",
        "strength": 0.6,
        "at_ns": to_ns(at),
        "price": "100",
        "qty": "1",
        "params_version": 1,
        "outcome": "advisor_veto",
        "indicators": _NO_INDICATORS,
        "conditions": _NO_CONDITIONS,
        **over,
    }
    return _message(body, generated.SignalEvent)


def equity_mark(at: datetime = NOON, **over: Any) -> generated.EquityMark:
    body = {
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "mode": "live",
        "at_ns": to_ns(at),
        "capital": "10000",
        "equity": "10010",
        "gross_notional": "0",
        "costs": "0.14",
        "params_version": 1,
        "positions": {"BTCUSDT": "0"},
        "prices": {"BTCUSDT": "101.14"},
        **over,
    }
    return _message(body, generated.EquityMark)


def advice_request(at: datetime = NOON, **over: Any) -> generated.AdviceRequest:
    body = {
        "advice_id": "momentum-1-a1",
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "symbol": "BTCUSDT",
        "side": "buy",
        "qty": "10",
        "price": "100",
        "notional": "1000",
        "strength": 0.8,
        "at_ns": to_ns(at),
        "deadline_ns": to_ns(at) + 950_000_000,
        "krw_per_quote": 1400.0,
        "equity": "10000",
        "position": "0",
        "indicators": {**_NO_INDICATORS, "rsi": 55.0},
        "conditions": {**_NO_CONDITIONS, "volatility_bps": 20.0, "trend_bps": 5.0},
        **over,
    }
    return _message(body, generated.AdviceRequest)


def _message(body: dict[str, Any], kind: type[Any]) -> Any:
    return from_json(msgspec.json.encode(body), kind)


def proposal(proposal_id: str = "proposal-1", state: ProposalState = "pending", **over: Any) -> Proposal:
    fields: dict[str, Any] = {
        "proposal_id": proposal_id,
        "analysis_id": "analysis-1",
        "instance_id": "momentum-1",
        "strategy": "momentum_scalping",
        "base_version": 1,
        "base_sha256": SHA,
        "base_params": {"entry_threshold": 1.5, "stop_loss": 2.0},
        "edits": (Edit("entry_threshold", 1.75),),
        "rationale": "fewer false entries",
        "expected_effect": ExpectedEffect("win_rate", "up", 0.02, 14),
        "confidence": 0.6,
        "source": "rule",
        "created_at": NOON,
        "state": state,
    }
    return Proposal(**{**fields, **over})


def verdict(proposal_id: str = "proposal-1", stage: Stage = "screen", **over: Any) -> Verdict:
    fields: dict[str, Any] = {
        "verdict_id": f"{proposal_id}-{stage}",
        "proposal_id": proposal_id,
        "stage": stage,
        "outcome": "refused",
        "deciding": "paired mean 0.1234 <= 0",
        "checks": (Check("paired_mean", False, 0.1234, 0.0, "after costs"),),
        "folds": (),
        "equity_days": (),
        "equity_incumbent": (),
        "equity_candidate": (),
        "n_trials": 3,
        "decided_at": NOON,
    }
    return Verdict(**{**fields, **over})


def param_version(instance_id: str = "momentum-1", version: int = 1, **over: Any) -> ParamVersion:
    fields: dict[str, Any] = {
        "instance_id": instance_id,
        "strategy": "momentum_scalping",
        "version": version,
        "params": {"entry_threshold": 1.5, "stop_loss": 2.0},
        "sha256": SHA,
        "origin": "initial",
        "created_at": NOON,
        "active": True,
    }
    return ParamVersion(**{**fields, **over})


def costs() -> CostSettings:
    return CostSettings(maker_fee_bps=2.0, taker_fee_bps=5.0, slippage_bps=2.0)


def weekly_search(**over: Any) -> WeeklySearch:
    fields: dict[str, Any] = {
        "search_id": "search-1",
        "on": NOON.date(),
        "instance_id": "mm-1",
        "strategy": "market_making",
        "base_sha256": "a" * 64,
        "regime": "calm",
        "n_trials": 24,
        "arms": (ArmTally("cma", 8, 8, 2, 0, 0), ArmTally("llm", 0, 0, 0, 0, 0), ArmTally("tpe", 17, 16, 4, 1, 0)),
        "n_gains": 9,
        "n_retested": 5,
        "n_gains_fresh": 2,
        "best_searched_usd": 3.25,
        "best_fresh_usd": 1.5,
        "proposal_id": "proposal-1",
        "reason": "",
        "detail": "",
        "made": ("proposal-1",),
        "created_at": NOON,
    }
    return WeeklySearch(**{**fields, **over})


def pattern_rule(**over: Any) -> PatternRule:
    a_week_before = NOON.date() - timedelta(days=8)
    fields: dict[str, Any] = {
        "pattern_id": "pattern-1",
        "dimension": "hour_kst",
        "bucket": "09",
        "direction": "better",
        "n": 60,
        "mean_bps": 20.0,
        "p_value": 0.001,
        "q_value": 0.01,
        "state": "new",
        "hits": 0,
        "misses": 0,
        "first_seen_on": a_week_before,
        "last_seen_on": a_week_before,
    }
    return PatternRule(**{**fields, **over})
