"""Message `params_ack`, generated from strategies/schemas/messages/params_ack.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class ParamsAck(Message, frozen=True, kw_only=True):
    """
    What became of an update.
    """

    applied: Annotated[bool, Meta(description='Whether it was applied.')]
    """Whether it was applied."""

    at_ns: Annotated[
        int, Meta(description='Market time of the boundary at which it took effect.')
    ]
    """Market time of the boundary at which it took effect."""

    capital_share: Annotated[
        float,
        Meta(
            description='Share of the capital now in force; 0 for an unknown instance.',
            ge=0.0,
            le=1.0,
        ),
    ]
    """Share of the capital now in force; 0 for an unknown instance."""

    deployment_id: Annotated[str, Meta(description='Id of the deployment.')]
    """Id of the deployment."""

    instance_id: Annotated[str, Meta(description='Instance.')]
    """Instance."""

    params_sha256: Annotated[str, Meta(description='Hash now in force.')]
    """Hash now in force."""

    reason: Annotated[str, Meta(description='Empty, or why it was refused.')]
    """Empty, or why it was refused."""

    version: Annotated[int, Meta(description='Version now in force.', ge=0)]
    """Version now in force."""
