"""Message `hello`, generated from strategies/schemas/messages/hello.json."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from core.model.generated._base import Message
from msgspec import Meta


class InstanceState(Message, frozen=True, kw_only=True):
    """
    What one instance is, right now.
    """

    capital: Annotated[
        Decimal,
        Meta(description='Capital the sizes refer to: its own times `capital_share`.'),
    ]
    """Capital the sizes refer to: its own times `capital_share`."""

    capital_share: Annotated[
        float, Meta(description='Share of its own capital; 0 is idle.', ge=0.0, le=1.0)
    ]
    """Share of its own capital; 0 is idle."""

    equity: Annotated[
        Decimal, Meta(description='`capital` plus profit so far, at the last price.')
    ]
    """`capital` plus profit so far, at the last price."""

    instance_id: Annotated[str, Meta(description='Name.')]
    """Name."""

    mode: Annotated[
        Literal['live', 'canary', 'shadow', 'twin'], Meta(description='Mode.')
    ]
    """Mode."""

    params: Annotated[dict[str, float], Meta(description='Parameters.')]
    """Parameters."""

    params_sha256: Annotated[str, Meta(description='Hash of its parameters.')]
    """Hash of its parameters."""

    params_version: Annotated[int, Meta(description='Version of its parameters.', ge=0)]
    """Version of its parameters."""

    positions: Annotated[
        dict[str, Decimal], Meta(description='Signed position by symbol.')
    ]
    """Signed position by symbol."""

    strategy: Annotated[str, Meta(description='Strategy.')]
    """Strategy."""

    symbols: Annotated[list[str], Meta(description='Symbols.')]
    """Symbols."""


class Hello(Message, frozen=True, kw_only=True):
    """
    The engine's answer to `challenge`.
    """

    build: Annotated[str, Meta(description='Version of the build.')]
    """Version of the build."""

    compression: Annotated[
        Literal['none', 'zlib'],
        Meta(description='How packets may be compressed from now on, by both sides.'),
    ]
    """How packets may be compressed from now on, by both sides."""

    encoding: Annotated[
        Literal['json', 'msgpack'],
        Meta(description='How packets are written from now on, by both sides.'),
    ]
    """How packets are written from now on, by both sides."""

    engine_id: Annotated[str, Meta(description='Name of the engine.')]
    """Name of the engine."""

    epoch: Annotated[
        str,
        Meta(
            description="The epoch of the worker's signals as the engine last knew it; empty for none."
        ),
    ]
    """The epoch of the worker's signals as the engine last knew it; empty for none."""

    instances: Annotated[
        list[InstanceState], Meta(description='What runs, with versions and hashes.')
    ]
    """What runs, with versions and hashes."""

    nonce: Annotated[str, Meta(description='Random per link, 32 hex digits.')]
    """Random per link, 32 hex digits."""

    protocol: Annotated[int, Meta(description='Must equal [`PROTOCOL`].', ge=0)]
    """Must equal [`PROTOCOL`]."""

    reached_ns: Annotated[
        int, Meta(description='Time up to which the market has been processed.')
    ]
    """Time up to which the market has been processed."""

    received_seq: Annotated[
        int, Meta(description='Last message of the worker that is durable here.', ge=0)
    ]
    """Last message of the worker that is durable here."""

    sent_seq: Annotated[
        int, Meta(description='Last message that this engine has made.', ge=0)
    ]
    """Last message that this engine has made."""

    signals_received: Annotated[
        int, Meta(description='Last signal of that epoch that arrived.', ge=0)
    ]
    """Last signal of that epoch that arrived."""

    state: Annotated[
        Literal['active', 'reducing', 'halted'],
        Meta(description='Active, reducing or halted.'),
    ]
    """Active, reducing or halted."""

    worker_nonce: Annotated[
        str,
        Meta(
            description='The nonce of the challenge, so that an old hello is worthless.'
        ),
    ]
    """The nonce of the challenge, so that an old hello is worthless."""
