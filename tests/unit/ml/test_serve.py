"""What is served: every form gives the model's own number, and what goes wrong in one expert stays in it."""

from dataclasses import replace

import numpy as np
import pytest

from core.errors import BadInput, Refused, UnknownName
from market.candles import Floats
from ml.bundle import ExpertCard
from ml.calibration import Platt, logit, sigmoid
from ml.ensemble import Ensemble
from ml.features.scaling import Scaler
from ml.serve import BarRow, ModelDesk, Said, ServedModel, Watchdog, evaluate
from ml.serve.experts import MAX_SAME
from ml.serve.rows import Columns
from tests.serving_world import (
    HOUR_MS,
    LOOKBACK,
    NAMES,
    WEIGHTS,
    a_card,
    a_served_bundle,
    an_expert,
    mean_of_window,
    mean_so_far,
    some_rows,
    tabular,
)


def a_desk(*experts: tuple[ExpertCard, bytes], watchdog: Watchdog | None = None, **changes: object) -> ModelDesk:
    desk = ModelDesk(NAMES, watchdog)
    desk.install(a_served_bundle(experts, **changes))
    return desk


def told(desk: ModelDesk, rows: list[BarRow], symbol: str = "BTCUSDT") -> list[Said]:
    found = [desk.feed(symbol, row) for row in rows]
    assert all(said is not None for said in found)
    return [said for said in found if said is not None]


def said_by(said: Said, name: str) -> float | None:
    return next(member.probability for member in said.members if member.name == name)


def left_out(said: Said, name: str) -> str:
    return next(member.left_out for member in said.members if member.name == name)


def scaled(rows: list[BarRow]) -> Floats:
    return np.clip((np.array([row.values for row in rows]) - 0.1) / 2.0, -5, 5)


def p_of(rows: Floats) -> float:
    return float(sigmoid(rows.mean(axis=0) @ np.array(WEIGHTS)))


def test_every_form_gives_the_number_of_its_model() -> None:
    rows = some_rows(30)
    said = told(a_desk(), rows)
    for at in range(30):
        assert said_by(said[at], "rows") == pytest.approx(p_of(scaled(rows[at : at + 1])), abs=1e-6)
        window = scaled(rows[max(at - LOOKBACK + 1, 0) : at + 1])
        assert said_by(said[at], "window") == pytest.approx(p_of(window), abs=1e-6)
        assert said_by(said[at], "step") == pytest.approx(p_of(scaled(rows[: at + 1])), abs=1e-6)


def test_the_carried_state_is_the_window_until_that_is_full() -> None:
    said = told(a_desk(), some_rows(LOOKBACK + 1))
    for one in said[:LOOKBACK]:
        assert said_by(one, "step") == pytest.approx(said_by(one, "window"), abs=1e-6)
    assert said_by(said[-1], "step") != pytest.approx(said_by(said[-1], "window"), abs=1e-6)


def test_state_and_window_start_anew_with_a_segment() -> None:
    before, after = some_rows(12), some_rows(4, seed=2, segment=1, first_ms=some_rows(20)[-1].closed_at_ms)
    said = told(a_desk(), [*before, *after])[-1]
    assert said_by(said, "step") == pytest.approx(p_of(scaled(after)), abs=1e-6)
    assert said_by(said, "window") == pytest.approx(p_of(scaled(after)), abs=1e-6)


def test_symbols_do_not_touch_each_other() -> None:
    desk, rows, others = a_desk(), some_rows(10), some_rows(10, seed=9)
    for row, other in zip(rows, others, strict=True):
        desk.feed("BTCUSDT", row)
        desk.feed("ETHUSDT", other)
    assert said_by(desk.latest("BTCUSDT"), "step") == pytest.approx(p_of(scaled(rows)), abs=1e-6)
    assert said_by(desk.latest("ETHUSDT"), "step") == pytest.approx(p_of(scaled(others)), abs=1e-6)
    with pytest.raises(UnknownName, match="XRPUSDT"):
        desk.latest("XRPUSDT")


def test_a_bar_that_comes_again_is_answered_without_asking_again() -> None:
    desk, rows = a_desk(), some_rows(8)
    first = told(desk, rows)[-1]
    changed = replace(rows[-1], values=rows[-1].values + 1, segment=7)
    assert desk.feed("BTCUSDT", changed) is first
    assert desk.feed("BTCUSDT", rows[2]) is first
    assert desk.latest("BTCUSDT") is first


def test_the_mixture_is_that_of_the_ensemble_with_labels_as_they_become_known() -> None:
    rows, horizon = some_rows(60), 3
    said = told(a_desk(horizon_bars=horizon), rows)
    mixture = Ensemble.start(("rows", "window", "step", "prior"), horizon - 1)
    for at, one in enumerate(said):
        if at >= horizon:
            mixture.settle(float(rows[at].close > rows[at - horizon].close))
        p = np.array([member.probability for member in one.members])
        assert one.probability == mixture.predict(p).probability
        assert one.direction == pytest.approx(2 * one.probability - 1)
    assert {one.side for one in said} > {"both"}
    assert all(bool(one.silence) == (one.side not in ("up", "down")) for one in said)


def test_calibration_comes_before_mixing() -> None:
    curve = Platt(0.5, 0.2)
    card, data = an_expert("rows", "tabular", tabular(WEIGHTS), calibration=curve.to_dict())
    row = some_rows(1)[0]
    raw = p_of(scaled([row]))
    said = told(a_desk((card, data)), [row])[0]
    assert said_by(said, "rows") == pytest.approx(float(sigmoid(0.5 * logit(np.array(raw)) + 0.2)), abs=1e-6)


def test_nothing_is_learned_from_bars_that_the_model_was_fitted_on() -> None:
    rows = some_rows(20)
    said = told(a_desk(end_at_ms=rows[9].closed_at_ms), rows)
    assert [one.probability is None for one in said] == [True] * 10 + [False] * 10
    assert said[9].silence == "the model was fitted on this bar"
    assert said[10].members[0].weight == pytest.approx(1 / 7)
    assert said_by(said[10], "window") == pytest.approx(p_of(scaled(rows[6:11])), abs=1e-6)


def test_an_expert_that_gives_nan_is_left_out_alone() -> None:
    rows = some_rows(6)
    blind = replace(rows[3], values=np.array([np.nan, 0.1, 0.2, 0.3]))
    desk = a_desk(an_expert("raw", "tabular", tabular(WEIGHTS), "raw"), an_expert("rows", "tabular", tabular(WEIGHTS)))
    said = told(desk, [*rows[:3], blind, *rows[4:]])
    assert said_by(said[3], "raw") is None and "nan" in left_out(said[3], "raw")
    assert said_by(said[3], "rows") is not None and said[3].probability is not None
    assert said_by(said[4], "raw") is not None


def test_a_probability_outside_0_to_1_is_none() -> None:
    from tests.onnx_bytes import node
    from tests.serving_world import onnx_of

    wild = onnx_of([node("MatMul", ["x", "w"], ["p"])], WEIGHTS, {"x": ["batch", 4]}, {"p": 1})
    desk = a_desk(an_expert("wild", "tabular", wild, "raw"), an_expert("rows", "tabular", tabular(WEIGHTS)))
    row = replace(some_rows(1)[0], values=np.array([9.0, 0.0, 0.0, 0.0]))
    assert "gave 7.2" in left_out(told(desk, [row])[0], "wild")


def test_an_expert_that_is_stuck_is_left_out_and_comes_back() -> None:
    desk = a_desk(
        an_expert("first", "tabular", tabular((1.0, 0.0, 0.0, 0.0))), an_expert("rows", "tabular", tabular(WEIGHTS))
    )
    rows = some_rows(MAX_SAME + 3)
    # The first feature does not move, the others do: the expert on the first alone is stuck.
    still = [replace(row, values=np.array([0.3, *row.values[1:]])) for row in rows[: MAX_SAME + 1]]
    said = told(desk, [*still, *rows[MAX_SAME + 1 :]])
    outs = [left_out(one, "first") for one in said]
    assert outs[: MAX_SAME - 1] == [""] * (MAX_SAME - 1)
    assert outs[MAX_SAME - 1].endswith(f"for {MAX_SAME} bars in a row")
    assert all(one.probability is not None for one in said)
    assert outs[-1] == ""


def test_a_market_that_stands_still_is_no_stuck_expert() -> None:
    row = some_rows(1)[0]
    rows = [replace(row, closed_at_ms=row.closed_at_ms + at * HOUR_MS) for at in range(2 * MAX_SAME)]
    assert left_out(told(a_desk(), rows)[-1], "rows") == ""


def test_when_all_are_left_out_nothing_is_said_and_why() -> None:
    desk = a_desk(an_expert("raw", "tabular", tabular(WEIGHTS), "raw"))
    row = replace(some_rows(1)[0], values=np.array([np.nan, 0.1, 0.2, 0.3]))
    said = told(desk, [row])[0]
    assert (said.probability, said.side, said.silence) == (None, None, "every expert is left out")
    known = replace(row, values=np.array([np.nan, np.nan, np.nan, 0.3]))
    assert told(a_desk(), [known])[0].silence == "25% of the features are known"


def test_a_bar_with_a_problem_is_part_of_the_series_and_says_nothing() -> None:
    rows = some_rows(6)
    said = told(a_desk(), [*rows[:5], replace(rows[5], problem="the feed stands still")])
    assert said[4].probability is not None
    assert (said[5].probability, said[5].silence) == (None, "the feed stands still")


class Hurried(Watchdog):
    """Lets time pass, and stops what is late, while the chosen run is under way."""

    def __init__(self, late_runs: set[int]) -> None:
        self.now, self.n, self.late_runs = 0.0, 0, late_runs
        super().__init__(0.1, lambda: self.now)

    def begin(self, options: object) -> None:
        self._thread = self._thread or object()  # type: ignore[assignment]
        super().begin(options)
        if self.n in self.late_runs:
            self.now += 1.0
            self.look()
        self.n += 1


def test_a_late_expert_is_stopped_left_out_and_asked_again() -> None:
    # Two experts with files a bar: the window of the fourth bar and the carried state of the sixth take too long.
    experts = (
        an_expert("window", "window", mean_of_window(WEIGHTS)),
        an_expert("step", "step", mean_so_far(WEIGHTS)),
    )
    rows = some_rows(8)
    said = told(a_desk(*experts, watchdog=Hurried({6, 11})), rows)
    assert [left_out(one, "window") for one in said] == ["", "", "", "late", "", "", "", ""]
    assert [left_out(one, "step") for one in said] == ["", "", "", "", "", "late", "", ""]
    assert said_by(said[3], "step") == pytest.approx(p_of(scaled(rows[:4])), abs=1e-6)
    # What was carried is lost with the bar; the next one carries the lookback anew.
    assert said_by(said[6], "step") == pytest.approx(p_of(scaled(rows[2:7])), abs=1e-6)
    assert said_by(said[7], "step") == pytest.approx(p_of(scaled(rows[2:8])), abs=1e-6)


def test_the_watchdog_stops_only_what_is_late() -> None:
    now = 0.0
    watchdog = Watchdog(0.5, lambda: now)
    watchdog._thread = object()  # type: ignore[assignment]

    class Options:
        terminate = False

    early, late = Options(), Options()
    watchdog.begin(late)
    now = 0.4
    watchdog.begin(early)
    now = 0.6
    watchdog.look()
    assert (early.terminate, late.terminate) == (False, True)
    assert (watchdog.end(early), watchdog.end(late)) == (True, False)


def test_posted_rows_are_answered_without_being_remembered() -> None:
    desk, rows = a_desk(), some_rows(20)
    model = desk.model
    assert model is not None
    said = desk.evaluate("NEWUSDT", rows)
    assert said_by(said, "window") == pytest.approx(p_of(scaled(rows[-LOOKBACK:])), abs=1e-6)
    assert said.probability == pytest.approx(np.mean([member.probability for member in said.members]))
    only = evaluate(model, "NEWUSDT", rows, {"rows": 2.0})
    assert only.probability == pytest.approx(said_by(said, "rows"))
    with pytest.raises(UnknownName):
        desk.latest("NEWUSDT")
    with pytest.raises(BadInput, match="0 bars"):
        desk.evaluate("NEWUSDT", [])
    with pytest.raises(UnknownName, match="no model is served"):
        ModelDesk(NAMES).evaluate("NEWUSDT", rows)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"features": ("f0", "f1", "f2", "f9")}, "reads f9"),
        ({"task": "triple_barrier"}, "predicts 'triple_barrier'"),
        ({"scaler": {"mean": [0.0], "scale": [1.0], "clip": [5.0]}}, "scales 1 of its 4"),
    ],
)
def test_a_model_that_cannot_be_asked_is_refused_and_the_old_one_serves_on(
    changes: dict[str, object], why: str
) -> None:
    desk, rows = a_desk(), some_rows(3)
    before = told(desk, rows[:2])[-1]
    with pytest.raises(Refused, match=why):
        desk.install(a_served_bundle(**changes))
    assert told(desk, rows[2:])[0].model_sha256 == before.model_sha256


def test_files_that_are_no_model_are_refused_before_they_serve() -> None:
    for data, why in [
        (tabular(WEIGHTS)[:-40], "the runtime refuses rows.onnx"),
        (mean_of_window(WEIGHTS), "failed"),
        (tabular((1.0, 2.0)), "failed"),
        (mean_so_far(WEIGHTS), "takes seen, sum, x"),
    ]:
        with pytest.raises(Refused, match=why):
            ServedModel.open(a_served_bundle([an_expert("rows", "tabular", data)]), NAMES)
    alone = a_served_bundle()
    alone = replace(alone, card=replace(alone.card, experts=alone.card.experts[:-1]))
    with pytest.raises(Refused, match="no expert 'prior'"):
        ServedModel.open(alone, NAMES)


def test_the_scale_is_the_scalers_to_the_bit() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(50, 4)) * 7
    x[rng.random(x.shape) < 0.2] = np.nan
    card = a_card()
    columns = Columns(card, NAMES)
    wanted = Scaler.from_json('{"mean": [0.1, 0.1, 0.1, 0.1], "scale": [2, 2, 2, 2], "clip": [5, 5, 5, 5]}').transform(
        x
    )
    np.testing.assert_array_equal(np.array([columns.scaled(columns.raw(row)) for row in x]), wanted)
