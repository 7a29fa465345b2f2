"""The bandit finds a good arm, caps the LLM and counts no placebo; placebos are blind and of equal size."""

from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest

from core.errors import BadInput
from core.model.proposal import PLACEBO, arm_of
from strategies.proposers.bandit import ArmCounts, choose_arm, choose_arms, llm_turns, wants_placebo
from strategies.proposers.placebo import shadow
from strategies.proposers.space import build_space
from strategies.schema import load_param_specs
from tests.proposer_world import handed_proposal, momentum_space, running_version


def play(chances, n_turns, seed, llm_share=1.0):
    """Return how often each arm had the turn when its outcomes are good with the chance given."""
    dice = np.random.default_rng(seed)
    counts = {name: ArmCounts() for name in chances}
    turns: Counter[str] = Counter()
    for turn in range(n_turns):
        arm = choose_arm(counts, turns["llm"], n_turns, llm_share, seed * 10_000 + turn)
        turns[arm] += 1
        good = bool(dice.random() < chances[arm])
        counts[arm] = ArmCounts(counts[arm].n_good + good, counts[arm].n_bad + (not good))
    return turns


@pytest.mark.parametrize("best", ["tpe", "cma", "jitter", "llm"])
def test_it_converges_on_the_good_arm(best):
    chances = {name: 0.6 if name == best else 0.2 for name in ("tpe", "cma", "jitter", "llm")}
    for seed in range(5):
        assert play(chances, 300, seed)[best] > 200


def test_a_bad_adviser_loses_its_turns():
    turns = play({"tpe": 0.4, "llm": 0.02}, 200, seed=3)
    assert turns["llm"] < 30


@pytest.mark.parametrize("share", [0.0, 0.2, 1 / 3, 0.5])
def test_even_the_best_llm_keeps_to_its_share(share):
    turns = play({"tpe": 0.01, "llm": 0.99}, 60, seed=1, llm_share=share)
    assert turns["llm"] == llm_turns(60, share) <= share * 60 + 1e-9


def test_a_share_of_two_thirds_of_three_is_two_in_binary_too():
    assert llm_turns(3, 2 / 3) == 2
    assert llm_turns(60, 0.1 + 0.2) == 18


def test_the_llm_alone_gets_no_more_than_its_share_either():
    assert choose_arm({"llm": ArmCounts(9, 0)}, 5, 10, 0.5, seed=1) is None
    assert choose_arms({"llm": ArmCounts(9, 0)}, 10, 0.5, seed=1) == ("llm",) * 5


def test_turns_are_the_same_for_a_seed_whatever_the_order_of_the_counts():
    counts = {"tpe": ArmCounts(3, 4), "llm": ArmCounts(2, 2), "jitter": ArmCounts(1, 9)}
    turned = dict(reversed(counts.items()))
    assert choose_arms(counts, 40, 0.5, seed=11) == choose_arms(turned, 40, 0.5, seed=11)
    assert choose_arms(counts, 40, 0.5, seed=11) != choose_arms(counts, 40, 0.5, seed=12)


def test_what_becomes_of_placebos_changes_nothing():
    counts = {"tpe": ArmCounts(3, 4), "llm": ArmCounts(2, 2)}
    plain = choose_arms(counts, 60, 0.5, seed=4)
    for placebo in (ArmCounts(0, 0), ArmCounts(500, 0), ArmCounts(0, 500)):
        assert choose_arms({**counts, PLACEBO: placebo}, 60, 0.5, seed=4) == plain
        assert choose_arms({**counts, arm_of(PLACEBO): placebo}, 60, 0.5, seed=4) == plain


def test_about_one_proposal_in_four_gets_a_placebo_whoever_made_it():
    chosen = [wants_placebo(f"proposal-{k}", 0.25, seed=2) for k in range(4000)]
    assert 0.22 < sum(chosen) / 4000 < 0.28
    assert chosen == [wants_placebo(f"proposal-{k}", 0.25, seed=2) for k in range(4000)]
    assert not any(wants_placebo(f"proposal-{k}", 0.0, seed=2) for k in range(100))


def test_a_placebo_differs_from_its_proposal_in_edits_id_and_source_alone():
    space = momentum_space()
    proposal = handed_proposal(space, lookback=10.0, entry_threshold=1.7)
    placebo = shadow(proposal, space, seed=1)
    differing = {each.name for each in fields(proposal) if getattr(proposal, each.name) != getattr(placebo, each.name)}
    assert differing == {"proposal_id", "edits", "source"}
    assert placebo.source == "placebo_random"
    assert shadow(proposal, space, seed=1) == placebo


def test_a_placebo_is_admissible_of_equal_size_and_goes_anywhere():
    space = momentum_space()
    specs = load_param_specs("momentum_scalping")
    moved: Counter[str] = Counter()
    ways: Counter[bool] = Counter()
    for seed in range(200):
        proposal = handed_proposal(space, f"llm:{seed}", lookback=10.0)
        placebo = shadow(proposal, space, seed)
        assert space.refusal(placebo.params) == ""
        assert placebo.params != proposal.params
        (edit,) = placebo.edits
        # Half of the largest move, as the proposal's, to the nearest grid step.
        size = abs(edit.value - space.running.params[edit.param])
        half = 0.5 * space.largest_moves[edit.param]
        assert abs(size - half) <= specs[edit.param].step / 2 + 1e-9
        moved[edit.param] += 1
        ways[edit.value > space.running.params[edit.param]] += 1
    assert set(moved) == set(space.names)
    assert min(ways.values()) > 70


def test_lowering_caps_has_no_placebo():
    space = momentum_space()
    assert shadow(handed_proposal(space, size=8.0), space, seed=1) is None


def test_what_admission_refuses_or_another_version_asked_for_has_no_placebo():
    space = momentum_space()
    assert shadow(handed_proposal(space, lookback=40.0), space, seed=1) is None
    with pytest.raises(BadInput, match="which does not run"):
        shadow(replace(handed_proposal(space, lookback=9.0), base_sha256="older"), space, seed=1)


def test_no_placebo_where_no_other_change_is_as_large():
    space = build_space(running_version("sma_cross", fast=20.0, slow=50.0), 0.25, names=("fast",))
    everything = handed_proposal(space, fast=21.0, slow=52.0)
    assert shadow(everything, space, seed=1) is None
