"""Message `state_changed`, generated from strategies/schemas/messages/state_changed.json."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class StateChanged(Message, frozen=True, kw_only=True):
    """
    Trading state changed.
    """

    at_ns: Annotated[int, Meta(description='Market time.')]
    """Market time."""

    by: Annotated[str, Meta(description='Who or which rule.')]
    """Who or which rule."""

    reason: Annotated[str, Meta(description='Why, and what releases it.')]
    """Why, and what releases it."""

    state: Annotated[
        Literal['active', 'reducing', 'halted'], Meta(description='The new state.')
    ]
    """The new state."""
