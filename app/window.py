"""A stretch of recorded time once more: the installation's bars, one or all instances, with the parameters of then.

It starts flat: a position that the installation held when the stretch began is not there.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.home import Home
from app.replay import Plan, run_in_loop
from app.virtual import Progress
from core.clock import SystemClock
from core.errors import BadInput, UnknownName
from core.model.slots import LIVE_MODES
from core.model.trade import SignalRecord, Trade
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import Session, deployments, open_store, param_versions, schema, signals, trades
from market.bars import BarArchive


@dataclass(frozen=True, slots=True)
class Window:
    """What to show again."""

    symbols: tuple[str, ...]
    """Empty means every symbol of the archive."""
    start_at: datetime
    end_at: datetime
    instance_id: str | None


@dataclass(frozen=True, slots=True)
class WindowRun:
    """What happened, oldest first. Trades are those closed within the window."""

    symbols: tuple[str, ...]
    start_at: datetime
    end_at: datetime
    instances: tuple[str, ...]
    signals: tuple[SignalRecord, ...]
    trades: tuple[Trade, ...]


def run_window(
    installation: Settings, replay: Settings, window: Window, seed: int, on_progress: Callable[[Progress], None]
) -> WindowRun:
    """Run the window in the empty home of `replay`, over the bars and with the parameters of `installation`.

    Raises BadInput for a time that the archive does not hold, UnknownName for a symbol or instance that is not there.
    """
    source, home = Home(installation.home), Home(replay.home)
    symbols = _require_bars(BarArchive(source.bars, SystemClock()), window)
    instances = _instances(installation, window, symbols)
    for symbol in symbols:
        shutil.copytree(source.bars / symbol, home.bars / symbol)
    if source.context.is_file():
        shutil.copy(source.context, home.context)
    settings = replay.model_copy(update={"instances": instances})
    run_in_loop(settings, home, Plan(seed, window.start_at, window.end_at, 0, symbols), on_progress)
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        with store.session() as session:
            found_signals = tuple(signals.between(session, window.start_at, window.end_at))
            closed = trades.between(session, window.start_at, window.end_at)
            found_trades = tuple(trade for trade in closed if trade.mode in LIVE_MODES)
    finally:
        store.dispose()
    names = tuple(instance.instance_id for instance in instances)
    return WindowRun(symbols, window.start_at, window.end_at, names, found_signals, found_trades)


def _require_bars(archive: BarArchive, window: Window) -> tuple[str, ...]:
    """Return the symbols to replay, after checking that the archive holds them over the window."""
    if window.start_at >= window.end_at:
        raise BadInput("--from is not before --to", "Give the earlier time to --from")
    known = archive.symbols()
    if not known:
        remedy = "Set XCRACK_HOME to the installation, for a demo its --home, or name files with --bars"
        raise BadInput(f"there are no bars in {archive.root}", remedy)
    if unknown := [name for name in window.symbols if name not in known]:
        raise UnknownName(f"{archive.root} holds no bars of {', '.join(unknown)}", f"It holds {', '.join(known)}")
    symbols = window.symbols or known
    first, last = archive.span(symbols)
    if window.start_at < first or window.end_at > last:
        raise BadInput(
            f"{window.start_at:%Y-%m-%dT%H:%MZ} to {window.end_at:%Y-%m-%dT%H:%MZ} is not within the bars",
            f"{archive.root} holds {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ} of {', '.join(symbols)}",
        )
    return symbols


def _instances(settings: Settings, window: Window, symbols: tuple[str, ...]) -> tuple[InstanceSettings, ...]:
    """Return the instances that trade any of the symbols, with the parameters in force when the window began."""
    chosen = [i for i in settings.instances if window.instance_id in (None, i.instance_id)]
    if not chosen:
        names = ", ".join(i.instance_id for i in settings.instances)
        raise UnknownName(f"there is no instance {window.instance_id}", f"The settings know {names}")
    trading = {i.instance_id: tuple(name for name in i.symbols or symbols if name in symbols) for i in chosen}
    if not any(trading.values()):
        raise BadInput(f"no chosen instance trades {', '.join(symbols)}", "See instances in the settings")
    params = _params_of_then(settings, tuple(trading), window.start_at)
    return tuple(
        i.model_copy(update={"symbols": trading[i.instance_id], "params": params.get(i.instance_id, i.params)})
        for i in chosen
        if trading[i.instance_id]
    )


def _params_of_then(settings: Settings, instance_ids: tuple[str, ...], at: datetime) -> dict[str, dict[str, float]]:
    """Return the full parameters of each instance that had some at `at`; none without a store."""
    if not settings.store.url and not (settings.home / "xcrack.db").is_file():
        return {}
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        schema.require_current(store)
        with store.session() as session:
            found = {name: _version_at(session, name, at) for name in instance_ids}
    finally:
        store.dispose()
    return {name: params for name, params in found.items() if params is not None}


def _version_at(session: Session, instance_id: str, at: datetime) -> dict[str, float] | None:
    acked = [d for d in deployments.of_instance(session, instance_id) if d.acked_at is not None and d.acked_at <= at]
    accepted = {d.version for d in acked if d.state != "rejected"}
    versions = param_versions.history(session, instance_id)
    in_force = [v for v in versions if v.origin == "initial" or v.version in accepted]
    return in_force[-1].params if in_force else None
