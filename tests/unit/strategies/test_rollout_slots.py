"""What is sent to the slots beside a live instance: a version each time, once, and never to the one of day 0."""

import pytest

from core.clock import to_ns
from core.errors import BadInput, Conflict, Refused
from core.model.generated import ParamsAck
from core.model.slots import is_slot, live_id, slot_id, slots_of
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import deployments, param_versions
from strategies.rollout import Rollout
from strategies.schema import default_params

LIVE = "mm-1"
SHADOW = slot_id(LIVE, "shadow")
NARROW = {**default_params("market_making"), "order_size": 4.0}


class World:
    """A live instance with its slots, and everything that was sent."""

    def __init__(self, clock, session):
        self.clock, self.session, self.sent = clock, session, []
        self.rollout = Rollout(clock, Settings(), self.send)
        live = InstanceSettings(instance_id=LIVE, strategy="market_making", capital_share=0.5)
        self.first = self.rollout.ensure_initial(session, [live])

    def send(self, session, message):
        self.sent.append(message)
        return len(self.sent)

    def ack(self, deployment, **changed):
        version = param_versions.get(self.session, deployment.instance_id, deployment.version)
        fields = {
            "applied": True,
            "at_ns": to_ns(self.clock.now()),
            "capital_share": deployment.capital_share,
            "deployment_id": deployment.deployment_id,
            "instance_id": deployment.instance_id,
            "params_sha256": version.sha256,
            "reason": "",
            "version": version.version,
        }
        return self.rollout.on_ack(self.session, ParamsAck(**{**fields, **changed}))

    def put(self, slot=SHADOW, params=NARROW, share=1.0, origin="p-1"):
        return self.rollout.send_to_slot(self.session, slot, params, share, origin)


@pytest.fixture
def world(store, clock):
    with store.session() as session:
        yield World(clock, session)


def test_names_of_slots_lead_to_their_live_instance():
    assert slots_of(LIVE) == ("mm-1.canary", "mm-1.shadow", "mm-1.incumbent", "mm-1.day0")
    assert all(is_slot(name) and live_id(name) == LIVE for name in slots_of(LIVE))
    assert (is_slot(LIVE), live_id(LIVE)) == (False, LIVE)


def test_the_first_start_gives_every_slot_the_version_of_its_live_instance_and_lists_only_that(world):
    assert [version.instance_id for version in world.first] == [LIVE]
    assert param_versions.all_active(world.session) == world.first
    for name in slots_of(LIVE):
        version = param_versions.active(world.session, name)
        assert (version.version, version.params, version.sha256) == (1, world.first[0].params, world.first[0].sha256)


def test_a_candidate_and_then_only_its_share_are_versions_on_the_one_before(world):
    first = world.put()
    sent = world.sent[-1]
    assert (sent.instance_id, sent.base_version, sent.version, sent.capital_share) == (SHADOW, 1, 2, 1.0)
    assert (sent.params, sent.origin) == (NARROW, "p-1")
    assert world.ack(first) == ""
    second = world.put(share=0.25)
    sent = world.sent[-1]
    assert (sent.base_version, sent.version, sent.capital_share) == (2, 3, 0.25)
    assert sent.params_sha256 == sent.base_sha256
    assert world.ack(second) == ""
    states = [made.state for made in deployments.of_instance(world.session, SHADOW)]
    assert states == ["superseded", "active"]
    assert param_versions.active(world.session, LIVE).version == 1
    assert deployments.latest(world.session, 10) == [], "nothing was deployed to a live instance"


def test_a_repeat_sends_nothing_before_and_after_the_engine_answered(world):
    first = world.put()
    assert world.put() == first
    world.ack(first)
    assert world.put().deployment_id == first.deployment_id
    assert len(world.sent) == 1


def test_a_slot_takes_one_thing_at_a_time(world):
    world.put()
    with pytest.raises(Conflict, match="on its way"):
        world.put(share=0.5)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused(world, share):
    with pytest.raises(BadInput, match="0 to 1"):
        world.put(share=share)
    assert world.sent == []


def test_day_0_is_never_changed_and_a_live_instance_is_no_slot(world):
    with pytest.raises(Refused, match="first day"):
        world.put(slot_id(LIVE, "day0"))
    with pytest.raises(BadInput, match="no slot"):
        world.put(LIVE)
    assert world.sent == []


def test_an_engine_that_reports_another_share_has_not_taken_it(world):
    deployment = world.put(share=0.5)
    assert "at share 1, sent" in world.ack(deployment, capital_share=1.0)
    assert param_versions.active(world.session, SHADOW).version == 1


def test_what_the_engine_refused_can_be_sent_again(world):
    refused = world.put()
    world.ack(refused, applied=False, reason="expired")
    again = world.put()
    assert (again.version, again.deployment_id != refused.deployment_id) == (3, True)


def test_a_slot_is_not_rolled_back(world):
    deployment = world.put()
    world.ack(deployment)
    with pytest.raises(Conflict, match="slot"):
        world.rollout.rollback(world.session, deployment.deployment_id, "kim", "losing")
