"""The first start of an installation on the made market: market, versions, history split, feed, configuration."""

from datetime import timedelta
from decimal import Decimal

from app.engine_process import instance_capital, instance_symbols, write_engine_config
from app.home import Home
from app.replay import PLAN, WARMUP_BARS, Plan
from core import native
from core.clock import Clock, VirtualClock
from core.log import get_logger
from core.settings import Settings
from core.store import open_store, param_versions, schema, setting_facts
from market import synthetic
from market.bars import BarArchive
from strategies.bridge import load_secret
from strategies.gate import Gate
from strategies.programs import load_programs
from strategies.rollout import Rollout

HISTORY_DAYS = 915
AHEAD_DAYS = 365
SEED = 7


def set_up(settings: Settings, home: Home, clock: Clock) -> None:
    """Set the installation up once; a second call changes nothing. The made market goes on for a year from now."""
    programs = load_programs(settings.instances)
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        schema.migrate(store)
        load_secret(home.bridge_secret)
        rollout = Rollout(clock, settings, _nothing_to_send, programs)
        if home.engine_config.is_file():
            with store.session() as session:
                rollout.require_same_programs(session)
            return
        now = clock.now()
        start_at = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=HISTORY_DAYS)
        end_at = start_at + timedelta(days=HISTORY_DAYS + AHEAD_DAYS)
        get_logger("setup").info("making the market", start=start_at.isoformat(), end=end_at.isoformat())
        whole = BarArchive(home.bars, VirtualClock(end_at))
        synthetic.write_market(whole, synthetic.demo_market(SEED, start_at, HISTORY_DAYS + AHEAD_DAYS))
        synthetic.write_context(home.context, SEED, start_at, HISTORY_DAYS + AHEAD_DAYS)
        warmup = timedelta(milliseconds=whole.interval_ms * WARMUP_BARS)
        bars = whole.load(whole.symbols(), now - warmup, end_at)
        native.write_feed(home.feed, bars)
        symbols = {i.instance_id: instance_symbols(settings, i.instance_id, bars.symbols) for i in settings.instances}
        capital = {i.instance_id: instance_capital(settings, i.instance_id) for i in settings.instances}
        archive = BarArchive(home.bars, clock)
        gate = Gate(store, clock, settings.gate, settings.costs, capital, symbols, archive, programs)
        with store.session() as session:
            rollout.ensure_initial(session, settings.instances)
            gate.split_history(session, now)
            versions = param_versions.all_active(session)
            setting_facts.put(session, PLAN, Plan(SEED, now, end_at, HISTORY_DAYS, bars.symbols), now)
        rate = Decimal(str(settings.advisor.fallback_krw_per_usd))
        write_engine_config(
            settings, home, bars=bars, versions=versions, pace="realtime", trade_from=now, krw_per_usd=rate
        )
    finally:
        store.dispose()


def with_made_context(settings: Settings, home: Home) -> Settings:
    """Return the settings with the made market's context, where the installation runs on one and names no other."""
    if settings.mode != "demo" or settings.sources.file is not None or not home.context.is_file():
        return settings
    sources = settings.sources.model_copy(update={"file": home.context})
    return settings.model_copy(update={"sources": sources})


def _nothing_to_send(*_: object) -> int:
    raise AssertionError("initial versions are in the engine's configuration; nothing is sent")
