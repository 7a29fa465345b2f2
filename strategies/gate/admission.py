"""Whether a proposal may be tried at all. Free of evidence: form, bounds, step, freshness. Nothing is ever clamped.

It also recognises narrowing: a change that only lowers caps on size, layers or inventory, at most 50 % below the last
version that evidence stands behind, or only takes such a lowering back. A threshold or a stop is never narrowing,
because skipping one entry makes room for another.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.errors import BadInput
from core.model.proposal import Check, Edit, ParamVersion, Proposal
from core.native import validate_params
from core.settings_sections import GateSettings
from strategies.gate.program_checks import PROGRAM, form_checks, novelty_checks
from strategies.schema import ParamSpec, decides_on, is_judged_on_bars, load_param_specs, strategy_names

NARROWING_FLOOR = 0.5
"""Share of the evidenced value below which lowering a cap needs evidence again."""
MIN_SAID_SHARE = 0.8
"""Share of the sealed and of the seen days on which models must have spoken, for a strategy that decides on them."""


@dataclass(frozen=True, slots=True)
class AdmissionFacts:
    """What is known about the instance when the proposal comes in."""

    active: ParamVersion | None
    evidenced: Mapping[str, float] | None
    """Parameters of the last version in force that is initial or passed the sealed test."""
    refuted: Sequence[Proposal]
    """Earlier proposals of the same content that were tried, or are being tried."""
    queued: Sequence[Proposal]
    """Others of the instance and lane that wait for the sealed test, or came earlier from the same analysis."""
    on_the_way: Sequence[str]
    """Deployments of the instance that are not in force yet, by id."""
    touched_at: Mapping[str, datetime]
    """By parameter: when it was last deployed or put to a sealed test."""
    now: datetime
    canary_id: str = ""
    """The open canary of the instance, or empty."""
    programs: Mapping[str, str] = field(default_factory=dict)
    """By what they do: rule sets that the instance followed or tried, and where."""
    said_share: float = 0.0
    """Share of the days that a judgement needs on which models spoke about the instance's symbols, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The checks in order, and what kind of change it is."""

    checks: tuple[Check, ...]
    is_narrowing: bool

    @property
    def failed(self) -> tuple[Check, ...]:
        """The vetoes that spoke."""
        return tuple(check for check in self.checks if check.veto and not check.passed)


def check_admission(proposal: Proposal, facts: AdmissionFacts, settings: GateSettings) -> Admission:
    """Return every check of the proposal; later ones are left out where an earlier failure makes them meaningless."""
    form = _form_checks(proposal, facts)
    if not all(check.passed for check in form):
        return Admission(form, False)
    specs = load_param_specs(proposal.strategy)
    values = tuple(
        check for edit in proposal.edits for check in _value_checks(edit, proposal, specs[edit.param], settings)
    )
    # A placebo is never deployed, so it has no use for the way around the test.
    may_narrow = facts.evidenced is not None and not proposal.is_placebo
    narrowing = may_narrow and is_narrowing(proposal, facts.evidenced or {}, specs)
    rules = (_rules_check(proposal),) if all(check.passed for check in values) else ()
    flow = (
        *novelty_checks(proposal, facts.programs),
        *_evidence_checks(proposal.strategy, narrowing, facts.said_share),
        _repeat_check(proposal, facts),
        _one_at_a_time_check(facts, narrowing),
        *(() if narrowing else _cooldown_checks(proposal, facts, settings)),
    )
    return Admission(form + values + rules + flow, narrowing)


def changed_edits(proposal: Proposal) -> tuple[Edit, ...]:
    """Return the edits that change something."""
    return tuple(edit for edit in proposal.edits if proposal.base_params.get(edit.param) != edit.value)


def is_narrowing(proposal: Proposal, evidenced: Mapping[str, float], specs: Mapping[str, ParamSpec]) -> bool:
    """Return whether the change only lowers caps within the floor, or only takes such a lowering back.

    Another rule set is never that: it enters where nothing was entered.
    """
    edits = changed_edits(proposal)
    if proposal.rules is not None or not edits or any(specs[edit.param].risk != "cap" for edit in edits):
        return False
    others = (name for name, spec in specs.items() if spec.risk != "cap")
    if any(proposal.base_params[name] != evidenced.get(name) for name in others):
        return False
    proven = {edit.param: evidenced.get(edit.param, math.nan) for edit in edits}
    lower = all(NARROWING_FLOOR * proven[edit.param] <= edit.value < proposal.base_params[edit.param] for edit in edits)
    back = all(proposal.base_params[edit.param] < edit.value <= proven[edit.param] for edit in edits)
    return lower or back


def _form_checks(proposal: Proposal, facts: AdmissionFacts) -> tuple[Check, ...]:
    active = facts.active
    if proposal.strategy not in strategy_names():
        return (_check("strategy", False, f"there is no strategy '{proposal.strategy}'"),)
    if active is None or active.strategy != proposal.strategy:
        return (_check("instance", False, f"no instance {proposal.instance_id} runs {proposal.strategy}"),)
    current = (active.version, active.sha256, active.params)
    specs = load_param_specs(proposal.strategy)
    names = [edit.param for edit in proposal.edits]
    unknown = sorted(set(names) - set(specs))
    return (
        _check("instance", True, f"{proposal.instance_id} runs {proposal.strategy}"),
        _check(
            "base",
            current == (proposal.base_version, proposal.base_sha256, proposal.base_params),
            f"made for version {proposal.base_version}; version {active.version} is in force",
        ),
        _check(
            "schema",
            not unknown,
            f"{proposal.strategy} has no parameter {', '.join(unknown)}" if unknown else "every parameter is known",
        ),
        _check("single_edits", len(set(names)) == len(names), "each parameter is named at most once"),
        _check(
            "finite",
            all(math.isfinite(edit.value) for edit in proposal.edits) and math.isfinite(proposal.confidence),
            "every value is a number",
        ),
        _check("changes", bool(changed_edits(proposal)) or proposal.rules is not None, _told_changes(proposal)),
        *form_checks(proposal, active),
    )


def _told_changes(proposal: Proposal) -> str:
    told = f"{len(changed_edits(proposal))} edits change something"
    return told if proposal.rules is None else f"another rule set; {told}"


def _value_checks(edit: Edit, proposal: Proposal, spec: ParamSpec, settings: GateSettings) -> tuple[Check, ...]:
    base = proposal.base_params[edit.param]
    step, allowed = abs(edit.value - base), spec.largest_move(base, settings.max_step_share)
    limit = spec.minimum if edit.value < spec.minimum else spec.maximum
    bounds = f"{edit.param} = {edit.value:g}, allowed {spec.minimum:g} to {spec.maximum:g} {spec.unit}"
    return (
        Check("bounds", spec.minimum <= edit.value <= spec.maximum, edit.value, limit, bounds),
        Check(
            "grid",
            spec.is_on_grid(edit.value),
            edit.value,
            spec.step,
            f"{edit.param} = {edit.value:g} on the grid {spec.minimum:g} + k x {spec.step:g}",
        ),
        Check(
            "step",
            step <= allowed * (1 + 1e-9),
            step,
            allowed,
            f"{edit.param} moves by {step:g} {spec.unit}; at most {allowed:g} at once",
        ),
    )


def _rules_check(proposal: Proposal) -> Check:
    try:
        validate_params(proposal.strategy, proposal.params)
    except BadInput as error:
        return _check("rules", False, error.message)
    return _check("rules", True, "the parameters agree with each other")


def _evidence_checks(strategy: str, narrowing: bool, said_share: float) -> tuple[Check, ...]:
    if is_judged_on_bars(strategy):
        return ()
    needs = decides_on(strategy)
    if needs == "predictions" and said_share > 0:
        enough = said_share >= MIN_SAID_SHARE
        detail = f"models spoke on {said_share:.0%} of the days that a judgement needs, of which {MIN_SAID_SHARE:.0%}"
        return (_check("no_evidence", narrowing or enough, f"{detail} must be there"),)
    detail = (
        f"{strategy} decides on {needs}, and bars hold none: no backtest can speak for it, only caps may be lowered"
    )
    return (_check("no_evidence", narrowing, detail),)


def _repeat_check(proposal: Proposal, facts: AdmissionFacts) -> Check:
    others = [other for other in facts.refuted if other.proposal_id != proposal.proposal_id]
    detail = f"the same change was tried as {others[0].proposal_id}" if others else "not tried before"
    return _check("repeat", not others, detail)


def _one_at_a_time_check(facts: AdmissionFacts, narrowing: bool) -> Check:
    # Lowering a cap must not wait behind an idea that waits for its test, or is on its way to the whole capital.
    ideas = [*((facts.canary_id,) if facts.canary_id else ()), *(other.proposal_id for other in facts.queued)]
    waiting = [*facts.on_the_way, *(() if narrowing else ideas)]
    detail = f"{waiting[0]} is on its way for this instance" if waiting else "nothing else is on its way"
    return _check("one_at_a_time", not waiting, detail)


def _cooldown_checks(proposal: Proposal, facts: AdmissionFacts, settings: GateSettings) -> tuple[Check, ...]:
    checks = []
    names = [edit.param for edit in changed_edits(proposal)] + ([] if proposal.rules is None else [PROGRAM])
    for name in names:
        touched = facts.touched_at.get(name)
        if touched is None:
            continue
        age = (facts.now - touched) / timedelta(days=1)
        checks.append(
            Check(
                "cooldown",
                age >= settings.cooldown_days,
                age,
                float(settings.cooldown_days),
                f"{name} was last touched {age:.1f} days ago; {settings.cooldown_days} must pass",
            )
        )
    return tuple(checks)


def _check(name: str, passed: bool, detail: str) -> Check:
    return Check(name, passed, None, None, detail)
