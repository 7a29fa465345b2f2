"""Where the engine of `xcrack up` dials, and which lines are refused before anything starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from app.bridge_line import bound_address, dialled_address, engine_tls, require_dialable
from app.engine_process import point_engine_at
from app.home import Home
from core.errors import BadInput, SettingsError
from core.settings import load_settings
from core.settings_sections import BridgeSettings
from tests.unit.strategies.test_bridge_carriers import make_tls

TCP = "tcp://127.0.0.1:8766"
TCPS = "tcps://127.0.0.1:8767"


class Listening:
    """Stands for a server that listens."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses


def bridge(**values: Any) -> BridgeSettings:
    return BridgeSettings.model_validate(values)


def files(folder: Path) -> dict[str, str]:
    made = make_tls(folder)
    return {"ca_file": str(made.ca), "cert_file": str(made.cert), "key_file": str(made.key)}


def test_the_engine_dials_the_websocket_unless_told_otherwise() -> None:
    assert dialled_address(bridge()) == "ws://127.0.0.1:8765/ai_bridge"
    assert dialled_address(bridge(host="::1")) == "ws://[::1]:8765/ai_bridge"
    assert dialled_address(bridge(listen=[TCP], dial=TCP)) == TCP
    require_dialable(bridge())
    require_dialable(bridge(listen=[TCP], dial=TCP))
    require_dialable(bridge(listen=["redis://127.0.0.1:6379/0"], dial="redis://127.0.0.1:6379/0"))


def test_the_address_that_was_bound_is_the_one_in_the_configuration(tmp_path: Path) -> None:
    server: Any = Listening("ws://127.0.0.1:5000/ai_bridge", "redis://127.0.0.1:6379/0", "tcp://127.0.0.1:5001")
    chosen = bridge(listen=["redis://127.0.0.1:6379/0", TCP], dial=TCP)
    assert bound_address(chosen, server) == "tcp://127.0.0.1:5001"
    assert bound_address(bridge(), server) == "ws://127.0.0.1:5000/ai_bridge"
    home = Home(tmp_path)
    rest = {"symbols": [], "pace": "realtime"}
    home.engine_config.write_text(json.dumps(rest))
    own = files(tmp_path / "tls")
    secure = bridge(listen=[TCPS], dial=TCPS, tls=own, engine_tls=own)
    require_dialable(secure)
    point_engine_at(home, TCPS, engine_tls(secure))
    assert json.loads(home.engine_config.read_bytes()) == rest | {"bridge_url": TCPS, "bridge_tls": own}
    point_engine_at(home, TCP, engine_tls(bridge(listen=[TCP], dial=TCP, engine_tls=own)))
    assert json.loads(home.engine_config.read_bytes()) == rest | {"bridge_url": TCP}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"port": 0}, "cannot know which port to dial: ws://127.0.0.1:0/ai_bridge"),
        ({"listen": ["tcp://127.0.0.1:0"], "dial": "tcp://127.0.0.1:0"}, "cannot know which port to dial"),
        ({"listen": ["redis://127.0.0.1/0"], "dial": "redis://127.0.0.1/0"}, "cannot know which port to dial"),
        ({"listen": ["redis://:word@127.0.0.1:6379/0"], "dial": "redis://:word@127.0.0.1:6379/0"}, "a password in it"),
        ({"listen": ["tcp://10.0.0.1:9"]}, "leaves this machine without TLS"),
        ({"listen": ["carrier pigeon"]}, "is no address of the bridge"),
        ({"listen": [TCPS], "dial": TCPS}, "Set bridge.tls"),
    ],
)
def test_a_line_that_cannot_be_is_named(values: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput) as refused:
        require_dialable(bridge(**values))
    assert says in str(refused.value) and ":word@" not in str(refused.value)


def test_certificates_are_read_before_the_start(tmp_path: Path) -> None:
    own = files(tmp_path / "tls")
    with pytest.raises(BadInput, match=r"Set bridge\.engine_tls"):
        require_dialable(bridge(listen=[TCPS], dial=TCPS, tls=own))
    for side in ("tls", "engine_tls"):
        broken = {"tls": own, "engine_tls": own} | {side: own | {"key_file": str(tmp_path / "nowhere.pem")}}
        with pytest.raises(BadInput, match=rf"nowhere.pem cannot be used.*bridge\.{side} needs PEM files"):
            require_dialable(bridge(listen=[TCPS], dial=TCPS, **broken))


def test_nobody_dials_where_nobody_listens() -> None:
    with pytest.raises(SettingsError, match="'bridge' is wrong: .*dial must be one of the addresses in listen"):
        load_settings({}, {"bridge": {"dial": TCP}})
