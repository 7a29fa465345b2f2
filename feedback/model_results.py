"""What instances made of predictions, joined by the prediction's id. Values in, values out."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from core.metrics import share_interval
from core.model.prediction import PredictionRecord
from core.model.trade import PerformanceRecord


@dataclass(frozen=True, slots=True)
class ModelResult:
    """One group of answers to predictions."""

    n: int
    n_taken: int
    hit_rate: float | None
    """Share of the predictions with an outcome whose likelier side came true."""
    hit_rate_ci: tuple[float, float] | None
    """90 %, as if outcomes were independent; horizons that overlap make it too narrow."""
    mean_confidence: float | None
    """Over the same predictions; above the hit rate where the model is too sure."""
    mean_aligned_bps: float | None
    """Mean move in the direction traded less what getting in cost, in bps; fees are not in it."""
    outcomes: dict[str, int]
    """How often each word was said: taken, or why not."""

    @property
    def share_taken(self) -> float:
        """Part of the answers in which something was traded."""
        return self.n_taken / self.n


@dataclass(frozen=True, slots=True)
class ModelResults:
    """The same answers in four ways."""

    by_confidence: dict[str, ModelResult]
    by_model: dict[str, ModelResult]
    by_regime: dict[str, ModelResult]
    by_symbol: dict[str, ModelResult]


_Joined = tuple[PredictionRecord, PerformanceRecord]


def model_results(predictions: Iterable[PredictionRecord], answers: Iterable[PerformanceRecord]) -> ModelResults:
    """Return the results of the answers whose prediction is known; the others say nothing about a model."""
    by_id = {each.prediction_id: each for each in predictions}
    joined = [(by_id[a.prediction_id], a) for a in answers if a.prediction_id in by_id]
    return ModelResults(
        by_confidence=_grouped(joined, lambda p: bucket_of(p.probability)),
        by_model=_grouped(joined, lambda p: p.model_sha256),
        by_regime=_grouped(joined, lambda p: p.regime or "unknown"),
        by_symbol=_grouped(joined, lambda p: p.symbol),
    )


def bucket_of(probability: float) -> str:
    """Return the confidence in steps of five points, as `0.55-0.60`."""
    low = min(int(max(probability, 1 - probability) * 20 + 1e-9), 19) / 20
    return f"{low:.2f}-{low + 0.05:.2f}"


def _grouped(joined: list[_Joined], key: Callable[[PredictionRecord], str]) -> dict[str, ModelResult]:
    groups: dict[str, list[_Joined]] = {}
    for each in joined:
        groups.setdefault(key(each[0]), []).append(each)
    return {name: _result(groups[name]) for name in sorted(groups)}


def _result(rows: list[_Joined]) -> ModelResult:
    # A prediction that several instances heard came true once.
    settled: Mapping[str, PredictionRecord] = {
        p.prediction_id: p for p, _ in rows if p.outcome is not None and p.outcome.is_hit is not None
    }
    hits = sum(bool(p.outcome and p.outcome.is_hit) for p in settled.values())
    moves = [net for _, answer in rows if (net := _net_bps(answer)) is not None]
    confidence = [max(p.probability, 1 - p.probability) for p in settled.values()]
    return ModelResult(
        n=len(rows),
        n_taken=sum(answer.outcome == "taken" for _, answer in rows),
        hit_rate=hits / len(settled) if settled else None,
        hit_rate_ci=share_interval(hits, len(settled)) if settled else None,
        mean_confidence=sum(confidence) / len(confidence) if confidence else None,
        mean_aligned_bps=sum(moves) / len(moves) if moves else None,
        outcomes=dict(sorted(Counter(answer.outcome for _, answer in rows).items())),
    )


def _net_bps(answer: PerformanceRecord) -> float | None:
    move = answer.aligned_move_bps
    if move is None or answer.shortfall is None or not answer.qty or not answer.mean_fill_price:
        return None
    return move - float(answer.shortfall.total_usd / (answer.qty * answer.mean_fill_price)) * 1e4
