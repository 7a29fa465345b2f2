"""From what was said to the row that is kept and the message that the engine gets: one set of numbers for both.

Direction is 2p - 1, confidence the calibrated probability of the likelier side. The expected move is the direction
times the mean size of a move, sigma sqrt(2 / pi), for a normal one; sigma comes from the big-move model of the same
interval where one is served and its probability tells sigma (`implied_volatility_bps`), and else from the exponentially
weighted returns of the base bars.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import NormalDist

from core.clock import to_ns
from core.model.canonical import sha256_of, short_id
from core.model.generated import Prediction
from core.model.prediction import FUSED, PredictionRecord, PredictionSet, SaidMember
from feedback.signals.fusion import FusedView
from feedback.signals.recommendation import recommend
from market.candles import from_ms, interval_name
from ml.bundle import ModelCard
from ml.ensemble import PRIOR
from ml.serve import Member, Said

MEAN_SIZE = math.sqrt(2 / math.pi)
"""Mean of |x| for a standard normal x."""
IMPLIES_FROM, IMPLIES_TO = 0.02, 0.90
"""Probabilities of a big move that tell a volatility: between them a point more or less moves it by a tenth or so."""
LIFE_MS = 30_000
"""A prediction is acted on within so long after the bar's close, or never; of a shorter bar within the bar."""


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """What is known beside the models at the bar's close."""

    volatility_bps: float | None
    """Over the prediction's horizon."""
    turnover_per_s: float | None
    regime: str | None
    order_notional: float
    """The largest order that the limits let through, in quote currency."""


@dataclass(frozen=True, slots=True)
class Voice:
    """Who speaks: one model, or the fused view of several."""

    interval: str
    name: str
    model_sha256: str
    feature_schema: str
    trained_until: datetime
    threshold: float


def voice_of(card: ModelCard, sha256: str) -> Voice:
    """Return the voice of one model."""
    name = interval_name(card.interval_ms)
    return Voice(
        name, f"{card.task}-{name}", sha256, card.feature_schema_sha256, from_ms(card.end_at_ms), card.threshold
    )


def fused_voice(cards: dict[str, ModelCard]) -> Voice:
    """Return the voice of several models, by SHA-256; its own is that of theirs in order."""
    shas = sorted(cards)
    schema = next(iter(cards.values())).feature_schema_sha256
    trained_until = max(from_ms(card.end_at_ms) for card in cards.values())
    return Voice(FUSED, f"sign-{FUSED}", sha256_of(shas), schema, trained_until, 0.0)


def record_said(said: Said, voice: Voice, facts: MarketFacts) -> PredictionRecord:
    """Return the record of what one model said; `said` has a probability."""
    assert said.probability is not None and said.side is not None
    prior = next((m.probability for m in said.members if m.name == PRIOR and m.probability is not None), 0.5)
    return _record(
        voice,
        symbol=said.symbol,
        task=said.task,
        at_ms=said.at_ms,
        horizon_ms=said.horizon_ms,
        horizon_bars=said.horizon_ms // said.interval_ms,
        close=said.close,
        probability=said.probability,
        prior=prior,
        side=said.side,
        silence=said.silence or ("" if said.task == "sign" else "it says whether, not which way"),
        members=said.members,
        reasons=said.reasons,
        facts=facts,
    )


def record_fused(
    view: FusedView, at_ms: int, horizon_ms: int, base_ms: int, voice: Voice, close: float, facts: MarketFacts
) -> PredictionRecord:
    """Return the record of the fused view; its reasons are those of the interval with the largest weight."""
    return _record(
        voice,
        symbol=view.strongest.symbol,
        task="sign",
        at_ms=at_ms,
        horizon_ms=horizon_ms,
        horizon_bars=horizon_ms // base_ms,
        close=close,
        probability=view.probability,
        prior=0.5,
        side=view.side,
        silence="" if view.side in ("up", "down") else f"the conformal set is '{view.side}'",
        members=view.members,
        reasons=view.strongest.reasons,
        facts=facts,
    )


def implied_volatility_bps(probability: float, threshold: float) -> float | None:
    """Return the standard deviation in bps of a normal move that is beyond `threshold` with this probability.

    None outside of [0.02, 0.90], where a small error of the probability is a large one of the volatility: at 0.9999 a
    move beyond 2 % would be 1.6 million bps.
    """
    if not IMPLIES_FROM <= probability <= IMPLIES_TO:
        return None
    return 1e4 * threshold / NormalDist().inv_cdf(1 - probability / 2)


def message_of(record: PredictionRecord) -> Prediction:
    """Return the message of a record."""
    life = timedelta(milliseconds=min(LIFE_MS, record.horizon_ms))
    return Prediction(
        prediction_id=record.prediction_id,
        at_ns=to_ns(record.at),
        symbol=record.symbol,
        direction=record.direction,
        confidence=record.confidence,
        expected_move_bps=record.expected_move_bps,
        horizon_ms=record.horizon_ms,
        expected_volatility_bps=record.expected_volatility_bps,
        regime=record.regime,
        recommended_strategy=record.recommended_strategy,
        strategy_params=record.strategy_params,
        expires_at_ns=to_ns(record.at + life),
        model=record.model,
        model_sha256=record.model_sha256,
        feature_schema=record.feature_schema,
        reasons=list(record.reasons),
    )


def _record(
    voice: Voice,
    *,
    symbol: str,
    task: str,
    at_ms: int,
    horizon_ms: int,
    horizon_bars: int,
    close: float,
    probability: float,
    prior: float,
    side: PredictionSet,
    silence: str,
    members: tuple[Member, ...],
    reasons: tuple[tuple[str, float], ...],
    facts: MarketFacts,
) -> PredictionRecord:
    is_sign = task == "sign"
    direction = 2 * probability - 1 if is_sign else 0.0
    volatility_bps = facts.volatility_bps
    move_bps = 0.0 if volatility_bps is None else direction * volatility_bps * MEAN_SIZE
    how = recommend(facts.order_notional, facts.turnover_per_s, horizon_ms, move_bps, volatility_bps)
    if not silence and volatility_bps is None:
        silence = "the volatility is not known yet"
    # Equal content has one name, whenever and however often it is said; a later word of another model has another.
    prediction_id = short_id(
        "prediction", symbol, voice.interval, task, at_ms, horizon_ms, voice.model_sha256, probability, move_bps
    )
    return PredictionRecord(
        prediction_id=prediction_id,
        symbol=symbol,
        interval=voice.interval,
        task=task,
        threshold=voice.threshold,
        at=from_ms(at_ms),
        due_at=from_ms(at_ms + horizon_ms),
        horizon_bars=horizon_bars,
        model=voice.name,
        model_sha256=voice.model_sha256,
        feature_schema=voice.feature_schema,
        trained_until=voice.trained_until,
        close=close,
        probability=probability,
        prior=prior,
        side=side,
        direction=direction,
        confidence=max(probability, 1 - probability),
        expected_move_bps=move_bps,
        expected_volatility_bps=volatility_bps,
        regime=facts.regime,
        recommended_strategy=how.algorithm,
        strategy_params=how.params,
        is_sent=not silence,
        silence=silence,
        members=tuple(SaidMember(m.name, m.probability, m.weight, m.left_out) for m in members),
        reasons=reasons,
    )
