"""The worker as a service: bridge, schedule, requests of people, context, and the bot, until a signal."""

import asyncio
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import date, datetime, time

from app.bridge_line import bound_address, engine_tls
from app.engine_process import point_engine_at
from app.feeds import judge_feeds
from app.home import Home
from app.model_life import build_model_errands
from app.model_tasks import build_board
from app.paper import live_archive
from app.replay import PLAN, Plan
from app.requests import Action, Errand, active_deployment_of, carry_out, deployment_of, open_canary_of
from app.setup import with_made_context
from app.status import engine_status
from app.telegram import Courier, Desk, TelegramBot, talk
from app.wiring import Rooms, build_rooms
from core.clock import KST, SystemClock
from core.errors import BadInput, XcrackError
from core.log import get_logger
from core.model.operations import Request
from core.settings import Settings
from core.store import Session, canaries, engine_states, open_store, schema, setting_facts
from feedback.alerts import Finding
from market.live_archive import LiveArchive

REQUESTS_EVERY_S = 1.0
HEARD_EVERY_S = 10.0
OBSERVE_EVERY_S = 3_600.0
ARCHIVE_EVERY_S = 30.0
FEEDS_EVERY_S = 10.0
SWITCH_INTERVAL_S = 0.0005
"""A thread that commits or studies gives the interpreter to the bridge within this time; by default it is 5 ms."""
MAX_REASONS = 3
"""So many failures of the archive are told in an alert; the log has all."""
STOP_PATIENCE_S = 5.0
"""So long a stop waits for a cycle under way; the supervisor waits a little longer for the worker."""


def run_worker(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises BadInput when nothing was set up, Refused when another worker runs."""
    home = Home(settings.home)
    if not home.engine_config.is_file():
        raise BadInput(f"{home.path} is not set up", "Run `xcrack up`, which sets it up, or `xcrack demo`")
    settings = with_made_context(settings, home)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    with build_rooms(settings, home, SystemClock(), _symbols(settings), settings.bridge.port) as rooms:
        work = ThreadPoolExecutor(thread_name_prefix="work")
        asyncio.run(_serve(settings, home, rooms, work))
        work.shutdown(wait=False, cancel_futures=True)
        is_idle = _wait_for_threads()
    if not is_idle:
        # A kill would do the same: the run is durable, and the next worker finishes it.
        get_logger("worker").warning("leaves in the middle of a cycle", remedy="it is finished after the next start")
        os._exit(0)


def _wait_for_threads() -> bool:
    """Wait a while for work under way, and return whether all of it has ended."""
    wall = SystemClock()
    until = wall.monotonic() + STOP_PATIENCE_S
    at_work = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    for thread in at_work:
        thread.join(max(0.0, until - wall.monotonic()))
    return not any(thread.is_alive() for thread in at_work)


def _symbols(settings: Settings) -> tuple[str, ...]:
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        schema.require_current(store)
        with store.session() as session:
            plan = setting_facts.get(session, PLAN, Plan)
    finally:
        store.dispose()
    if plan is None:
        raise BadInput(f"the store of {settings.home} holds no run", "Run `xcrack up`, which begins one")
    return plan.symbols


async def _serve(settings: Settings, home: Home, rooms: Rooms, work: Executor) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # What an earlier worker left open is answered before the engine can ask anything new.
    async with rooms.advice.running() if rooms.advice is not None else nullcontext():
        await _serve_bridge(settings, home, rooms, work, stop)


async def _serve_bridge(settings: Settings, home: Home, rooms: Rooms, work: Executor, stop: asyncio.Event) -> None:
    log = get_logger("worker")
    try:
        await rooms.server.start()
    except OSError as error:
        where = ", ".join(rooms.server.addresses)
        raise BadInput(
            f"cannot listen on {where}: {error.strerror}", "Stop the other program, or set bridge.port, bridge.listen"
        ) from None
    address = bound_address(settings.bridge, rooms.server)
    point_engine_at(home, address, engine_tls(settings.bridge))
    ticking = rooms.scheduler.setup_schedule()
    ticking.start()
    bot = _build_bot(settings, rooms)
    actions, errands = build_actions(rooms)
    log.info("worker ready", bridge=address, telegram=bot is not None)
    tasks = [
        asyncio.create_task(_every(REQUESTS_EVERY_S, stop, work, lambda: carry_out(rooms.store, actions, errands))),
        asyncio.create_task(_every(HEARD_EVERY_S, stop, work, lambda: note_heard(rooms))),
        asyncio.create_task(_every(OBSERVE_EVERY_S, stop, work, lambda: _observe(rooms))),
    ]
    archive = live_archive(settings, home, rooms.clock)
    carry_over = _one_at_a_time(lambda: None if archive is None else archive_market(rooms, archive))
    speaking = ThreadPoolExecutor(3, thread_name_prefix="tasks")
    tasks.append(
        asyncio.create_task(build_board(settings, home, rooms, _symbols(settings), carry_over).run(stop, speaking))
    )
    if archive is not None:
        tasks.append(asyncio.create_task(_every(ARCHIVE_EVERY_S, stop, work, carry_over)))
        tasks.append(asyncio.create_task(_every(FEEDS_EVERY_S, stop, work, lambda: watch_feeds(rooms, home))))
    if bot is not None:
        courier = Courier(rooms.store, rooms.clock, settings.telegram.chat_ids, bot.send)
        tasks.append(asyncio.create_task(talk(bot, courier, stop)))
    await stop.wait()
    log.info("worker stops")
    ticking.shutdown(wait=False)
    await asyncio.wait(tasks, timeout=STOP_PATIENCE_S / 2)
    speaking.shutdown(wait=False, cancel_futures=True)
    await rooms.server.stop()


def _one_at_a_time(work: Callable[[], object]) -> Callable[[], object]:
    lock = threading.Lock()

    def locked() -> object:
        with lock:
            return work()

    return locked


def build_actions(rooms: Rooms) -> tuple[Mapping[str, Action], Mapping[str, Errand]]:
    """Return what each request does: actions inside one transaction, errands with transactions of their own."""

    def approve(session: Session, request: Request) -> str:
        found = rooms.rollout.approve(session, deployment_of(session, request.subject_id), request.by)
        return f"deployment {found.deployment_id} is {found.state}"

    def reject(session: Session, request: Request) -> str:
        subject = deployment_of(session, request.subject_id)
        rejected = rooms.rollout.reject(session, subject, request.by, request.reason)
        canary = canaries.for_proposal(session, rejected.proposal_id or "")
        if canary is not None and canary.is_open:
            rooms.canaries.stop(session, canary.canary_id, request.by, request.reason)
        return f"deployment {rejected.deployment_id} is rejected"

    def roll_back(session: Session, request: Request) -> str:
        canary = open_canary_of(session, request.subject_id)
        if canary is not None:
            return stop_canary(session, replace(request, subject_id=canary.canary_id))
        target = active_deployment_of(session, request.subject_id)
        made = rooms.rollout.rollback(session, target, request.by, request.reason)
        return f"version {made.version} of {made.instance_id} is on its way"

    def stop_canary(session: Session, request: Request) -> str:
        ended = rooms.canaries.stop(session, request.subject_id, request.by, request.reason)
        return f"canary {ended.canary_id} of {ended.instance_id} is rolled back"

    def cycle(run: Callable[[datetime, bool], str | None], name: str) -> Errand:
        def errand(request: Request) -> str:
            due = datetime.combine(date.fromisoformat(request.subject_id), _due_time(rooms, name), KST)
            report_id = run(due, True)
            return f"report {report_id}" if report_id else f"the {name} cycle due {due:%Y-%m-%d} is done already"

        return errand

    order = rooms.desk.command
    actions: dict[str, Action] = {
        "approve": approve,
        "reject": reject,
        "rollback": roll_back,
        "stop_canary": stop_canary,
        "halt": order,
        "resume": order,
        "reduce": order,
    }
    errands = {
        **build_model_errands(rooms.settings, rooms.store, rooms.clock, Home(rooms.settings.home)),
        "daily_cycle": cycle(rooms.daily.run_daily_cycle, "daily"),
        "weekly_cycle": cycle(rooms.weekly.run_weekly_analysis, "weekly"),
    }
    return actions, errands


def _due_time(rooms: Rooms, name: str) -> time:
    return rooms.settings.schedule.daily_at if name == "daily" else rooms.settings.schedule.weekly_at


def note_heard(rooms: Rooms) -> None:
    """Keep when the connected engine was last heard, so that its silence is noticed, and how the bridge does."""
    if not rooms.server.connected or rooms.server.last_heartbeat is None:
        return
    with rooms.store.session() as session:
        known = engine_states.latest(session)
        if known is not None:
            now = rooms.clock.now()
            # Its state is told by messages alone: a heartbeat may be older than what the last of them said.
            detail = dict(known.detail) | {"bridge": asdict(rooms.server.figures())}
            engine_states.note_heard(session, known.engine_id, now, detail)


def watch_feeds(rooms: Rooms, home: Home) -> None:
    """Alert about each symbol of the live market that is stale, and resolve it when data come again.

    An engine that does not answer is not judged here; its silence is an alert of its own.
    """
    feeds = engine_status(rooms.settings, home).feeds
    with rooms.store.session() as session:
        rooms.desk.alerts.settle(session, judge_feeds(feeds, rooms.settings.market.stale_after_s))


def archive_market(rooms: Rooms, archive: LiveArchive) -> None:
    """Carry the market log over, alert while a part of it fails, and resolve that when all of it went through."""
    try:
        failures = archive.carry_over().failures
    except Exception as error:
        _settle_archive(rooms, (repr(error),))
        raise
    for failure in failures:
        get_logger("archive").error("market data wait in the log", reason=failure)
    _settle_archive(rooms, failures)


def _settle_archive(rooms: Rooms, failures: Sequence[str]) -> None:
    told = "; ".join(failures[:MAX_REASONS]) + (f" (+{len(failures) - MAX_REASONS})" if failures[MAX_REASONS:] else "")
    with rooms.store.session() as session:
        finding = Finding("market_archive", "market log", bool(failures), "warning", {"reason": told})
        rooms.desk.alerts.settle(session, [finding])


def _observe(rooms: Rooms) -> None:
    fields = rooms.collector.observe()
    with rooms.store.session() as session:
        rooms.collector.save_observations(session, fields)


async def _every(seconds: float, stop: asyncio.Event, pool: Executor, work: Callable[[], object]) -> None:
    """Do `work` in the pool, now and every so many seconds, until told to stop; an error is logged and ends nothing."""
    log = get_logger("worker")
    while not stop.is_set():
        try:
            await asyncio.get_running_loop().run_in_executor(pool, work)
        except XcrackError as error:
            log.error("periodic work failed", work=getattr(work, "__qualname__", ""), error=str(error))
        except Exception:
            # A task that ended here would end unseen: nobody's approval or halt would ever be carried out again.
            log.exception("periodic work met a defect", work=getattr(work, "__qualname__", ""))
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            continue


def _build_bot(settings: Settings, rooms: Rooms) -> TelegramBot | None:
    if not settings.telegram.token.get_secret_value():
        return None
    desk = Desk(rooms.store, rooms.clock, settings, lambda: secrets.token_urlsafe(12))
    return TelegramBot(settings.telegram, desk, rooms.clock)
