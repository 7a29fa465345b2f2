"""Replays in which models speak: one symbol, bars of 15 minutes, one simulated day, and a strategy that listens."""

import asyncio
import multiprocessing
import os
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from app.home import Home
from app.replay import Plan, Summary, plan_run, run_plan
from core.clock import VirtualClock
from core.settings import Settings, load_settings
from market.bars import BarArchive
from market.synthetic import write_fixed_rate
from ml.bundle import Bundle, write_bundle
from ml.features.registry import load_registry
from tests.candle_factory import walk
from tests.demo_runs import await_engine_gone
from tests.signal_world import MINUTE_MS, a_bundle_for, renamed

START = datetime(2026, 2, 4, 15, 0, tzinfo=UTC)
BAR_MS = 15 * MINUTE_MS
DAYS = 4


def bundle() -> Bundle:
    """A bundle that reads features of the registry."""
    registry = load_registry()
    return renamed(
        a_bundle_for(BAR_MS, 2, symbols=("BTCUSDT",)),
        features=registry.names[:4],
        feature_schema_sha256=registry.schema_sha256,
    )


def settings_of(home: Home, **models: Any) -> Settings:
    """Return settings under which the bundle speaks, with `models` among those of models."""
    params = {"min_confidence": 0.5, "min_move": 0.0}
    speaking = {"serve": [bundle().sha256], "in_replay": True, "miss_target": 0.4, "warmup_days": 1}
    return load_settings(
        {},
        {
            "home": str(home.path),
            "mode": "replay",
            "instances": [{"instance_id": "ai-1", "strategy": "predictive", "capital_share": 1.0, "params": params}],
            "sources": {"file": str(home.context)},
            "models": {**speaking, **models},
            "schedule": {"monitor_minutes": 360},
        },
    )


def prepare(home: Home, settings: Settings) -> Plan:
    """Put bundle, bars and context into the home, where they are not yet, and return the plan of the run."""
    made = bundle()
    write_bundle(home.models, made.card, made.files)
    if not home.context.is_file():
        # Something that names no folder: what is missing is told with its reason, which rows keep.
        write_fixed_rate(home.context, 1_400.0, START, DAYS + 1)
    archive = BarArchive(home.bars, VirtualClock(START + timedelta(days=DAYS + 1)))
    archive.write("BTCUSDT", BAR_MS, walk(96 * DAYS, START, price=60_000.0, seed=4), "test")
    return plan_run(settings, archive, ("BTCUSDT",), 7, 0, 1, min_days_left=1)


async def run_replay(home: Home, **models: Any) -> Summary:
    """Run it to its end, from the start or from where a kill left it."""
    settings = settings_of(home, **models)
    return await run_plan(settings, home, prepare(home, settings), lambda _: None)


def start_replay(folder: Path, crash_at: str = "") -> BaseProcess:
    """Start or go on with the run in a process that has loaded its modules already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.model_replays"])
    program = context.Process(target=_work, args=(folder, crash_at))
    program.start()
    return program


def _work(folder: Path, crash_at: str) -> None:
    home = Home(folder).create()
    log = os.open(folder / "worker.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["XCRACK_CRASH_AT"] = crash_at
    await_engine_gone(folder)
    asyncio.run(run_replay(home))
