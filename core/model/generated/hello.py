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

    capital: Annotated[Decimal, Meta(description='Capital the sizes refer to.')]
    """Capital the sizes refer to."""

    equity: Annotated[Decimal, Meta(description='Equity at the last price.')]
    """Equity at the last price."""

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
    First frame of the engine after it dialled.
    """

    build: Annotated[str, Meta(description='Version of the build.')]
    """Version of the build."""

    engine_id: Annotated[str, Meta(description='Name of the engine.')]
    """Name of the engine."""

    instances: Annotated[
        list[InstanceState], Meta(description='What runs, with versions and hashes.')
    ]
    """What runs, with versions and hashes."""

    nonce: Annotated[
        str,
        Meta(description="Random per connection; part of the handshake's freshness."),
    ]
    """Random per connection; part of the handshake's freshness."""

    protocol: Annotated[int, Meta(description='Must equal [`PROTOCOL`].', ge=0)]
    """Must equal [`PROTOCOL`]."""

    reached_ns: Annotated[
        int, Meta(description='Time up to which the market has been processed.')
    ]
    """Time up to which the market has been processed."""

    received_seq: Annotated[
        int,
        Meta(
            description='Last sequenced frame of the worker that is in the journal.',
            ge=0,
        ),
    ]
    """Last sequenced frame of the worker that is in the journal."""

    sent_seq: Annotated[
        int, Meta(description='Highest sequenced frame this engine has made.', ge=0)
    ]
    """Highest sequenced frame this engine has made."""

    state: Annotated[
        Literal['active', 'reducing', 'halted'],
        Meta(description='Active, reducing or halted.'),
    ]
    """Active, reducing or halted."""
