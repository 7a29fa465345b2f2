"""Message `envelope`, generated from strategies/schemas/messages/envelope.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class Envelope(Message, frozen=True, kw_only=True):
    """
    One frame. `body` is the JSON of the kind's struct.
    """

    ack: Annotated[
        int,
        Meta(
            description='Last sequenced frame of the peer whose effect is durable.',
            ge=0,
        ),
    ]
    """Last sequenced frame of the peer whose effect is durable."""

    body: Annotated[str, Meta(description='Body as JSON text, exactly as signed.')]
    """Body as JSON text, exactly as signed."""

    kind: Annotated[
        str, Meta(description='Kind of the body, for example `trade_event`.')
    ]
    """Kind of the body, for example `trade_event`."""

    mac: Annotated[str, Meta(description="See the module's text.")]
    """See the module's text."""

    seq: Annotated[
        int,
        Meta(
            description='Sequence number of the sender, zero for unsequenced kinds.',
            ge=0,
        ),
    ]
    """Sequence number of the sender, zero for unsequenced kinds."""
