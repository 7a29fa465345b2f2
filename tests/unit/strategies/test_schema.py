"""The loader reads bounds as the engine knows them."""

import pytest

from core.errors import UnknownName
from core.native import load_schemas, validate_params
from strategies.schema import default_params, load_param_specs, strategy_names


def test_every_strategy_of_the_engine_has_a_schema_here_with_the_same_bounds():
    engine = load_schemas()
    assert set(strategy_names()) == set(engine)
    for strategy, schema in engine.items():
        specs = load_param_specs(strategy)
        assert set(specs) == set(schema["properties"])
        for name, entry in schema["properties"].items():
            assert (specs[name].minimum, specs[name].maximum) == (entry["minimum"], entry["maximum"])
            assert (specs[name].step, specs[name].risk) == (entry["x-step"], entry["x-risk"])


@pytest.mark.parametrize("strategy", strategy_names())
def test_the_defaults_are_on_their_grid_and_the_engine_takes_them(strategy):
    defaults = default_params(strategy)
    assert all(load_param_specs(strategy)[name].is_on_grid(value) for name, value in defaults.items())
    assert len(validate_params(strategy, defaults)) == 64


def test_grid_points_are_the_decimals_a_person_would_write():
    stop = load_param_specs("momentum_scalping")["stop_loss"]
    assert stop.at_index(3) == 0.8
    assert stop.is_on_grid(0.5 + 3 * 0.1)
    assert not stop.is_on_grid(0.85)


def test_an_unknown_strategy_is_named_with_those_that_exist():
    with pytest.raises(UnknownName, match="sma_cross"):
        load_param_specs("astrology")
