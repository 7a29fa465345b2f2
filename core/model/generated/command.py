"""Message `command`, generated from strategies/schemas/messages/command.json."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class Command(Message, frozen=True, kw_only=True):
    """
    An operator's order to the engine, from the worker. The control socket takes the same.
    """

    action: Annotated[
        Literal['halt', 'reduce', 'resume', 'flatten'],
        Meta(description='`halt`, `reduce`, `resume` or `flatten`.'),
    ]
    """`halt`, `reduce`, `resume` or `flatten`."""

    by: Annotated[str, Meta(description='Who asks.')]
    """Who asks."""

    command_id: Annotated[
        str, Meta(description='Unique; a repeat has no second effect.')
    ]
    """Unique; a repeat has no second effect."""

    reason: Annotated[str, Meta(description='Why.')]
    """Why."""
