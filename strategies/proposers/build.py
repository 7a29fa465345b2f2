"""One way to make a proposal, whoever thought of it."""

from collections.abc import Sequence
from datetime import datetime

from core.model.canonical import canonical_json, short_id
from core.model.proposal import Edit, ExpectedEffect, ParamVersion, Proposal

RATIONALE_LIMIT = 280


def build_proposal(
    running: ParamVersion,
    edits: Sequence[Edit],
    rationale: str,
    effect: ExpectedEffect,
    confidence: float,
    *,
    analysis_id: str,
    source: str,
    at: datetime,
    rules: str | None = None,
) -> Proposal:
    """Return a pending proposal, of another rule set where one is given.

    It is made `at` its analysis, so that a repeat after a crash is the same to the last byte.
    """
    ordered = tuple(sorted(edits, key=lambda edit: edit.param))
    content = (canonical_json(ordered), source, *(() if rules is None else (rules,)))
    return Proposal(
        proposal_id=short_id("proposal", analysis_id, running.instance_id, running.sha256, *content),
        analysis_id=analysis_id,
        instance_id=running.instance_id,
        strategy=running.strategy,
        base_version=running.version,
        base_sha256=running.sha256,
        base_params=dict(running.params),
        edits=ordered,
        rationale=rationale[:RATIONALE_LIMIT],
        expected_effect=effect,
        confidence=confidence,
        source=source,
        created_at=at,
        state="pending",
        base_rules=running.rules,
        rules=rules,
    )
