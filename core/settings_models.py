"""What the settings may say of models: which speak, how long each may take, and what is kept of their words."""

from typing import Annotated, Literal

from pydantic import Field

from core.settings_sections import Section


class ModelSettings(Section):
    """Serving. Without an active model, or one named here, nothing is predicted."""

    serve: tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    """SHA-256 of the bundles that speak, whatever the registry says; empty means those that it calls active."""
    online: Literal["on", "frozen"] = "on"
    """`on`: what proves better in shadow takes over; `frozen`: only a person changes what serves."""
    retrain_weekly: bool = False
    """Whether the weekly cycle asks for a training of every model that serves; drift asks for one in any case."""
    in_replay: bool = False
    """Whether they also speak in `xcrack replay`, which then grants the engine time bar by bar; a demo's always do."""
    replay_days: Annotated[int, Field(ge=1)] | None = None
    """There, only on so many days before the end; every bar that they speak of takes tens of milliseconds."""
    budget_ms: Annotated[float, Field(ge=1, le=10_000)] = 250.0
    """One expert that takes longer is left out of that bar."""
    miss_target: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of outcomes that the conformal sets may miss; a larger one lets more predictions become signals."""
    warmup_days: Annotated[int, Field(ge=1, le=90)] = 10
    """Bars that are read again at a start, from which weights and carried states are learned."""
    keep_days: Annotated[int, Field(ge=2, le=3_660)] = 14
    """How long predictions and their outcomes are kept in the store."""
