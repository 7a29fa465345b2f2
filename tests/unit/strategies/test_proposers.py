"""The arms: admissible ideas only, the same ones for the same seed, and learning where there is something to learn."""

import statistics

import pytest

from strategies.proposers.cma import MIN_KNOWN, CmaProposer
from strategies.proposers.jitter import JitterProposer
from strategies.proposers.llm import AdviceRequest, LlmProposer
from strategies.proposers.protocol import Score, Task, Trial
from strategies.proposers.search import search
from strategies.proposers.space import build_space
from strategies.proposers.tpe import TpeProposer
from strategies.schema import default_params, is_judged_on_bars, strategy_names
from tests.proposer_world import ARMS, Bowl, handed_proposal, momentum_space, request, running_version

SEARCHABLE = tuple(name for name in strategy_names() if is_judged_on_bars(name))
# Two averages of the same length contradict each other, so the yardstick starts with some room between them.
APART = {"sma_cross": {"fast": 20.0, "slow": 22.0}}


def scored(space, params, value, regime="calm", base=None):
    running = space.running
    sha256 = space.identify(params)
    return Trial(running.strategy, regime, base or running.sha256, params, sha256, "tpe", Score(value, 90, 40, ""))


@pytest.mark.parametrize("strategy", SEARCHABLE)
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_every_idea_of_every_arm_is_new_and_admissible(arm, strategy):
    space = build_space(running_version(strategy, **APART.get(strategy, {})), 0.25)
    bowl = Bowl(space)
    result = search([arm], request(space, bowl, n_trials=30))
    assert result.arms[arm.name].n_refused == result.arms[arm.name].n_repeated == 0
    assert all(space.refusal(params) == "" for params in bowl.asked)
    assert len({space.identify(params) for params in bowl.asked}) == len(bowl.asked) > 1


@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_the_same_seed_gives_the_same_search_and_another_seed_another(arm):
    space = momentum_space()

    def asked(seed):
        bowl = Bowl(space)
        search([arm], request(space, bowl, n_trials=24, seed=seed))
        return bowl.asked

    assert asked(7) == asked(7) != asked(8)


def test_tpe_and_cma_beat_jitter_on_a_bowl():
    space = momentum_space()
    best = {
        arm.name: statistics.fmean(
            search([arm], request(space, Bowl(space), n_trials=60, seed=seed)).best(1)[0].score.value
            for seed in range(4)
        )
        for arm in ARMS
    }
    assert best["tpe"] > best["jitter"] + 0.2
    assert best["cma"] > best["jitter"] + 0.2


def test_jitter_moves_one_or_two_parameters_by_one_step_and_ends_with_its_neighbours():
    space = build_space(running_version("sma_cross", fast=20.0, slow=50.0), 0.25)
    bowl = Bowl(space)
    result = search([JitterProposer()], request(space, bowl, n_trials=40))
    # Two parameters: four neighbours along one of them, four along both.
    assert len(result.trials) == 8
    origin = space.origin
    for params in bowl.asked:
        moves = [abs(k - origin[name]) for name, k in space.point_of(params).items()]
        assert max(moves) == 1 and 1 <= sum(moves) <= 2


def known_trials(space, bowl, n=40):
    """A ledger of an earlier search."""
    return search([TpeProposer()], request(space, bowl, n_trials=n, seed=99)).trials


@pytest.mark.parametrize("arm", [TpeProposer(), CmaProposer()], ids=lambda arm: arm.name)
def test_the_ledgers_trials_warm_an_arm_up(arm):
    space = momentum_space()
    known = known_trials(space, Bowl(space))

    def first_ideas(warmed, seed):
        return search([arm], request(space, Bowl(space), n_trials=8, seed=seed, known=warmed)).trials

    def mean(warmed):
        return statistics.fmean(trial.score.value for seed in range(5) for trial in first_ideas(warmed, seed))

    assert len(known) >= MIN_KNOWN
    assert mean(known) > mean(()) + 0.1


def test_trials_of_another_regime_or_base_warm_nothing_up():
    space = momentum_space()
    known = known_trials(space, Bowl(space), n=20)
    foreign = [scored(space, trial.params, trial.score.value, regime="turbulent", base=None) for trial in known] + [
        scored(space, trial.params, trial.score.value, base="another") for trial in known
    ]
    for arm in ARMS:
        cold = search([arm], request(space, Bowl(space), n_trials=12))
        assert search([arm], request(space, Bowl(space), n_trials=12, known=tuple(foreign))).trials == cold.trials


def test_an_arm_does_not_ask_for_what_it_was_told():
    space = momentum_space()
    for arm in ARMS:
        study = arm.open(Task(space, "calm", (), 5))
        ideas = study.ask(6)
        study.tell([scored(space, idea.params, 0.1 * k) for k, idea in enumerate(ideas)])
        again = study.ask(6)
        assert not {space.identify(i.params) for i in ideas} & {space.identify(i.params) for i in again}


def test_the_ideas_of_others_do_not_stand_in_for_tpes_own_first_look():
    space = momentum_space()
    bad = search([JitterProposer()], request(space, Bowl(space), n_trials=20)).trials

    def first_ideas(told):
        study = TpeProposer(n_startup_trials=10).open(Task(space, "calm", (), 5))
        study.tell(told)
        ideas = study.ask(10)
        study.tell([scored(space, idea.params, Bowl(space).value(idea.params)) for idea in ideas])
        return [idea.params for idea in ideas], [idea.params for idea in study.ask(4)]

    alone, advised = first_ideas(()), first_ideas(bad)
    assert advised[0] == alone[0]
    assert advised[1] != alone[1], "after its own look it learns from what they found"


def test_a_failed_trial_teaches_without_a_number():
    space = momentum_space()
    for arm in ARMS:
        study = arm.open(Task(space, "calm", (), 5))
        for _ in range(6):
            failed = [
                Trial(
                    "momentum_scalping",
                    "calm",
                    space.running.sha256,
                    idea.params,
                    space.identify(idea.params),
                    arm.name,
                    Score(None, 90, 0, "a series does not vary"),
                )
                for idea in study.ask(2)
            ]
            study.tell(failed)
        assert study.ask(2)


def test_the_adviser_sees_what_was_tried_and_its_proposals_go_through_untouched():
    space = momentum_space()
    seen: list[AdviceRequest] = []
    answers = [handed_proposal(space, lookback=9.0), handed_proposal(space, "rule", lookback=10.0)]

    def advise(asked: AdviceRequest):
        seen.append(asked)
        return answers if len(seen) == 1 else []

    result = search([LlmProposer(advise)], request(space, Bowl(space)))
    assert [trial.source for trial in result.trials] == ["llm:some-model", "rule"]
    assert [result.handed[trial.params_sha256] for trial in result.trials] == answers
    assert [len(asked.trials) for asked in seen] == [0, 2]
    assert {asked.regime for asked in seen} == {"calm"}


def test_default_parameters_of_every_strategy_make_a_space():
    for strategy in SEARCHABLE:
        assert build_space(running_version(strategy), 0.25).running.params == default_params(strategy)
