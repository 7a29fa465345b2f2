"""Versions of trained models: which was served when, and who said so."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

ModelStatus = Literal["candidate", "shadow", "active", "retired", "failed"]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One bundle, or one training that gave none."""

    model_id: str
    """SHA-256 of the bundle; `failed-…` for a training without one."""
    slot: str
    """What it answers, `<task>:<horizon in bars>:<interval>`; at most one version of a slot is active."""
    status: ModelStatus
    created_at: datetime
    feature_schema_sha256: str
    symbols: tuple[str, ...]
    has_files: bool
    """Whether the bundle is kept: those of the newest three, of what is active, and of what waits."""
    reason: str = ""
    """Of a failure."""


@dataclass(frozen=True, slots=True)
class ModelEvent:
    """A change of status, or the removal of files. Events are never changed."""

    model_id: str
    number: int
    """Counts from 1 within the model."""
    at: datetime
    before: str
    """Status before; empty for the first."""
    after: str
    actor: str
    reason: str
