"""Another model takes over while many ask: nothing fails, every answer is of one bundle, a bad one changes nothing."""

import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.errors import Corrupt, Refused
from ml.bundle import SUFFIXES, Bundle, card_bytes, load_bundle, write_bundle
from ml.calibration import sigmoid
from ml.serve import ModelDesk, Said
from tests.serving_world import (
    HOUR_MS,
    NAMES,
    a_served_bundle,
    an_expert,
    mean_so_far,
    some_rows,
    tabular,
)

N_ASKING = 4
N_ASKED = 600
N_SWAPS = 12


def a_constant(p: float, seed: int) -> Bundle:
    """A bundle whose every expert but the prior says p, by features that are always one."""
    weight = float(np.log(p / (1 - p))) / (0.9 / 2)
    experts = (
        an_expert("rows", "tabular", tabular((weight, 0.0, 0.0, 0.0))),
        an_expert("step", "step", mean_so_far((weight, 0.0, 0.0, 0.0))),
    )
    return a_served_bundle(experts, seed=seed)


def test_no_answer_fails_or_mixes_bundles_while_models_change() -> None:
    bundles = [a_constant(0.2 + 0.05 * n, seed=n) for n in range(N_SWAPS)]
    p_by_sha = {bundle.sha256: 0.2 + 0.05 * n for n, bundle in enumerate(bundles)}
    rows = [row for row in some_rows(40)]
    for row in rows:
        row.values[0] = 1.0
    desk = ModelDesk(NAMES, keep_rows=8)
    desk.install(bundles[0])
    desk.feed("BTCUSDT", rows[0])
    # Every round begins together: all are asking when the next bundle is installed.
    rounds = threading.Barrier(N_ASKING + 1)

    def ask() -> list[tuple[Said, Said]]:
        found = []
        for _ in range(N_SWAPS - 1):
            rounds.wait()
            for _ in range(N_ASKED // (N_SWAPS - 1)):
                found.append((desk.evaluate("BTCUSDT", rows[:3]), desk.latest("BTCUSDT")))
        return found

    def swap() -> list[Said]:
        fed = []
        for n in range(1, N_SWAPS):
            rounds.wait()
            desk.install(bundles[n])
            said = desk.feed("BTCUSDT", rows[n])
            assert said is not None
            fed.append(said)
        return fed

    with ThreadPoolExecutor(N_ASKING + 1) as pool:
        asking = [pool.submit(ask) for _ in range(N_ASKING)]
        fed = pool.submit(swap).result()
        answers = [pair for each in asking for pair in each.result()]
    assert len(answers) == N_ASKING * (N_ASKED // (N_SWAPS - 1)) * (N_SWAPS - 1) > 2_000
    for said in [each for pair in answers for each in pair]:
        p = p_by_sha[said.model_sha256]
        assert said.probability is not None
        for member in said.members[:-1]:
            assert member.probability == pytest.approx(p, abs=1e-6), "an expert of another bundle spoke"
    assert [said.model_sha256 for said in fed] == [bundle.sha256 for bundle in bundles[1:]]
    assert len(Counter(evaluated.model_sha256 for evaluated, _ in answers)) > 1


def test_a_new_model_has_read_the_rows_that_came_before_it() -> None:
    rows = some_rows(12)
    weights = (1.0, 0.0, 0.0, 0.0)
    desk = ModelDesk(NAMES)
    for row in rows[:11]:
        desk.feed("BTCUSDT", row)
    desk.install(a_served_bundle([an_expert("step", "step", mean_so_far(weights))]))
    said = desk.feed("BTCUSDT", rows[11])
    assert said is not None
    x = (np.array([row.values[0] for row in rows]) - 0.1) / 2
    assert said.members[0].probability == pytest.approx(float(sigmoid(np.array(x.mean()))), abs=1e-6)
    # Eleven labels are known by then, so the mixture is not even any more.
    assert said.members[0].weight != pytest.approx(1 / 5)


def test_a_model_of_before_and_after_says_the_same_as_one_that_was_there_all_the_time() -> None:
    rows = some_rows(40)
    bundle = a_served_bundle()
    throughout, later = ModelDesk(NAMES), ModelDesk(NAMES)
    throughout.install(bundle)
    first = [throughout.feed("BTCUSDT", row) for row in rows]
    for row in rows[:25]:
        later.feed("BTCUSDT", row)
    later.install(bundle)
    assert [later.feed("BTCUSDT", row) for row in rows[25:]] == first[25:]
    assert later.standings("BTCUSDT") == throughout.standings("BTCUSDT")


def on_disk(folder: Path, bundle: Bundle) -> Path:
    return write_bundle(folder, bundle.card, bundle.files)


@pytest.mark.parametrize("damage", ["flipped", "swapped", "missing", "unlisted", "schema", "card"])
def test_a_bundle_that_is_not_what_it_was_is_refused_and_the_old_one_serves_on(tmp_path: Path, damage: str) -> None:
    good, next_one = a_served_bundle(seed=1), a_served_bundle(seed=2)
    folder = on_disk(tmp_path, next_one)
    schema = next_one.card.feature_schema_sha256
    file = folder / ("rows" + SUFFIXES["model"])
    if damage == "flipped":
        data = bytearray(file.read_bytes())
        data[-9] ^= 1
        file.write_bytes(data)
    elif damage == "swapped":
        file.write_bytes((folder / ("window" + SUFFIXES["model"])).read_bytes())
    elif damage == "missing":
        file.unlink()
    elif damage == "unlisted":
        (folder / "extra.pkl").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    elif damage == "card":
        (folder / "card.json").write_bytes(card_bytes(good.card))
    else:
        schema = "6" * 64
    desk = ModelDesk(NAMES)
    desk.install(good)
    with pytest.raises((Corrupt, Refused)):
        desk.install(load_bundle(folder, next_one.sha256, schema))
    said = desk.feed("BTCUSDT", some_rows(1)[0])
    assert said is not None and said.model_sha256 == good.sha256


def test_what_was_loaded_is_what_serves_whatever_happens_to_its_files(tmp_path: Path) -> None:
    bundle = a_served_bundle()
    folder = on_disk(tmp_path, bundle)
    desk = ModelDesk(NAMES)
    desk.install(load_bundle(folder, bundle.sha256, bundle.card.feature_schema_sha256))
    rows = some_rows(2)
    before = desk.feed("BTCUSDT", rows[0])
    for path in folder.iterdir():
        path.write_bytes(b"gone")
    after = desk.feed("BTCUSDT", rows[1])
    assert before is not None and after is not None and after.probability is not None
    assert after.model_sha256 == bundle.sha256 == hashlib.sha256(card_bytes(bundle.card)).hexdigest()


def test_a_retired_model_says_nothing_more() -> None:
    desk = ModelDesk(NAMES)
    desk.install(a_served_bundle())
    rows = some_rows(2)
    assert desk.feed("BTCUSDT", rows[0]) is not None
    desk.retire()
    assert desk.feed("BTCUSDT", rows[1]) is None and desk.model is None
    assert rows[1].closed_at_ms - rows[0].closed_at_ms == HOUR_MS
