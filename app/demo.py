"""The whole loop on a made market: no key, no network, the same bytes for the same seed."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from app.home import Home
from app.replay import CYCLE_TIME, Plan, Summary, plan_run, run_in_loop
from app.shipped import install_shipped
from app.virtual import Progress
from core.clock import VirtualClock
from core.settings import Settings
from core.settings_sections import InstanceSettings
from market import synthetic
from market.bars import BarArchive

START = datetime(2023, 1, 1, tzinfo=UTC)
"""The made market begins here; day one comes after its history."""
HISTORY_DAYS = 910
DAYS = 24
TURN_DAY = 2
"""Days after the history at which the market turns: what was right about quotes for two years is wrong from then on."""
SCHEDULE = {
    "shadow_days": 4,
    "canary_shares": (0.1, 0.5, 1.0),
    "canary_step_days": (4, 4, 4),
    "canary_max_days": 24,
    "watch_days": 5,
}
"""The way to the whole capital in simulated days; an installation takes weeks for each of these steps."""
MONITOR_MINUTES = 360
"""Simulated time between two looks of the monitor: on a virtual clock there is no machine and no silence to watch."""
MODELS = {"serve": (), "in_replay": True, "warmup_days": 2, "miss_target": 0.3}
"""The shipped models speak; sets that may miss three outcomes in ten let enough of their words become signals."""
FOLLOWER = InstanceSettings(
    instance_id="ai-1",
    strategy="predictive",
    capital_share=0.2,
    params={"size": 20.0, "kelly_fraction": 1.0},
)
"""Trades what the models say, with capital beside that of the others."""
DONE = "demo.json"
PLAN = "plan.json"


def demo_settings(settings: Settings, home: Path) -> Settings:
    """Return the settings of a demo: as of any run on a virtual clock, with the shipped models and their follower."""
    settings = virtual_settings(settings, home)
    changed = {"models": {**settings.models.model_dump(), **MODELS}, **_with_follower(settings)}
    return Settings.model_validate({**settings.model_dump(), **changed})


def virtual_settings(settings: Settings, home: Path) -> Settings:
    """Return the settings of a run on a virtual clock: everything embedded, nothing outside this process tree."""
    changed = {
        "home": home,
        "mode": "demo",
        "store": {"url": ""},
        "analyzer": {**settings.analyzer.model_dump(), "api_key": "", "provider": "deepseek"},
        "sources": {name: "" for name in type(settings.sources).model_fields if name.endswith("_url")}
        | {"file": Home(home).context},
        "gate": {**settings.gate.model_dump(), **SCHEDULE},
        "schedule": {**settings.schedule.model_dump(), "monitor_minutes": MONITOR_MINUTES},
        "telegram": {},
        "redis": {},
        "bridge": {},
    }
    return Settings.model_validate({**settings.model_dump(), **changed})


def _with_follower(settings: Settings) -> dict[str, Any]:
    """Return instances and limits with the follower beside the settings' own, which keep their capital in dollars."""
    if any(each.instance_id == FOLLOWER.instance_id for each in settings.instances):
        return {}
    left = 1 - FOLLOWER.capital_share
    others = [
        {**each.model_dump(), "capital_share": round(each.capital_share * left, 9)} for each in settings.instances
    ]
    capital_usd = settings.risk.capital_usd / Decimal(str(left))
    return {
        "instances": [*others, FOLLOWER.model_dump()],
        "risk": {**settings.risk.model_dump(), "capital_usd": capital_usd},
    }


def finished(home: Path) -> Summary | None:
    """Return the summary of a demo that ran to its end in `home`, else None."""
    path = home / DONE
    return msgspec.json.decode(path.read_bytes(), type=Summary) if path.is_file() else None


def is_begun(home: Path) -> bool:
    """Return whether a demo in `home` can be gone on with."""
    return (home / PLAN).is_file()


def run_demo(
    settings: Settings, home: Home, seed: int, days: int, on_progress: Callable[[Progress], None], resume: bool = False
) -> Summary:
    """Make the market, run every simulated day, and return what happened."""
    plan = _existing_plan(home) if resume else None
    if plan is None:
        plan = _make_market(settings, home, seed, days)
    summary = run_in_loop(
        settings, home, plan, on_progress, lambda rooms: install_shipped(home, rooms.store, rooms.clock)
    )
    (home.path / DONE).write_bytes(msgspec.json.encode(summary))
    return summary


def clock_at_end(home: Path) -> VirtualClock:
    """Return a clock that stands where the finished demo ended, so that its pages show it as it was then."""
    plan = _existing_plan(Home(home))
    return VirtualClock(START if plan is None else plan.end_at + CYCLE_TIME)


def _make_market(settings: Settings, home: Home, seed: int, days: int) -> Plan:
    before = HISTORY_DAYS + settings.gate.embargo_days
    total = before + days + 2
    end = VirtualClock(START + timedelta(days=total))
    archive = BarArchive(home.bars, end)
    turn_at = START + timedelta(days=before + TURN_DAY)
    synthetic.write_market(archive, synthetic.demo_market(seed, START, total, turn_at=turn_at))
    synthetic.write_context(home.context, seed, START, total)
    plan = plan_run(settings, archive, archive.symbols(), seed, HISTORY_DAYS, days, min_days_left=1)
    (home.path / PLAN).write_bytes(msgspec.json.encode(plan))
    return plan


def _existing_plan(home: Home) -> Plan | None:
    path = home.path / PLAN
    return msgspec.json.decode(path.read_bytes(), type=Plan) if path.is_file() else None
