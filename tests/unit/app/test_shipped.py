"""The models that ship: small, sound, of the demo's bars, from before its market, and entered like any other bundle."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from app import demo
from app.home import Home
from app.shipped import FOLDER, MAX_BYTES, RECIPES, install_shipped, shipped_ids
from core.clock import VirtualClock
from core.errors import Corrupt
from core.store import Store, audit, model_versions
from market.candles import from_ms
from market.synthetic import demo_market
from ml.bundle import Bundle, load_bundle
from ml.features.registry import load_registry
from ml.registry import slot_of
from ml.serve import ServedModel


@pytest.fixture(scope="module")
def bundles() -> list[Bundle]:
    """Each file of them is checked against its card here, and each card against its folder's name."""
    schema_sha256 = load_registry().schema_sha256
    return [load_bundle(FOLDER / name, name, schema_sha256) for name in shipped_ids()]


def test_all_of_them_together_are_small_and_nothing_lies_beside_them(bundles: list[Bundle]) -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert len(files) == sum(len(bundle.files) + 1 for bundle in bundles)
    assert sum(path.stat().st_size for path in files) <= MAX_BYTES


def test_they_speak_of_the_demos_bars_and_learned_before_its_market_begins(bundles: list[Bundle]) -> None:
    market = demo_market(demo.START.year, demo.START, 1)
    assert len({slot_of(bundle.card) for bundle in bundles}) == len(bundles) == len(RECIPES)
    for bundle in bundles:
        assert bundle.card.interval_ms == market.bar_ms
        assert set(bundle.card.symbols) == {symbol.name for symbol in market.symbols}
        assert from_ms(bundle.card.end_at_ms) < demo.START


def test_they_are_ensembles_that_open_without_the_trainers_packages(bundles: list[Bundle]) -> None:
    names = load_registry().names
    kinds = set()
    for bundle in bundles:
        opened = ServedModel.open(bundle, names)
        kinds |= {expert.card.kind for expert in opened.experts}
    assert {"gru", "mlp", "xgboost", "logistic"} <= kinds


def test_each_measured_something_better_than_chance_on_later_days(bundles: list[Bundle]) -> None:
    for bundle in bundles:
        loss = {e.name: m.interval for e in bundle.card.experts for m in e.metrics if m.name == "log_loss"}
        [whole] = [m.interval for m in bundle.card.metrics if m.name == "log_loss"]
        assert whole.value < loss["prior"].value


def test_installing_them_is_an_admission_like_any_other_and_repeating_it_changes_nothing(
    store: Store, clock: VirtualClock, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    install_shipped(home, store, clock)
    clock.advance_to(clock.now() + timedelta(hours=1))
    install_shipped(home, store, clock)
    with store.session() as session:
        versions = model_versions.latest(session, 10)
        assert {v.model_id for v in versions} == set(shipped_ids()) and {v.status for v in versions} == {"active"}
        for version in versions:
            events = model_versions.events(session, version.model_id)
            assert [(e.before, e.after, e.actor) for e in events] == [
                ("", "candidate", "shipped"), ("candidate", "active", "shipped"),
            ]  # fmt: skip
            assert len(audit.latest(session, 10, version.model_id)) == 2


def test_a_damaged_one_is_refused_and_does_not_serve(store: Store, clock: VirtualClock, tmp_path: Path) -> None:
    copied = tmp_path / "shipped"
    shutil.copytree(FOLDER, copied)
    victim = next(path for path in sorted(copied.rglob("*.onnx")))
    victim.write_bytes(victim.read_bytes()[:-1] + b"\0")
    with pytest.raises(Corrupt):
        install_shipped(Home(tmp_path / "home"), store, clock, copied)
    with store.session() as session:
        assert victim.parent.name not in {v.model_id for v in model_versions.latest(session, 10)}
