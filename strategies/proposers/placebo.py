"""Placebos: random changes of equal size to a proposal that they shadow. They show what luck looks like.

Blind: all but the edits, the id and the source is the proposal's own, so that nothing downstream treats it otherwise.
The source `placebo_random` is for the ledger and the scorecard; no bandit counts it.
"""

from dataclasses import replace

import numpy as np

from core.errors import BadInput
from core.model.canonical import canonical_json, short_id
from core.model.proposal import PLACEBO, Edit, Proposal
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
    if space.refusal(proposal.params):
        return None
    specs = load_param_specs(proposal.strategy)
    shares = [
        abs(edit.value - space.running.params[edit.param]) / space.largest_moves[edit.param]
        for edit in space.edits_to(proposal.params)
        if specs[edit.param].risk == "none"
    ]
    if not shares or len(shares) > len(space.names):
        return None
    dice = np.random.default_rng(seed_of(seed, PLACEBO, proposal.proposal_id))
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


def _placebo_of(proposal: Proposal, edits: tuple[Edit, ...]) -> Proposal:
    identity = (proposal.analysis_id, proposal.instance_id, proposal.base_sha256, canonical_json(edits), PLACEBO)
    # What became of the proposal that it shadows is not what becomes of it.
    fresh = replace(proposal, state="pending", hold=False)
    return replace(fresh, proposal_id=short_id("proposal", *identity), edits=edits, source=PLACEBO)
