"""Constants of a rule set, and the rule sets one step beside it."""

import json

import pytest

from core.errors import BadInput
from strategies.program_parts import MOST_NEIGHBOURS, Constant, constants_of, neighbours_of_program, with_constant
from strategies.programs import canonical_program, identify_program

RULES = canonical_program(
    json.dumps(
        {
            "name": "many",
            "entry_long": {
                "and": [
                    {"crosses_above": [{"macd_line": {"fast": 12, "slow": 13}}, {"number": 0.0}]},
                    {"below": [{"rsi": {"window": 14}}, {"number": 35.5}]},
                ]
            },
            "exit_long": {"not": {"below": ["close", {"bollinger_upper": {"window": 20, "width": 2.0}}]}},
            "stop": {"multiply": [{"number": 2.0}, {"atr": {"window": 14}}]},
        }
    )
)


def test_every_number_is_found_with_its_place():
    found = {each.place: each.value for each in constants_of(RULES)}
    assert found["entry_long.and[0].crosses_above[0].macd_line.fast"] == 12
    assert found["exit_long.not.below[1].bollinger_upper.width"] == 2.0
    assert len(found) == 9


@pytest.mark.parametrize(
    ("constant", "share", "moved"),
    [
        (Constant(("sma", "window"), 20.0), 0.1, 22.0),
        (Constant(("sma", "window"), 3.0), -0.1, 2.0),
        (Constant(("number",), 35.5), 0.1, 39.05),
        (Constant(("number",), -1.0), 0.1, -1.1),
        (Constant(("bollinger_upper", "width"), 2.0), -0.1, 1.8),
    ],
)
def test_a_step_is_a_tenth_or_one_bar(constant, share, moved):
    assert constant.moved(share) == moved


def test_neighbours_are_bounded_valid_different_and_always_the_same():
    found = neighbours_of_program(RULES, None)
    assert found == neighbours_of_program(RULES, None)
    assert 6 <= len(found) <= MOST_NEIGHBOURS
    texts = [text for _, text in found]
    assert len({identify_program(text) for text in texts} | {identify_program(RULES)}) == len(texts) + 1
    assert all(canonical_program(text) == text for text in texts)


def test_the_incumbent_is_no_neighbour_and_what_is_no_rule_set_is_left_out():
    [constant] = [each for each in constants_of(RULES) if each.place.endswith("rsi.window")]
    beside = with_constant(RULES, constant.path, constant.moved(0.1))
    assert beside not in {text for _, text in neighbours_of_program(RULES, beside)}
    fast = next(each for each in constants_of(RULES) if each.place.endswith("fast"))
    with pytest.raises(BadInput, match="must be below slow"):
        with_constant(RULES, fast.path, fast.moved(0.1))


def test_a_rule_set_without_numbers_has_no_neighbours():
    plain = '{"name":"up","entry_long":{"above":["close","open"]},"exit_long":{"below":["close","open"]}}'
    assert neighbours_of_program(canonical_program(plain), None) == []
