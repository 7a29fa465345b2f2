"""Which slot of an instance runs what on which share of its capital, and in which order that comes about. Pure.

Beside a live instance X run the slots X.canary, X.shadow and X.incumbent. Capital is only moved by what is wanted now
against what the engine has acknowledged: first the shares that go down, and only when all of them are acknowledged the
one that goes up. So at no time more than the whole capital is in force, whatever is lost, repeated or killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from core.model.canary import Canary
from core.model.slots import slot_id

Role = Literal["live", "canary", "shadow", "incumbent"]
ROLES: tuple[Role, ...] = ("live", "canary", "shadow", "incumbent")
FUNDED: tuple[Role, ...] = ("live", "canary")
"""Slots that trade the account's capital."""
SAME_SHARE = 1e-9


@dataclass(frozen=True, slots=True)
class Holding:
    """Parameters and the share of the instance's capital that they run on; 0 is idle."""

    params: Mapping[str, float]
    sha256: str
    share: float
    rules: str | None = None
    """The rule set of strategy `rules`, which is in the hash; None keeps the one in force."""

    def is_same(self, other: "Holding") -> bool:
        """Whether both are the same parameters on the same share."""
        return self.sha256 == other.sha256 and abs(self.share - other.share) <= SAME_SHARE


@dataclass(frozen=True, slots=True)
class SlotState:
    """What the engine has acknowledged of a slot, and what it was sent and has not answered yet."""

    in_force: Holding
    under_way: Holding | None = None

    @property
    def most(self) -> float:
        """The largest share that may be in force now."""
        return max(self.in_force.share, 0.0 if self.under_way is None else self.under_way.share)


def id_of(instance_id: str, role: Role) -> str:
    """Return the instance id of a role's slot; the live one is the instance itself."""
    return instance_id if role == "live" else slot_id(instance_id, role)


def wanted_holdings(slots: Mapping[Role, SlotState], canary: Canary | None) -> dict[Role, Holding]:
    """Return what every slot should run, given the newest canary of the instance, open or over; None before any."""
    live = replace(slots["live"].in_force, share=1.0)
    idle: dict[Role, Holding] = {
        "canary": replace(slots["canary"].in_force, share=0.0),
        "shadow": replace(slots["shadow"].in_force, share=0.0),
    }
    if canary is None or canary.stage in ("confirmed", "stopped"):
        return {"live": live, **idle, "incumbent": live}
    candidate = Holding(canary.candidate_params, canary.candidate_sha256, 1.0, canary.candidate_rules)
    incumbent = Holding(canary.incumbent_params, canary.incumbent_sha256, 1.0, canary.incumbent_rules)
    if canary.stage == "rolled_back":
        back = incumbent if live.sha256 == candidate.sha256 else live
        return {"live": back, **idle, "incumbent": back}
    if canary.stage == "shadow":
        return {"live": live, **idle, "shadow": candidate, "incumbent": incumbent}
    if canary.stage == "promoted":
        return {"live": candidate, **idle, "incumbent": incumbent}
    return {
        "live": replace(incumbent, share=1.0 - canary.share),
        "canary": replace(candidate, share=canary.share),
        "shadow": candidate,
        "incumbent": incumbent,
    }


def next_orders(slots: Mapping[Role, SlotState], wanted: Mapping[Role, Holding]) -> dict[Role, Holding]:
    """Return what may be sent now; empty when all is as wanted, or the engine has to answer first."""
    differ = {role: wanted[role] for role in ROLES if not slots[role].in_force.is_same(wanted[role])}
    orders = {role: held for role, held in differ.items() if slots[role].under_way is None}
    if any(slots[role].under_way is not None for role in FUNDED):
        return {role: held for role, held in orders.items() if role not in FUNDED}
    lowered = [role for role in FUNDED if wanted[role].share < slots[role].in_force.share - SAME_SHARE]
    return {role: held for role, held in orders.items() if role not in FUNDED or not lowered or role in lowered}


def most_in_force(slots: Mapping[Role, SlotState]) -> float:
    """Return the largest share of the account's capital that the slots may have in force at this moment."""
    return sum(slots[role].most for role in FUNDED)
