"""What the settings say about risk is what the engine's configuration says."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.engine_process import (
    engine_pace,
    engine_symbols,
    is_live_market,
    point_engine_at,
    renew_engine_config,
    write_engine_config,
)
from app.home import Home
from core.errors import BadInput
from core.model.proposal import ParamVersion
from core.native import Bars
from core.settings import Settings
from core.settings_sections import BridgeTlsSettings
from strategies.schema import default_params

BASIC = {"max_order_notional", "max_position_notional", "max_gross_notional", "price_collar_bps"}
ALWAYS = BASIC | {"max_order_qty", "repeat_window_ms", "reduce_at_pct", "flatten_on_halt"}


def written(folder: Path, versions: tuple[ParamVersion, ...] = (), **sections: Any) -> dict[str, Any]:
    settings = Settings.model_validate({"home": str(folder), **sections})
    home = Home(folder)
    bars = cast(Bars, SimpleNamespace(symbols=("BTCUSDT",), ticks=(Decimal("0.01"),), lots=(Decimal("0.001"),)))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    write_engine_config(
        settings, home, bars=bars, versions=versions, pace="granted", trade_from=at, krw_per_usd=Decimal(1400)
    )
    return cast(dict[str, Any], json.loads(home.engine_config.read_bytes()))


def version_of(instance_id: str, strategy: str = "sma_cross", rules: str | None = None) -> ParamVersion:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return ParamVersion(instance_id, strategy, 1, default_params(strategy), "", "initial", at, True, rules)


def test_limits_that_are_not_set_are_not_written(tmp_path: Path) -> None:
    config = written(tmp_path)
    assert set(config["limits"]) == ALWAYS
    assert "dead_man_ms" not in config and "metrics_listen" not in config


def test_every_limit_that_is_set_reaches_the_engine(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        risk={
            "max_order_qty": {"BTCUSDT": "0.50"},
            "max_messages_per_s": 20,
            "max_repeats": 5,
            "repeat_window_ms": 3000,
            "duplicate_window_ms": 500,
            "max_daily_loss_usd": "1500",
            "max_drawdown_pct": 12.5,
            "reduce_at_pct": 70,
            "flatten_on_halt": True,
        },
        engine={"dead_man_s": 2.5, "metrics_listen": 9464},
    )
    assert {name: value for name, value in config["limits"].items() if name not in BASIC} == {
        "max_order_qty": {"BTCUSDT": "0.5"},
        "max_messages_per_s": 20,
        "max_repeats": 5,
        "repeat_window_ms": 3000,
        "duplicate_window_ms": 500,
        "max_daily_loss": "1500",
        "max_drawdown_pct": 12.5,
        "reduce_at_pct": 70.0,
        "flatten_on_halt": True,
    }
    assert (config["dead_man_ms"], config["metrics_listen"]) == (2500, "9464")


def test_the_rule_set_of_an_instance_reaches_the_engine_and_no_other_instance_has_one(tmp_path: Path) -> None:
    rules = {"name": "up", "entry_long": {"above": ["close", "open"]}, "exit_long": {"below": ["close", "open"]}}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    instances = [
        {"instance_id": "rules-1", "strategy": "rules", "capital_share": 0.5, "rules": str(tmp_path / "rules.json")},
        {"instance_id": "sma-1", "strategy": "sma_cross", "capital_share": 0.5},
    ]
    versions = (version_of("rules-1", "rules", json.dumps(rules)), version_of("sma-1"))
    follower, other, *slots = written(tmp_path, versions, instances=instances)["instances"]
    assert follower["rules"] == rules and "rules" not in other
    assert [slot.get("rules") for slot in slots] == [rules] * 4 + [None] * 4


def test_beside_each_live_instance_stand_its_slots_as_it_is_itself(tmp_path: Path) -> None:
    instances = [
        {"instance_id": name, "strategy": "sma_cross", "capital_share": 0.5, "driver": "trades"} for name in "ab"
    ]
    a, b, *slots = written(tmp_path, (version_of("a"), version_of("b")), instances=instances)["instances"]
    assert [(x["instance_id"], x["mode"], x["capital_share"]) for x in (a, b)] == [("a", "live", 1), ("b", "live", 1)]
    assert [(x["instance_id"], x["mode"], x["capital_share"]) for x in slots[:4]] == [
        ("a.canary", "canary", 0.0),
        ("a.shadow", "shadow", 0.0),
        ("a.incumbent", "twin", 1.0),
        ("a.day0", "twin", 1.0),
    ]
    own = {"instance_id", "mode", "capital_share"}
    for live, companions in ((a, slots[:4]), (b, slots[4:])):
        for slot in companions:
            assert {k: v for k, v in slot.items() if k not in own} == {k: v for k, v in live.items() if k not in own}


def test_an_installation_that_began_without_slots_is_refused(tmp_path: Path) -> None:
    instances = [{"instance_id": "sma-1", "strategy": "sma_cross", "capital_share": 0.5}]
    config = written(tmp_path, (version_of("sma-1"),), instances=instances)
    home = Home(tmp_path)
    old = json.dumps(config | {"instances": config["instances"][:1]})
    home.engine_config.write_text(old, encoding="utf-8")
    settings = Settings.model_validate({"home": str(tmp_path), "instances": instances})
    with pytest.raises(BadInput, match=r"began without slots for candidates beside sma-1.*Begin another installation"):
        renew_engine_config(settings, home)
    assert home.engine_config.read_text(encoding="utf-8") == old


@pytest.mark.parametrize("text", ["junk", "[]", ""])
def test_a_damaged_configuration_is_named(tmp_path: Path, text: str) -> None:
    home = Home(tmp_path)
    home.engine_config.write_text(text, encoding="utf-8")
    for read in (is_live_market, engine_symbols, engine_pace, lambda home: point_engine_at(home, "tcp://127.0.0.1:1")):
        with pytest.raises(BadInput, match=r"engine\.json is no engine configuration: .*Restore it from a copy"):
            read(home)
    home.engine_config.write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match="it has no pace"):
        engine_pace(home)


def test_a_later_start_renews_the_watch_and_names_every_other_change(tmp_path: Path) -> None:
    versions = (version_of("sma-1"),)
    instances: list[dict[str, Any]] = [{"instance_id": "sma-1", "strategy": "sma_cross", "capital_share": 0.5}]
    began = written(tmp_path, versions, instances=instances)

    def renewed(**sections: Any) -> dict[str, Any]:
        settings = Settings.model_validate({"home": str(tmp_path), "instances": instances, **sections})
        renew_engine_config(settings, Home(tmp_path))
        return cast(dict[str, Any], json.loads(Home(tmp_path).engine_config.read_bytes()))

    assert renewed() == began
    assert renewed(engine={"dead_man_s": 9}) == began | {"dead_man_ms": 9000}
    assert renewed() == began
    with pytest.raises(BadInput, match=r'limits.max_daily_loss was not set and is "1500"'):
        renewed(risk={"max_daily_loss_usd": 1500})
    with pytest.raises(BadInput, match=r"costs.taker_fee_bps was 5.0 and is 6.0; limits.flatten_on_halt was false and"):
        renewed(costs={"taker_fee_bps": 6}, risk={"flatten_on_halt": True})
    with pytest.raises(BadInput, match=r'instances.sma-1.capital was "10000" and is "5000"'):
        renewed(instances=[instances[0] | {"capital_share": 0.25}])
    with pytest.raises(BadInput, match=r'instances.sma-2.strategy was not set and is "sma_cross"'):
        renewed(instances=[*instances, instances[0] | {"instance_id": "sma-2"}])
    assert renewed() == began, "a refusal changes nothing"


def test_a_start_where_nothing_changed_leaves_the_engines_configuration_alone(tmp_path: Path) -> None:
    home, watch = Home(tmp_path), {"dead_man_s": 2.5}
    written(tmp_path, engine=watch)
    settings = Settings.model_validate({"home": tmp_path, "engine": watch, "instances": []})
    address = "ws://127.0.0.1:8765/ai_bridge"
    tls = BridgeTlsSettings(ca_file=tmp_path / "ca", cert_file=tmp_path / "cert", key_file=tmp_path / "key")
    point_engine_at(home, address, tls)
    inode = home.engine_config.stat().st_ino
    renew_engine_config(settings, home)
    point_engine_at(home, address, tls)
    assert home.engine_config.stat().st_ino == inode
    point_engine_at(home, "ws://127.0.0.1:8766/ai_bridge", tls)
    assert json.loads(home.engine_config.read_bytes())["bridge_url"] == "ws://127.0.0.1:8766/ai_bridge"


def test_a_configuration_that_the_disk_does_not_take_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    config = written(tmp_path)

    def full(_: int) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr("core.durable.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        point_engine_at(home, "ws://127.0.0.1:8765/ai_bridge")
    assert json.loads(home.engine_config.read_bytes()) == config
