"""Message `advice_answer`, generated from strategies/schemas/messages/advice_answer.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class AdviceAnswer(Message, frozen=True, kw_only=True):
    """
    The advisor's word. It can stop or shrink an order, never raise it.
    """

    advice_id: Annotated[str, Meta(description='Which request.')]
    """Which request."""

    approve: Annotated[bool, Meta(description='Whether to go ahead.')]
    """Whether to go ahead."""

    reason: Annotated[str, Meta(description='Short machine-readable reason.')]
    """Short machine-readable reason."""

    size_factor: Annotated[
        float,
        Meta(
            description='Share of the quantity to keep, 0 < f <= 1; ignored on a no.',
            ge=0.0,
            le=1.0,
        ),
    ]
    """Share of the quantity to keep, 0 < f <= 1; ignored on a no."""
