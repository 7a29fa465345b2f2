"""From a language model's rule sets to proposals: what it may look at, and the door that each rule set passes.

The model writes data of the closed schema that the engine exports, and the engine's own parser reads it. It is shown
running rule sets, those that were tried, and the counted trades of lived days; no verdict and no sealed figure.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import BadInput
from core.model.analysis import Analysis, PatternRule
from core.model.proposal import ExpectedEffect, ParamVersion, Proposal
from feedback.analyzer.answers import ProgramsAnswer, ProgramShape, answer_schema
from feedback.analyzer.facts import PromptFacts, build_pattern_facts, pack_facts
from feedback.analyzer.grounding import numbers_in
from feedback.analyzer.summary import TradesSummary
from strategies.programs import canonical_program, identify_program
from strategies.proposers.build import build_proposal
from strategies.schema import SCHEMAS

MOST_TRIED = 6
_QUOTED = re.compile(r"`[^`]*`")
_SAFE_WORD = re.compile(r"`[a-z_]{1,40}`")
MOST_TOLD = 300


@dataclass(frozen=True, slots=True)
class Follower:
    """An instance of strategy `rules`, and the rule sets that it followed or tried before, newest first."""

    running: ParamVersion
    tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Place and rule."""

    reason: str


@dataclass(frozen=True, slots=True)
class AdmittedPrograms:
    """Rule sets that passed the door, each as its one JSON text, and why others did not: place and rule alone."""

    programs: tuple[tuple[ProgramShape, str], ...]
    refused: tuple[str, ...]

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers that a rationale may cite besides the facts: those of its rule set and of its prediction."""
        effects = [shape.expected_effect for shape, _ in self.programs]
        own = [json.loads(program) for _, program in self.programs]
        return (*numbers_in(own), *(n for e in effects for n in (e.magnitude, e.horizon_days)))


def build_program_facts(
    followers: Sequence[Follower], summary: TradesSummary, rules: Sequence[PatternRule]
) -> PromptFacts:
    """Return what may be looked at. Names of rule sets stay out: people and models choose them."""
    month = build_pattern_facts(summary, rules)
    facts = {
        "instances": [
            {
                "instance_id": each.running.instance_id,
                "params": each.running.params,
                "running": _nameless(each.running.rules),
                "tried": [_nameless(program) for program in each.tried[:MOST_TRIED]],
            }
            for each in followers
        ],
        "month": json.loads(month.text),
    }
    return pack_facts(facts, month.symbols)


def programs_schema(instance_ids: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema of an answer, with that of a rule set as the engine exports it."""
    schema = answer_schema("programs", {"instance_id": instance_ids})
    rule_set = json.loads((SCHEMAS / "config" / "rules_program.json").read_text(encoding="utf-8"))
    schema["$defs"] |= rule_set.pop("$defs")
    schema["$defs"]["RuleSet"] = {key: value for key, value in rule_set.items() if key != "$schema"}
    schema["$defs"]["ProgramShape"]["properties"]["rules"] = {"$ref": "#/$defs/RuleSet"}
    return schema


def admit_programs(answer: ProgramsAnswer, followers: Mapping[str, Follower]) -> AdmittedPrograms:
    """Return which rule sets keep every rule. A refused one is dropped whole; nothing is mended."""
    kept: list[tuple[ProgramShape, str]] = []
    refused: list[str] = []
    for n, shape in enumerate(answer.programs):
        found = _read(shape, [each for each, _ in kept], followers)
        if isinstance(found, Refusal):
            refused.append(f"programs.{n}.{found.reason}")
        else:
            kept.append((shape, found))
    return AdmittedPrograms(tuple(kept), tuple(refused))


def build_program_proposals(
    admitted: AdmittedPrograms,
    followers: Mapping[str, Follower],
    ground: Callable[[str], str],
    study: Analysis,
    source: str,
) -> tuple[Proposal, ...]:
    """Return one pending proposal for each rule set, with no number beside it."""
    return tuple(
        build_proposal(
            followers[shape.instance_id].running,
            (),
            ground(shape.rationale),
            ExpectedEffect(
                shape.expected_effect.metric,
                shape.expected_effect.direction,
                shape.expected_effect.magnitude,
                shape.expected_effect.horizon_days,
            ),
            shape.confidence,
            analysis_id=study.analysis_id,
            source=source,
            at=study.created_at,
            rules=program,
        )
        for shape, program in admitted.programs
    )


def _read(shape: ProgramShape, kept: Sequence[ProgramShape], followers: Mapping[str, Follower]) -> str | Refusal:
    follower = followers.get(shape.instance_id)
    if follower is None:
        return Refusal(f"instance_id: unknown_instance: one of {', '.join(sorted(followers))}")
    if any(other.instance_id == shape.instance_id for other in kept):
        return Refusal("instance_id: duplicate: one rule set for an instance")
    try:
        program = canonical_program(json.dumps(shape.rules))
    except BadInput as error:
        return Refusal(f"rules: {_safe(error.message)}")
    known = {identify_program(each) for each in (follower.running.rules, *follower.tried) if each is not None}
    if identify_program(program) in known:
        return Refusal("rules: tried: the instance follows or tried one that does the same")
    return program


def _safe(reason: str) -> str:
    """Return the engine's reason without words of the model that are no closed words."""
    told = _QUOTED.sub(lambda found: found.group() if _SAFE_WORD.fullmatch(found.group()) else "(word)", reason)
    return told[:MOST_TOLD]


def _nameless(program: str | None) -> dict[str, Any]:
    return {} if program is None else {name: part for name, part in json.loads(program).items() if name != "name"}
