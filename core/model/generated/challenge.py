"""Message `challenge`, generated from strategies/schemas/messages/challenge.json."""

from __future__ import annotations

from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class Challenge(Message, frozen=True, kw_only=True):
    """
    First frame of a link, from the worker: who dials must prove that it knows the secret now, not once.
    """

    compressions: Annotated[
        list[Literal['none', 'zlib']],
        Meta(
            description='Compressions that the worker reads; `none` is always among them.'
        ),
    ]
    """Compressions that the worker reads; `none` is always among them."""

    encodings: Annotated[
        list[Literal['json', 'msgpack']],
        Meta(
            description='Encodings that the worker reads; `json` is always among them.'
        ),
    ]
    """Encodings that the worker reads; `json` is always among them."""

    nonce: Annotated[str, Meta(description='Random per link, 32 hex digits.')]
    """Random per link, 32 hex digits."""

    protocol: Annotated[int, Meta(description='Must equal [`PROTOCOL`].', ge=0)]
    """Must equal [`PROTOCOL`]."""
