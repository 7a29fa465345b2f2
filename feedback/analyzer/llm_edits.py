"""From a language model's edits to proposals: each edit passes the door alone, then with its neighbours."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from core.model.analysis import Analysis
from core.model.dataset import RefutedEdit
from core.model.proposal import Edit, ExpectedEffect, ParamVersion, Proposal
from feedback.analyzer.answers import AdjustmentsAnswer, EditShape
from feedback.analyzer.edits import EditRules, grid_value, is_refuted
from strategies.proposers.build import build_proposal

MAX_EDITS_PER_INSTANCE = 2


@dataclass(frozen=True, slots=True)
class AdmittedEdits:
    """Edits that passed the door, and why the others did not: place and rule, none of the model's text."""

    edits: tuple[EditShape, ...]
    refused: tuple[str, ...]

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers that a rationale may cite besides the facts: what it proposes and predicts."""
        return tuple(
            n for e in self.edits for n in (e.value, e.expected_effect.magnitude, e.expected_effect.horizon_days)
        )


def admit_edits(
    answer: AdjustmentsAnswer,
    running: Mapping[str, ParamVersion],
    refuted: Sequence[RefutedEdit],
    rules: EditRules,
) -> AdmittedEdits:
    """Return which edits keep every rule. A refused one is dropped whole; nothing is rounded into place."""
    kept: list[EditShape] = []
    refused: list[str] = []
    for n, edit in enumerate(answer.edits):
        reason = _refusal(edit, kept, running, refuted, rules)
        if reason:
            refused.append(f"edits.{n}: {reason}")
        else:
            kept.append(edit)
    return AdmittedEdits(tuple(kept), tuple(refused))


def build_proposals(
    admitted: AdmittedEdits,
    running: Mapping[str, ParamVersion],
    ground: Callable[[str], str],
    analysis: Analysis,
    source: str,
) -> tuple[Proposal, ...]:
    """Return one proposal for each instance; its prediction is that of its most confident edit."""
    made = []
    for instance_id, group in groupby(sorted(admitted.edits, key=lambda e: e.instance_id), key=lambda e: e.instance_id):
        shapes = sorted(group, key=lambda e: (-e.confidence, e.param))
        version, lead = running[instance_id], shapes[0]
        effect = lead.expected_effect
        made.append(
            build_proposal(
                version,
                [Edit(e.param, grid_value(version, e.param, e.value)) for e in shapes],
                " / ".join(ground(e.rationale) for e in shapes),
                ExpectedEffect(effect.metric, effect.direction, effect.magnitude, effect.horizon_days),
                min(e.confidence for e in shapes),
                analysis_id=analysis.analysis_id,
                source=source,
                at=analysis.created_at,
            )
        )
    return tuple(made)


def _refusal(
    edit: EditShape,
    kept: Sequence[EditShape],
    running: Mapping[str, ParamVersion],
    refuted: Sequence[RefutedEdit],
    rules: EditRules,
) -> str:
    version = running.get(edit.instance_id)
    if version is None:
        return f"unknown_instance: one of {', '.join(sorted(running))}"
    reason = rules.refusal(version, edit.param, edit.value)
    if reason:
        return reason
    siblings = [other for other in kept if other.instance_id == edit.instance_id]
    if any(other.param == edit.param for other in siblings):
        return "duplicate: one edit for a parameter"
    if len(siblings) == MAX_EDITS_PER_INSTANCE:
        return f"too_many: at most {MAX_EDITS_PER_INSTANCE} edits for an instance"
    if is_refuted(refuted, version, edit.param, edit.value):
        return "refuted: this move failed before from the same value"
    chosen = [Edit(e.param, grid_value(version, e.param, e.value)) for e in (*siblings, edit)]
    return rules.contradiction(version, chosen)
