"""Joins the rooms of the worker. Demo, replay and the service differ only in clock, settings and who drives."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import TracebackType

from app.bridge_line import tls_files
from app.engine_process import instance_capital, instance_symbols, is_live_market
from app.handlers import EngineDesk, at_market_time, build_handlers
from app.home import Home
from app.live_market import candle_ms
from app.retraining import build_retraining
from core import native
from core.clock import Clock, SystemClock, VirtualClock, to_ns
from core.crash import crash_at
from core.log import get_logger
from core.model.generated import Message, RateUpdate
from core.settings import Settings, crash_point
from core.store import Session, Store, audit, contexts, ledger, observations, open_store, schema
from feedback.advisor import AdviceDesk, RealTimeAIAdvisor, SettleRoom, build_advisor
from feedback.alerts import AlertDesk
from feedback.analyzer import build_analyzer, build_reader, build_watch
from feedback.context import MarketContextCollector, usd_krw_at
from feedback.cycles.canaries import CanaryRoom
from feedback.cycles.canary_parity import ShadowReplay
from feedback.cycles.daily import DailyFeedbackLoop
from feedback.cycles.monitor import Monitor, read_host_load, unread_host_load
from feedback.cycles.report_facts import ReportSources
from feedback.cycles.weekly import WeeklyDeepAnalysis
from feedback.dataset import DatasetBuilder
from feedback.forecast import Forecaster
from feedback.logger import TradingLogger
from feedback.patterns import PatternFinder
from feedback.runs import RunLedger, owner_name
from feedback.scheduler import DAILY, MONITOR, WEEKLY, FeedbackScheduler, JobProblem
from feedback.search import ParameterSearch
from feedback.signals.performance import Performance
from feedback.signals.retraining import Retraining
from feedback.worker_lease import WorkerLease
from market.bars import BarArchive
from market.collector import Collector, build_sources
from market.predictions import PredictionArchive
from strategies.bridge import BridgeServer, load_secret
from strategies.gate import Gate
from strategies.programs import Programs, load_programs
from strategies.rollout import CanaryDesk, Rollout

COLLECT_DEADLINE_S = 30.0
"""A whole collection of context takes no longer than this; what is late is missing."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """What a worker consists of."""

    settings: Settings
    store: Store
    clock: Clock
    lease: WorkerLease
    server: BridgeServer
    scheduler: FeedbackScheduler
    collector: MarketContextCollector
    daily: DailyFeedbackLoop
    weekly: WeeklyDeepAnalysis
    gate: Gate
    rollout: Rollout
    canaries: CanaryRoom
    desk: EngineDesk
    performance: Performance
    """Looks after what models said."""
    advice: AdviceDesk | None
    """Asks a model about large orders; None where none is asked, as on a virtual clock."""

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


@dataclass(frozen=True, slots=True)
class _Ground:
    """What every room stands on. `symbols` and `capital` are by instance."""

    settings: Settings
    home: Home
    clock: Clock
    store: Store
    archive: BarArchive
    symbols: Mapping[str, tuple[str, ...]]
    capital: Mapping[str, Decimal]
    programs: Programs
    owner: str
    send: Callable[[Session, Message], int]
    """Puts a message into the bridge's outbox, in the caller's transaction."""

    @property
    def is_real_time(self) -> bool:
        """Whether the machine's own time drives this."""
        return isinstance(self.clock, SystemClock)

    def usd_krw(self, session: Session, at: datetime) -> tuple[Decimal, bool]:
        """Return won per dollar as known at `at`, and whether it is stale."""
        return usd_krw_at(session, at, self.settings.advisor)


def build_rooms(settings: Settings, home: Home, clock: Clock, symbols: tuple[str, ...], bridge_port: int = 0) -> Rooms:
    """Return the worker's rooms over a migrated store, ready to be entered."""
    programs = load_programs(settings.instances)
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    schema.migrate(store)

    def send(session: Session, message: Message) -> int:
        return server.send(session, message)

    ground = _Ground(
        settings=settings,
        home=home,
        clock=clock,
        store=store,
        # Other intervals may lie beside the traded one; every judgement is about the bars that are traded.
        archive=BarArchive(
            home.bars,
            clock,
            candle_ms(settings.market) if is_live_market(home) else None,
            PredictionArchive(home.predictions),
        ),
        symbols={i.instance_id: instance_symbols(settings, i.instance_id, symbols) for i in settings.instances},
        capital={i.instance_id: instance_capital(settings, i.instance_id) for i in settings.instances},
        programs=programs,
        owner=owner_name("worker"),
        send=send,
    )
    gate = Gate(store, clock, settings.gate, settings.costs, ground.capital, ground.symbols, ground.archive, programs)
    rollout = Rollout(clock, settings, send, programs)
    with store.session() as session:
        rollout.require_same_programs(session)
    alert_desk = AlertDesk(clock, settings.alerts.cooldown_s, settings.language)
    desk = EngineDesk(clock, alert_desk, send)
    canaries = _build_canaries(ground, gate, rollout, alert_desk)
    advisor, advice_desk = build_advisor(settings, store, clock, ground.usd_krw, send, may_ask=ground.is_real_time)
    server = _build_server(ground, rollout, canaries, advisor, desk, alert_desk, bridge_port)
    sources = build_sources(settings)
    collector = MarketContextCollector(
        Collector(sources, ground.archive, COLLECT_DEADLINE_S), store, clock, settings.advisor
    )
    retraining = build_retraining(settings, alert_desk)
    daily, weekly = _build_cycles(ground, collector, gate, rollout, canaries, retraining, symbols)
    return Rooms(
        settings=settings,
        store=store,
        clock=clock,
        lease=WorkerLease(store, SystemClock(), home.path, ground.owner, on_lost=_leave_at_once),
        server=server,
        scheduler=_build_scheduler(ground, daily, weekly, _build_monitor(ground, server, canaries), alert_desk),
        collector=collector,
        daily=daily,
        weekly=weekly,
        gate=gate,
        rollout=rollout,
        canaries=canaries,
        desk=desk,
        performance=Performance(store, clock, PredictionArchive(home.predictions), settings.models.keep_days),
        advice=advice_desk,
    )


def _build_canaries(ground: _Ground, gate: Gate, rollout: Rollout, alert_desk: AlertDesk) -> CanaryRoom:
    settings = ground.settings
    fills_by_bars = not is_live_market(ground.home) or not settings.market.fills_by_book
    replay = ShadowReplay(
        store=ground.store,
        archive=ground.archive,
        costs=settings.costs,
        symbols=ground.symbols,
        capital=ground.capital,
        by_bars=frozenset(i.instance_id for i in settings.instances if fills_by_bars and i.driver == "bars"),
        programs=ground.programs,
    )
    return CanaryRoom(
        store=ground.store,
        clock=ground.clock,
        settings=settings.gate,
        gate=gate,
        desk=CanaryDesk(ground.clock, rollout),
        alerts=alert_desk,
        capital=ground.capital,
        replay=replay,
    )


def _build_server(
    ground: _Ground,
    rollout: Rollout,
    canaries: CanaryRoom,
    advisor: RealTimeAIAdvisor,
    desk: EngineDesk,
    alert_desk: AlertDesk,
    port: int,
) -> BridgeServer:
    """Return the bridge with the rooms that answer the engine: logger, rollout, advisor and desk."""
    logger = TradingLogger(ground.clock, ground.usd_krw, contexts.as_of)
    handlers = build_handlers(logger, rollout, canaries, advisor, desk)
    if isinstance(ground.clock, VirtualClock):
        handlers = at_market_time(ground.clock, handlers)
    return BridgeServer(
        ground.store,
        load_secret(ground.home.bridge_secret),
        handlers,
        ground.clock,
        ground.settings.bridge.host,
        port,
        listen=ground.settings.bridge.listen,
        tls=tls_files(ground.settings.bridge.tls),
        on_hello=desk.on_hello,
        on_alert=lambda session, text: _alert_dead_letter(session, alert_desk, text),
    )


def _build_cycles(
    ground: _Ground,
    collector: MarketContextCollector,
    gate: Gate,
    rollout: Rollout,
    canaries: CanaryRoom,
    retraining: Retraining,
    symbols: tuple[str, ...],
) -> tuple[DailyFeedbackLoop, WeeklyDeepAnalysis]:
    settings, store, clock, archive = ground.settings, ground.store, ground.clock, ground.archive
    runs = RunLedger(store, clock, ground.owner, crash_at(crash_point()), take_over=True)
    report_sources = ReportSources(settings, archive, gate, ground.capital, ground.symbols)
    analyzer = build_analyzer(settings, store, clock, native.validate_params)

    def tell_engine(session: Session, at: datetime) -> None:
        known = observations.as_of(session, "usd_krw", at)
        if known is not None:
            ground.send(session, RateUpdate(krw_per_quote=known[0], observed_at_ns=to_ns(known[1])))

    daily = DailyFeedbackLoop(
        store=store,
        clock=clock,
        runs=runs,
        collector=collector,
        reader=build_reader(settings, store, clock, symbols),
        dataset_builder=DatasetBuilder(store, archive, settings.costs, ground.symbols),
        analyzer=analyzer,
        gate=gate,
        rollout=rollout,
        canaries=canaries,
        forecaster=Forecaster(store, archive, ground.symbols),
        report_sources=report_sources,
        settle_room=SettleRoom(settings.costs, archive),
        symbols=symbols,
        language=settings.language,
        on_prepared=tell_engine,
    )
    finder = PatternFinder(store, archive)
    search = ParameterSearch(gate, archive, settings.search)
    weekly = WeeklyDeepAnalysis(
        store,
        clock,
        runs,
        finder,
        analyzer,
        search,
        gate,
        canaries,
        report_sources,
        settings.language,
        retraining.ask_weekly,
    )
    return daily, weekly


def _build_monitor(ground: _Ground, server: BridgeServer, canaries: CanaryRoom) -> Monitor:
    # On a virtual clock the machine's load and latency are not read: they belong to another time.
    return Monitor(
        ground.store,
        ground.clock,
        ground.settings.alerts,
        ground.settings.language,
        host_load=read_host_load if ground.is_real_time else unread_host_load,
        bridge_latency_ms=(lambda: server.latency_ms) if ground.is_real_time else (lambda: None),
        take_back=canaries.watch_budgets,
        watch_llm=build_watch(ground.settings.analyzer, ground.store, ground.clock).look,
    )


def _build_scheduler(
    ground: _Ground, daily: DailyFeedbackLoop, weekly: WeeklyDeepAnalysis, monitor: Monitor, alert_desk: AlertDesk
) -> FeedbackScheduler:
    def anchored(cycle: Callable[[datetime, bool], str | None]) -> Callable[[datetime, bool], str | None]:
        def run(scheduled_for: datetime, late: bool) -> str | None:
            report_id = cycle(scheduled_for, late)
            # A transaction of its own: what is anchored outside the database must not be rolled back in it.
            with ground.store.session() as session:
                for chain in (audit, ledger):
                    chain.anchor(session, ground.home.audit_head, ground.clock.now())
            return report_id

        return run

    def on_problem(session: Session, problem: JobProblem) -> None:
        facts = {"due": f"{problem.scheduled_for[-1]:%Y-%m-%d %H:%M} UTC", "reason": problem.message}
        alert_desk.raise_once(session, "skipped", problem.job, "warning", facts)

    jobs: dict[str, Callable[[datetime, bool], object]] = {
        DAILY: anchored(daily.run_daily_cycle),
        WEEKLY: anchored(weekly.run_weekly_analysis),
        MONITOR: monitor.run_monitor,
    }
    return FeedbackScheduler(ground.clock, ground.settings.schedule, ground.store, jobs, on_problem)


def _alert_dead_letter(session: Session, desk: AlertDesk, text: str) -> None:
    desk.raise_once(session, "dead_letter", "bridge", "critical", {"reason": text})


def _leave_at_once(reason: str) -> None:
    """End this process without another write: another worker has the store now."""
    get_logger("worker").critical("lease lost", reason=reason)
    os._exit(1)
