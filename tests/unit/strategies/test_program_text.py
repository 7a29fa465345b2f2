"""Rule sets as people read them."""

import json

from strategies.program_text import tell_edits, tell_program, tell_program_change
from strategies.programs import canonical_program

RULES = canonical_program(
    json.dumps(
        {
            "name": "many",
            "entry_long": {
                "and": [
                    {"crosses_above": [{"macd_signal": {"fast": 5, "slow": 13, "signal": 4}}, {"number": 0.0}]},
                    {"not": {"below": [{"rsi": {"window": 14}}, {"number": 35.5}]}},
                ]
            },
            "stop": {"multiply": [{"number": 2.0}, {"atr": {"window": 14}}]},
        }
    )
)


def test_a_rule_set_reads_like_a_sentence():
    assert tell_program(RULES) == (
        "name: many",
        "entry_long: (macd_signal(5, 13, 4) crosses above 0) and not (rsi(14) < 35.5)",
        "stop: 2 * atr(14)",
    )


def test_a_change_names_what_goes_and_what_comes():
    after = RULES.replace('"window":14}}]', '"window":20}}]').replace("many", "other")
    assert tell_program_change(RULES, after) == (
        "- name: many",
        "+ name: other",
        "- stop: 2 * atr(14)",
        "+ stop: 2 * atr(20)",
    )
    assert tell_program_change(RULES, RULES) == ()
    assert tell_program_change(None, RULES)[0] == "+ name: many"


def test_what_is_no_rule_set_is_told_and_bounded():
    [line] = tell_program("[" * 20_000)
    assert line.startswith("no rule set: the rule set has 20,000 bytes")
    assert len(tell_program('{"' + "x" * 9_000 + '":1}')[0]) < 300


def test_a_whole_change_stands_on_one_line():
    other = RULES.replace("many", "other")
    assert tell_edits({"stop": 2.0, "size": 10.0}, {"stop": 1.5, "size": 10.0}) == "stop 2 → 1.5"
    told = tell_edits({"stop": 2.0}, {"stop": 1.5}, RULES, other)
    assert told == "stop 2 → 1.5, rules - name: many + name: other"
