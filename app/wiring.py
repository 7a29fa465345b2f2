"""Joins the rooms of the worker. Demo, replay and the service differ only in clock, settings and who drives."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType

from app.engine_process import instance_capital, instance_symbols
from app.handlers import EngineDesk, at_market_time, build_handlers
from app.home import Home
from core import native
from core.clock import Clock, SystemClock, VirtualClock, to_ns
from core.log import get_logger
from core.model.generated import Message, RateUpdate
from core.settings import Settings, crash_point
from core.store import Session, Store, audit, contexts, observations, open_store, schema
from feedback.advisor import RealTimeAIAdvisor
from feedback.alerts import AlertDesk
from feedback.analyzer import build_analyzer
from feedback.context import MarketContextCollector, usd_krw_at
from feedback.cycles.daily import DailyFeedbackLoop
from feedback.cycles.monitor import Monitor, read_host_load, unread_host_load
from feedback.cycles.report_facts import ReportSources
from feedback.cycles.weekly import WeeklyDeepAnalysis
from feedback.dataset import DatasetBuilder
from feedback.forecast import Forecaster
from feedback.logger import TradingLogger
from feedback.patterns import PatternFinder
from feedback.runs import RunLedger, crash_at, owner_name
from feedback.scheduler import DAILY, MONITOR, WEEKLY, FeedbackScheduler, JobProblem
from feedback.worker_lease import WorkerLease
from market.bars import BarArchive
from market.collector import Collector, build_sources
from strategies.bridge import BridgeServer, load_secret
from strategies.gate import Gate
from strategies.rollout import Rollout

COLLECT_DEADLINE_S = 30.0
"""A whole collection of context takes no longer than this; what is late is missing."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a worker consists of."""

    settings: Settings
    store: Store
    clock: Clock
    archive: BarArchive
    lease: WorkerLease
    server: BridgeServer
    scheduler: FeedbackScheduler
    collector: MarketContextCollector
    daily: DailyFeedbackLoop
    weekly: WeeklyDeepAnalysis
    gate: Gate
    rollout: Rollout
    desk: EngineDesk

    def usd_krw(self, session: Session, at: datetime) -> tuple[Decimal, bool]:
        """Return won per dollar as known at `at`, and whether it is stale."""
        return usd_krw_at(session, at, self.settings.advisor)

    def __enter__(self) -> "Rooms":
        """Take the worker's lease. Raises Refused for a second worker."""
        self.lease.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back and close the database."""
        self.lease.__exit__(kind, error, trace)
        self.store.dispose()


def build_rooms(settings: Settings, home: Home, clock: Clock, symbols: tuple[str, ...], bridge_port: int = 0) -> Rooms:
    """Return the worker's rooms over a migrated store, ready to be entered.

    On a virtual clock the machine's load is not read: it belongs to another time.
    """
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    schema.migrate(store)
    owner = owner_name("worker")
    lease = WorkerLease(store, SystemClock(), home.path, owner, on_lost=_leave_at_once)
    archive = BarArchive(home.bars, clock)
    by_instance = {i.instance_id: instance_symbols(settings, i.instance_id, symbols) for i in settings.instances}
    capital = {i.instance_id: instance_capital(settings, i.instance_id) for i in settings.instances}

    def send(session: Session, message: Message) -> int:
        return server.send(session, message)

    def usd_krw(session: Session, at: datetime) -> tuple[Decimal, bool]:
        return usd_krw_at(session, at, settings.advisor)

    collector = MarketContextCollector(
        Collector(build_sources(settings), archive, COLLECT_DEADLINE_S), store, clock, settings.advisor
    )
    gate = Gate(store, clock, settings.gate, settings.costs, capital, by_instance, archive)
    rollout = Rollout(clock, settings, send)
    logger = TradingLogger(clock, usd_krw, contexts.as_of)
    alert_desk = AlertDesk(clock, settings.alerts.cooldown_s, settings.language)
    desk = EngineDesk(clock, alert_desk, send)
    advisor = RealTimeAIAdvisor(clock, settings.advisor, usd_krw, send)
    handlers = build_handlers(logger, rollout, advisor, desk)
    if isinstance(clock, VirtualClock):
        handlers = at_market_time(clock, handlers)
    server = BridgeServer(
        store,
        load_secret(home.bridge_secret),
        handlers,
        clock,
        settings.bridge.host,
        bridge_port,
        on_hello=desk.on_hello,
        on_alert=lambda text: _alert_dead_letter(store, alert_desk, text),
    )
    runs = RunLedger(store, clock, owner, crash_at(crash_point()), take_over=True)
    sources = ReportSources(settings, archive, gate, capital, by_instance)
    analyzer = build_analyzer(settings, store, clock, native.validate_params)

    def tell_engine(session: Session, at: datetime) -> None:
        known = observations.as_of(session, "usd_krw", at)
        if known is not None:
            send(session, RateUpdate(krw_per_quote=known[0], observed_at_ns=to_ns(known[1])))

    daily = DailyFeedbackLoop(
        store, clock, runs, collector, DatasetBuilder(store, archive, settings.costs, by_instance), analyzer, gate,
        rollout, Forecaster(store, archive, by_instance), sources, symbols, settings.language, tell_engine,
    )  # fmt: skip
    weekly = WeeklyDeepAnalysis(
        store, clock, runs, PatternFinder(store, archive), analyzer, gate, rollout, sources, settings.language
    )
    is_real_time = isinstance(clock, SystemClock)
    load = read_host_load if is_real_time else unread_host_load
    latency_ms = (lambda: server.latency_ms) if is_real_time else (lambda: None)
    monitor = Monitor(store, clock, settings.alerts, settings.language, load, latency_ms)

    def study_day(scheduled_for: datetime, late: bool) -> str | None:
        report_id = daily.run_daily_cycle(scheduled_for, late)
        # A transaction of its own: what is anchored outside the database must not be rolled back in it.
        with store.session() as session:
            audit.anchor(session, home.audit_head, clock.now())
        return report_id

    jobs: dict[str, Callable[[datetime, bool], object]] = {
        DAILY: study_day,
        WEEKLY: weekly.run_weekly_analysis,
        MONITOR: monitor.run_monitor,
    }

    def on_problem(session: Session, problem: JobProblem) -> None:
        facts = {"due": f"{problem.scheduled_for[-1]:%Y-%m-%d %H:%M} UTC", "reason": problem.message}
        alert_desk.raise_once(session, "skipped", problem.job, "warning", facts)

    scheduler = FeedbackScheduler(clock, settings.schedule, store, jobs, on_problem)
    return Rooms(
        settings, store, clock, archive, lease, server, scheduler, collector, daily, weekly, gate, rollout, desk
    )


def _alert_dead_letter(store: Store, desk: AlertDesk, text: str) -> None:
    with store.session() as session:
        desk.raise_once(session, "dead_letter", "bridge", "critical", {"reason": text})


def _leave_at_once(reason: str) -> None:
    """End this process without another write: another worker has the store now."""
    get_logger("worker").critical("lease lost", reason=reason)
    os._exit(1)
