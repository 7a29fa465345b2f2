"""Message `prediction`, generated from strategies/schemas/messages/prediction.json."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from core.model.generated._base import Message
from msgspec import Meta

Reason: TypeAlias = tuple[str, float]


class Prediction(Message, frozen=True, kw_only=True):
    """
    A model's view of one symbol. All times count on the injected clock, in nanoseconds since 1970, UTC.
    """

    at_ns: Annotated[int, Meta(description='When the data it rests on were known.')]
    """When the data it rests on were known."""

    confidence: Annotated[
        float,
        Meta(
            description='Calibrated probability that the sign is right.', ge=0.0, le=1.0
        ),
    ]
    """Calibrated probability that the sign is right."""

    direction: Annotated[
        float,
        Meta(
            description='Expected sign and strength of the move, -1 (down) to 1 (up).',
            ge=-1.0,
            le=1.0,
        ),
    ]
    """Expected sign and strength of the move, -1 (down) to 1 (up)."""

    expected_move_bps: Annotated[
        float, Meta(description='Expected signed move over the horizon, in bps.')
    ]
    """Expected signed move over the horizon, in bps."""

    expected_volatility_bps: Annotated[float, Meta(description='Expected standard deviation of the move over the horizon, in bps; null when the model does not say.')] | None
    """Expected standard deviation of the move over the horizon, in bps; null when the model does not say."""

    expires_at_ns: Annotated[
        int, Meta(description='After this it must not be acted on.')
    ]
    """After this it must not be acted on."""

    feature_schema: Annotated[
        str, Meta(description='Hash of the feature schema it reads.')
    ]
    """Hash of the feature schema it reads."""

    horizon_ms: Annotated[int, Meta(description='Horizon.', ge=0)]
    """Horizon."""

    model: Annotated[str, Meta(description='Which model.')]
    """Which model."""

    model_sha256: Annotated[str, Meta(description="Hash of the model's file.")]
    """Hash of the model's file."""

    prediction_id: Annotated[str, Meta(description='Unique; feedback names it.')]
    """Unique; feedback names it."""

    reasons: Annotated[
        list[Reason],
        Meta(
            description='Its strongest reasons: feature and contribution, at most five.'
        ),
    ]
    """Its strongest reasons: feature and contribution, at most five."""

    recommended_strategy: Annotated[
        Literal['immediate', 'twap', 'vwap', 'pov', 'iceberg', 'almgren_chriss'],
        Meta(description='How an order should be worked.'),
    ]
    """How an order should be worked."""

    regime: Annotated[str, Meta(description='Market regime as the model sees it.')] | None
    """Market regime as the model sees it."""

    strategy_params: Annotated[
        dict[str, float],
        Meta(
            description='Hints for it by name, for example `slices`; what is unknown or out of range is ignored.'
        ),
    ]
    """Hints for it by name, for example `slices`; what is unknown or out of range is ignored."""

    symbol: Annotated[str, Meta(description='Symbol.')]
    """Symbol."""
