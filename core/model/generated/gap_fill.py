"""Message `gap_fill`, generated from strategies/schemas/messages/gap_fill.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class GapFill(Message, frozen=True, kw_only=True):
    """
    Stands for signals that will never be sent, from the item's `seq` on.
    """

    conflated: Annotated[
        int, Meta(description='How many of them a newer one replaced.', ge=0)
    ]
    """How many of them a newer one replaced."""

    expired: Annotated[int, Meta(description='How many of them expired.', ge=0)]
    """How many of them expired."""

    through: Annotated[int, Meta(description='Last of them.', ge=0)]
    """Last of them."""
