"""Bundles: whole or not at all, and nothing gets in that the card does not list or that could run code."""

import errno
import os
import pickle
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import core.durable
from core.durable import write_folder
from core.errors import BadInput, Corrupt, Refused
from ml import bundle
from ml.bundle import CARD, ExpertCard, StateFacts, card_bytes, file_facts, load_bundle, write_bundle
from tests import onnx_bytes
from tests.model_bundles import SCHEMA, a_bundle, with_file


@pytest.fixture
def folder(tmp_path):
    return write_bundle(tmp_path / "models", *a_bundle())


def load(folder, sha256=None, schema=SCHEMA):
    return load_bundle(folder, sha256 or folder.name, schema)


def test_what_was_written_is_what_is_loaded(folder):
    card, files = a_bundle()
    loaded = load(folder)
    assert (loaded.sha256, loaded.card, dict(loaded.files)) == (folder.name, card, files)
    assert folder.name == card.sha256
    assert loaded.data(loaded.card.experts[0], "model") == files["mlp.onnx"]
    assert (folder / CARD).read_bytes() == card_bytes(card)


def test_the_same_bundle_again_changes_nothing_and_another_seed_is_another_bundle(folder):
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert write_bundle(folder.parent, *a_bundle()) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert write_bundle(folder.parent, *a_bundle(seed=4)) != folder


# --- J1: corrupt, swapped, foreign schema ----------------------------------------------------------------------------
def test_every_changed_byte_of_a_file_is_found(folder):
    path = folder / "mlp.onnx"
    whole = path.read_bytes()
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Corrupt, match="mlp.onnx"):
            load(folder)
    for cut in (whole[:-1], whole + b"\0", b""):
        path.write_bytes(cut)
        with pytest.raises(Corrupt, match="mlp.onnx has"):
            load(folder)


def test_every_changed_byte_of_the_card_is_found(folder):
    whole = (folder / CARD).read_bytes()
    for at in range(0, len(whole), 29):
        (folder / CARD).write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Corrupt, match="is not the card of model"):
            load(folder)


def test_a_model_swapped_for_a_sound_one_is_refused(folder, tmp_path):
    other = write_bundle(tmp_path / "models", *a_bundle(weights=(5.0, 5.0)))
    shutil.copyfile(other / "mlp.onnx", folder / "mlp.onnx")
    with pytest.raises(Corrupt, match="is not the file that its card lists"):
        load(folder)
    shutil.copyfile(other / CARD, folder / CARD)
    with pytest.raises(Corrupt, match="is not the card of model"):
        load(folder)


def test_features_of_another_schema_are_refused_and_both_named(folder):
    with pytest.raises(Refused, match="555555555555.*666666666666"):
        load(folder, schema="6" * 64)


def test_a_missing_file_folder_or_card_is_corrupt(folder, tmp_path):
    with pytest.raises(Corrupt, match="cannot be read"):
        load_bundle(tmp_path / "nowhere", "0" * 64, SCHEMA)
    (folder / "mlp.onnx").unlink()
    with pytest.raises(Corrupt, match="lacks mlp.onnx"):
        load(folder)
    (folder / CARD).unlink()
    with pytest.raises(Corrupt, match="has no card.json"):
        load(folder)


NOT_CARDS = [b"", b"{}", b"[" * 100_000, b"null", b'{"format":1}', b"\xff\xfe"]
CHANGES = [
    (b'"format":1', b'"format":2'),
    (b'{"code', b' {"code'),
    (b'{"code', b'{"a":1,"code'),
    (b"0.69", b"null"),
    (b"0.69", b"0.690"),
    (b'"lookback":1', b'"lookback":0'),
    (b'"mlp.onnx"', b'"../evil.onnx"'),
    (b'"seed":3', b'"seed":-1'),
]


@pytest.mark.parametrize("text", [*NOT_CARDS, *CHANGES])
def test_a_card_that_says_something_else_is_corrupt_even_under_its_own_hash(folder, text):
    raw = text if isinstance(text, bytes) else (folder / CARD).read_bytes().replace(*text)
    assert raw != (folder / CARD).read_bytes()
    (folder / CARD).write_bytes(raw)
    with pytest.raises(Corrupt):
        load(folder, sha256=bundle.hashlib.sha256(raw).hexdigest())


# --- J2: nothing that could run code, nothing outside the folder -----------------------------------------------------
class _Evil:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (os.mkdir, (str(self.canary),))


def test_the_canary_of_these_tests_sings_when_a_pickle_is_loaded(tmp_path):
    pickle.loads(pickle.dumps(_Evil(tmp_path / "canary")))
    assert (tmp_path / "canary").is_dir()


@pytest.mark.parametrize(
    "name", ["model.pkl", "model.joblib", "model.pt", "model.pt2", "agent.zip", "mlp.step.onnx", ".hidden"]
)
def test_a_file_that_the_card_does_not_list_is_never_opened(folder, tmp_path, name, monkeypatch):
    evil = pickle.dumps(_Evil(tmp_path / "canary"))
    if name.endswith(("zip", "pt", "pt2")):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr("data.pkl", evil)
    else:
        (folder / name).write_bytes(evil)
    opened = []
    real = os.open
    monkeypatch.setattr("ml.bundle.os.open", lambda path, *more: opened.append(Path(path).name) or real(path, *more))
    with pytest.raises(Corrupt, match="does not list"):
        load(folder)
    assert opened == [CARD]
    assert not (tmp_path / "canary").exists()


def test_a_pickle_that_is_listed_as_a_model_is_refused_before_any_runtime(folder, tmp_path):
    card, files = with_file(a_bundle()[0], pickle.dumps(_Evil(tmp_path / "canary")))
    raw = card_bytes(card)
    write_folder(tmp_path / "evil", {**files, CARD: raw})
    with pytest.raises(Refused, match="mlp.onnx"):
        load_bundle(tmp_path / "evil", card.sha256, SCHEMA)
    assert not (tmp_path / "canary").exists()


def test_external_data_is_refused_although_the_card_lists_the_file(tmp_path):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(2, np.float32).tobytes())
    reaching = onnx_bytes.model(onnx_bytes.graph([], [onnx_bytes.external_tensor("w", 2, "../../secret.bin")]))
    card, files = with_file(a_bundle()[0], reaching)
    with pytest.raises(Refused, match="another file"):
        write_bundle(tmp_path / "models", card, files)
    assert not (tmp_path / "models").exists()
    write_folder(tmp_path / "models" / "m", {**files, CARD: card_bytes(card)})
    with pytest.raises(Refused, match="another file"):
        load_bundle(tmp_path / "models" / "m", card.sha256, SCHEMA)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "card link"])
def test_what_is_no_plain_file_is_refused_without_being_followed(folder, tmp_path, kind):
    name = CARD if kind == "card link" else "mlp.onnx"
    (folder / name).rename(tmp_path / name)
    if "link" in kind:
        (folder / name).symlink_to(tmp_path / name)
    elif kind == "folder":
        (folder / name).mkdir()
    else:
        os.mkfifo(folder / name)
    with pytest.raises(Corrupt, match="not a plain file"):
        load(folder)


def test_what_is_too_large_is_refused(folder, monkeypatch):
    for limit in ("MAX_CARD_BYTES", "MAX_FILE_BYTES", "MAX_BUNDLE_BYTES"):
        with monkeypatch.context() as small:
            small.setattr(bundle, limit, 50)
            with pytest.raises(Refused, match="larger than"):
                load(folder)
    load(folder)


# --- writing ---------------------------------------------------------------------------------------------------------
def expert(**changed):
    return replace(a_bundle()[0].experts[0], **changed)


@pytest.mark.parametrize(
    ("experts", "why"),
    [
        ((), "no expert"),
        ((expert(), expert()), "one twice"),
        ((expert(form="window", lookback=9, files={}),), "lacks what expert mlp needs"),
        ((expert(form="step", states=()),), "lacks what expert mlp needs"),
        ((expert(form="builtin"),), "lacks what expert mlp needs"),
        ((expert(lookback=9),), "look back 9 rows"),
        ((expert(files={"model": file_facts("other.onnx", b"x")}),), "the file 'other.onnx' as model"),
        ((expert(name="../mlp"),), "not a model card"),
        ((expert(errors={"model": float("nan")}),), "model card"),
    ],
)
def test_a_card_that_could_not_be_served_is_not_written(tmp_path, experts, why):
    card, files = a_bundle()
    with pytest.raises(BadInput, match=why):
        write_bundle(tmp_path / "models", replace(card, experts=experts), files)
    assert not (tmp_path / "models").exists()


def test_a_step_form_names_its_states_and_keeps_its_file(tmp_path):
    card, files = a_bundle()
    data = files["mlp.onnx"]
    step = ExpertCard(
        "lstm",
        "lstm",
        "step",
        64,
        "scaled",
        {"step": file_facts("lstm.step.onnx", data)},
        {},
        (StateFacts("h", (2, 8)),),
    )
    folder = write_bundle(tmp_path, replace(card, experts=(step,)), {"lstm.step.onnx": data})
    assert load(folder).card.experts == (step,)


@pytest.mark.parametrize("n_written", range(4))
def test_a_full_disk_at_any_file_leaves_no_bundle_and_no_part(tmp_path, monkeypatch, n_written):
    synced = []

    def full(descriptor):
        synced.append(descriptor)
        if len(synced) > n_written:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(core.durable.os, "fsync", full)
    (tmp_path / "models").mkdir()
    with pytest.raises(OSError, match="No space"):
        write_bundle(tmp_path / "models", *a_bundle())
    # Past the rename the bundle is there and whole; only its place in the folder may not be on disk yet.
    left = [path.name for path in (tmp_path / "models").iterdir()]
    assert left == ([a_bundle()[0].sha256] if n_written == 3 else [])


def test_a_damaged_bundle_is_named_when_the_same_one_is_written_again(folder):
    (folder / "mlp.onnx").write_bytes(b"damaged")
    with pytest.raises(Corrupt, match=folder.name):
        write_bundle(folder.parent, *a_bundle())


def test_a_card_without_a_reference_keeps_the_name_that_it_had_before_there_were_any(tmp_path):
    card, files = a_bundle()
    assert b"reference" not in card_bytes(card)
    # Pinned: bundles that serve are found by this name.
    assert card.sha256.startswith("d18a2e2f66a7c573")
    known = replace(card, reference={"interval_ms": 1})
    folder = write_bundle(tmp_path, known, files)
    assert load_bundle(folder, folder.name, SCHEMA).card == known and folder.name != card.sha256
