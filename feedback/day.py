"""The stored rows of one KST day, loaded in one short transaction: everything after it is pure and may be slow."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.clock import kst_day_bounds
from core.errors import UnknownName
from core.model.dataset import DaySummary, FeedbackCount, Lesson, RefutedEdit
from core.model.news import NewsCount
from core.model.proposal import ParamVersion
from core.model.trade import EquityPoint, SignalRecord, Trade
from core.store import Session, advice, equity, news_readings, param_versions, patterns, quarantine, signals, trades
from feedback.lessons import lessons_of
from feedback.memory import refuted_edits
from feedback.news import count_news
from feedback.notes import count_tags, notes_for
from feedback.results import LIVE_MODES, day_ends, live_instances, summarise_day

LAST_DAYS = 7
HELD_BACK = frozenset({"advisor_veto", "advisor_timeout", "advisor_absent"})
"""Outcomes by which the advisor, or its absence, stopped a signal."""


@dataclass(frozen=True, slots=True)
class InstanceDay:
    """One live instance: its marks at the day's ends and within, and the parameters in force at the end."""

    instance_id: str
    strategy: str
    before: EquityPoint | None
    after: EquityPoint
    marks: tuple[EquityPoint, ...]
    version: ParamVersion | None
    """None when the version that the engine reports is not stored."""
    n_held_back: int
    """Signals that the advisor stopped or shrank: no backtest knows them."""

    @property
    def drawn(self) -> tuple[EquityPoint, ...]:
        """The marks from the day's start on, the one before it first."""
        return self.marks if self.before is None else (self.before, *self.marks)


@dataclass(frozen=True, slots=True)
class DayRows:
    """Everything stored that the dataset of a day is made of."""

    on: date
    start_at: datetime
    end_at: datetime
    totals: DaySummary
    trades: tuple[Trade, ...]
    signals: tuple[SignalRecord, ...]
    marks: tuple[EquityPoint, ...]
    """Of all modes, oldest first, each instance's last one before the day included."""
    instances: tuple[InstanceDay, ...]
    last_days: tuple[DaySummary, ...]
    feedback: tuple[FeedbackCount, ...]
    refuted: tuple[RefutedEdit, ...]
    news: tuple[NewsCount, ...]
    lessons: tuple[Lesson, ...]
    n_quarantined: int

    @property
    def live_trades(self) -> tuple[Trade, ...]:
        """The trades of live and canary instances."""
        return tuple(trade for trade in self.trades if trade.mode in LIVE_MODES)

    @property
    def live_signals(self) -> tuple[SignalRecord, ...]:
        """The signals of live and canary instances."""
        live = {instance.instance_id for instance in self.instances}
        return tuple(signal for signal in self.signals if signal.instance_id in live)


def load_day(session: Session, on: date) -> DayRows:
    """Return the rows of a KST day. Marks at its very end belong to it."""
    start_at, end_at = kst_day_bounds(on)
    day_trades = trades.between(session, start_at, end_at)
    day_signals = signals.between(session, start_at, end_at)
    held_back = Counter(signal.instance_id for signal in day_signals if signal.outcome in HELD_BACK)
    shrunk = (one for one in advice.between(session, start_at, end_at) if one.approve and one.size_factor < 1)
    held_back.update(one.instance_id for one in shrunk)
    marks = _marks(session, on, start_at, end_at)
    live = live_instances(session, on)
    return DayRows(
        on=on,
        start_at=start_at,
        end_at=end_at,
        totals=summarise_day(session, on, day_trades),
        trades=tuple(day_trades),
        signals=tuple(day_signals),
        marks=marks,
        instances=tuple(_instance_day(session, on, name, marks, start_at, held_back[name]) for name in live),
        last_days=tuple(_last_days(session, on)),
        feedback=count_tags(notes_for(session, on)),
        refuted=refuted_edits(session, on=on),
        news=count_news(news_readings.between(session, start_at, end_at)),
        lessons=lessons_of(patterns.list(session), on),
        n_quarantined=quarantine.count_between(session, start_at, end_at),
    )


def _marks(session: Session, on: date, start_at: datetime, end_at: datetime) -> tuple[EquityPoint, ...]:
    before = [day_ends(session, on, name)[0] for name in equity.instances(session)]
    within = equity.between(session, start_at + timedelta(microseconds=1), end_at + timedelta(microseconds=1))
    return tuple(sorted([*filter(None, before), *within], key=lambda mark: (mark.at, mark.instance_id)))


def _instance_day(
    session: Session, on: date, name: str, marks: Sequence[EquityPoint], start_at: datetime, n_held_back: int
) -> InstanceDay:
    before, after = day_ends(session, on, name)
    assert after is not None, "a live instance has a mark"
    try:
        version = param_versions.get(session, name, after.params_version)
    except UnknownName:
        version = None
    return InstanceDay(
        instance_id=name,
        strategy=after.strategy,
        before=before,
        after=after,
        marks=tuple(mark for mark in marks if mark.instance_id == name and mark.at > start_at),
        version=version,
        n_held_back=n_held_back,
    )


def _last_days(session: Session, on: date) -> Iterator[DaySummary]:
    for n in range(LAST_DAYS, 0, -1):
        earlier = on - timedelta(days=n)
        if live_instances(session, earlier):
            yield summarise_day(session, earlier, trades.between(session, *kst_day_bounds(earlier)))
