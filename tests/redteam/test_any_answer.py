"""Whatever a model writes, sound JSON or bytes that only fit the grammar: nothing illegal gets through the door."""

import json
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import native
from feedback.analyzer.answers import AdjustmentsAnswer, InvalidAnswer, NewsAnswer, answer_schema, parse_answer
from feedback.analyzer.edits import EditRules
from feedback.analyzer.llm_edits import admit_edits, build_proposals
from strategies.schema import load_param_specs
from tests.analyzer_days import dataset, edit, running, study
from tests.redteam.corpus import load_attacks

RULES = EditRules(0.25, native.validate_params)
VERSION = running()
TEXTS = st.one_of(st.sampled_from([text[:200] for one in load_attacks() for text in one.texts]), st.text(max_size=20))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
EDITS = st.lists(
    st.builds(
        lambda over, more: {**edit(), **over, **more},
        st.fixed_dictionaries(
            {
                "param": st.sampled_from([*load_param_specs("market_making"), "leverage", "stop_loss"]),
                "value": st.one_of(st.floats(), st.integers(-100, 1_000), st.sampled_from([45, 59, 61, 75])),
            }
        ),
        st.dictionaries(
            st.sampled_from(["instance_id", "rationale", "confidence", "code", "symbol"]), ANYTHING, max_size=1
        ),
    ),
    max_size=4,
)


def require_legal(text: str) -> int:
    """Return how many edits got through; every one of them is legal and no other key came with it."""
    try:
        answer = parse_answer(text, AdjustmentsAnswer)
    except InvalidAnswer as refused:
        assert all(len(fault) < 200 for fault in refused.faults)
        return 0
    admitted = admit_edits(answer, {"mm-1": VERSION}, [], RULES)
    made = build_proposals(admitted, {"mm-1": VERSION}, lambda text: text, study(dataset()), "llm:any")
    for proposal in made:
        native.validate_params(proposal.strategy, proposal.params)
        assert set(proposal.params) == set(VERSION.params) and proposal.instance_id == "mm-1"
        for kept in proposal.edits:
            spec, current = load_param_specs("market_making")[kept.param], VERSION.params[kept.param]
            assert spec.minimum <= kept.value <= spec.maximum and spec.is_on_grid(kept.value)
            assert abs(kept.value - current) <= spec.largest_move(current, 0.25) + 1e-9
    return sum(len(proposal.edits) for proposal in made)


@settings(max_examples=150, deadline=None)
@given(st.one_of(ANYTHING, st.fixed_dictionaries({"edits": EDITS})))
def test_any_json_keeps_bounds_keys_and_state(value: Any) -> None:
    before = dict(VERSION.params)
    require_legal(json.dumps(value))
    assert before == VERSION.params


@settings(max_examples=100, deadline=None)
@given(ANYTHING)
def test_any_json_to_the_reader_is_refused_or_four_closed_values(value: Any) -> None:
    try:
        answer = parse_answer(json.dumps(value), NewsAnswer)
    except InvalidAnswer:
        return
    assert -1 <= answer.direction <= 1 and 0 <= answer.severity <= 3


def test_legal_edits_do_get_through() -> None:
    assert require_legal(json.dumps({"edits": [edit()]})) == 1


@pytest.mark.parametrize("name", ["adjustments", "news"])
def test_a_model_without_training_that_only_keeps_the_grammar_does_no_harm(name: str) -> None:
    """Uniformly random bytes among those that the grammar of the schema allows, as a randomly initialised model."""
    enums = {"instance_id": ["mm-1"], "param": sorted(load_param_specs("market_making"))}
    schema = answer_schema(name, enums if name == "adjustments" else {"event_type": ["hack"], "asset": ["market"]})
    n_sound = 0
    for seed in range(12):
        text = random_answer(schema, seed)
        if name == "adjustments":
            require_legal(text)
            n_sound += '"edits"' in text
        else:
            n_sound += isinstance(parse_answer(text, NewsAnswer), NewsAnswer)
    assert n_sound == 12


def random_answer(schema: dict[str, Any], seed: int, most: int = 3_000) -> str:
    """Return bytes that fit the schema's grammar, each chosen uniformly; cut after `most` of them."""
    from llguidance import LLMatcher, LLTokenizer
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

    matcher = LLMatcher(LLTokenizer("byte"), LLMatcher.grammar_from_json_schema(schema))
    mask, chance, out = allocate_token_bitmask(1, 262), random.Random(seed), bytearray()
    while len(out) < most and not matcher.is_stopped():
        fill_next_token_bitmask(matcher, mask, 0)
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")[:262])
        token = int(chance.choice(allowed[allowed < 256] if (allowed < 256).any() else allowed))
        matcher.consume_token(token)
        if token < 256:
            out.append(token)
    return out.decode("utf-8", "replace")
