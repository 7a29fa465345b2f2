"""What becomes of predictions once they are said: scores, the archive for backtests, and the end of old rows."""

from collections.abc import Iterable, Iterator
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
MAX_SCORED = 3_000
"""Outcomes of a day and one length of bars that figures rest on; of more it is so many, chosen at random."""
MAX_ARCHIVED = 100_000
"""Predictions that are read for the archive at a time, beside the rest of the last one's closing time."""


@dataclass(frozen=True, slots=True)
class PredictionScores:
    """How right predictions were over the last days, by task, horizon in bars and interval such as `sign:1:1h`."""

    at: datetime
    days: int
    n_made: int
    """Predictions that the store holds."""
    n_sent: int
    scores: dict[str, Score]
    n_sent_lately: int = 0
    """Signals of these days."""
    n_settled: int = 0
    """Predictions of these days whose horizon is over."""
    n_scored: int = 0
    """Those of them that the scores rest on, at most `MAX_SCORED` of a day and interval."""


@dataclass(frozen=True, slots=True)
class SettledSample:
    """Settled predictions of one day and one length of bars."""

    interval: str
    n_settled: int
    records: list[PredictionRecord]
    """All of them or `MAX_SCORED`, oldest first."""


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
            _, n_sent_lately = predictions.count(session, now - timedelta(days=SCORED_DAYS))
        n_settled = n_scored = 0

        def chosen() -> Iterator[PredictionRecord]:
            nonlocal n_settled, n_scored
            for sample in settled_lately(self.store, now):
                n_settled, n_scored = n_settled + sample.n_settled, n_scored + len(sample.records)
                yield from sample.records

        by_name = score_records(chosen())
        scores = PredictionScores(now, SCORED_DAYS, made, sent, by_name, n_sent_lately, n_settled, n_scored)
        with self.store.session() as session:
            setting_facts.put(session, SCORES_FACT, scores, now)
        return scores

    def archive_sent(self) -> int:
        """Add what was sent since the last time to the archive that backtests read, and return how much was new.

        A kill in between adds the same rows again, which changes nothing; so does an archive that cannot be read or
        written now, which is an error. A row that it will never take is set aside, which the log says, and the others
        are kept.
        """
        with self.store.session() as session:
            after = setting_facts.get(session, ARCHIVED_FACT, datetime) or datetime.fromtimestamp(
                0, self.clock.now().tzinfo
            )
            records = predictions.since(session, after, sent_only=True, limit=MAX_ARCHIVED)
        if not records:
            return 0
        by_file: dict[tuple[str, str], list[PredictionRecord]] = {}
        for record in one_voice(record for record in records if may_be_archived(record)):
            by_file.setdefault((record.symbol, f"{record.at:%Y-%m}"), []).append(record)
        n_new = sum(self._archive(symbol, said) for (symbol, _), said in sorted(by_file.items()))
        with self.store.session() as session:
            setting_facts.put(session, ARCHIVED_FACT, records[-1].at, self.clock.now())
        return n_new

    def _archive(self, symbol: str, said: list[PredictionRecord]) -> int:
        """Add predictions of one symbol and month but those that the archive refuses; return how many are new."""
        try:
            return self.archive.add(symbol, _rows(said))
        except Conflict as error:
            kept = self.archive.load((symbol,), said[0].at - timedelta(seconds=1), said[-1].at)
            known = set(zip(kept.at_ns.tolist(), kept.horizon_ms.tolist(), strict=True))
            fresh = [record for record in said if (to_ns(record.at), record.horizon_ms) not in known]
            get_logger("signals").error(
                "of these times and horizons the archive keeps what was said first",
                symbol=symbol,
                n_set_aside=len(said) - len(fresh),
                reason=str(error),
            )
            return self.archive.add(symbol, _rows(fresh)) if fresh else 0
        except BadInput as error:
            if len(said) == 1:
                get_logger("signals").error(
                    "a prediction is set aside", symbol=symbol, prediction=said[0].prediction_id, reason=str(error)
                )
                return 0
            half = len(said) // 2
            return self._archive(symbol, said[:half]) + self._archive(symbol, said[half:])


def settled_lately(store: Store, until: datetime) -> Iterator[SettledSample]:
    """Yield the settled predictions of the last `SCORED_DAYS` days, by interval and day, each in its own transaction.

    Those of all days together would hold the store, and the memory, for too long.
    """
    days = []
    for back in range(SCORED_DAYS, 0, -1):
        with store.session() as session:
            by_interval = predictions.settled_ids(
                session, until - timedelta(days=back), until - timedelta(days=back - 1)
            )
        days.append({name: (len(ids), ids[:MAX_SCORED]) for name, ids in by_interval.items()})
    for interval in sorted({name for day in days for name in day}):
        for n_settled, ids in (day[interval] for day in days if interval in day):
            with store.session() as session:
                records = predictions.of_ids(session, ids)
            yield SettledSample(interval, n_settled, records)


def load_scores(session: Session) -> PredictionScores | None:
    """Return the newest scores; None before the first."""
    return setting_facts.get(session, SCORES_FACT, PredictionScores)


def score_records(records: Iterable[PredictionRecord]) -> dict[str, Score]:
    """Return the score of every task, horizon and interval with outcomes."""
    names = {}
    settled = []
    for record in records:
        if record.outcome is None or record.outcome.label is None:
            continue
        names[record.prediction_id] = answers(record)
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


def answers(record: PredictionRecord) -> str:
    """Return what a prediction answers, named as a slot of models is: `sign:1:1h`, or `sign:60:fused`."""
    return f"{record.task}:{record.horizon_bars}:{record.interval}"


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
