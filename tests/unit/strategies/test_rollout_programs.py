"""Another rule set on its way to the capital: which slot is sent which, and what goes back."""

import json
from dataclasses import replace

import pytest

from core.model.canary import Canary
from core.model.proposal import Verdict
from core.native import validate_params
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import param_versions, proposals, verdicts
from strategies.gate.records import verdict_id
from strategies.programs import canonical_program
from strategies.rollout import CanaryDesk, Rollout
from tests.canaries import canary
from tests.canary_world import LIVE, CanaryWorld
from tests.gate_world import make_proposal

FIRST = canonical_program(
    json.dumps({"name": "up", "entry_long": {"above": ["close", "open"]}, "exit_long": {"below": ["close", "open"]}})
)
OTHER = FIRST.replace('"open"', '{"sma":{"window":20}}')


class ProgramWorld(CanaryWorld):
    """A live follower of rules with its slots."""

    def __init__(self, clock, session):
        self.clock, self.session = clock, session
        self.sent, self.n_answered = [], 0
        self.rollout = Rollout(clock, Settings(), self._send, {LIVE: FIRST})
        self.desk = CanaryDesk(clock, self.rollout)
        live = InstanceSettings(instance_id=LIVE, strategy="rules", capital_share=0.5, rules="first.json")
        [self.base] = self.rollout.ensure_initial(session, [live])

    def begun_with(self, rules: str) -> Canary:
        """Return the canary of another rule set, begun and taken by the engine."""
        proposal = replace(make_proposal(self.base, self.clock.now(), rules=rules), state="accepted")
        proposals.add(self.session, proposal)
        now = self.clock.now()
        named = verdict_id(proposal.proposal_id, "sealed")
        passed = Verdict(named, proposal.proposal_id, "sealed", "accepted", "p", (), (), (), (), (), 1, now)
        verdicts.add(self.session, passed)
        made = canary(
            proposal_id=proposal.proposal_id,
            instance_id=LIVE,
            strategy="rules",
            incumbent_version=1,
            incumbent_params=self.base.params,
            incumbent_sha256=self.base.sha256,
            incumbent_rules=FIRST,
            candidate_params=proposal.params,
            candidate_sha256=validate_params("rules", proposal.params, rules),
            candidate_rules=rules,
        )
        begun = self.desk.begin(self.session, made)
        self.answer()
        return begun

    def follows(self) -> dict[str, str]:
        """Return what each slot follows, by its short name."""
        names = {"live": LIVE} | {slot: f"{LIVE}.{slot}" for slot in ("canary", "shadow", "incumbent", "day0")}
        rules = {name: param_versions.active(self.session, slot).rules for name, slot in names.items()}
        return {name: "other" if text == OTHER else "first" for name, text in rules.items()}


@pytest.fixture
def world(store, clock):
    with store.session() as session:
        yield ProgramWorld(clock, session)


def test_the_shadow_alone_follows_it_first_and_the_message_carries_it_once(world):
    world.begun_with(OTHER)
    [sent] = world.sent
    assert (sent.instance_id, sent.rules) == (f"{LIVE}.shadow", OTHER)
    assert sent.params_sha256 == validate_params("rules", world.base.params, OTHER)
    assert [name for name, what in world.follows().items() if what == "other"] == ["shadow"]


def test_a_promotion_brings_it_to_the_live_instance_and_the_old_one_stays_in_the_twin(world):
    begun = world.begun_with(OTHER)
    for stage, step, share in (("canary", 0, 0.1), ("canary", 1, 0.25), ("promoted", 3, 1.0)):
        begun = world.decide(begun, stage, step, share)
        world.answer()
    assert world.follows() == {
        "live": "other", "canary": "other", "shadow": "other", "incumbent": "first", "day0": "first",
    }  # fmt: skip
    by_slot = [(sent.instance_id, sent.rules is not None) for sent in world.sent]
    assert by_slot.count((LIVE, True)) == by_slot.count((f"{LIVE}.canary", True)) == 1
    # Where only a share moves, the rule set that runs is kept and not sent again.
    assert (LIVE, False) in by_slot and (f"{LIVE}.canary", False) in by_slot


def test_a_rollback_brings_the_old_rule_set_back(world):
    begun = world.begun_with(OTHER)
    begun = world.decide(begun, "canary", 0, 0.1)
    world.answer()
    begun = world.decide(begun, "promoted", 3, 1.0)
    world.answer()
    assert world.follows()["live"] == "other"
    world.desk.stop(world.session, begun.canary_id, "kim", "a look")
    world.answer()
    assert world.follows()["live"] == "first"
    assert param_versions.active(world.session, LIVE).sha256 == world.base.sha256
    back = next(sent for sent in reversed(world.sent) if sent.instance_id == LIVE)
    assert back.rules == FIRST


def test_a_promotion_is_taken_back_by_its_deployment_too(world):
    begun = world.begun_with(OTHER)
    for stage, step, share in (("canary", 0, 0.1), ("promoted", 3, 1.0)):
        begun = world.decide(begun, stage, step, share)
        world.answer()
    world.rollout.rollback(world.session, begun.proposal_id, "kim", "a look")
    world.answer()
    assert world.follows()["live"] == "first"


def test_a_person_who_must_approve_gets_the_rule_set_into_the_canary_idle(world):
    begun = world.begun_with(OTHER)
    asked = world.rollout.ask_for_canary(world.session, LIVE, begun.candidate_params, begun.proposal_id, OTHER)
    pushed = world.rollout.approve(world.session, asked.deployment_id, "kim")
    assert (world.sent[-1].rules, pushed.capital_share) == (OTHER, 0.0)
