"""What every column promises: a name and a meaning of its own, its warm-up, and no price level or volume in it."""

import numpy as np
import pytest

from core.errors import BadInput, Corrupt, UnknownName
from core.native_features import features_batch, load_feature_schema
from market.candles import Candles
from ml.features import registry
from ml.features.registry import load_registry
from tests.feature_world import HOUR_MS, bars, made, made_extras

REGISTRY = load_registry()
N = 1_600
PRICE_INPUTS = ("btc_close", "eth_close", "bid", "ask", "dxy", "nasdaq", "gold", "hashrate")
QUANTITY_INPUTS = ("bid_qty", "ask_qty", "order_flow", "buy_volume", "sell_volume")
GROUPS = {"returns", "trend", "momentum", "volume", "volatility", "distribution", "candle", "microstructure"}
GROUPS |= {"order_book", "cross_asset", "funding", "world", "calendar"}


@pytest.fixture(scope="module")
def candles() -> Candles:
    return made(N, seed=11, silent=0.0)


@pytest.fixture(scope="module")
def whole(candles: Candles) -> np.ndarray:
    return features_batch(REGISTRY.names, HOUR_MS, bars(candles), made_extras(REGISTRY, candles)).values


def test_more_than_two_hundred_columns_of_all_groups():
    assert len(REGISTRY.features) >= 200
    assert len(set(REGISTRY.names)) == len(REGISTRY.names)
    assert {feature.group for feature in REGISTRY.features} == GROUPS
    assert all(name == name.lower() and name.replace("_", "").isalnum() for name in REGISTRY.names)
    assert all(feature.unit and feature.inputs and feature.formula for feature in REGISTRY.features)


def test_the_file_is_what_the_engine_exports():
    built = load_feature_schema()
    assert REGISTRY.schema_sha256 == built["schema_sha256"]
    assert REGISTRY.names == tuple(feature["name"] for feature in built["features"])
    assert all(indicator["name"].startswith("raw.") for indicator in built["indicators"])


def test_a_registry_of_another_engine_is_refused(tmp_path):
    text = registry.PATH.read_text(encoding="utf-8").replace(REGISTRY.schema_sha256, "0" * 64)
    (tmp_path / "other.json").write_text(text, encoding="utf-8")
    with pytest.raises(Corrupt, match="make engine schemas"):
        registry._load(tmp_path / "other.json")
    (tmp_path / "cut.json").write_text(text[:1000], encoding="utf-8")
    with pytest.raises(Corrupt, match="cannot be read"):
        registry._load(tmp_path / "cut.json")


def test_unknown_names_are_refused_with_what_to_do():
    with pytest.raises(UnknownName, match="xcrack ml features"):
        REGISTRY.feature("rsi_15")
    with pytest.raises(UnknownName, match="trend"):
        REGISTRY.group("trends")
    with pytest.raises(BadInput, match="'rsi_15' is no feature"):
        features_batch(["rsi_14", "rsi_15"], HOUR_MS, bars(made(3)))


def test_every_column_starts_at_the_bar_it_declares_and_holds_on(whole: np.ndarray):
    for place, feature in enumerate(REGISTRY.features):
        known = np.isfinite(whole[:, place])
        assert known.any(), feature.name
        assert int(np.argmax(known)) == feature.warmup_bars, feature.name
        # Later gaps come of divisions by nothing, such as volume that was never there, and are few.
        assert known[feature.warmup_bars :].mean() > 0.85, feature.name


def test_no_two_columns_are_equal(whole: np.ndarray):
    seen: dict[bytes, str] = {}
    for place, name in enumerate(REGISTRY.names):
        twin = seen.setdefault(np.ascontiguousarray(whole[:, place]).tobytes(), name)
        assert twin == name, f"{name} is {twin}"


@pytest.mark.parametrize("what", ["prices", "volumes"])
@pytest.mark.parametrize("factor", [1024.0, 1 / 64, 3.7])
def test_no_column_is_a_price_level_or_a_volume(what: str, factor: float, candles: Candles, whole: np.ndarray):
    extras = made_extras(REGISTRY, candles)
    of_price, of_volume = (factor, 1.0) if what == "prices" else (1.0, factor)
    for name in PRICE_INPUTS if what == "prices" else QUANTITY_INPUTS:
        extras[:, REGISTRY.extra_inputs.index(name)] *= factor
    scaled = Candles(
        candles.opened_at_ms,
        *(getattr(candles, name) * of_price for name in ("open", "high", "low", "close")),
        candles.volume * of_volume,
    )
    rows = features_batch(REGISTRY.names, HOUR_MS, bars(scaled), extras).values
    if factor != 3.7:
        # A power of two changes no digit of a price; logarithms are taken of quotients.
        assert np.array_equal(rows, whole, equal_nan=True)
        return
    scale = np.nanstd(whole, axis=0) + 1e-12
    assert np.array_equal(np.isnan(rows), np.isnan(whole))
    assert np.nanmax(np.abs(rows - whole) / scale) < 1e-6


def test_a_column_without_a_source_is_unknown_and_not_made_up(candles: Candles):
    rows = features_batch(REGISTRY.names, HOUR_MS, bars(candles)).values
    beside = set(REGISTRY.extra_inputs)
    for place, feature in enumerate(REGISTRY.features):
        assert np.isnan(rows[:, place]).all() == bool(beside & set(feature.inputs)), feature.name


def test_kinds_say_how_far_a_column_looks_back(whole: np.ndarray, candles: Candles):
    cut = 700
    late = features_batch(
        REGISTRY.names, HOUR_MS, bars(candles.rows(slice(cut, None))), made_extras(REGISTRY, candles)[cut:]
    ).values
    for place, feature in enumerate(REGISTRY.features):
        if feature.kind in ("windowed", "calendar"):
            ours, theirs = late[feature.warmup_bars :, place], whole[cut + feature.warmup_bars :, place]
            scale = np.nanstd(whole[:, place]) + 1e-12
            # Equal values may part by a rounding, which moves a rank by a place.
            most = 0.05 if feature.normaliser == "rank" else 1e-6
            assert np.nanmax(np.abs(ours - theirs), initial=0) / scale < most, feature.name
    assert {feature.kind for feature in REGISTRY.features} == {"windowed", "calendar", "recursive", "context"}
