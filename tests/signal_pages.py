"""Predictions of two days for pages and API: hourly, of two symbols, more right than wrong, the newest still open."""

import random
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from core.model.models import ModelEvent, ModelVersion
from core.model.prediction import PredictionOutcome, PredictionRecord, SaidMember
from core.model.trade import PerformanceRecord, Shortfall
from core.store import Session, model_versions, predictions

MODEL = "a1" * 32
N_HOURS = 48


def prediction(
    prediction_id: str, at: datetime, probability: float = 0.6, label: int | None = None, **over: Any
) -> PredictionRecord:
    """A prediction of one hour's sign; settled where `label` is given."""
    due_at = at + timedelta(hours=1)
    move_bps = 0.0 if label is None else 20.0 * (2 * label - 1)
    outcome = None if label is None else PredictionOutcome(due_at, move_bps, label, (probability >= 0.5) == bool(label))
    fields: dict[str, Any] = {
        "prediction_id": prediction_id,
        "symbol": "BTCUSDT",
        "interval": "1h",
        "task": "sign",
        "threshold": 0.0,
        "at": at,
        "due_at": due_at,
        "horizon_bars": 1,
        "model": "sign-1h",
        "model_sha256": MODEL,
        "feature_schema": "5" * 64,
        "trained_until": at - timedelta(days=9),
        "close": 60_000.0,
        "probability": probability,
        "prior": 0.51,
        "side": "up" if probability >= 0.5 else "down",
        "direction": 2 * probability - 1,
        "confidence": max(probability, 1 - probability),
        "expected_move_bps": 60 * (2 * probability - 1),
        "expected_volatility_bps": 75.0,
        "regime": "calm",
        "recommended_strategy": "twap",
        "strategy_params": {},
        "is_sent": True,
        "silence": "",
        "members": (SaidMember("mlp", probability, 0.7, ""), SaidMember("prior", 0.51, 0.3, "")),
        "reasons": (("rsi_14", 0.031), ("log_return_1", -0.012)),
        "outcome": outcome,
    }
    return PredictionRecord(**{**fields, **over})


def an_answer(
    prediction: PredictionRecord, outcome: str = "taken", move: float = 20.0, side: str = "buy", instance: str = "p-1"
) -> PerformanceRecord:
    """What an instance made of a prediction: half a dollar of costs on a thousand where it was taken."""
    cost = Shortfall(Decimal("0.1"), Decimal("0.2"), Decimal("0.2"), Decimal(0))
    taken = outcome == "taken"
    return PerformanceRecord(
        f"{instance}:{prediction.prediction_id}",
        prediction.prediction_id,
        instance,
        prediction.symbol,
        outcome,
        prediction.at,
        prediction.at + timedelta(minutes=1),
        side if taken else None,
        Decimal(10) if taken else Decimal(0),
        Decimal(100) if taken else None,
        Decimal(100) if taken else None,
        cost if taken else None,
        move,
        1,
        True,
    )


def plant(session: Session, now: datetime) -> None:
    """Keep two days of predictions, one of a big move, and the row of the candidate that said them."""
    chance = random.Random(7)
    first = now.replace(minute=0, second=0, microsecond=0)
    for back in range(N_HOURS):
        at = first - timedelta(hours=back)
        for symbol in ("BTCUSDT", "ETHUSDT"):
            probability = chance.uniform(0.35, 0.65)
            label = None if back == 0 else int(chance.random() < 0.5 + 1.2 * (probability - 0.5))
            one = prediction(f"{symbol}-{back}", at, probability, label, symbol=symbol)
            predictions.add_new(session, [one])
    predictions.add_new(session, [prediction("big-1", first, 0.2, None, task="big_move", model="big_move-1h")])
    version = ModelVersion(MODEL, "sign:1:1h", "candidate", now, "5" * 64, ("BTCUSDT", "ETHUSDT"), False)
    model_versions.add(session, version)
    model_versions.add_event(session, ModelEvent(MODEL, 1, now, "", "candidate", "trainer", "trained"))
