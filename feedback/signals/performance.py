"""What becomes of predictions once they are said: scores, the archive for backtests, and the end of old rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from core.clock import Clock, kst_day, kst_day_bounds, to_ns
from core.errors import BadInput, Conflict
from core.log import get_logger
from core.model.prediction import FUSED, PredictionRecord
from core.store import Session, Store, predictions, setting_facts
from feedback.signals.records import message_of
from market.predictions import PredictionArchive, SaidRows
from ml.online.scores import Score, Settled, score_by

SCORES_FACT = "prediction_scores"
ARCHIVED_FACT = "predictions_archived_until"
SCORED_DAYS = 7
MAX_SCORED = 20_000


@dataclass(frozen=True, slots=True)
class PredictionScores:
    """How right predictions were over the last days, by task and interval such as `sign 1h`."""

    at: datetime
    days: int
    n_made: int
    """Predictions that the store holds."""
    n_sent: int
    scores: dict[str, Score]
    n_sent_lately: int = 0
    """Signals of these days."""


@dataclass(slots=True)
class Performance:
    """Looks after the predictions in the store; each call does what is due."""

    store: Store
    clock: Clock
    archive: PredictionArchive
    keep_days: int

    def look(self) -> PredictionScores:
        """Archive what was sent, forget what is old, and keep and return the scores."""
        self.archive_sent()
        now = self.clock.now()
        with self.store.session() as session:
            predictions.prune(session, now - timedelta(days=self.keep_days))
        with self.store.session() as session:
            made, sent = predictions.count(session)
            recent = predictions.latest(session, MAX_SCORED)
            found = [r for r in recent if r.at > now - timedelta(days=SCORED_DAYS)]
            n_sent_lately = sum(r.is_sent for r in found)
            scores = PredictionScores(now, SCORED_DAYS, made, sent, score_records(found), n_sent_lately)
            setting_facts.put(session, SCORES_FACT, scores, now)
        return scores

    def archive_sent(self) -> int:
        """Add what was sent since the last time to the archive that backtests read, and return how much was new.

        A kill in between adds the same rows again, which changes nothing.
        """
        with self.store.session() as session:
            after = setting_facts.get(session, ARCHIVED_FACT, datetime) or datetime.fromtimestamp(
                0, self.clock.now().tzinfo
            )
            records = predictions.since(session, after, sent_only=True)
        if not records:
            return 0
        chosen = one_voice(record for record in records if may_be_archived(record))
        n_new = 0
        for symbol in sorted({record.symbol for record in chosen}):
            try:
                n_new += self.archive.add(symbol, _rows([record for record in chosen if record.symbol == symbol]))
            except (BadInput, Conflict) as error:
                get_logger("signals").error("predictions are not archived", symbol=symbol, reason=str(error))
        with self.store.session() as session:
            setting_facts.put(session, ARCHIVED_FACT, records[-1].at, self.clock.now())
        return n_new


def load_scores(session: Session) -> PredictionScores | None:
    """Return the newest scores; None before the first."""
    return setting_facts.get(session, SCORES_FACT, PredictionScores)


def score_records(records: Iterable[PredictionRecord]) -> dict[str, Score]:
    """Return the score of every task and interval with outcomes."""
    names = {}
    settled = []
    for record in records:
        if record.outcome is None or record.outcome.label is None:
            continue
        names[record.prediction_id] = f"{record.task} {record.interval}"
        settled.append(
            Settled(
                record.prediction_id,
                record.symbol,
                record.horizon_bars,
                record.model_sha256,
                record.regime or "",
                record.probability,
                record.prior,
                record.outcome.label,
            )
        )
    return score_by(settled, lambda one: names[one.prediction_id])


def may_be_archived(record: PredictionRecord) -> bool:
    """Whether the model was trained before the KST day that the bar is in: backtests hear of no other."""
    starts_at, _ = kst_day_bounds(kst_day(record.at - timedelta(microseconds=1)))
    return record.trained_until <= starts_at


def one_voice(records: Iterable[PredictionRecord]) -> list[PredictionRecord]:
    """Return one prediction for each symbol, bar and horizon: the fused view, else that of the longer bars."""
    chosen: dict[tuple[str, datetime, int], PredictionRecord] = {}
    for record in records:
        key = (record.symbol, record.at, record.horizon_ms)
        if key not in chosen or _rank(record) > _rank(chosen[key]):
            chosen[key] = record
    return list(chosen.values())


def _rank(record: PredictionRecord) -> tuple[bool, float]:
    return record.interval == FUSED, record.horizon_ms / record.horizon_bars


def _rows(records: list[PredictionRecord]) -> SaidRows:
    messages = [message_of(record) for record in records]
    volatility = [m.expected_volatility_bps for m in messages]
    return SaidRows(
        at_ns=np.array([m.at_ns for m in messages], dtype=np.int64),
        expires_at_ns=np.array([m.expires_at_ns for m in messages], dtype=np.int64),
        horizon_ms=np.array([m.horizon_ms for m in messages], dtype=np.int64),
        trained_until_ns=np.array([to_ns(record.trained_until) for record in records], dtype=np.int64),
        direction=np.array([m.direction for m in messages]),
        confidence=np.array([m.confidence for m in messages]),
        expected_move_bps=np.array([m.expected_move_bps for m in messages]),
        expected_volatility_bps=np.array([np.nan if v is None else v for v in volatility]),
        model_sha256=tuple(m.model_sha256 for m in messages),
    )
