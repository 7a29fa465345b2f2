"""Another rule set from proposal to engine: judged by the gate, sent by the desk, run by a real shadow."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from core.model.generated import ParamsAck
from core.model.slots import SLOT_MODES, initial_share, slot_id
from core.native import generate, validate_params
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import param_versions, proposals
from feedback.alerts import AlertDesk
from feedback.cycles.canaries import CanaryRoom
from feedback.cycles.canary_parity import ShadowReplay
from market.synthetic import demo_market
from strategies.programs import canonical_program
from strategies.rollout import CanaryDesk, Rollout
from tests.gate_world import INSTANCE, make_gate, make_proposal
from tests.integration.engine_world import HOUR_NS, Engine, engine_config, make_worker, told

HISTORY_DAYS = 925
START = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)
SHADOW = slot_id(INSTANCE, "shadow")
CHURN = canonical_program(
    json.dumps({"name": "churn", "entry_long": {"above": ["close", "open"]}, "exit_long": {"below": ["close", "open"]}})
)
"""Pays fees for nearly every bar."""
CROSS = canonical_program(
    json.dumps(
        {
            "name": "cross",
            "entry_long": {"crosses_above": [{"sma": {"window": 10}}, {"sma": {"window": 40}}]},
            "exit_long": {"crosses_below": [{"sma": {"window": 10}}, {"sma": {"window": 40}}]},
        }
    )
)


@pytest.fixture
def engine(tmp_path: Path):
    made = Engine(tmp_path)
    yield made
    made.kill()


def with_slots(config: dict, params: dict[str, float]) -> dict:
    live = config["instances"][0] | {
        "instance_id": INSTANCE, "strategy": "rules", "params": params, "rules": json.loads(CHURN),
    }  # fmt: skip
    slots = [
        live | {"instance_id": slot_id(INSTANCE, slot), "mode": mode, "capital_share": initial_share(slot)}
        for slot, mode in SLOT_MODES.items()
    ]
    return config | {"instances": [live, *slots]}


class World:
    """Gate, desk and a worker in front of a real engine."""

    def __init__(self, store, clock, folder: Path) -> None:
        first = (START - timedelta(days=HISTORY_DAYS)).replace(hour=0)
        self.store, self.server = store, make_worker(store, folder, clock)
        self.gate = make_gate(store, clock, generate(demo_market(1, first, HISTORY_DAYS, n_symbols=1)))
        settings = Settings()
        self.rollout = Rollout(clock, settings, self.server.send, {INSTANCE: CHURN})
        live = InstanceSettings(instance_id=INSTANCE, strategy="rules", capital_share=0.5, rules=folder / "churn.json")
        with store.session() as session:
            [self.base] = self.rollout.ensure_initial(session, [live])
            self.gate.split_history(session, clock.now())
        replay = ShadowReplay(store, self.gate.archive, self.gate.costs, {}, self.gate.capital)
        self.room = CanaryRoom(
            store, clock, settings.gate, self.gate, CanaryDesk(clock, self.rollout), AlertDesk(clock, 60, "en"),
            self.gate.capital, replay,
        )  # fmt: skip

    def judge(self, proposal) -> str:
        """Take a proposal through admission, screen and sealed test; return what decided."""
        verdict = self.gate.admit(proposal)
        with self.store.session() as session:
            self.gate.save_admission(session, proposal, verdict)
        screened = self.gate.screen(proposal)
        with self.store.session() as session:
            self.gate.save_screen(session, proposal, screened)
        if screened.verdict.outcome != "queued":
            return screened.verdict.deciding
        sealed = self.gate.judge_sealed(proposal)
        with self.store.session() as session:
            self.gate.save_sealed(session, proposal, sealed)
        return sealed.verdict.deciding

    async def acknowledged(self) -> ParamsAck:
        """Return the engine's answer to the one update, after the desk has taken it."""
        async with asyncio.timeout(10):
            while not told(self.store, "params_ack"):
                await asyncio.sleep(0.01)
        ack = msgspec.json.decode(told(self.store, "params_ack")[0][1], type=ParamsAck)
        with self.store.session() as session:
            assert self.rollout.on_ack(session, ack) == ""
            self.room.on_ack(session, ack)
        return ack


async def test_a_rule_set_that_passed_runs_in_the_shadow_of_the_engine_and_survives_its_death(
    engine, store, clock, tmp_path
):
    world = await asyncio.to_thread(World, store, clock, tmp_path)
    proposal = make_proposal(world.base, clock.now(), rules=CROSS)
    deciding = await asyncio.to_thread(world.judge, proposal)
    with store.session() as session:
        assert proposals.get(session, proposal.proposal_id).state == "accepted", deciding
    [planned] = await asyncio.to_thread(world.room.plan)
    assert planned.canary is not None and planned.canary.candidate_rules == CROSS
    await world.server.start()
    config = with_slots(engine_config(tmp_path, world.server.port), world.base.params)
    engine.start(config)
    async with asyncio.timeout(20):
        await world.server.wait_connected()
        await world.server.advance_to(datetime.fromtimestamp(100 * HOUR_NS / 1e9, UTC))
    with store.session() as session:
        world.room.save_plans(session, [planned])
    ack = await world.acknowledged()
    wanted = validate_params("rules", proposal.params, CROSS)
    assert (ack.instance_id, ack.applied, ack.params_sha256) == (SHADOW, True, wanted)
    with store.session() as session:
        assert (param_versions.active(session, SHADOW).rules, param_versions.active(session, INSTANCE).rules) == (
            CROSS, CHURN,
        )  # fmt: skip
    engine.kill()
    engine.start(config)
    async with asyncio.timeout(20):
        reached = await world.server.advance_to(datetime.fromtimestamp(300 * HOUR_NS / 1e9, UTC))
    running = {each.instance_id: each.params_sha256 for each in world.server.last_hello.instances}
    assert [name for name, sha256 in running.items() if sha256 == wanted] == [SHADOW]
    traded = [json.loads(body) for _, body in told(store, "trade_event")]
    followed = [each for each in traded if each["instance_id"] == SHADOW]
    assert followed and {each["params_sha256"] for each in followed} == {wanted}
    assert engine.replay()["actions_sha256"] == reached.actions_sha256
    await world.server.stop()
