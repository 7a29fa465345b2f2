"""Message `advance_to`, generated from strategies/schemas/messages/advance_to.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class AdvanceTo(Message, frozen=True, kw_only=True):
    """
    Permission to process every event up to and including this time.
    """

    to_ns: Annotated[int, Meta(description='The time.')]
    """The time."""
