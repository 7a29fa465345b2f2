"""Capital between the slots: whatever is lost, refused, repeated or killed, never more than the whole is in force."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.model.canary import Canary
from strategies.rollout.capital import (
    FUNDED,
    ROLES,
    Holding,
    Role,
    SlotState,
    id_of,
    most_in_force,
    next_orders,
    wanted_holdings,
)
from tests import canaries

OLD = Holding({"spread_threshold": 60.0}, "a" * 64, 1.0)
NEW = Holding({"spread_threshold": 45.0}, "b" * 64, 1.0)
IDLE = replace(OLD, share=0.0)
AT_START: dict[Role, SlotState] = {
    "live": SlotState(OLD),
    "canary": SlotState(IDLE),
    "shadow": SlotState(IDLE),
    "incumbent": SlotState(OLD),
}
PLACES = (
    canaries.canary(),
    canaries.canary(stage="canary", step=0, share=0.1),
    canaries.canary(stage="canary", step=1, share=0.25),
    canaries.canary(stage="canary", step=2, share=0.5),
    canaries.canary(stage="promoted", step=3, share=1.0),
    canaries.canary(stage="confirmed", step=3, share=1.0),
    canaries.canary(stage="rolled_back", share=0.0),
    canaries.canary(stage="stopped", share=0.0),
    None,
)


@dataclass
class Engine:
    """Takes orders in turn, answers some, refuses some; a worker that only knows the answers goes on from them."""

    slots: dict[Role, SlotState] = field(default_factory=lambda: dict(AT_START))
    truth: dict[Role, Holding] = field(default_factory=lambda: {role: slot.in_force for role, slot in AT_START.items()})
    orders: list[tuple[Role, Holding]] = field(default_factory=list)

    def send(self, canary: Canary | None) -> None:
        for role, held in next_orders(self.slots, wanted_holdings(self.slots, canary)).items():
            assert self.slots[role].under_way is None
            self.slots[role] = replace(self.slots[role], under_way=held)
            self.orders.append((role, held))

    def take(self, is_taken: bool = True) -> None:
        """Take the oldest order and answer it."""
        role, held = self.orders.pop(0)
        if is_taken:
            self.truth[role] = held
        self.slots[role] = SlotState(self.truth[role])

    def settle(self, canary: Canary | None) -> None:
        self.send(canary)
        while self.orders:
            self.take()
            self.send(canary)

    @property
    def in_force(self) -> float:
        return sum(self.truth[role].share for role in FUNDED)


@pytest.mark.parametrize("place", PLACES)
def test_every_place_is_reached_from_the_start_and_then_nothing_more_is_sent(place: Canary | None) -> None:
    engine = Engine()
    engine.settle(place)
    wanted = wanted_holdings(engine.slots, place)
    assert all(engine.slots[role].in_force.is_same(wanted[role]) for role in ROLES)
    assert engine.in_force == pytest.approx(1.0)


def test_the_share_that_goes_up_waits_for_the_answer_of_the_one_that_goes_down() -> None:
    engine, step = Engine(), PLACES[1]
    engine.settle(PLACES[0])
    engine.send(step)
    assert [(role, held.share) for role, held in engine.orders] == [("live", 0.9)]
    engine.send(step)
    assert len(engine.orders) == 1
    engine.take()
    engine.send(step)
    assert [(role, held.share, held.sha256) for role, held in engine.orders] == [("canary", 0.1, NEW.sha256)]


def test_what_was_promoted_goes_back_to_the_old_parameters_and_a_confirmed_one_stays() -> None:
    engine = Engine()
    for place in (*PLACES[:5], PLACES[6]):
        engine.settle(place)
    assert {role: engine.truth[role].sha256 for role in ("live", "incumbent")} == dict.fromkeys(
        ("live", "incumbent"), OLD.sha256
    )
    for place in PLACES[:6]:
        engine.settle(place)
    assert engine.truth["live"].is_same(NEW) and engine.truth["incumbent"].is_same(NEW)
    assert engine.truth["canary"].share == engine.truth["shadow"].share == 0


def test_a_narrowed_base_keeps_its_narrowing_when_its_canary_is_stopped() -> None:
    engine = Engine()
    engine.settle(PLACES[2])
    narrowed = Holding({"spread_threshold": 60.0, "order_size": 3.0}, "c" * 64, 0.75)
    engine.truth["live"] = narrowed
    engine.slots["live"] = SlotState(narrowed)
    engine.settle(PLACES[7])
    assert engine.truth["live"].is_same(replace(narrowed, share=1.0))
    assert engine.truth["incumbent"].is_same(replace(narrowed, share=1.0))


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["send", "take", "refuse"]), st.sampled_from(PLACES)), max_size=60))
def test_never_is_more_than_the_whole_capital_in_force(happened: list[tuple[str, Canary | None]]) -> None:
    engine = Engine()
    for what, place in happened:
        if what == "send":
            engine.send(place)
        elif engine.orders:
            engine.take(is_taken=what == "take")
        assert engine.in_force <= 1 + 1e-9
        assert most_in_force(engine.slots) <= 1 + 1e-9


def test_slots_are_named_after_their_instance() -> None:
    names = [id_of("mm-1", role) for role in ROLES]
    assert names == ["mm-1", "mm-1.canary", "mm-1.shadow", "mm-1.incumbent"]
