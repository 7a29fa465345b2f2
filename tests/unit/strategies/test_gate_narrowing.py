"""Narrowing over every schema: it raises no cap and goes no lower than half of what was proven."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.proposal import ParamVersion
from core.settings_sections import GateSettings
from strategies.gate.admission import NARROWING_FLOOR, AdmissionFacts, check_admission
from strategies.schema import default_params, load_param_specs, strategy_names
from tests.gate_world import make_proposal

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


def version(strategy, values):
    return ParamVersion("one", strategy, 1, values, "hash", "initial", NOW, True)


@st.composite
def walks(draw):
    """A strategy, and changes of one to three parameters at a time, half of them of caps."""
    strategy = draw(st.sampled_from([name for name in strategy_names() if has_caps(name)]))
    specs = load_param_specs(strategy)
    caps = [name for name, spec in specs.items() if spec.risk == "cap"]
    names = st.lists(st.sampled_from(caps) | st.sampled_from(sorted(specs)), min_size=1, max_size=3, unique=True)
    change = names.flatmap(lambda chosen: st.tuples(*(st.tuples(st.just(name), st.integers(-6, 6)) for name in chosen)))
    return strategy, draw(st.lists(change, min_size=1, max_size=12))


def has_caps(strategy):
    return any(spec.risk == "cap" for spec in load_param_specs(strategy).values())


@settings(max_examples=300, deadline=None)
@given(walks())
def test_no_walk_of_narrowings_raises_a_cap_or_passes_half_of_the_evidenced_version(walk):
    strategy, changes = walk
    specs, proven = load_param_specs(strategy), default_params(strategy)
    running = dict(proven)
    for change in changes:
        edits = {name: specs[name].at_index(specs[name].grid_index(running[name]) + by) for name, by in change}
        proposal = make_proposal(version(strategy, dict(running)), NOW, **edits)
        known = AdmissionFacts(version(strategy, dict(running)), proven, (), (), (), {}, NOW)
        admission = check_admission(proposal, known, GateSettings(max_step_share=1.0))
        if not admission.is_narrowing or admission.failed:
            continue
        running = proposal.params
        for name, spec in specs.items():
            if spec.risk == "cap":
                assert NARROWING_FLOOR * proven[name] <= running[name] <= proven[name]
            else:
                assert running[name] == proven[name]


@pytest.mark.parametrize("strategy", [name for name in strategy_names() if has_caps(name)])
def test_every_cap_can_be_lowered_and_taken_back_to_what_was_proven_and_not_above(strategy):
    specs, proven = load_param_specs(strategy), default_params(strategy)
    for name, spec in specs.items():
        if spec.risk != "cap":
            continue
        lower = spec.at_index(spec.grid_index(proven[name]) - 1)
        if lower < max(spec.minimum, NARROWING_FLOOR * proven[name]):
            continue
        assert narrows(strategy, proven, proven, name, lower)
        assert narrows(strategy, {**proven, name: lower}, proven, name, proven[name])
        assert not narrows(
            strategy, {**proven, name: lower}, proven, name, spec.at_index(spec.grid_index(proven[name]) + 1)
        )


def narrows(strategy, running, proven, name, value):
    base = version(strategy, running)
    known = AdmissionFacts(base, proven, (), (), (), {}, NOW)
    return check_admission(
        make_proposal(base, NOW, **{name: value}), known, GateSettings(max_step_share=1.0)
    ).is_narrowing
