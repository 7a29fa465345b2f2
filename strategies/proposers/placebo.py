"""Placebos: random changes of equal size to a proposal that they shadow. They show what luck looks like.

Blind: all but the change, the id and the source is the proposal's own, so that nothing downstream treats it otherwise.
The placebo of another rule set is that rule set with its own constants dealt out anew, windows among windows, and with
no other number beside it: as complex and as new, and nobody chose it.
The source `placebo_random` is for the ledger and the scorecard; no bandit counts it.
"""

from dataclasses import replace

import numpy as np

from core.errors import BadInput
from core.model.canonical import canonical_json, short_id
from core.model.proposal import PLACEBO, Edit, Proposal
from strategies.program_parts import Constant, constants_of, with_constants
from strategies.programs import identify_program
from strategies.proposers.protocol import seed_of
from strategies.proposers.space import Space
from strategies.schema import load_param_specs

ATTEMPTS = 100


def shadow(proposal: Proposal, space: Space, seed: int) -> Proposal | None:
    """Return a placebo of `proposal`: as many parameters of `space`, each moved by an equal share of its largest move.

    None where the proposal moves caps alone, which no evidence is asked for, where admission would refuse it, and where
    no admissible change is as large. Raises BadInput for a proposal made for another version.
    """
    if proposal.base_sha256 != space.running.sha256:
        raise BadInput(f"{proposal.proposal_id} was made for version {proposal.base_version}, which does not run")
    if space.refusal(proposal.params, proposal.rules):
        return None
    dice = np.random.default_rng(seed_of(seed, PLACEBO, proposal.proposal_id))
    if proposal.rules is not None:
        dealt = _dealt(proposal.rules, space, dice)
        return None if dealt is None else _placebo_of(proposal, (), dealt)
    specs = load_param_specs(proposal.strategy)
    shares = [
        abs(edit.value - space.running.params[edit.param]) / space.largest_moves[edit.param]
        for edit in space.edits_to(proposal.params)
        if specs[edit.param].risk == "none"
    ]
    if not shares or len(shares) > len(space.names):
        return None
    for _ in range(ATTEMPTS):
        names = dice.permutation(space.names)[: len(shares)]
        point = {
            str(name): _moved(space, str(name), share, int(dice.choice((-1, 1))))
            for name, share in zip(names, shares, strict=True)
        }
        inside = all(k in space.ranges[name] for name, k in point.items())
        params = space.params_at(point)
        if inside and params != proposal.params and not space.refusal(params):
            return _placebo_of(proposal, space.edits_to(params))
    return None


def _moved(space: Space, name: str, share: float, sign: int) -> int:
    spec = load_param_specs(space.running.strategy)[name]
    return space.origin[name] + sign * max(1, round(share * space.largest_moves[name] / spec.step))


def _dealt(rules: str, space: Space, dice: np.random.Generator) -> str | None:
    """Return the rule set with its constants in other places of their kind; None where no other sound one is found."""
    constants = constants_of(rules)
    kinds = [[each for each in constants if _kind(each) == kind] for kind in dict.fromkeys(map(_kind, constants))]
    for _ in range(ATTEMPTS):
        drawn = {
            place.path: places[int(k)].value
            for places in kinds
            for place, k in zip(places, dice.permutation(len(places)), strict=True)
        }
        try:
            dealt = with_constants(rules, drawn)
        except BadInput:
            continue
        if identify_program(dealt) != identify_program(rules) and not space.refusal(space.running.params, dealt):
            return dealt
    return None


def _kind(constant: Constant) -> str:
    return "window" if constant.is_window else str(constant.path[-1])


def _placebo_of(proposal: Proposal, edits: tuple[Edit, ...], rules: str | None = None) -> Proposal:
    content = (canonical_json(edits), PLACEBO, *(() if rules is None else (rules,)))
    identity = (proposal.analysis_id, proposal.instance_id, proposal.base_sha256, *content)
    # What became of the proposal that it shadows is not what becomes of it.
    fresh = replace(proposal, state="pending", hold=False)
    return replace(fresh, proposal_id=short_id("proposal", *identity), edits=edits, rules=rules, source=PLACEBO)
