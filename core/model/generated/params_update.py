"""Message `params_update`, generated from strategies/schemas/messages/params_update.json."""

from __future__ import annotations

from typing import Annotated

from core.model.generated._base import Message
from msgspec import Meta


class ParamsUpdate(Message, frozen=True, kw_only=True):
    """
    New parameters, another rule set or another share of the capital for one instance, applied between two events if the base still holds.
    """

    base_sha256: Annotated[str, Meta(description='Hash it must have now.')]
    """Hash it must have now."""

    base_version: Annotated[int, Meta(description='Version it must have now.', ge=0)]
    """Version it must have now."""

    capital_share: Annotated[
        float,
        Meta(
            description="The share of the instance's capital that sizes of new orders refer to; at 0 the position is closed and nothing opened.",
            ge=0.0,
            le=1.0,
        ),
    ]
    """The share of the instance's capital that sizes of new orders refer to; at 0 the position is closed and nothing opened."""

    deployment_id: Annotated[str, Meta(description='Id of the deployment behind it.')]
    """Id of the deployment behind it."""

    expires_at_ns: Annotated[int, Meta(description='Refused at or after this.')]
    """Refused at or after this."""

    instance_id: Annotated[str, Meta(description='Instance to change.')]
    """Instance to change."""

    issued_at_ns: Annotated[int, Meta(description='On the injected clock.')]
    """On the injected clock."""

    origin: Annotated[
        str,
        Meta(
            description='Who is behind it: proposal id, or the person who rolled back.'
        ),
    ]
    """Who is behind it: proposal id, or the person who rolled back."""

    params: Annotated[dict[str, float], Meta(description='All parameters by name.')]
    """All parameters by name."""

    params_sha256: Annotated[
        str,
        Meta(
            description='Hash of the new parameters, with that of the rule set where there is one.'
        ),
    ]
    """Hash of the new parameters, with that of the rule set where there is one."""

    rules: Annotated[str, Meta(description='The rule set to follow from now on, as its one JSON text; null keeps the one that runs. Only strategy `rules` takes one.', max_length=16384)] | None
    """The rule set to follow from now on, as its one JSON text; null keeps the one that runs. Only strategy `rules` takes one."""

    version: Annotated[int, Meta(description='Version it gets, above the base.', ge=0)]
    """Version it gets, above the base."""
