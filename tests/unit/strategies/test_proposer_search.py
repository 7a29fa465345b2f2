"""The search: its budget, its books, and who thought of what."""

from dataclasses import replace

import pytest

from core.errors import BadInput
from strategies.proposers.llm import LlmProposer
from strategies.proposers.propose import propose
from strategies.proposers.protocol import Idea, Score
from strategies.proposers.search import match_budgets, search
from strategies.proposers.tpe import TpeProposer
from tests.proposer_world import ARMS, NOW, Bowl, handed_proposal, momentum_space, request


class Scripted:
    """An arm that gives the ideas it was made with, in turns."""

    def __init__(self, name, *turns):
        self.name, self.turns = name, list(turns)

    def open(self, task):
        return self

    def ask(self, n):
        return self.turns.pop(0) if self.turns else []

    def tell(self, trials):
        pass


def endless_adviser(space):
    """Proposes one neighbour after the other, for ever."""

    def advise(asked):
        tried = {trial.params_sha256 for trial in asked.trials}
        values = [round(1.5 + 0.1 * k, 1) for k in range(-7, 8)]
        options = [
            handed_proposal(space, entry_threshold=entry, take_profit=profit)
            for entry in values
            for profit in (2.6, 2.7, 2.8, 2.9, 3.1, 3.2, 3.3, 3.4)
        ]
        return [each for each in options if space.identify(each.params) not in tried][: asked.n]

    return advise


def test_every_backtest_that_was_made_comes_back_as_a_trial():
    space = momentum_space()
    bowl = Bowl(space)
    result = search([*ARMS, LlmProposer(endless_adviser(space))], request(space, bowl, n_trials=50))
    assert [trial.params for trial in result.trials] == bowl.asked
    assert len(result.trials) == 50 == sum(report.n_judged for report in result.arms.values())
    assert [trial.score.value for trial in result.trials] == [bowl.value(params) for params in bowl.asked]
    assert all(trial.params_sha256 == space.identify(trial.params) for trial in result.trials)
    assert {trial.base_sha256 for trial in result.trials} == {space.running.sha256}


def test_a_source_is_the_first_finders_and_is_never_relabelled():
    space = momentum_space()
    first = {**space.running.params, "lookback": 9.0}
    late = handed_proposal(space, lookback=9.0)
    arms = [Scripted("tpe", [Idea(first)]), Scripted("llm", [Idea(late.params, late)])]
    for seed in range(6):
        for arm in arms:
            arm.turns = [[Idea(first)]] if arm.name == "tpe" else [[Idea(late.params, late)]]
        result = search(arms, request(space, Bowl(space), n_trials=4, seed=seed, llm_share=1.0))
        (trial,) = result.trials
        (repeated,) = result.unjudged
        assert {trial.source, repeated.source} == {"tpe", "llm:some-model"}
        assert repeated.reason == "was tried before"


@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.5])
def test_the_llm_never_has_more_than_its_share_of_the_backtests(share):
    space = momentum_space()
    for seed in range(5):
        arms = [TpeProposer(), LlmProposer(endless_adviser(space))]
        result = search(arms, request(space, Bowl(space), n_trials=40, seed=seed, llm_share=share))
        by_llm = [trial for trial in result.trials if trial.source.startswith("llm:")]
        assert len(by_llm) <= share * 40 + 1e-9
        assert len(result.trials) == 40


def test_when_the_others_run_dry_the_llm_still_keeps_to_its_share():
    space = momentum_space()
    arms = [Scripted("tpe"), LlmProposer(endless_adviser(space))]
    result = search(arms, request(space, Bowl(space), n_trials=40, llm_share=0.25))
    assert [len(result.trials), result.arms["llm"].n_judged] == [10, 10]


def test_advice_waits_until_the_other_arms_have_looked_around():
    space = momentum_space()
    for seed in range(5):
        arms = [TpeProposer(), LlmProposer(endless_adviser(space))]
        result = search(arms, request(space, Bowl(space), n_trials=60, seed=seed))
        advised = [n for n, trial in enumerate(result.trials) if trial.source.startswith("llm:")]
        assert advised and advised[0] >= 10


def test_no_loss_is_a_good_outcome_however_bad_the_others_are():
    space = momentum_space()
    result = search(ARMS, request(space, lambda params, rules=(): [Score(-1.0, 90, 50, "")] * len(params), n_trials=20))
    assert sum(report.counts.n_bad for report in result.arms.values()) == 20
    assert not any(report.counts.n_good for report in result.arms.values())


def test_what_admission_would_refuse_is_reported_with_its_proposal_and_not_judged():
    space = momentum_space()
    wild = handed_proposal(space, lookback=40.0)
    stale = replace(handed_proposal(space, lookback=9.0), base_sha256="older", base_version=2)
    fine = handed_proposal(space, lookback=10.0)
    arm = Scripted("llm", [Idea(each.params, each) for each in (wild, stale, fine)])
    bowl = Bowl(space)
    result = search([arm], request(space, bowl))
    assert bowl.asked == [fine.params]
    assert [each.idea.proposal for each in result.unjudged] == [wild, stale]
    assert "at most 4" in result.unjudged[0].reason
    assert "made for version 2" in result.unjudged[1].reason
    assert result.arms["llm"].n_refused == 2


def test_ideas_beyond_the_budget_are_named_and_cost_nothing():
    space = momentum_space()
    ideas = [Idea({**space.running.params, "lookback": value}) for value in (5.0, 6.0, 7.0, 9.0)]
    bowl = Bowl(space)
    result = search([Scripted("tpe", ideas)], request(space, bowl, n_trials=3))
    assert len(bowl.asked) == 3
    assert [each.reason for each in result.unjudged] == ["more than the 3 asked for"]


def test_the_ledgers_trials_and_the_running_version_are_not_run_again():
    space = momentum_space()
    known = search([TpeProposer()], request(space, Bowl(space), n_trials=10)).trials
    ideas = [Idea(trial.params) for trial in known]
    fresh = Idea({**space.running.params, "lookback": 5.0, "trail": 4.0})
    bowl = Bowl(space)
    result = search([Scripted("tpe", [*ideas, fresh])], request(space, bowl, known=known))
    assert bowl.asked == [fresh.params]
    assert result.arms["tpe"].n_repeated == len(known)


def test_every_arm_has_the_same_budget_and_shared_points_are_run_once():
    space = momentum_space()
    bowl = Bowl(space)
    results = match_budgets(ARMS, request(space, bowl, n_trials=30))
    assert {name: len(result.trials) for name, result in results.items()} == {"tpe": 30, "cma": 30, "jitter": 30}
    ran = [space.identify(params) for params in bowl.asked]
    assert len(ran) == len(set(ran)) <= 90
    alone = search([ARMS[1]], request(space, Bowl(space), n_trials=30))
    assert results["cma"].trials == alone.trials


def test_a_search_by_nobody_or_by_one_arm_twice_is_refused():
    space = momentum_space()
    for arms in ((), (TpeProposer(), TpeProposer())):
        with pytest.raises(BadInput, match="no search by"):
            search(arms, request(space, Bowl(space)))


def test_a_score_is_a_number_or_a_reason():
    for value, refusal in ((None, ""), (1.0, "but why"), (float("nan"), ""), (float("inf"), "")):
        with pytest.raises(BadInput):
            Score(value, 90, 1, refusal)


def test_the_find_that_gains_most_on_fresh_days_becomes_the_proposal():
    space = momentum_space()
    fresh = Bowl(space, goal=0.6)
    made = propose([TpeProposer()], request(space, Bowl(space), n_trials=30), fresh, "analysis-9", NOW)
    best = max(made.search.best(5), key=lambda trial: fresh.value(trial.params))
    assert made.proposal is not None
    assert (made.proposal.params, made.proposal.source) == (best.params, "tpe")
    assert made.proposal.expected_effect.magnitude == pytest.approx(fresh.value(best.params), abs=1e-4)
    assert "30 backtests" in made.proposal.rationale
    again = propose([TpeProposer()], request(space, Bowl(space), n_trials=30), fresh, "analysis-9", NOW)
    assert again.proposal == made.proposal


def test_a_handed_proposal_that_wins_comes_back_as_it_was():
    space = momentum_space()
    proposal = handed_proposal(space, lookback=9.0)
    arm = Scripted("llm", [Idea(proposal.params, proposal)])
    assert propose([arm], request(space, Bowl(space, 0.6)), Bowl(space, 0.6), "other", NOW).proposal is proposal


def test_without_a_gain_there_is_no_proposal_and_the_reason_is_said():
    space = momentum_space()

    def losing(several, programs=()):
        return [Score(-1.0, 90, 10, "") for _ in several]

    none_found = propose([TpeProposer()], request(space, losing, n_trials=8), losing, "a", NOW)
    assert (none_found.proposal, len(none_found.search.trials)) == (None, 8)
    assert "none of 8 trials" in none_found.reason
    none_kept = propose([TpeProposer()], request(space, Bowl(space, 0.6), n_trials=8), losing, "a", NOW)
    assert none_kept.proposal is None
    assert "on the fresh days" in none_kept.reason
    assert len(none_kept.retests) == len(none_kept.search.best(5))
