"""The engine as a child process: its configuration, its start, its end."""

import asyncio
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from app.home import Home
from app.live_market import VENUE_CHOICES, LiveInstrument, live_sections, state_section, symbol_specs, venue_section
from core.clock import to_ns
from core.durable import replace_if_changed
from core.errors import BadInput, Unavailable
from core.model.proposal import ParamVersion
from core.model.slots import SLOT_MODES, Slot, initial_share, is_slot, slot_id, slots_of
from core.native import Bars
from core.settings import Settings
from core.settings_sections import BridgeTlsSettings

MARK_INTERVAL_MS = 3_600_000
WATCH_FIELDS = frozenset({"dead_man_ms", "metrics_listen"})
"""What of the settings an engine takes anew at every start."""


@dataclass(frozen=True, slots=True)
class EngineProcess:
    """A running `xcrack-engine`."""

    process: subprocess.Popen[bytes]
    log: Path

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Ask it to end, and kill it when it does not."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            await asyncio.to_thread(self.process.wait, timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)

    def require_alive(self) -> None:
        """Raise Unavailable with its last words when it has ended."""
        if (code := self.process.poll()) is not None:
            tail = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
            raise Unavailable(
                f"the engine ended with code {code}: {' | '.join(tail) or 'it said nothing'}", f"See {self.log}"
            )


def start_engine(settings: Settings, home: Home) -> EngineProcess:
    """Start the engine on `<home>/engine.json`. It ends with this process. Raises BadInput when it is not built."""
    binary = settings.engine.binary
    if not binary.is_file():
        raise BadInput(f"the engine {binary} is not built", "Run make engine")
    home.engine.mkdir(parents=True, exist_ok=True)
    log = home.path / "engine.log"
    output: IO[bytes] = log.open("ab")
    with output:
        process = subprocess.Popen(
            [str(binary), "run", "--config", str(home.engine_config), "--die-with-parent"],
            # A Ctrl-C in the terminal is for this process, which ends the engine when no cycle needs it any more.
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    return EngineProcess(process, log)


def write_engine_config(
    settings: Settings,
    home: Home,
    *,
    bars: Bars,
    versions: Sequence[ParamVersion],
    pace: Literal["granted", "realtime"],
    trade_from: datetime,
    krw_per_usd: Decimal,
    instruments: Sequence[LiveInstrument] = (),
) -> None:
    """Write `<home>/engine.json`, once for the life of an installation: the journal refers to it.

    Beside each live instance stand its slots with its parameters: twins run from the start, the others are idle.
    With `instruments` the engine listens to the settings' live market, and `bars` only warm it up.
    """
    live = [_instance(settings, version, bars.symbols) for version in versions]
    config = {
        "engine_id": "engine-1",
        "state_dir": str(home.engine),
        "feed": str(home.feed),
        "symbols": [
            {"name": name, "tick": format(tick, "f"), "lot": format(lot, "f")}
            for name, tick, lot in zip(bars.symbols, bars.ticks, bars.lots, strict=True)
        ],
        "pace": pace,
        "trade_from_ns": to_ns(trade_from),
        # Live instances first: their places, and so their order ids, are those of a run without slots.
        "instances": [*live, *(_slot(each, slot) for each in live for slot in SLOT_MODES)],
        "costs": settings.costs.model_dump(),
        "limits": _limits(settings),
        "advice": _advice(settings) | {"krw_per_quote": float(krw_per_usd)},
        "mark_interval_ms": MARK_INTERVAL_MS,
        "bridge_url": "",
        "secret_file": str(home.bridge_secret),
    } | _watch(settings)
    if instruments:
        config |= live_sections(settings.market, [i.live for i in instruments])
        config["symbols"] = symbol_specs(instruments)
    _write(home.engine_config, config)


def renew_engine_config(settings: Settings, home: Home) -> None:
    """Write the watch of the settings anew and how the log is kept; raise BadInput that names what else has changed.

    The journal rests on limits, costs and instances. The engine would refuse others, and going on silently with the old
    ones would leave a limit out of force that somebody has set.
    """
    config = _read(home, "instances")
    _require_slots(config, home)
    known = [symbol["name"] for symbol in config.get("symbols", [])]
    sections = _sections(settings, known)
    if config.get("markets"):
        sections["venue"] = venue_section(settings.market)
    then, now = _facts(config), _facts(msgspec.json.decode(msgspec.json.encode(sections)))
    changed = [
        f"{name} was {_told(then.get(name))} and is {_told(now.get(name))}"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise BadInput(
            f"the settings are not those with which {home.path} began: {'; '.join(changed)}",
            "Take the change back, or begin another installation with XCRACK_HOME: the engine's journal rests on these",
        )
    renewed = _watch(settings) | ({"state": state_section(settings.market)} if config.get("markets") else {})
    _write(home.engine_config, {k: v for k, v in config.items() if k not in WATCH_FIELDS} | renewed)


def _require_slots(config: dict[str, Any], home: Home) -> None:
    """Raise BadInput for an installation that began before live instances had slots."""
    held = {each["instance_id"] for each in config["instances"]}
    if bare := [name for name in sorted(held) if not is_slot(name) and not held.issuperset(slots_of(name))]:
        raise BadInput(
            f"{home.path} began without slots for candidates beside {', '.join(bare)}, and its journal cannot get them",
            "Begin another installation with XCRACK_HOME; this one stays readable",
        )


def point_engine_at(home: Home, address: str, tls: BridgeTlsSettings | None = None) -> None:
    """Tell the engine where the worker listens this time, and with which files it dials there."""
    config = _read(home)
    config["bridge_url"] = address
    config.pop("bridge_tls", None)
    if tls is not None:
        config["bridge_tls"] = {name: str(path.absolute()) for name, path in tls}
    _write(home.engine_config, config)


def _read(home: Home, needed: str = "") -> dict[str, Any]:
    """Return the engine's configuration; raises BadInput for a file that is none, or that lacks a field."""
    try:
        config = msgspec.json.decode(home.engine_config.read_bytes(), type=dict[str, Any])
        if needed and needed not in config:
            raise msgspec.ValidationError(f"it has no {needed}")
    except (OSError, msgspec.MsgspecError) as error:
        raise BadInput(
            f"{home.engine_config} is no engine configuration: {error}",
            "Restore it from a copy, or name another home with XCRACK_HOME",
        ) from None
    return config


def is_live_market(home: Home) -> bool:
    """Whether the engine of this home listens to a live market; False before its first start."""
    return home.engine_config.is_file() and bool(_read(home).get("markets"))


def engine_symbols(home: Home) -> list[dict[str, str]]:
    """Return the symbols of the engine's configuration, in the order of their indices."""
    found: list[dict[str, str]] = _read(home, "symbols")["symbols"]
    return found


def engine_pace(home: Home) -> str:
    """Return how time passes for the engine of this home: granted, realtime, or empty before its first start."""
    if not home.engine_config.is_file():
        return ""
    return str(_read(home, "pace")["pace"])


def instance_symbols(settings: Settings, instance_id: str, known: Sequence[str]) -> tuple[str, ...]:
    """Return the symbols an instance trades; raises BadInput for one that the bars do not hold."""
    chosen = next(i for i in settings.instances if i.instance_id == instance_id).symbols or tuple(known)
    if unknown := [name for name in chosen if name not in known]:
        raise BadInput(
            f"instance {instance_id} names {', '.join(unknown)}, and the bars hold {', '.join(sorted(known))}",
            "Correct instances.symbols in the settings",
        )
    return chosen


def instance_capital(settings: Settings, instance_id: str) -> Decimal:
    """Return an instance's capital in quote currency."""
    chosen = next(i for i in settings.instances if i.instance_id == instance_id)
    return settings.risk.capital_usd * Decimal(str(chosen.capital_share))


def _instance(settings: Settings, version: ParamVersion, known: Sequence[str]) -> dict[str, Any]:
    rules = version.rules
    return ({} if rules is None else {"rules": msgspec.json.decode(rules)}) | {
        "instance_id": version.instance_id,
        "strategy": version.strategy,
        "symbols": list(instance_symbols(settings, version.instance_id, known)),
        "capital": _money(instance_capital(settings, version.instance_id)),
        "capital_share": 1.0,
        "mode": "live",
        "version": version.version,
        "params": version.params,
        "driver": next(i.driver for i in settings.instances if i.instance_id == version.instance_id),
    }


def _slot(live: dict[str, Any], slot: Slot) -> dict[str, Any]:
    return live | {
        "instance_id": slot_id(live["instance_id"], slot),
        "mode": SLOT_MODES[slot],
        "capital_share": initial_share(slot),
    }


def _sections(settings: Settings, known: Sequence[str]) -> dict[str, Any]:
    instances = [
        {
            "instance_id": i.instance_id,
            "strategy": i.strategy,
            "symbols": list(instance_symbols(settings, i.instance_id, known)),
            "capital": _money(instance_capital(settings, i.instance_id)),
            "driver": i.driver,
        }
        for i in settings.instances
    ]
    costs = settings.costs.model_dump()
    return {"costs": costs, "limits": _limits(settings), "advice": _advice(settings), "instances": instances}


def _facts(sections: dict[str, Any]) -> dict[str, Any]:
    """Return, under a name each, what a run keeps as it began; parameters and rates have messages of their own."""
    facts = {
        f"{section}.{name}": value
        for section in ("costs", "limits", "advice")
        for name, value in sections.get(section, {}).items()
        if name not in {"enabled", "krw_per_quote"}
    }
    facts |= {f"venue.{name}": value for name, value in sections.get("venue", {}).items() if name in VENUE_CHOICES}
    for instance in sections["instances"]:
        if is_slot(instance["instance_id"]):
            continue
        for name in ("strategy", "symbols", "capital", "driver"):
            facts[f"instances.{instance['instance_id']}.{name}"] = instance.get(name)
    return facts


def _told(value: object) -> str:
    return "not set" if value is None else msgspec.json.encode(value).decode()


def _advice(settings: Settings) -> dict[str, Any]:
    return {
        "enabled": True,
        "min_strength": settings.advisor.min_strength,
        "min_notional_krw": settings.advisor.min_notional_krw,
        "rate_max_age_ms": int(settings.advisor.rate_max_age_hours * 3_600_000),
        "deadline_ms": settings.engine.advice_deadline_ms,
    }


def _limits(settings: Settings) -> dict[str, Any]:
    risk = settings.risk
    limits = {
        "max_order_notional": _money(risk.max_order_notional_usd),
        "max_position_notional": _money(risk.max_position_notional_usd),
        "max_gross_notional": _money(risk.max_gross_notional_usd),
        "price_collar_bps": risk.price_collar_bps,
        "max_order_qty": {symbol: _money(qty) for symbol, qty in sorted(risk.max_order_qty.items())},
        "max_messages_per_s": risk.max_messages_per_s,
        "max_repeats": risk.max_repeats,
        "repeat_window_ms": risk.repeat_window_ms,
        "duplicate_window_ms": risk.duplicate_window_ms,
        "max_daily_loss": None if risk.max_daily_loss_usd is None else _money(risk.max_daily_loss_usd),
        "max_drawdown_pct": risk.max_drawdown_pct,
        "reduce_at_pct": risk.reduce_at_pct,
        "flatten_on_halt": risk.flatten_on_halt,
    }
    return {name: value for name, value in limits.items() if value is not None}


def _watch(settings: Settings) -> dict[str, Any]:
    engine = settings.engine
    watch = {
        "dead_man_ms": None if engine.dead_man_s is None else round(engine.dead_man_s * 1000),
        "metrics_listen": engine.metrics_listen,
    }
    return {name: value for name, value in watch.items() if value is not None}


def _write(path: Path, config: dict[str, Any]) -> None:
    # In one order of the fields, so that the same configuration is the same bytes.
    replace_if_changed(path, msgspec.json.format(msgspec.json.encode(config, order="sorted")))


def _money(amount: Decimal) -> str:
    return format(amount.normalize(), "f")
