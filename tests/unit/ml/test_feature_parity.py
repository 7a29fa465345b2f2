"""One definition: bar by bar, over a history, and after a restart the same bits; nothing leaks forward or backward."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.native_features import FeatureStream, features_batch
from market.candles import Candles
from ml.features.build import build_features
from ml.features.registry import load_registry
from tests.feature_world import HOUR_MS, bars, bits, made, made_extras, recorded

REGISTRY = load_registry()
N_EXTRAS = len(REGISTRY.extra_inputs)


def play(stream: FeatureStream, candles: Candles, extras: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    rows, segments = np.empty((len(candles), len(stream.names))), np.empty(len(candles), dtype=np.int64)
    columns = [column.tolist() for column in dataclasses.asdict(bars(candles)).values()]
    for at, candle in enumerate(zip(*columns, strict=True)):
        rows[at] = stream.update(*candle, None if extras is None else extras[at])
        segments[at] = stream.segment
    return rows, segments


def test_recorded_hours_bar_by_bar_are_the_history_to_the_bit():
    candles = recorded("BTCUSDT", 3_000)
    extras = made_extras(REGISTRY, candles)
    whole = features_batch(REGISTRY.names, HOUR_MS, bars(candles), extras)
    rows, segments = play(FeatureStream(REGISTRY.names, HOUR_MS), candles, extras)
    assert np.array_equal(bits(rows), bits(whole.values))
    assert np.array_equal(segments, whole.segment)
    assert whole.segment[-1] > 0


def test_a_restart_at_any_bar_changes_no_bit():
    candles = recorded("BTCUSDT", 1_500)
    extras = made_extras(REGISTRY, candles)
    whole = features_batch(REGISTRY.names, HOUR_MS, bars(candles), extras)
    stream = FeatureStream(REGISTRY.names, HOUR_MS)
    cuts = np.sort(np.random.default_rng(7).choice(np.arange(1, 1_500), 25, replace=False))
    for start, end in zip([0, *cuts], [*cuts, 1_500], strict=True):
        rows, _ = play(stream, candles.rows(slice(start, end)), extras[start:end])
        assert np.array_equal(bits(rows), bits(whole.values[start:end]))
        state = stream.state()
        stream = FeatureStream(REGISTRY.names, HOUR_MS)
        stream.restore(state)
        assert stream.state() == state


def test_a_history_may_be_fed_in_parts_of_any_length():
    candles = made(1_000)
    whole = features_batch(REGISTRY.names, HOUR_MS, bars(candles))
    stream = FeatureStream(REGISTRY.names, HOUR_MS)
    parts = [stream.update_all(bars(candles.rows(slice(a, b)))).values for a, b in [(0, 1), (1, 130), (130, 1_000)]]
    assert np.array_equal(bits(np.concatenate(parts)), bits(whole.values))


@pytest.mark.parametrize("k", [1, 129, 700])
def test_what_comes_later_changes_nothing_before(k: int):
    candles = made(1_000)
    peers = {"BTCUSDT": made(1_000, seed=5), "SOLUSDT": made(1_000, seed=6)}
    whole = build_features("ETHUSDT", HOUR_MS, candles, peers)
    cut = {name: peer.rows(slice(0, k)) for name, peer in peers.items()}
    prefix = build_features("ETHUSDT", HOUR_MS, candles.rows(slice(0, k)), cut)
    assert np.array_equal(bits(prefix.values), bits(whole.values[:k]))
    assert np.array_equal(prefix.segment, whole.segment[:k])


def test_chosen_columns_are_those_of_the_whole():
    candles = made(600)
    whole = features_batch(REGISTRY.names, HOUR_MS, bars(candles))
    names = ("rsi_14", "yang_zhang_24", "hour_sin", "rsi_14", "adx_28")
    chosen = features_batch(names, HOUR_MS, bars(candles))
    places = [REGISTRY.names.index(name) for name in names]
    assert np.array_equal(bits(chosen.values), bits(whole.values[:, places]))


@st.composite
def hostile(draw: st.DrawFn) -> Candles:
    """Candles with gaps, repeats, revisions, jumps back, silence, standstill, huge jumps, and what is no number."""
    n = draw(st.integers(1, 60))
    base = made(n, seed=draw(st.integers(0, 2**16)))
    times, values = base.opened_at_ms.copy(), base.values()
    events = ["gap", "again", "revised", "back", "nan", "inf", "zero", "negative", "crossed", "jump", "flat", "silent"]
    for event, at in draw(st.lists(st.tuples(st.sampled_from(events), st.integers(0, n - 1)), max_size=8)):
        match event:
            case "gap":
                times[at:] += HOUR_MS * 3
            case "again" | "revised" if at:
                times[at:] -= HOUR_MS
                values[at] = values[at - 1] * (1.0 if event == "again" else 1.5)
            case "back":
                times[at] -= HOUR_MS * 5
            case "nan" | "inf" | "zero" | "negative":
                bad = {"nan": np.nan, "inf": np.inf, "zero": 0.0, "negative": -1.0}[event]
                values[at, draw(st.integers(0, 4))] = bad
            case "crossed":
                values[at, [1, 2]] = values[at, [2, 1]]
            case "jump":
                values[at:, :4] *= draw(st.sampled_from([1e-9, 1e9, 1.0 + 1e-12]))
            case "flat":
                values[at : at + 30, :4] = values[at, 3]
            case "silent":
                values[at : at + 30, 4] = 0.0
    return Candles(times, *(np.ascontiguousarray(column) for column in values.T))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(hostile(), st.integers(0, 59))
def test_hostile_candles_give_the_same_bits_and_no_infinity(candles: Candles, cut: int):
    extras = made_extras(REGISTRY, candles)
    extras[np.random.default_rng(3).random(extras.shape) < 0.02] = np.inf
    whole = features_batch(REGISTRY.names, HOUR_MS, bars(candles), extras)
    cut = min(cut, len(candles))
    stream = FeatureStream(REGISTRY.names, HOUR_MS)
    before, first = play(stream, candles.rows(slice(0, cut)), extras[:cut])
    state, stream = stream.state(), FeatureStream(REGISTRY.names, HOUR_MS)
    stream.restore(state)
    after, then = play(stream, candles.rows(slice(cut, None)), extras[cut:])
    assert np.array_equal(bits(np.concatenate([before, after])), bits(whole.values))
    assert np.array_equal(np.concatenate([first, then]), whole.segment)
    assert not np.isinf(whole.values).any()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(hostile())
def test_after_any_break_a_run_is_as_if_nothing_had_been_before(candles: Candles):
    whole = features_batch(REGISTRY.names, HOUR_MS, bars(candles))
    for segment in np.unique(whole.segment):
        rows = np.flatnonzero(whole.segment == segment)
        alone = features_batch(REGISTRY.names, HOUR_MS, bars(candles.rows(rows)))
        assert np.array_equal(bits(alone.values), bits(whole.values[rows]))
        assert np.all(alone.segment == 0)


def test_one_nan_empties_its_row_and_starts_anew():
    candles = made(400)
    candles.close[200] = np.nan
    rows = features_batch(REGISTRY.names, HOUR_MS, bars(candles))
    assert np.isnan(rows.values[200]).all()
    assert rows.segment[[199, 200, 201, 399]].tolist() == [0, 1, 2, 2]
    place = REGISTRY.names.index("sma_ratio_100")
    assert np.isnan(rows.values[200:300, place]).all()
    assert np.isfinite(rows.values[300:, place]).all()


def test_the_last_candle_once_more_changes_nothing_and_with_other_numbers_begins_anew():
    candles = made(300)
    stream = FeatureStream(("sma_ratio_20", "rsi_14"), HOUR_MS)
    whole = stream.update_all(bars(candles)).values
    last = [column[-1].item() for column in dataclasses.asdict(bars(candles)).values()]
    assert np.array_equal(stream.update(*last), whole[-1])
    assert stream.segment == 0
    last[4], last[2] = last[4] * 1.01, last[2] * 1.01
    assert np.isnan(stream.update(*last)).all()
    assert stream.segment == 1


def test_a_foreign_or_damaged_state_is_refused_and_changes_nothing():
    candles = made(100)
    stream = FeatureStream(("rsi_14", "atr_ratio_14"), HOUR_MS)
    stream.update_all(bars(candles))
    state = stream.state()
    for names, interval in [(("rsi_14",), HOUR_MS), (("atr_ratio_14", "rsi_14"), HOUR_MS), (stream.names, 60_000)]:
        with pytest.raises(BadInput, match="other columns, another interval"):
            FeatureStream(names, interval).restore(state)
    for place in range(80, len(state), 37):
        damaged = bytearray(state)
        damaged[place] ^= 1
        with pytest.raises(BadInput, match="damaged"):
            stream.restore(bytes(damaged))
    for cut in (0, 7, 8, 50, len(state) - 1):
        with pytest.raises(BadInput):
            stream.restore(state[:cut])
    with pytest.raises(BadInput):
        stream.restore(state + b"\0")
    assert stream.state() == state


@pytest.mark.parametrize(
    ("names", "interval_ms", "reason"),
    [
        ([], HOUR_MS, "no column is named"),
        (["no.such_column"], HOUR_MS, "no.such_column"),
        (REGISTRY.names[:2], 0, "0 ms is no length"),
    ],
)
def test_what_cannot_be_worked_out_is_refused_with_its_reason(names: list[str], interval_ms: int, reason: str):
    with pytest.raises(BadInput, match=reason):
        features_batch(names, interval_ms, bars(recorded("BTCUSDT", 10)))
    with pytest.raises(BadInput, match=reason):
        FeatureStream(names, interval_ms)
