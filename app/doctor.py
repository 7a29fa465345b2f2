"""One line per thing that must be right, with its fix. Changes nothing."""

import shutil
import socket
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.bridge_line import dialled_address, require_dialable
from app.home import Home
from core.clock import Clock
from core.errors import XcrackError
from core.settings import Settings
from core.store import audit, ledger, open_store, reports, schema

MIN_FREE_BYTES = 512 * 1024**2
FED_BY_SIGNALS = frozenset({"predictive", "liquidation"})
"""Strategies that act on the bridge's signals alone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing."""

    check: str
    ok: bool
    detail: str
    remedy: str = ""


def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """Return every finding, in a fixed order; a check that breaks is a finding itself."""
    checks: tuple[tuple[str, Callable[[Settings, Clock], Finding]], ...] = (
        ("python", _python),
        ("engine", _engine),
        ("native module", _native),
        ("instances", _instances),
        ("home", _home),
        ("disk", _disk),
        ("store", _store),
        ("chains", _chains),
        ("bridge port", _bridge_port),
        ("bridge line", _bridge_line),
        ("bridge secret", _bridge_secret),
        ("analyzer", _analyzer),
        ("telegram", _telegram),
        ("report", _report),
    )
    found = []
    for name, check in checks:
        try:
            found.append(check(settings, clock))
        except (XcrackError, OSError) as error:
            found.append(_broken(name, error))
    return [replace(finding, remedy="") if finding.ok else finding for finding in found]


def _broken(name: str, error: XcrackError | OSError) -> Finding:
    if isinstance(error, XcrackError):
        return Finding(name, False, error.message, error.remedy)
    return Finding(name, False, str(error), f"See to it that {error.filename or 'the place'} can be read and written")


def _python(_: Settings, __: Clock) -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("python", sys.version_info >= (3, 11), version, "Install Python 3.11 or newer")


def _engine(settings: Settings, _: Clock) -> Finding:
    binary = settings.engine.binary
    return Finding("engine", binary.is_file(), str(binary), "Run make engine")


def _native(_: Settings, __: Clock) -> Finding:
    try:
        from core import native
    except ImportError as error:
        return Finding("native module", False, str(error), "Run make engine")
    return Finding("native module", True, f"{len(native.load_schemas())} strategies")


def _instances(settings: Settings, _: Clock) -> Finding:
    try:
        from core.native import validate_params
        from strategies.programs import load_programs
    except ImportError as error:
        return Finding("instances", False, f"not checked: {error}", "Run make engine")
    from strategies.schema import default_params

    programs = load_programs(settings.instances)
    for each in settings.instances:
        params = default_params(each.strategy) | each.params
        validate_params(each.strategy, params, programs.get(each.instance_id))
    strategies = ", ".join(sorted({each.strategy for each in settings.instances}))
    if idle := [each.instance_id for each in settings.instances if each.strategy in FED_BY_SIGNALS]:
        return Finding(
            "instances",
            False,
            f"{', '.join(idle)} would wait for predictions or opportunities, and nothing here sends any",
            "Take them out of `instances`, so that their share of the capital works",
        )
    return Finding("instances", True, f"{len(settings.instances)} of {strategies}")


def _home(settings: Settings, _: Clock) -> Finding:
    if settings.home.exists() and not settings.home.is_dir():
        return Finding("home", False, f"{settings.home} is a file", "Set XCRACK_HOME to a directory")
    if not settings.home.is_dir():
        return Finding("home", True, f"{settings.home} is made at the first start")
    probe = settings.home / ".doctor"
    probe.write_bytes(b"")
    probe.unlink()
    return Finding("home", True, f"{settings.home} is writable")


def _disk(settings: Settings, _: Clock) -> Finding:
    place = settings.home if settings.home.is_dir() else _existing(settings.home)
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= MIN_FREE_BYTES, f"{free / 1024**3:.1f} GiB free", "Free at least 0.5 GiB")


def _existing(path: Path) -> Path:
    return next(parent for parent in path.parents if parent.is_dir())


def _has_store(settings: Settings) -> bool:
    return bool(settings.store.url) or (settings.home / "xcrack.db").is_file()


def _store(settings: Settings, _: Clock) -> Finding:
    if not _has_store(settings):
        return Finding("store", True, "none yet; it is made at the first start")
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        schema.require_current(store)
    finally:
        store.dispose()
    return Finding("store", True, f"{'SQLite' if store.is_sqlite else 'PostgreSQL'}, schema is current")


def _chains(settings: Settings, _: Clock) -> Finding:
    if not _has_store(settings):
        return Finding("chains", True, "nothing to verify yet")
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    anchors = Home(settings.home).audit_head
    try:
        schema.require_current(store)
        with store.session() as session:
            known = anchors if anchors.is_file() else None
            fault = audit.verify(session, known) or ledger.verify(session, known)
    finally:
        store.dispose()
    remedy = "Somebody changed stored history: stop, and restore the last backup"
    return Finding("chains", fault is None, "audit and ledger hold" if fault is None else str(fault), remedy)


def _bridge_port(settings: Settings, _: Clock) -> Finding:
    address = (settings.bridge.host, settings.bridge.port)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as probe:
        try:
            probe.bind(address)
        except OSError:
            with socket.socket(family) as caller:
                caller.settimeout(0.5)
                busy = caller.connect_ex(address) == 0
            text = f"{address[0]}:{address[1]} is in use"
            return Finding("bridge port", busy, text + " (a worker runs, or another program)", "Set bridge.port")
    return Finding("bridge port", True, f"{address[0]}:{address[1]} is free")


def _bridge_line(settings: Settings, _: Clock) -> Finding:
    require_dialable(settings.bridge)
    return Finding("bridge line", True, f"the engine dials {dialled_address(settings.bridge)}")


def _bridge_secret(settings: Settings, _: Clock) -> Finding:
    path = Home(settings.home).bridge_secret
    if not path.is_file():
        return Finding("bridge secret", True, "made at the first start")
    mode = stat.S_IMODE(path.stat().st_mode)
    return Finding("bridge secret", mode & 0o077 == 0, f"mode {mode:04o}", f"chmod 600 {path}")


def _analyzer(settings: Settings, _: Clock) -> Finding:
    chosen = settings.analyzer
    if chosen.api_key.get_secret_value() or chosen.provider in {"ollama", "vllm", "llamacpp", "lmstudio"}:
        return Finding("analyzer", True, f"{chosen.provider}, cap ${chosen.monthly_cap_usd} a month")
    return Finding("analyzer", True, "no key: the rule analyzer studies the days", "Set DEEPSEEK_API_KEY to use an LLM")


def _telegram(settings: Settings, _: Clock) -> Finding:
    chosen = settings.telegram
    if not chosen.token.get_secret_value():
        return Finding("telegram", True, "no token: messages are kept and shown on the dashboard")
    ok = bool(chosen.allowed_ids)
    return Finding("telegram", ok, f"{len(chosen.allowed_ids)} people may command", "Set telegram.allowed_ids")


def _report(settings: Settings, _: Clock) -> Finding:
    if not _has_store(settings):
        return Finding("report", True, "none yet")
    store = open_store(settings.store_url, settings.store.busy_timeout_ms)
    try:
        with store.session() as session:
            newest = reports.latest(session, "daily", settings.language)
    finally:
        store.dispose()
    if newest is None:
        return Finding("report", True, "no daily report yet; the first comes at 00:05 KST")
    return Finding("report", True, f"newest daily report: {newest.on}")
