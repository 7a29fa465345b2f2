"""The slots beside a live instance: where candidates and earlier parameters run, for as long as it lives.

An engine's instances are fixed for the life of its journal. So each live instance `X` has four companions from the
first start on, and what runs in one, at which share of the capital, is changed by messages only.
"""

from typing import Literal

Slot = Literal["canary", "shadow", "incumbent", "day0"]
SlotMode = Literal["canary", "shadow", "twin"]

SLOT_MODES: dict[Slot, SlotMode] = {"canary": "canary", "shadow": "shadow", "incumbent": "twin", "day0": "twin"}
"""A candidate on a share of the live capital; a candidate, simulated; the parameters of before, simulated; the
parameters of the first day, simulated and never changed."""
LIVE_MODES = frozenset({"live", "canary"})
"""Modes that trade the account's capital; shadows and twins do not count."""
SLOT_MARK = "."
"""No instance of the settings has it in its name."""


def slot_id(instance_id: str, slot: Slot) -> str:
    """Return the id of an instance's slot."""
    return f"{instance_id}{SLOT_MARK}{slot}"


def slots_of(instance_id: str) -> tuple[str, ...]:
    """Return the ids of all slots of an instance."""
    return tuple(slot_id(instance_id, slot) for slot in SLOT_MODES)


def is_slot(instance_id: str) -> bool:
    """Return whether the id is a slot's."""
    return SLOT_MARK in instance_id


def live_id(instance_id: str) -> str:
    """Return the live instance that a slot belongs to; a live instance's own id is that already."""
    return instance_id.split(SLOT_MARK, 1)[0]


def initial_share(slot: Slot) -> float:
    """Return the share of the capital at the first start: 1 for twins, 0 (idle) for the slots of candidates."""
    return 1.0 if SLOT_MODES[slot] == "twin" else 0.0
