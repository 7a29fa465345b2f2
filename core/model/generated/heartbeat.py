"""Message `heartbeat`, generated from strategies/schemas/messages/heartbeat.json."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class Heartbeat(Message, frozen=True, kw_only=True):
    """
    Sent by both sides when nothing else was sent for a second.
    """

    at_ns: Annotated[int, Meta(description="Sender's clock.")]
    """Sender's clock."""

    reached_ns: Annotated[
        int, Meta(description='Market time processed; zero from the worker.')
    ]
    """Market time processed; zero from the worker."""

    state: Annotated[
        Literal['active', 'reducing', 'halted'],
        Meta(description='State of the engine; `active` from the worker.'),
    ]
    """State of the engine; `active` from the worker."""
