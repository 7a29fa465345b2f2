"""Recorded or made bars become a run: import, history, day one, feed, and the summary at the end."""

import asyncio
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from app.engine_process import engine_pace, write_engine_config
from app.home import MARK, Home
from app.models import build_speaker
from app.retraining import build_retraining
from app.virtual import Progress, VirtualRun
from app.wiring import Rooms, build_rooms
from core import native
from core.clock import KST, SystemClock, VirtualClock, kst_day_bounds
from core.errors import BadInput
from core.model.advisor import StoppedOrder
from core.model.canary import CanaryStage
from core.model.canonical import sha256_of
from core.settings import Settings
from core.store import (
    Session,
    canaries,
    deployments,
    frames,
    param_versions,
    proposals,
    reports,
    setting_facts,
    trades,
    verdicts,
)
from core.store import predictions as stored_predictions
from feedback.advisor.read import load_value
from feedback.signals.drift import DriftWatch
from feedback.signals.feed import recorded_feed
from feedback.signals.speaker import Speaker
from feedback.worker_lease import require_no_worker
from market.bars import BarArchive

MIN_DAYS_LEFT = 30
CYCLE_TIME = timedelta(minutes=45)
"""Cycles are due within so long after midnight KST. Those of day one's midnight are left out: it has no day before."""
WARMUP_BARS = 1_200
PLAN = "run_plan"
_OF_A_RUN = (MARK, "xcrack.db", "engine.json")
_SYMBOL = re.compile(r"([A-Z0-9]{4,20})\.(?:parquet|csv)$")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run covers. Kept in the store, so that a killed run goes on as it was begun."""

    seed: int
    start_at: datetime
    end_at: datetime
    history_days: int
    symbols: tuple[str, ...]

    @property
    def n_days(self) -> int:
        """Simulated KST days."""
        return (self.end_at - self.start_at).days


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did. Everything but `wall_s` derives from the seed and the bars."""

    seed: int
    simulated_days: int
    trades: int
    proposals: dict[str, int]
    deployments: int
    """Promotions and narrowings that the engine took."""
    rollbacks: int
    canaries: dict[str, int]
    """Changes that passed the sealed test, by how far they came."""
    report_sha256: str
    wall_s: float
    bars: int
    daily_reports: int
    weekly_reports: int
    predictions: int = 0
    """What models said that was kept."""
    stopped: StoppedOrder | None = None
    """The largest order that the advisor stopped and that is settled."""


def symbol_of(path: Path) -> str:
    """Return the symbol at the end of a file's name, as in `binance_perp_1m_BTCUSDT.parquet`; else BadInput."""
    if not path.is_file() and _SYMBOL.search(path.name) is None:
        raise BadInput(f"{path} is a folder" if path.is_dir() else f"there is no file {path}", "Name a file of candles")
    if (match := _SYMBOL.search(path.name)) is None:
        raise BadInput(f"the name of {path} does not end in a symbol", "Rename it like binance_1h_BTCUSDT.parquet")
    return match[1]


def empty_home(settings: Settings) -> Home:
    """Return a home without anything of an earlier run in it. Refuses one that is no home of ours, or in use."""
    home = Home(settings.home)
    if home.path.is_dir() and any(home.path.iterdir()):
        foreign, is_run = home.foreign(), any((home.path / name).exists() for name in _OF_A_RUN)
        if foreign is not None or not is_run:
            what = f"'{foreign}', which is" if foreign is not None else "files that are"
            raise BadInput(f"{home.path} holds {what} not a run's", "Name an empty directory with --home")
        if engine_pace(home) == "realtime":
            raise BadInput(f"{home.path} is an installation of `xcrack up`", "Name another directory with --home")
        require_no_worker(home.path)
        shutil.rmtree(home.path)
    (home.create().path / MARK).touch()
    return home


def plan_run(
    settings: Settings,
    archive: BarArchive,
    symbols: Sequence[str],
    seed: int,
    history: int,
    days: int | None,
    min_days_left: int = MIN_DAYS_LEFT,
) -> Plan:
    """Return what to run over the archive's shared span.

    `history` days plus the embargo come before day one; they are left out where fewer than
    `min_days_left` would remain.
    Raises BadInput when not even one whole KST day is shared by all symbols.
    """
    span_start, span_end = archive.span(symbols)
    last_end, _ = kst_day_bounds(span_end.astimezone(KST).date())
    before = history + settings.gate.embargo_days if history else 0
    start_at = _next_midnight(span_start + timedelta(days=max(before, 1)))
    if (last_end - start_at).days < min_days_left and before:
        history, start_at = 0, _next_midnight(span_start)
    if days is not None:
        last_end = min(last_end, start_at + timedelta(days=days))
    if last_end <= start_at:
        shared = f"{span_start:%Y-%m-%d %H:%M} to {span_end:%Y-%m-%d %H:%M} UTC"
        raise BadInput(f"the bars of {', '.join(symbols)} share only {shared}", "At least one whole KST day is needed")
    return Plan(seed, start_at, last_end, history, tuple(symbols))


def _next_midnight(at: datetime) -> datetime:
    start, end = kst_day_bounds(at.astimezone(KST).date())
    return start if start == at else end


async def run_plan(
    settings: Settings,
    home: Home,
    plan: Plan,
    on_progress: Callable[[Progress], None],
    prepare: Callable[[Rooms], object] = lambda _: None,
) -> Summary:
    """Run a plan from an empty store, or go on with the one in `home`; returns what it did.

    `prepare` is called before anything is played, until that is known to have begun; repeated, it must change nothing.
    """
    wall = SystemClock()
    began = wall.monotonic()
    clock = VirtualClock(plan.start_at)
    first_due_at, end_at = plan.start_at + CYCLE_TIME, plan.end_at + CYCLE_TIME
    with build_rooms(settings, home, clock, plan.symbols) as rooms:
        await asyncio.to_thread(_begin, settings, home, rooms, plan, clock, end_at, prepare)
        speaker, watch = await asyncio.to_thread(_build_speaker, settings, home, rooms, plan, clock, end_at)
        run = VirtualRun(settings, home, rooms, clock, plan.start_at, first_due_at, end_at, on_progress, speaker, watch)
        bars = await run.drive()
        if speaker is not None:
            await asyncio.to_thread(rooms.performance.look)
        with rooms.store.session() as session:
            summary = summarize(session, plan, bars, round(wall.monotonic() - began, 3))
    return summary


def _begin(
    settings: Settings,
    home: Home,
    rooms: Rooms,
    plan: Plan,
    clock: VirtualClock,
    end_at: datetime,
    prepare: Callable[[Rooms], object],
) -> None:
    """Set the clock to where the store stands; on an empty store, set up versions, history split, feed and engine."""
    with rooms.store.session() as session:
        begun = setting_facts.get(session, PLAN, Plan)
        reached = frames.reached_at(session, "engine-1")
    if begun is not None:
        if begun != plan:
            raise BadInput(f"{home.path} holds another run", "Name another --home, or leave --resume out")
        clock.advance_to(reached or plan.start_at)
        return
    prepare(rooms)
    feed_archive = BarArchive(home.bars, VirtualClock(end_at))
    warmup = timedelta(milliseconds=feed_archive.interval_ms * WARMUP_BARS)
    bars = feed_archive.load(plan.symbols, plan.start_at - warmup, end_at)
    native.write_feed(home.feed, bars)
    known = rooms.collector.collect_context(plan.start_at, plan.symbols)
    with rooms.store.session() as session:
        rooms.collector.save(session, known)
        rooms.rollout.ensure_initial(session, settings.instances)
        rooms.gate.split_history(session, plan.start_at)
        versions = param_versions.all_active(session)
        rate, _ = rooms.usd_krw(session, plan.start_at)
        write_engine_config(
            settings, home, bars=bars, versions=versions, pace="granted", trade_from=plan.start_at, krw_per_usd=rate
        )
        setting_facts.put(session, PLAN, plan, plan.start_at)


def _build_speaker(
    settings: Settings, home: Home, rooms: Rooms, plan: Plan, clock: VirtualClock, end_at: datetime
) -> tuple[Speaker | None, DriftWatch | None]:
    """Return the models that speak in this run, led over the bars before the clock, and what watches them, or neither.

    The past begins where it began at the first start, so a run that goes on says what it would have said.
    """
    if not settings.models.in_replay:
        return None, None
    models, from_at = settings.models, plan.start_at
    if models.replay_days is not None:
        from_at = max(from_at, end_at - timedelta(days=models.replay_days))
    begin_at = from_at - timedelta(days=models.warmup_days)
    feed = recorded_feed(BarArchive(home.bars, VirtualClock(end_at)), plan.symbols, begin_at, clock)
    speaker = build_speaker(settings, home, rooms.store, clock, feed, rooms.server.send_signal, begin_at)
    if speaker is None:
        return None, None
    speaker.from_at = from_at
    watch = DriftWatch(rooms.store, speaker.room.models, build_retraining(settings, rooms.desk.alerts))
    speaker.room.listeners = (watch,)
    speaker.warm_up(clock.now())
    return speaker, watch


def summarize(session: Session, plan: Plan, bars: int, wall_s: float) -> Summary:
    """Return the run's counts. `accepted` counts every proposal that passed the sealed test, whatever came after."""
    counts = dict.fromkeys(("accepted", "refused", "inconclusive", "queued", "narrowed", "expired"), 0)
    for proposal in proposals.latest(session, 1_000_000):
        judged = verdicts.for_proposal(session, proposal.proposal_id)
        if any(v.stage == "sealed" and v.outcome == "accepted" for v in judged):
            counts["accepted"] += 1
        elif any(v.outcome == "narrowed" for v in judged):
            counts["narrowed"] += 1
        elif proposal.state in counts:
            counts[proposal.state] += 1
    sent = deployments.latest(session, 1_000_000)
    begun = canaries.latest(session, 1_000_000)
    written = sorted((r.kind, r.on.isoformat(), r.language, r.sha256) for r in reports.list(session, 1_000_000))
    return Summary(
        seed=plan.seed,
        simulated_days=plan.n_days,
        trades=trades.count(session),
        proposals=counts,
        deployments=sum(
            1 for d in sent if d.acked_at is not None and d.state != "rejected" and d.proposal_id is not None
        ),
        rollbacks=sum(1 for one in begun if one.stage == "rolled_back"),
        canaries={stage: n for stage in get_args(CanaryStage) if (n := sum(one.stage == stage for one in begun))},
        report_sha256=sha256_of(written),
        wall_s=wall_s,
        bars=bars,
        daily_reports=len({on for kind, on, _, _ in written if kind == "daily"}),
        weekly_reports=len({on for kind, on, _, _ in written if kind == "weekly"}),
        predictions=stored_predictions.count(session)[0],
        stopped=next(iter(load_value(session, plan.end_at + CYCLE_TIME, plan.n_days + 1).stopped), None),
    )


def demo_object(summary: Summary) -> dict[str, Any]:
    """Return the demo's object: the replay's without what only a replay counts, with what models and advisor did."""
    told = {k: v for k, v in replay_object(summary).items() if k not in {"bars", "daily_reports", "weekly_reports"}}
    return told | {"predictions": summary.predictions, "stopped": summary.stopped}


def replay_object(summary: Summary) -> dict[str, Any]:
    """Return the replay's object, whose keys are promised; commands of their own tell of the rest."""
    return {k: v for k, v in asdict(summary).items() if k not in {"canaries", "predictions", "stopped"}}


def run_in_loop(
    settings: Settings,
    home: Home,
    plan: Plan,
    on_progress: Callable[[Progress], None],
    prepare: Callable[[Rooms], object] = lambda _: None,
) -> Summary:
    """Run a plan to its end in an event loop of its own; see `run_plan`."""
    return asyncio.run(run_plan(settings, home, plan, on_progress, prepare))
