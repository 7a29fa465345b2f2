"""Deployments: compare-and-set, approval by a person, acknowledgement, and the way back."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.clock import to_ns
from core.errors import BadInput, Conflict, Refused, UnknownName
from core.model.generated import ParamsAck
from core.model.proposal import Verdict
from core.settings import Settings
from core.settings_sections import GateSettings, InstanceSettings
from core.store import audit, deployments, param_versions, proposals, verdicts
from strategies.gate.records import load_admission_facts, verdict_id
from strategies.rollout import Rollout, is_wider
from strategies.schema import default_params
from tests.gate_world import INSTANCE, initial_version, make_proposal


class World:
    """One instance, a rollout, and everything it sent."""

    def __init__(self, clock, session, require_approval=False):
        self.session, self.clock, self.sent = session, clock, []
        settings = Settings(gate=GateSettings(require_approval=require_approval))
        self.rollout = Rollout(clock, settings, self.send)
        self.base = initial_version(session, clock.now())

    def send(self, session, message):
        self.sent.append(message)
        return len(self.sent)

    def judged(self, stage="sealed", outcome="accepted", hold=False, **edits):
        active = param_versions.active(self.session, INSTANCE)
        proposal = make_proposal(active, self.clock.now(), **(edits or {"spread_threshold": 50.0}))
        proposals.add(self.session, replace(proposal, state=outcome, hold=hold))
        verdict = Verdict(
            verdict_id(proposal.proposal_id, stage),
            proposal.proposal_id,
            stage,
            outcome,
            "p",
            (),
            (),
            (),
            (),
            (),
            1,
            self.clock.now(),
        )
        verdicts.add(self.session, verdict)
        return proposal, verdict

    def deployed(self, **edits):
        deployment = self.rollout.deploy(self.session, *self.judged(**edits))
        assert self.ack(deployment) == ""
        return deployment

    def ack(self, deployment, applied=True, **changed):
        version = param_versions.get(self.session, deployment.instance_id, deployment.version)
        fields = {
            "applied": applied,
            "capital_share": deployment.capital_share,
            "at_ns": to_ns(self.clock.now()),
            "deployment_id": deployment.deployment_id,
            "instance_id": deployment.instance_id,
            "params_sha256": version.sha256,
            "reason": "" if applied else "base version is not in force",
            "version": version.version,
        }
        return self.rollout.on_ack(self.session, ParamsAck(**{**fields, **changed}))

    def state(self, deployment):
        return deployments.get(self.session, deployment.deployment_id).state

    def proposal_state(self, proposal):
        return proposals.get(self.session, proposal.proposal_id).state

    @property
    def active(self):
        return param_versions.active(self.session, INSTANCE)


@pytest.fixture
def world(store, clock):
    with store.session() as session:
        yield World(clock, session)


@pytest.fixture
def careful_world(store, clock):
    with store.session() as session:
        yield World(clock, session, require_approval=True)


def test_an_accepted_proposal_is_sent_as_a_compare_and_set_on_the_version_in_force(world):
    proposal, verdict = world.judged()
    deployment = world.rollout.deploy(world.session, proposal, verdict)
    update = world.sent[0]
    assert (deployment.state, deployment.version, deployment.rollback_to) == ("pushed", 2, 1)
    assert (update.base_version, update.base_sha256, update.version) == (1, world.base.sha256, 2)
    assert update.params == {**world.base.params, "spread_threshold": 50.0}
    assert update.expires_at_ns - update.issued_at_ns == int(timedelta(hours=1).total_seconds()) * 10**9
    assert world.active.version == 1


def test_the_version_is_in_force_only_once_the_engine_says_so(world):
    proposal, verdict = world.judged()
    deployment = world.rollout.deploy(world.session, proposal, verdict)
    assert world.ack(deployment) == ""
    assert (world.active.version, world.state(deployment)) == (2, "active")
    assert world.proposal_state(proposal) == "deployed"
    assert [version.active for version in param_versions.history(world.session, INSTANCE)] == [False, True]


def test_deploying_twice_sends_once(world):
    proposal, verdict = world.judged()
    first = world.rollout.deploy(world.session, proposal, verdict)
    assert world.rollout.deploy(world.session, proposal, verdict) == first
    assert len(world.sent) == 1


def test_a_repeated_ack_has_no_second_effect(world):
    deployment = world.deployed()
    later = world.deployed(spread_threshold=45.0)
    assert world.ack(deployment) == ""
    assert (world.active.version, world.state(deployment), world.state(later)) == (3, "superseded", "active")


@pytest.mark.parametrize(
    "changed", [{"applied": False}, {"params_sha256": "0" * 64}, {"version": 7}, {"capital_share": 0.5}]
)
def test_a_refusal_or_a_wrong_hash_leaves_the_old_version_in_force_and_alerts(world, changed):
    proposal, verdict = world.judged()
    deployment = world.rollout.deploy(world.session, proposal, verdict)
    assert "did not take version 2" in world.ack(deployment, **changed)
    assert (world.active.version, world.state(deployment)) == (1, "rejected")


def test_an_ack_of_an_unknown_deployment_alerts(world):
    deployment = world.deployed()
    assert "nobody here made" in world.ack(deployment, deployment_id="deployment-unknown")


@pytest.mark.parametrize(
    ("stage", "outcome"), [("sealed", "inconclusive"), ("screen", "queued"), ("admission", "accepted")]
)
def test_only_a_passed_sealed_test_or_a_narrowing_is_deployed(world, stage, outcome):
    with pytest.raises(Refused):
        world.rollout.deploy(world.session, *world.judged(stage, outcome))
    assert world.sent == []


def test_a_verdict_that_is_not_stored_lets_nothing_through(world):
    proposal, verdict = world.judged()
    with pytest.raises(Refused):
        world.rollout.deploy(world.session, proposal, replace(verdict, verdict_id="verdict-forged"))


def test_a_verdict_on_another_proposal_lets_nothing_through(world):
    _, verdict = world.judged()
    other, _ = world.judged("screen", "queued", inventory_skew=0.6)
    with pytest.raises(Refused):
        world.rollout.deploy(world.session, other, verdict)


def test_a_change_judged_against_former_parameters_is_not_deployed(world):
    proposal, verdict = world.judged()
    world.deployed(inventory_skew=0.6)
    with pytest.raises(Conflict, match="version 2 is in force"):
        world.rollout.deploy(world.session, proposal, verdict)


def test_a_narrowing_is_deployed_and_stays_narrowed(world):
    proposal, verdict = world.judged("admission", "narrowed", order_size=4.0)
    world.ack(world.rollout.deploy(world.session, proposal, verdict))
    assert world.proposal_state(proposal) == "narrowed"
    assert world.active.params["order_size"] == 4.0


def test_with_approval_required_nothing_is_sent_until_a_named_person_approves(careful_world):
    world = careful_world
    deployment = world.rollout.deploy(world.session, *world.judged())
    assert (deployment.state, world.sent) == ("awaiting_approval", [])
    approved = world.rollout.approve(world.session, deployment.deployment_id, "kim")
    assert (approved.state, approved.approved_by, len(world.sent)) == ("pushed", "kim", 1)
    world.rollout.approve(world.session, deployment.deployment_id, "lee")
    assert len(world.sent) == 1
    assert audit.latest(world.session, 1, deployment.deployment_id)[0].actor == "kim"


def test_a_hold_waits_for_a_person_whatever_the_settings_say(world):
    assert world.rollout.deploy(world.session, *world.judged(hold=True)).state == "awaiting_approval"


def test_a_rejected_deployment_is_never_sent(careful_world):
    world = careful_world
    proposal, verdict = world.judged()
    deployment = world.rollout.deploy(world.session, proposal, verdict)
    rejected = world.rollout.reject(world.session, deployment.deployment_id, "kim", "not before the holidays")
    assert "not before the holidays" in rejected.reason
    assert world.proposal_state(proposal) == "refused"
    with pytest.raises(Conflict):
        world.rollout.approve(world.session, deployment.deployment_id, "kim")
    assert world.sent == []


def test_what_was_pushed_cannot_be_rejected(world):
    deployment = world.rollout.deploy(world.session, *world.judged())
    with pytest.raises(Conflict):
        world.rollout.reject(world.session, deployment.deployment_id, "kim", "late")


def test_approval_after_the_base_has_moved_is_a_conflict(careful_world):
    world = careful_world
    waiting = world.rollout.deploy(world.session, *world.judged())
    other = world.rollout.deploy(world.session, *world.judged(inventory_skew=0.6))
    world.ack(world.rollout.approve(world.session, other.deployment_id, "kim"))
    with pytest.raises(Conflict):
        world.rollout.approve(world.session, waiting.deployment_id, "kim")


def test_a_rollback_is_a_new_version_with_the_former_parameters(world):
    proposal, verdict = world.judged()
    deployment = world.rollout.deploy(world.session, proposal, verdict)
    world.ack(deployment)
    back = world.rollout.rollback(world.session, proposal.proposal_id, "kim", "losing")
    assert (back.version, back.rollback_to, back.state, back.reason) == (3, 2, "pushed", "losing")
    assert world.ack(back) == ""
    assert (world.active.version, world.active.params) == (3, world.base.params)
    assert world.active.origin == f"rollback:{deployment.deployment_id}"
    assert (world.state(deployment), world.proposal_state(proposal)) == ("rolled_back", "rolled_back")


def test_rolling_back_twice_sends_once(world):
    deployment = world.deployed()
    first = world.rollout.rollback(world.session, deployment.deployment_id, "kim", "losing")
    assert world.rollout.rollback(world.session, deployment.deployment_id, "lee", "losing") == first
    assert len(world.sent) == 2


def test_what_was_taken_back_does_not_return_by_a_rollback_of_the_rollback(world):
    deployment = world.deployed()
    back = world.rollout.rollback(world.session, deployment.deployment_id, "kim", "losing")
    world.ack(back)
    with pytest.raises(Refused, match="took parameters back"):
        world.rollout.rollback(world.session, back.deployment_id, "kim", "it was fine")
    assert (world.active.params, len(world.sent)) == (world.base.params, 2)


def test_a_rollback_the_engine_refused_can_be_tried_again(world):
    deployment = world.deployed()
    first = world.rollout.rollback(world.session, deployment.deployment_id, "kim", "losing")
    assert world.ack(first, applied=False)
    second = world.rollout.rollback(world.session, deployment.deployment_id, "kim", "losing")
    assert world.ack(second) == ""
    assert (world.active.params, second.version) == (world.base.params, 4)


def test_only_what_is_in_force_can_be_rolled_back(world):
    first = world.deployed()
    world.deployed(inventory_skew=0.6)
    with pytest.raises(Conflict, match="superseded"):
        world.rollout.rollback(world.session, first.deployment_id, "kim", "losing")
    with pytest.raises(UnknownName):
        world.rollout.rollback(world.session, "deployment-unknown", "kim", "losing")


def test_the_first_start_gives_every_instance_its_version_once(store, clock):
    instances = (
        InstanceSettings(instance_id="mm-1", strategy="market_making", capital_share=0.5, params={"order_size": 4.0}),
        InstanceSettings(instance_id="sma-1", strategy="sma_cross", capital_share=0.5),
    )
    rollout = Rollout(clock, Settings(), lambda session, message: 1)
    with store.session() as session:
        first = rollout.ensure_initial(session, instances)
        edited = replace_params(instances, order_size=3.0)
        assert rollout.ensure_initial(session, edited) == first
    assert first[0].params == {**default_params("market_making"), "order_size": 4.0}
    assert (first[1].version, first[1].origin, first[1].active) == (1, "initial", True)


def replace_params(instances, **params):
    return (instances[0].model_copy(update={"params": params}), *instances[1:])


def test_settings_with_unsound_parameters_are_refused(store, clock):
    wrong = InstanceSettings(instance_id="a", strategy="sma_cross", capital_share=1, params={"fast": 90.0})
    with store.session() as session, pytest.raises(BadInput):
        Rollout(clock, Settings(), lambda session, message: 1).ensure_initial(session, [wrong])


def evidenced(world):
    proposal = make_proposal(world.active, world.clock.now(), order_size=4.0)
    return load_admission_facts(world.session, proposal, world.clock.now()).evidenced


def test_a_narrowed_version_is_not_evidence_and_a_rolled_back_one_no_longer(world):
    narrowed, verdict = world.judged("admission", "narrowed", order_size=4.0)
    world.ack(world.rollout.deploy(world.session, narrowed, verdict))
    assert evidenced(world)["order_size"] == 5.0
    deployment = world.deployed(spread_threshold=50.0)
    assert (evidenced(world)["order_size"], evidenced(world)["spread_threshold"]) == (4.0, 50.0)
    world.ack(world.rollout.rollback(world.session, deployment.deployment_id, "kim", "losing"))
    assert (evidenced(world)["order_size"], evidenced(world)["spread_threshold"]) == (5.0, 60.0)


@pytest.mark.parametrize(
    ("edits", "wider"),
    [({"order_size": 4.0}, False), ({"order_size": 6.0}, True), ({"spread_threshold": 70.0}, True), ({}, False)],
)
def test_anything_but_lower_caps_is_wider(edits, wider):
    base = default_params("market_making")
    assert is_wider("market_making", base, {**base, **edits}) is wider
