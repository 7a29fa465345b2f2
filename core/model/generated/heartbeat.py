"""Message `heartbeat`, generated from strategies/schemas/messages/heartbeat.json."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class Heartbeat(Message, frozen=True, kw_only=True):
    """
    A sign of life, and a measurement of the line.
    """

    at_ns: Annotated[int, Meta(description="Sender's clock.")]
    """Sender's clock."""

    echo_ns: Annotated[
        int,
        Meta(
            description='`at_ns` of the last heartbeat that the sender received on this link, zero for none.'
        ),
    ]
    """`at_ns` of the last heartbeat that the sender received on this link, zero for none."""

    held_ns: Annotated[int, Meta(description='How long ago it received that.')]
    """How long ago it received that."""

    reached_ns: Annotated[
        int, Meta(description='Market time processed; zero from the worker.')
    ]
    """Market time processed; zero from the worker."""

    state: Annotated[
        Literal['active', 'reducing', 'halted'],
        Meta(description='State of the engine; `active` from the worker.'),
    ]
    """State of the engine; `active` from the worker."""
