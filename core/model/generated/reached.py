"""Message `reached`, generated from strategies/schemas/messages/reached.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class Reached(Message, frozen=True, kw_only=True):
    """
    All events up to this time are processed and everything they caused was sent before this frame.
    """

    actions_sha256: Annotated[
        str, Meta(description='Hash chain over all actions so far, for replays.')
    ]
    """Hash chain over all actions so far, for replays."""

    bars: Annotated[int, Meta(description='Bars processed since the start.', ge=0)]
    """Bars processed since the start."""

    feed_ended: Annotated[
        bool, Meta(description='Whether the feed holds nothing later.')
    ]
    """Whether the feed holds nothing later."""

    to_ns: Annotated[int, Meta(description='The time.')]
    """The time."""
