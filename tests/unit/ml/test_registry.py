"""The registry: one active version a slot, every change told, three versions kept, and nothing damaged ever active."""

from datetime import timedelta

import pytest

from core.errors import Corrupt, Refused, UnknownName
from core.store import audit, model_versions
from ml.bundle import write_bundle
from ml.registry import ModelRegistry
from tests.model_bundles import SCHEMA, a_bundle

SLOT = "sign:1:1h"


@pytest.fixture
def registry(any_store, clock, tmp_path):
    return ModelRegistry(any_store, clock, tmp_path / "models")


def trained(registry, seed):
    folder = write_bundle(registry.models, *a_bundle(seed=seed))
    registry.clock.advance_to(registry.clock.now() + timedelta(hours=1))
    return registry.add_candidate(folder.name, SCHEMA, "ann").model_id


def status(registry, model_id):
    with registry.store.session() as session:
        return model_versions.get(session, model_id).status


def story(registry, model_id):
    with registry.store.session() as session:
        return [(each.before, each.after, each.actor) for each in model_versions.events(session, model_id)]


def test_a_model_goes_from_candidate_to_active_and_every_step_is_told(registry):
    model = trained(registry, 1)
    assert registry.load_active(SLOT, SCHEMA) is None
    registry.move(model, "shadow", "loop", "scored 500 bars")
    registry.move(model, "active", "ann", "better")
    assert registry.load_active(SLOT, SCHEMA).sha256 == model
    assert story(registry, model) == [
        ("", "candidate", "ann"),
        ("candidate", "shadow", "loop"),
        ("shadow", "active", "ann"),
    ]
    with registry.store.session() as session:
        told = audit.latest(session, 10, model)
        assert [row.actor for row in told] == ["ann", "loop", "ann"]
        assert audit.verify(session) is None


def test_the_next_active_one_retires_the_present_one_and_a_rollback_brings_it_back(registry):
    first, second = trained(registry, 1), trained(registry, 2)
    registry.move(first, "active", "ann", "")
    registry.clock.advance_to(registry.clock.now() + timedelta(hours=1))
    registry.move(second, "active", "ann", "")
    assert (status(registry, first), status(registry, second)) == ("retired", "active")
    assert registry.rollback(SLOT, "ann", "worse").model_id == first
    assert (status(registry, first), status(registry, second)) == ("active", "retired")
    assert registry.load_active(SLOT, SCHEMA).sha256 == first


def test_a_rollback_without_an_earlier_version_is_refused(registry):
    registry.move(trained(registry, 1), "active", "ann", "")
    trained(registry, 2)
    with pytest.raises(UnknownName, match="no version of sign:1:1h that served before"):
        registry.rollback(SLOT, "ann", "")


@pytest.mark.parametrize(
    ("way", "to"),
    [(["retired"], "shadow"), (["failed"], "active"), (["active"], "shadow"), (["active", "failed"], "active")],
)
def test_a_change_that_is_not_allowed_is_refused_by_name(registry, way, to):
    model = trained(registry, 1)
    for step in way:
        registry.move(model, step, "ann", "")
    with pytest.raises(Refused, match=f"is {way[-1]} and cannot become {to}"):
        registry.move(model, to, "ann", "")


def test_a_damaged_bundle_never_becomes_active_and_an_active_one_is_not_loaded(registry):
    first, second = trained(registry, 1), trained(registry, 2)
    registry.move(first, "active", "ann", "")
    (registry.models / second / "mlp.onnx").write_bytes(b"swapped")
    with pytest.raises(Corrupt):
        registry.move(second, "active", "ann", "")
    assert status(registry, first) == "active"
    (registry.models / first / "card.json").write_bytes(b"{}")
    with pytest.raises(Corrupt):
        registry.load_active(SLOT, SCHEMA)


def test_a_bundle_that_does_not_load_is_no_candidate(registry):
    folder = write_bundle(registry.models, *a_bundle())
    (folder / "extra.pkl").write_bytes(b"")
    with pytest.raises(Corrupt):
        registry.add_candidate(folder.name, SCHEMA, "ann")
    with pytest.raises(UnknownName):
        status(registry, folder.name)


def test_a_failed_training_is_a_row_and_changes_nothing_that_serves(registry):
    model = trained(registry, 1)
    registry.move(model, "active", "ann", "")
    failed = registry.add_failed(SLOT, "the training needs more memory than its limit of 600 MB", "trainer")
    assert status(registry, failed.model_id) == "failed"
    assert registry.load_active(SLOT, SCHEMA).sha256 == model


def test_three_versions_are_kept_and_what_serves_always(registry):
    models = [trained(registry, seed) for seed in range(6)]
    for model in (models[0], models[2]):
        registry.move(model, "active", "ann", "")
    for model in models[1:2] + models[3:]:
        registry.move(model, "retired", "ann", "")
    # The newest three, what serves, and the one that a rollback brings back.
    assert registry.prune(SLOT, "ann") == (models[1],)
    assert {path.name for path in registry.models.iterdir()} == {models[0], *models[2:]}
    assert registry.rollback(SLOT, "ann", "back").model_id == models[0]
    assert registry.prune(SLOT, "ann") == ()
    assert story(registry, models[1])[-1] == ("retired", "retired", "ann")
    # Trained again to the same bytes, its files are there again.
    assert trained(registry, 1) == models[1]
    assert registry.move(models[1], "active", "ann", "").status == "active"


def test_entering_the_same_bundle_twice_changes_nothing(registry):
    assert trained(registry, 1) == trained(registry, 1)
    with registry.store.session() as session:
        assert len(model_versions.of_slot(session, SLOT)) == 1
        assert len(audit.latest(session, 10)) == 1
