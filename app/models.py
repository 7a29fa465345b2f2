"""Joins the rooms of serving: bundles from the home, bars from the archive, signals into the bridge."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from app.home import Home
from core.clock import Clock, SystemClock
from core.errors import BadInput, XcrackError
from core.log import get_logger
from core.model.generated import Prediction
from core.settings import Settings
from core.store import Store, model_versions
from feedback.signals import Candle, SignalRoom
from feedback.signals.bars import columns_of
from feedback.signals.feed import BarFeed
from feedback.signals.speaker import GRACE_MS, Speaker
from market.candles import Floats
from ml.bundle import load_bundle
from ml.features.build import build_extras
from ml.features.inputs import require_inputs
from ml.features.registry import load_registry
from ml.features.stream import FeatureStream
from ml.registry import slot_name
from ml.serve import Watchdog

MAX_VERSIONS = 1_000


def wanted_models(settings: Settings, store: Store) -> tuple[str, ...]:
    """Return the SHA-256 of the bundles that are to speak: those in the settings, else the active ones."""
    if settings.models.serve:
        return settings.models.serve
    with store.session() as session:
        return tuple(v.model_id for v in model_versions.latest(session, MAX_VERSIONS) if v.status == "active")


def build_speaker(
    settings: Settings,
    home: Home,
    store: Store,
    clock: Clock,
    feed: BarFeed,
    send: Callable[[Prediction], object],
    begin_at: datetime | None = None,
    fetch: Callable[[], object] = lambda: None,
) -> Speaker | None:
    """Return what speaks of every closed bar, or None where no model is to speak.

    A bundle that is refused is logged and silent; the others speak. On a virtual clock no expert is ever too slow: the
    machine's time decides nothing there.
    """
    wanted = wanted_models(settings, store)
    if not wanted:
        return None
    is_real_time = isinstance(clock, SystemClock)
    watchdog = Watchdog(settings.models.budget_ms / 1000, clock.monotonic) if is_real_time else None
    registry = load_registry()
    room = SignalRoom(
        store,
        feed.symbols,
        feed.interval_ms,
        registry.names,
        FeatureStream,
        send,
        order_notional=float(settings.risk.max_order_notional_usd),
        miss_target=settings.models.miss_target,
        watchdog=watchdog,
        extras=peer_inputs,
        require_inputs=lambda card: require_inputs(registry, card, feed.symbols),
    )
    for sha256 in wanted:
        _install(room, home, sha256, must_succeed=not is_real_time)
    begins = begin_at or clock.now() - timedelta(days=settings.models.warmup_days)
    return Speaker(room, feed, clock, begins, fetch, GRACE_MS if is_real_time else 0)


def follow_registry(room: SignalRoom, settings: Settings, home: Home, store: Store) -> None:
    """Let what became active speak and what is active no more fall silent; where one is refused, the former goes on."""
    wanted, speaking = wanted_models(settings, store), set(room.served().values())
    refused = [
        sha256 for sha256 in wanted if sha256 not in speaking and not _install(room, home, sha256, must_succeed=False)
    ]
    with store.session() as session:
        found = [model_versions.find(session, sha256) for sha256 in refused]
    kept = {version.slot for version in found if version is not None}
    for (interval_ms, task, horizon_bars), sha256 in room.served().items():
        if sha256 not in wanted and slot_name(task, horizon_bars, interval_ms) not in kept:
            room.retire(sha256)


def _install(room: SignalRoom, home: Home, sha256: str, must_succeed: bool) -> bool:
    """Install a bundle and tell whether it speaks; one that is refused is logged, or raised where it must succeed."""
    try:
        room.install(load_bundle(home.models / sha256, sha256, load_registry().schema_sha256))
    except XcrackError as error:
        if must_succeed:
            raise
        get_logger("signals").error("a model does not speak", model=sha256, reason=str(error))
        return False
    return True


def peer_inputs(
    symbol: str, interval_ms: int, opened_at_ms: int, peers: Mapping[str, Sequence[Candle]]
) -> Floats | None:
    """Return the inputs beside the candle: the other symbols' closes; context and books are unknown here."""
    others = {name: columns_of(list(candles)) for name, candles in peers.items() if name != symbol}
    if not others:
        return None
    try:
        extras: Floats = build_extras(
            load_registry(), symbol, interval_ms, np.array([opened_at_ms], dtype=np.int64), others, None
        )[0]
    except BadInput:
        # Two symbols of one coin say nothing about which of them leads.
        return None
    return extras
