"""Every point of a search space is one that admission lets through, for every strategy; every point beyond is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput
from core.model.proposal import Edit, ParamVersion
from core.native import validate_params
from core.settings_sections import GateSettings
from strategies.gate.admission import AdmissionFacts, check_admission
from strategies.proposers.space import build_space
from strategies.schema import default_params, load_param_specs, strategy_names
from tests.gate_world import make_proposal
from tests.proposer_world import NOW, momentum_space, running_version

VALUE_CHECKS = {"bounds", "grid", "step"}


@st.composite
def versions(draw):
    strategy = draw(st.sampled_from(strategy_names()))
    specs = load_param_specs(strategy)
    values = {}
    for name, spec in specs.items():
        values[name] = spec.at_index(draw(st.integers(0, spec.grid_index(spec.maximum))))
        if values[name] > spec.maximum:
            values[name] = spec.default
    # The parameters need not agree with each other: what is tried here is each number alone.
    return ParamVersion("one-1", strategy, 1, values, "base", "initial", NOW, True)


def failed_checks(running: ParamVersion, share: float, **edits: float) -> set[str]:
    facts = AdmissionFacts(running, running.params, (), (), (), {}, NOW)
    proposal = make_proposal(running, NOW, **edits)
    admission = check_admission(proposal, facts, GateSettings(max_step_share=share))
    assert "finite" in {check.name for check in admission.checks}, "the form was sound, so the values were looked at"
    return {check.name for check in admission.failed} & VALUE_CHECKS


@given(versions(), st.sampled_from((0.05, 0.25, 0.5, 1.0)), st.data())
def test_every_point_passes_admission_and_the_next_one_beyond_does_not(running, share, data):
    specs = load_param_specs(running.strategy)
    space = build_space(running, share, names=tuple(specs))
    name = data.draw(st.sampled_from(space.names))
    indices = space.ranges[name]
    spec = specs[name]
    inside = data.draw(st.sampled_from(indices))
    if inside != space.origin[name]:
        assert failed_checks(running, share, **{name: space.params_at({name: inside})[name]}) == set()
    for beyond in (indices[0] - 1, indices[-1] + 1):
        assert failed_checks(running, share, **{name: spec.at_index(beyond)}) & {"bounds", "step"}


@given(versions(), st.data())
def test_a_point_and_its_parameters_name_each_other(running, data):
    space = build_space(running, 0.25, names=tuple(load_param_specs(running.strategy)))
    point = {name: data.draw(st.sampled_from(indices)) for name, indices in space.ranges.items()}
    assert space.point_of(space.params_at(point)) == point
    assert space.point_of(space.params_at(space.origin)) == space.origin


@pytest.mark.parametrize("strategy", strategy_names())
def test_caps_are_left_out_unless_they_are_named(strategy):
    specs = load_param_specs(strategy)
    space = build_space(running_version("sma_cross") if strategy == "sma_cross" else _version(strategy), 0.25)
    assert all(specs[name].risk == "none" for name in space.names)


def _version(strategy: str) -> ParamVersion:
    return ParamVersion("one-1", strategy, 1, default_params(strategy), "base", "initial", NOW, True)


@pytest.mark.parametrize(
    ("edits", "reason"),
    [
        ({"lookback": 13.0}, "at most 4"),
        ({"lookback": 0.0}, "allowed 1 to 48"),
        ({"lookback": float("nan")}, "allowed 1 to 48"),
        ({"lookback": 8.5}, "not on the grid"),
        ({}, "nothing changes"),
        ({"leverage": 2.0}, "the parameters of momentum_scalping are"),
    ],
)
def test_a_move_is_refused_with_its_reason_and_never_mended(edits, reason):
    space = momentum_space(0.5)
    assert reason in space.refusal({**space.running.params, **edits})


def test_parameters_that_contradict_each_other_are_refused_by_the_engine():
    space = build_space(running_version("sma_cross", fast=40.0, slow=44.0), 0.25)
    params = {**space.running.params, "fast": 46.0, "slow": 40.0}
    assert "fast" in space.refusal(params)
    with pytest.raises(BadInput):
        validate_params("sma_cross", params)


def test_a_running_value_off_its_grid_makes_no_space():
    off_grid = {**default_params("momentum_scalping"), "lookback": 3.5}
    version = ParamVersion("one-1", "momentum_scalping", 1, off_grid, "base", "initial", NOW, True)
    with pytest.raises(BadInput, match="lookback = 3.5"):
        build_space(version, 0.25)


def test_an_unknown_name_and_an_empty_choice_are_refused():
    with pytest.raises(BadInput, match="no parameter leverage"):
        build_space(running_version(), 0.25, names=("leverage",))
    with pytest.raises(BadInput, match="no parameter that can move"):
        build_space(running_version(), 0.25, names=())


def test_edits_name_what_differs_from_the_running_version():
    space = momentum_space()
    assert space.edits_to({**space.running.params, "lookback": 9.0}) == (Edit("lookback", 9.0),)
