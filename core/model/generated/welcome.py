"""Message `welcome`, generated from strategies/schemas/messages/welcome.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class Welcome(Message, frozen=True, kw_only=True):
    """
    Answer of the worker to `hello`.
    """

    nonce: Annotated[
        str,
        Meta(description="The engine's nonce, so that an old welcome is worthless."),
    ]
    """The engine's nonce, so that an old welcome is worthless."""

    protocol: Annotated[int, Meta(description='Must equal [`PROTOCOL`].', ge=0)]
    """Must equal [`PROTOCOL`]."""

    received_seq: Annotated[
        int,
        Meta(
            description='Last sequenced frame of the engine whose effect is committed.',
            ge=0,
        ),
    ]
    """Last sequenced frame of the engine whose effect is committed."""

    resume_seq: Annotated[
        int,
        Meta(
            description='First sequenced frame the worker will send. An engine that has received none starts here; any other expects its next.',
            ge=0,
        ),
    ]
    """First sequenced frame the worker will send. An engine that has received none starts here; any other expects its next."""
