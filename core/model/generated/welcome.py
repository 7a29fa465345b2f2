"""Message `welcome`, generated from strategies/schemas/messages/welcome.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class Welcome(Message, frozen=True, kw_only=True):
    """
    The worker's answer to `hello`; packets follow.
    """

    epoch: Annotated[
        str,
        Meta(
            description='Random name of this worker process, 32 hex digits; signals are numbered anew in each.'
        ),
    ]
    """Random name of this worker process, 32 hex digits; signals are numbered anew in each."""

    nonce: Annotated[
        str,
        Meta(description="The engine's nonce, so that an old welcome is worthless."),
    ]
    """The engine's nonce, so that an old welcome is worthless."""

    protocol: Annotated[int, Meta(description='Must equal [`PROTOCOL`].', ge=0)]
    """Must equal [`PROTOCOL`]."""

    received_seq: Annotated[
        int,
        Meta(description='Last message of the engine whose effect is committed.', ge=0),
    ]
    """Last message of the engine whose effect is committed."""

    resume_seq: Annotated[
        int,
        Meta(
            description='First message the worker will send. An engine that has received none starts here; any other expects its next.',
            ge=0,
        ),
    ]
    """First message the worker will send. An engine that has received none starts here; any other expects its next."""

    signals_resume_seq: Annotated[
        int,
        Meta(
            description='First signal the worker will send. An engine that does not know the epoch starts here.',
            ge=0,
        ),
    ]
    """First signal the worker will send. An engine that does not know the epoch starts here."""
