"""`xcrack ml promote` and `rollback` from the command to the registry: wishes that the worker carries out, once."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from app.cli import main
from app.home import Home
from app.model_life import build_model_errands
from app.replay import PLAN, Plan
from app.requests import carry_out
from core.clock import SystemClock
from core.settings import Settings
from core.store import Store, audit, model_versions, requests, setting_facts
from ml.bundle import Bundle, write_bundle
from ml.features.registry import load_registry
from ml.registry import ModelRegistry
from tests.signal_world import MINUTE_MS, a_bundle_for, renamed

SLOT = "sign:2:1m"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, store: Store, tmp_path: Path) -> Home:
    """The home whose database `store` is."""
    monkeypatch.setenv("XCRACK_HOME", str(tmp_path))
    return Home(tmp_path)


@pytest.fixture
def registry(store: Store, home: Home) -> ModelRegistry:
    return ModelRegistry(store, SystemClock(), home.models)


def a_bundle(seed: int, column: str = "return_1_bar") -> Bundle:
    known = load_registry()
    columns = tuple(dict.fromkeys((column, *known.names[:4])))[:4]
    return renamed(a_bundle_for(MINUTE_MS, 2, seed=seed), features=columns, feature_schema_sha256=known.schema_sha256)


def trained(registry: ModelRegistry, bundle: Bundle) -> str:
    write_bundle(registry.models, bundle.card, bundle.files)
    return registry.add_candidate(bundle.sha256, bundle.card.feature_schema_sha256, "trainer").model_id


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["ml", *arguments, "--by", "ann", "--reason", "better"])
    return int(ended.value.code or 0)


def work(store: Store, home: Home, **models: object) -> list[tuple[str, str]]:
    """Let the worker carry out what waits, and return state and result of all there ever was."""
    settings = Settings.model_validate({"home": home.path, "models": models})
    carry_out(store, {}, build_model_errands(settings, store, SystemClock(), home))
    with store.session() as session:
        return [(each.state, each.result) for each in reversed(requests.latest(session, 10))]


def statuses(store: Store) -> dict[str, str]:
    with store.session() as session:
        assert audit.verify(session) is None
        return {each.model_id: each.status for each in model_versions.of_slot(session, SLOT)}


def test_a_model_is_promoted_another_takes_its_place_and_one_command_goes_back(
    store: Store, home: Home, registry: ModelRegistry
) -> None:
    first, second = (trained(registry, a_bundle(seed)) for seed in (1, 2))
    assert command("promote", first[:8]) == 0
    assert statuses(store) == {first: "candidate", second: "candidate"}, "the worker does it, not the command"
    assert work(store, home) == [("done", f"model {first[:12]} is active for {SLOT}")]
    assert command("promote", second) == 0
    work(store, home)
    assert statuses(store) == {first: "retired", second: "active"}
    assert command("rollback", SLOT) == 0
    assert work(store, home)[-1] == ("done", f"model {first[:12]} is active again for {SLOT}")
    assert statuses(store) == {first: "active", second: "retired"}
    with store.session() as session:
        told = [(e.after, e.actor) for e in model_versions.events(session, first)]
    assert told == [("candidate", "trainer"), ("active", "ann"), ("retired", "ann"), ("active", "ann")]


def test_a_rollback_that_a_kill_repeats_goes_back_once(store: Store, home: Home, registry: ModelRegistry) -> None:
    ids = [trained(registry, a_bundle(seed)) for seed in (1, 2, 3)]
    for model_id in ids:
        registry.move(model_id, "active", "ann", "")
    assert command("rollback", SLOT) == 0
    with store.session() as session:
        (wish,) = requests.open(session)
    errands = build_model_errands(Settings.model_validate({"home": home.path}), store, SystemClock(), home)
    errands["rollback_model"](wish)  # killed right after: the wish is still open
    assert work(store, home)[-1][0] == "done"
    assert statuses(store)[ids[1]] == "active" and statuses(store)[ids[0]] == "retired"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("promote", "abc"), "'abc' has fewer than 8 digits"),
        (("promote", "f" * 64), "0 models begin with"),
        (("rollback", "sign:9:1m"), "no model answers 'sign:9:1m'"),
    ],
)
def test_what_nothing_is_called_is_said_at_once(
    store: Store, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(*arguments) == 2
    error = capsys.readouterr().err
    assert why in error and "Traceback" not in error
    with store.session() as session:
        assert requests.open(session) == []


def test_what_cannot_be_is_refused_at_once(
    store: Store, registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    model = trained(registry, a_bundle(1))
    registry.move(model, "active", "ann", "")
    assert command("promote", model) == command("rollback", SLOT) == 3
    error = capsys.readouterr().err
    assert "is active and cannot come to serve" in error and "no earlier version" in error
    with store.session() as session:
        assert requests.open(session) == []


def test_what_cannot_be_any_more_and_under_fixed_settings_fails_with_its_reason(
    store: Store, home: Home, registry: ModelRegistry
) -> None:
    first, second = (trained(registry, a_bundle(seed)) for seed in (1, 2))
    for model in (first, second):
        registry.move(model, "active", "ann", "")
    assert command("rollback", SLOT) == 0 and command("promote", first) == 0
    (back, _), (there, why) = work(store, home, serve=(first,))
    assert (back, there) == ("failed", "failed") and "`models.serve` names what speaks" in why
    assert statuses(store) == {first: "retired", second: "active"}
    assert command("rollback", SLOT) == 0
    with store.session() as session:
        model_versions.put(session, replace(model_versions.get(session, first), has_files=False))
    assert work(store, home)[-1] == (
        "failed", f"no version of {SLOT} that served before {second[:12]} is kept. Train one",
    )  # fmt: skip


def test_a_model_that_would_read_other_inputs_here_is_not_promoted_nor_brought_back(
    store: Store, home: Home, registry: ModelRegistry
) -> None:
    market = next(each.name for each in load_registry().features if each.inputs == ("market_return",))
    peers, plain = trained(registry, a_bundle(1, market)), trained(registry, a_bundle(2))
    now = SystemClock().now()
    registry.move(peers, "active", "ann", "while its peers were there")
    with store.session() as session:
        setting_facts.put(session, PLAN, Plan(7, now, now + timedelta(days=1), 0, ("BTCUSDT",)), now)
    assert command("promote", plain) == 0
    assert work(store, home)[-1][0] == "done"
    for wish in (("promote", peers), ("rollback", SLOT)):
        assert command(*wish) == 0
        state, why = work(store, home)[-1]
        assert state == "failed" and f"reads {market}, and its input 'market_return'" in why
    assert statuses(store) == {peers: "retired", plain: "active"}
