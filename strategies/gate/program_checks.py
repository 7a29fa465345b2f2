"""Whether another rule set may be tried at all: form, size, and that it was not tried before. Free of evidence.

The schema is closed: a rule set names prices, volumes and times of the instance's own candles and nothing else, so it
cannot reach another symbol or another interval. Nothing is repaired; what is not sound is refused with its place.
"""

from collections.abc import Mapping

from core.errors import BadInput
from core.model.proposal import Check, ParamVersion, Proposal
from strategies.programs import RULES, canonical_program, identify_program

PROGRAM = "rules"
"""Stands for the rule set among the parameters that were touched; no parameter has the name."""


def form_checks(proposal: Proposal, active: ParamVersion) -> tuple[Check, ...]:
    """Return whether the text is that of a rule set for this instance; empty where none is asked for."""
    if proposal.rules is None:
        return ()
    if proposal.strategy != RULES:
        return (_check("program", False, f"{proposal.strategy} follows no rule set"),)
    if proposal.base_rules is None or proposal.base_rules != active.rules:
        return (_check("program", False, "it does not say which rule set it was made for"),)
    try:
        canonical = canonical_program(proposal.rules)
    except BadInput as error:
        return (_check("program", False, error.message),)
    is_canonical = canonical == proposal.rules
    detail = "it is a rule set" if is_canonical else "it is not the one JSON text of its rule set"
    return (_check("program", is_canonical, detail),)


def novelty_checks(proposal: Proposal, known: Mapping[str, str]) -> tuple[Check, ...]:
    """Return whether the rule set does something new; `known` says by hash where one was met before."""
    if proposal.rules is None:
        return ()
    where = known.get(identify_program(proposal.rules), "")
    detail = f"{where} does the same" if where else "the instance never followed or tried it"
    return (_check("program_new", not where, detail),)


def _check(name: str, passed: bool, detail: str) -> Check:
    return Check(name, passed, None, None, detail)
