"""The monitor: every few minutes it looks at the machine, the bridge, the work and the equity, and settles the alerts.

What cannot be read is not judged: it neither raises nor resolves anything.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import psutil

from core.clock import KST, Clock, kst_day, kst_day_bounds
from core.model.language import Language
from core.model.operations import Alert
from core.model.trade import EquityPoint
from core.settings_sections import AlertSettings
from core.store import Session, Store, alerts, engine_states, equity, outcomes, reports, setting_facts
from feedback.alerts import AlertDesk, Finding
from feedback.cycles.acks import await_acks
from feedback.peaks import keep_peak
from feedback.results import LIVE_MODES, live_instances
from feedback.scheduler import FIRST_TICK_FACT

REPORT_DUE = time(1, 0)
"""KST."""
WINDOW = timedelta(hours=1)
"""Over which successes and errors are counted."""
MIN_ATTEMPTS = 5
"""A share of fewer attempts says nothing."""


@dataclass(frozen=True, slots=True)
class HostLoad:
    """Load of the machine in percent; None where it is not read."""

    cpu_pct: float | None
    memory_pct: float | None


def read_host_load() -> HostLoad:
    """Return CPU load since the last call, and memory in use."""
    return HostLoad(cpu_pct=psutil.cpu_percent(interval=None), memory_pct=psutil.virtual_memory().percent)


def unread_host_load() -> HostLoad:
    """Return no load: on a virtual clock the machine's load belongs to another time."""
    return HostLoad(None, None)


def engine_heard_at(session: Session) -> datetime | None:
    """Return when an engine was last heard, or None before the first time."""
    state = engine_states.latest(session)
    return None if state is None else state.heard_at


@dataclass(frozen=True, slots=True)
class Monitor:
    """Holds what is looked at. `heard` tells of each program when it was last heard; None is not judged."""

    store: Store
    clock: Clock
    settings: AlertSettings
    language: Language
    host_load: Callable[[], HostLoad] = read_host_load
    bridge_latency_ms: Callable[[], float | None] = lambda: None
    heard: Mapping[str, Callable[[Session], datetime | None]] = field(
        default_factory=lambda: {"engine": engine_heard_at}
    )
    take_back: Callable[[Session], Sequence[object]] = lambda session: ()
    """Takes back every canary that has lost its budget within the running day, and returns them."""
    watch_llm: Callable[[Session], Iterable[Finding]] = lambda session: ()
    """Judges the language model: its name, its price, what it costs."""

    def run_monitor(self, scheduled_for: datetime | None = None, late: bool = False) -> tuple[Alert, ...]:
        """Return the alerts raised now. The arguments are those of any scheduled job; only the clock counts."""
        desk = AlertDesk(self.clock, self.settings.cooldown_s, self.language)
        load, latency_ms = self.host_load(), self.bridge_latency_ms()
        with self.store.session() as session:
            taken_back = self.take_back(session)
        if taken_back:
            await_acks(self.store)
        with self.store.session() as session:
            desk.close_old_events(session)
            findings = [*self._of_host(load, latency_ms), *self._of_work(session), *self._of_equity(session)]
            findings += self.watch_llm(session)
            return desk.settle(session, [*findings, *self._of_silence(session), *self._of_report(session)])

    def _of_host(self, load: HostLoad, latency_ms: float | None) -> Iterator[Finding]:
        limits = self.settings
        yield from _above("latency", "bridge", latency_ms, limits.latency_ms)
        yield from _above("cpu", "host", load.cpu_pct, limits.cpu_pct)
        yield from _above("memory", "host", load.memory_pct, limits.memory_pct)

    def _of_work(self, session: Session) -> Iterator[Finding]:
        since = self.clock.now() - WINDOW
        limit = self.settings.min_success_pct
        for outcome in outcomes.since(session, since):
            share = outcome.success_pct
            if share is not None and outcome.n >= MIN_ATTEMPTS:
                facts = {"value": f"{share:.0f}", "limit": f"{limit:g}", "n": str(outcome.n)}
                yield Finding("success", outcome.subject, share < limit, "warning", facts)
        n_errors = outcomes.n_errors_since(session, since)
        facts = {
            "value": str(n_errors),
            "limit": str(self.settings.max_errors),
            "minutes": f"{WINDOW.total_seconds() / 60:.0f}",
        }
        yield Finding("errors", "worker", n_errors > self.settings.max_errors, "warning", facts)

    def _of_equity(self, session: Session) -> Iterator[Finding]:
        marks = [equity.latest(session, name) for name in equity.instances(session)]
        live = [mark for mark in marks if mark is not None and mark.mode in LIVE_MODES]
        trading = [mark for mark in live if mark.capital_usd > 0]
        for mark in trading:
            yield from self._drawdown(session, mark.instance_id, [mark])
        if len(trading) > 1:
            yield from self._drawdown(session, "total", live)

    def _drawdown(self, session: Session, subject: str, marks: Sequence[EquityPoint]) -> Iterator[Finding]:
        peak = keep_peak(session, [mark.instance_id for mark in marks])
        if peak is None or peak.usd <= 0:
            return
        now_usd, limit = sum(mark.equity_usd for mark in marks), self.settings.drawdown_pct
        fall_pct = float((peak.usd - now_usd) / peak.usd) * 100
        facts = {"value": f"{fall_pct:.1f}", "limit": f"{limit:g}", "peak": f"{peak.usd:,.2f}"}
        yield Finding("drawdown", subject, fall_pct > limit, "critical", facts)

    def _of_silence(self, session: Session) -> Iterator[Finding]:
        for subject, heard_at_of in self.heard.items():
            heard_at = heard_at_of(session)
            if heard_at is not None:
                silent_s, limit_s = (self.clock.now() - heard_at).total_seconds(), self.settings.silence_s
                facts = {"value": f"{silent_s:.0f}", "limit": str(limit_s)}
                yield Finding("silence", subject, silent_s > limit_s, "critical", facts)

    def _of_report(self, session: Session) -> Iterator[Finding]:
        """Judge yesterday's report once it is due, the day's before, and those still missed from earlier days."""
        now = self.clock.now()
        yesterday = kst_day(now) - timedelta(days=1)
        days = {yesterday - timedelta(days=1)}
        if now.astimezone(KST).time() >= REPORT_DUE:
            days.add(yesterday)
        days |= {date.fromisoformat(alert.subject) for alert in alerts.open(session) if alert.kind == "no_report"}
        first_tick = setting_facts.get(session, FIRST_TICK_FACT, datetime)
        for on in sorted(days):
            # A report is due the morning after its day; before the first tick nobody could write one.
            was_due = first_tick is None or kst_day_bounds(on)[1] >= first_tick
            if was_due and live_instances(session, on):
                is_missing = reports.get(session, "daily", on, self.language) is None
                yield Finding("no_report", on.isoformat(), is_missing, "critical", {"due": f"{REPORT_DUE:%H:%M}"})


def _above(kind: str, subject: str, value: float | None, limit: float) -> Iterator[Finding]:
    if value is not None:
        facts = {"value": f"{value:.0f}", "limit": f"{limit:g}"}
        yield Finding(kind, subject, value > limit, "warning", facts)
