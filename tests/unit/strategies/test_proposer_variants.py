"""Arm `variants`: every variant is a rule set, does something else, and comes in the same order for the same seed."""

import json
from dataclasses import replace

import pytest

from core.model.proposal import ExpectedEffect, ParamVersion
from core.native import validate_params
from strategies.program_parts import constants_of
from strategies.programs import canonical_program, identify_program
from strategies.proposers.build import build_proposal
from strategies.proposers.placebo import shadow
from strategies.proposers.protocol import Score, Task, Trial
from strategies.proposers.search import search
from strategies.proposers.space import build_space
from strategies.proposers.variants import VariantsProposer, variants_of
from strategies.schema import default_params
from tests.proposer_world import NOW, momentum_space, request

PROGRAMS = {
    "plain": {
        "name": "plain",
        "entry_long": {"above": ["close", "open"]},
        "exit_long": {"below": ["close", "open"]},
    },
    "both-sides": {
        "name": "both-sides",
        "entry_long": {"and": [{"crosses_above": [{"macd_line": {"fast": 12, "slow": 26}}, {"number": 0.0}]},
                               {"not": {"above": [{"rsi": {"window": 14}}, {"number": 70.0}]}}]},
        "entry_short": {"or": [{"at_most": ["close", {"bollinger_lower": {"window": 20, "width": 2.0}}]},
                               {"below": ["hour_of_day", {"number": 3.0}]}]},
        "exit_long": {"at_least": [{"return": {"bars": 5}}, {"number": 0.02}]},
        "sizing": {"divide": [{"number": 1.0}, {"volume_ratio": {"window": 20}}]},
        "stop": {"multiply": [{"number": 2.0}, {"atr": {"window": 14}}]},
    },
    "at-the-bounds": {
        "name": "x" * 64,
        "entry_long": {"above": [{"sma": {"window": 500}}, {"sma": {"window": 1}}]},
        "exit_long": {"below": [{"macd_signal": {"fast": 499, "slow": 500, "signal": 1}}, {"number": 0.0}]},
    },
}  # fmt: skip


def deep() -> str:
    """A rule set of as many nodes as there may be."""
    condition: object = {"above": ["close", "open"]}
    for _ in range(3):
        condition = {"and": [condition, condition]}
    while True:
        grown = {"or": [condition, {"above": ["close", "open"]}]}
        try:
            canonical_program(json.dumps(PROGRAMS["plain"] | {"entry_long": grown}))
        except Exception:
            return canonical_program(json.dumps(PROGRAMS["plain"] | {"entry_long": condition}))
        condition = grown


def texts() -> list[str]:
    return [*(canonical_program(json.dumps(each)) for each in PROGRAMS.values()), deep()]


def running(rules: str) -> ParamVersion:
    params = default_params("rules")
    return ParamVersion("rules-1", "rules", 2, params, validate_params("rules", params, rules), "p", NOW, True, rules)


@pytest.mark.parametrize("program", texts(), ids=[*PROGRAMS, "deep"])
@pytest.mark.parametrize("seed", range(5))
def test_every_variant_is_valid_and_differs_from_all_others(program, seed):
    variants = variants_of(program, seed)
    assert 1 <= len(variants) < 1_000
    assert all(canonical_program(each) == each for each in variants)
    assert len({identify_program(each) for each in variants} | {identify_program(program)}) == len(variants) + 1
    assert len({json.loads(each)["name"] for each in variants}) == len(variants)
    assert variants == variants_of(program, seed)


def test_another_seed_gives_the_same_variants_in_another_order():
    program = texts()[1]
    one, other = variants_of(program, 1), variants_of(program, 2)
    assert one != other and set(one) == set(other)


def test_every_kind_of_change_comes_early():
    first = [json.loads(each) for each in variants_of(texts()[1], 7)[:4]]
    before = PROGRAMS["both-sides"]
    changed = [{name for name in before if each.get(name) != before[name]} - {"name"} for each in first]
    assert all(len(each) == 1 for each in changed)


def test_the_name_stays_and_its_mark_is_renewed():
    [first, *_] = variants_of(texts()[0], 1)
    [second, *_] = variants_of(first, 1)
    names = [json.loads(each)["name"] for each in (first, second)]
    assert (
        all(name.startswith("plain-v") and len(name) == len("plain-v012345") for name in names) and len({*names}) == 2
    )


def test_the_arm_asks_for_nothing_twice_and_nothing_that_is_known():
    version = running(texts()[1])
    space = build_space(version, 0.25)
    all_of_them = variants_of(version.rules, 3)
    tried = Trial("rules", "calm", version.sha256, dict(version.params), space.identify(version.params, all_of_them[0]),
                  "variants", Score(1.0, 90, 40, ""), all_of_them[0])  # fmt: skip
    study = VariantsProposer().open(Task(space, "calm", (tried,), 3))
    ideas = [idea for _ in range(len(all_of_them)) for idea in study.ask(4)]
    assert [idea.rules for idea in ideas] == list(all_of_them[1:])
    assert all(idea.params == version.params and space.refusal(idea.params, idea.rules) == "" for idea in ideas)


def test_a_search_judges_each_variant_by_its_own_rule_set_and_finds_the_best():
    version = running(texts()[1])
    space = build_space(version, 0.25)
    goal = variants_of(version.rules, 5)[2]

    def judge(params, programs=()):
        assert len(programs) == len(params)
        return [Score(5.0 if rules == goal else -1.0, 90, 40, "") for rules in programs]

    found = search([VariantsProposer()], request(space, judge, n_trials=2_000))
    [best] = found.best(1)
    assert (best.rules, best.source) == (goal, "variants")
    assert best.params_sha256 == validate_params("rules", version.params, goal)
    assert len({trial.params_sha256 for trial in found.trials}) == len(found.trials)


def test_where_no_rule_set_runs_there_are_no_variants_and_none_is_let_in():
    space = momentum_space()
    assert VariantsProposer().open(Task(space, "calm", (), 1)).ask(4) == []
    assert "follows no rule set" in space.refusal(dict(space.running.params), texts()[0])


def test_a_rule_set_that_is_the_running_one_or_none_is_refused():
    version = running(texts()[1])
    space = build_space(version, 0.25)
    renamed = version.rules.replace('"both-sides"', '"another"')
    for rules, says in ((renamed, "nothing changes"), ("{", "not a rule set"), (texts()[0] + " ", "not the one JSON")):
        assert says in space.refusal(version.params, rules)
    assert space.refusal(version.params) == "nothing changes"
    assert replace(space, running=version).refusal(version.params, texts()[0]) == ""


def test_the_placebo_of_a_rule_set_deals_its_constants_out_anew_and_has_no_other_number():
    version = running(texts()[0])
    space = build_space(version, 0.25)
    effect = ExpectedEffect("daily_pnl_usd", "up", 2.0, 7)
    about = {"analysis_id": "a-1", "source": "variants", "at": NOW}
    proposal = build_proposal(version, space.edits_to({**version.params, "max_hold": 1.0}), "because", effect, 0.5,
                              rules=texts()[1], **about)  # fmt: skip
    placebo = shadow(proposal, space, 1)
    assert placebo == shadow(proposal, space, 1) and placebo.is_placebo and placebo.edits == ()
    assert identify_program(placebo.rules) not in {identify_program(text) for text in texts()[:2]}
    dealt, own = ([*map(lambda each: each.value, constants_of(text))] for text in (placebo.rules, texts()[1]))
    assert sorted(dealt) == sorted(own) != dealt
    plain = build_proposal(running(texts()[1]), (), "because", effect, 0.5, rules=texts()[0], **about)
    assert shadow(plain, build_space(running(texts()[1]), 0.25), 1) is None, "it has no constants to deal"
