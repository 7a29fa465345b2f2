"""Message `command_ack`, generated from strategies/schemas/messages/command_ack.json."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class CommandAck(Message, frozen=True, kw_only=True):
    """
    What became of a command.
    """

    at_ns: Annotated[int, Meta(description='Market time.')]
    """Market time."""

    by: Annotated[str, Meta(description='Who asked.')]
    """Who asked."""

    command_id: Annotated[str, Meta(description='Id of the command.')]
    """Id of the command."""

    reason: Annotated[str, Meta(description='Why.')]
    """Why."""

    state: Annotated[
        Literal['active', 'reducing', 'halted'], Meta(description='State after it.')
    ]
    """State after it."""
