"""What must hold before something is sent to the engine, and what its answer says."""

from collections.abc import Mapping
from typing import cast

from core.errors import BadInput, Conflict, Refused
from core.model.generated import ParamsAck
from core.model.proposal import Deployment, ParamVersion, Proposal, Verdict
from core.model.slots import SLOT_MARK, Slot, initial_share, is_slot
from core.store import Session, deployments, param_versions, proposals, verdicts
from strategies.schema import load_param_specs

ROLLBACK = "rollback:"
"""Origin of a version that takes another one's parameters back, before the id of the deployment that brought them."""


def is_wider(strategy: str, base: Mapping[str, float], candidate: Mapping[str, float]) -> bool:
    """Return whether the candidate may expose more than the base: anything but lower caps and nothing else."""
    specs = load_param_specs(strategy)
    changed = [name for name in candidate if candidate[name] != base.get(name)]
    return any(specs[name].risk != "cap" or candidate[name] > base[name] for name in changed)


def require_leave(session: Session, proposal: Proposal, verdict: Verdict) -> None:
    """Raise Refused unless the stored verdict lets the proposal through."""
    if proposal.is_placebo or proposals.get(session, proposal.proposal_id).is_placebo:
        raise Refused(f"{proposal.proposal_id} is a placebo", "It measures the gate and is never deployed")
    # The stored verdict counts, not the one in hand.
    stored = verdicts.find(session, verdict.verdict_id)
    allowed = {("sealed", "accepted"), ("admission", "narrowed")}
    if stored is None or stored.proposal_id != proposal.proposal_id or (stored.stage, stored.outcome) not in allowed:
        raise Refused(
            f"{proposal.proposal_id} has no verdict that lets it through",
            "Only a passed sealed test, or a narrowing of caps, is deployed",
        )


def require_waiting(deployment: Deployment, verb: str) -> None:
    """Raise Conflict unless the deployment waits for a person; `verb` is what was tried."""
    if deployment.state != "awaiting_approval":
        raise Conflict(
            f"cannot {verb} deployment {deployment.deployment_id}: it is {deployment.state}",
            "Only deployments that wait for approval can be approved or rejected",
        )


def find_target(session: Session, target_id: str) -> Deployment:
    """Return the deployment that a deployment or proposal id means. Raises UnknownName."""
    found = deployments.find(session, target_id)
    if found is not None:
        return found
    of_proposal = deployments.for_proposal(session, target_id)
    return of_proposal[-1] if of_proposal else deployments.get(session, target_id)


def brought_by(session: Session, deployment: Deployment) -> Deployment:
    """Return the deployment that brought the parameters of this one: an earlier one, where only the share changed."""
    made = deployments.of_instance(session, deployment.instance_id)
    versions = {each.version: each.sha256 for each in param_versions.history(session, deployment.instance_id)}
    wanted = versions[deployment.version]
    for each in reversed([each for each in made if each.version <= deployment.version]):
        if versions[each.version] == wanted != versions[each.rollback_to]:
            return each
    return deployment


def is_way_back(version: ParamVersion) -> bool:
    """Return whether a version took parameters back."""
    return version.origin.startswith(ROLLBACK)


def require_no_return(session: Session, deployment: Deployment) -> None:
    """Raise Refused for undoing a rollback: what was taken back comes again through the gate alone."""
    version = param_versions.get(session, deployment.instance_id, deployment.version)
    if is_way_back(version):
        raise Refused(
            f"version {version.version} of {version.instance_id} took parameters back, and that is not undone",
            "They come again as a proposal that passes the gate",
        )


def share_in_force(session: Session, instance_id: str) -> float:
    """Return the share of its capital that the engine last acknowledged for a live instance or a slot."""
    for deployment in reversed(deployments.of_instance(session, instance_id)):
        if deployment.state == "active":
            return deployment.capital_share
    return initial_share(cast(Slot, instance_id.partition(SLOT_MARK)[2])) if is_slot(instance_id) else 1.0


def require_slot(slot: str, capital_share: float) -> None:
    """Raise unless the id is a slot's that candidates may change, and the share is one."""
    if not is_slot(slot):
        raise BadInput(f"{slot} is no slot", "A live instance changes by a deployment")
    if slot.endswith(f"{SLOT_MARK}day0"):
        raise Refused(f"{slot} keeps the parameters of the first day for ever", "Name another slot")
    require_share(capital_share)


def require_share(capital_share: float) -> None:
    """Raise BadInput for a share outside 0 to 1."""
    if not 0 <= capital_share <= 1:
        raise BadInput(f"a share of {capital_share} of the capital is none", "Give a number from 0 to 1")


def is_as_sent(ack: ParamsAck, version: ParamVersion, deployment: Deployment) -> bool:
    """Return whether the engine took exactly what was sent."""
    sent = (True, version.version, version.sha256, deployment.capital_share)
    return (ack.applied, ack.version, ack.params_sha256, ack.capital_share) == sent


def refusal_of(ack: ParamsAck, version: ParamVersion, deployment: Deployment) -> str:
    """Return why the engine did not take what was sent, in words."""
    if not ack.applied:
        return ack.reason or "the engine gave no reason"
    reported = f"the engine reports version {ack.version} with hash {ack.params_sha256} at share {ack.capital_share:g}"
    return f"{reported}, sent was {version.sha256} at share {deployment.capital_share:g}"
