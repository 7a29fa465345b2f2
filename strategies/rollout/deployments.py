"""How a change reaches the engine, and how it is taken back.

A deployment is a new parameter version, sent as a compare-and-set on the version in force and active only when the
engine acknowledges its hash. A rollback is a new version too: history is never rewritten. Everything happens in the
caller's transaction, and a repeated call finds what the first one did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.clock import Clock, to_ns
from core.errors import BadInput, Conflict, Refused
from core.model.canonical import short_id
from core.model.generated import Message, ParamsAck, ParamsUpdate
from core.model.proposal import Deployment, DeploymentState, ParamVersion, Proposal, Verdict
from core.model.slots import SLOT_MARK, is_slot, live_id, slots_of
from core.native import validate_params
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import Session, audit, deployments, param_versions, proposals, verdicts
from strategies.programs import Programs
from strategies.schema import default_params, load_param_specs

EXPIRES_AFTER = timedelta(hours=1)
"""The engine refuses an update that reaches it later than this: the market it was decided on is gone."""
ROLLBACK = "rollback:"
GATE = "gate"
ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Rollout:
    """Deploys accepted and narrowing changes. `send` puts a message into the outbox in the same transaction."""

    clock: Clock
    settings: Settings
    send: Callable[[Session, Message], int]
    programs: Programs = field(default_factory=dict)

    def ensure_initial(self, session: Session, instances: Sequence[InstanceSettings]) -> list[ParamVersion]:
        """Return the versions in force of live instances; one without any gets version 1 from settings and defaults.

        So does each of its slots, as a base for what is sent there. Later edits of the settings change nothing: from
        then on only deployments do. Raises BadInput for parameters that the strategy refuses.
        """
        for instance in instances:
            if param_versions.find_active(session, instance.instance_id) is None:
                params = {**default_params(instance.strategy), **instance.params}
                sha256 = validate_params(instance.strategy, params, self._program(instance.instance_id))
                at = self.clock.now()
                for name in (instance.instance_id, *slots_of(instance.instance_id)):
                    initial = ParamVersion(name, instance.strategy, 1, params, sha256, "initial", at, active=True)
                    param_versions.add(session, initial)
        return param_versions.all_active(session)

    def require_same_programs(self, session: Session) -> None:
        """Raise BadInput for an instance whose rule set is not the one that its version in force was made with."""
        for instance_id, rules in self.programs.items():
            active = param_versions.find_active(session, instance_id)
            if active is None or validate_params(active.strategy, active.params, rules) == active.sha256:
                continue
            raise BadInput(
                f"the rule set of instance {instance_id} is not the one of its version {active.version} in force, "
                "and another rule set is another strategy",
                "Put the old file back, or give the new one to an instance with another name in a home of its own",
            )

    def deploy(self, session: Session, proposal: Proposal, verdict: Verdict) -> Deployment:
        """Return the deployment of an accepted or narrowing proposal: pushed, or waiting for a named person.

        Raises Refused without a stored verdict that allows it, Conflict when other parameters are in force by now.
        """
        deployment_id = short_id("deployment", proposal.proposal_id)
        done = deployments.find(session, deployment_id)
        if done is not None:
            return done
        _require_leave(session, proposal, verdict)
        stored = proposals.get(session, proposal.proposal_id)
        active = param_versions.active(session, proposal.instance_id)
        if active.sha256 != proposal.base_sha256:
            raise Conflict(
                f"{proposal.proposal_id} was judged against version {proposal.base_version} of "
                f"{proposal.instance_id}, and version {active.version} is in force",
                "Let the next cycle propose it again",
            )
        waits = self.settings.gate.require_approval or stored.hold
        version = self._add_version(session, active, proposal.params, proposal.proposal_id)
        deployment = self._add_deployment(session, deployment_id, proposal.proposal_id, version, active)
        audit.append(session, deployment.created_at, GATE, "deploy", deployment_id, {"verdict": verdict.verdict_id})
        return deployment if waits else self._push(session, deployment, version, active, GATE)

    def send_to_slot(
        self, session: Session, slot_id: str, params: Mapping[str, float], capital_share: float, origin: str
    ) -> Deployment:
        """Return the pushed deployment that has a slot run `params` at a share of the instance's capital; 0 is idle.

        It is a new version, also where only the share changes; a repeat while it is the newest changes nothing.
        Raises BadInput for a share outside 0 to 1 or an id that is no slot's, Refused for the slot of day 0, Conflict
        while something else is on its way there.
        """
        _require_sendable(slot_id, capital_share)
        active = param_versions.active(session, slot_id)
        sha256 = validate_params(active.strategy, params, self._program(slot_id))
        newest = next(reversed(deployments.of_instance(session, slot_id)), None)
        if newest is not None and newest.state in {"pushed", "active"}:
            there = param_versions.get(session, slot_id, newest.version)
            if (there.sha256, newest.capital_share, there.origin) == (sha256, capital_share, origin):
                return newest
            if newest.state == "pushed":
                raise Conflict(
                    f"version {newest.version} of {slot_id} is on its way to the engine",
                    "Wait for its acknowledgement",
                )
        version = self._add_version(session, active, params, origin)
        deployment_id = short_id("deployment", slot_id, version.version)
        made = self._add_deployment(session, deployment_id, None, version, active, capital_share)
        payload = {"origin": origin, "capital_share": capital_share}
        audit.append(session, made.created_at, GATE, "send_to_slot", deployment_id, payload)
        return self._push(session, made, version, active, GATE)

    def approve(self, session: Session, deployment_id: str, by: str) -> Deployment:
        """Return the deployment, pushed on the word of `by`. Raises Conflict unless it waits for approval.

        A repeat by anyone after it was approved changes nothing.
        """
        deployment = deployments.get(session, deployment_id)
        if deployment.approved_by:
            return deployment
        _require_waiting(deployment, "approve")
        active = param_versions.active(session, deployment.instance_id)
        if active.version != deployment.rollback_to:
            raise Conflict(
                f"{deployment_id} changes version {deployment.rollback_to}, and version {active.version} is in force",
                "Reject it; the next cycle proposes anew",
            )
        version = param_versions.get(session, deployment.instance_id, deployment.version)
        wider = is_wider(active.strategy, active.params, version.params)
        audit.append(session, self.clock.now(), by, "approve", deployment_id, {"wider": wider})
        return self._push(session, deployment, version, active, by)

    def reject(self, session: Session, deployment_id: str, by: str, reason: str) -> Deployment:
        """Return the deployment, rejected by `by`; its proposal is refused. Raises Conflict unless it waits."""
        deployment = deployments.get(session, deployment_id)
        if deployment.state == "rejected":
            return deployment
        _require_waiting(deployment, "reject")
        rejected = replace(deployment, state="rejected", reason=f"rejected by {by}: {reason}")
        deployments.put(session, rejected)
        if deployment.proposal_id is not None:
            proposals.set_state(session, deployment.proposal_id, "refused")
        audit.append(session, self.clock.now(), by, "reject", deployment_id, {"reason": reason})
        return rejected

    def rollback(self, session: Session, target_id: str, by: str, reason: str) -> Deployment:
        """Return the deployment that takes `target_id` (a deployment or its proposal) back, by a new version.

        Raises UnknownName for an unknown target, Conflict when it is not in force or something else is on its way.
        """
        target = _find_target(session, target_id)
        if is_slot(target.instance_id):
            raise Conflict(
                f"deployment {target.deployment_id} is in slot {target.instance_id}, which trades for no proposal yet",
                "Roll back what the live instance runs",
            )
        deployment_id = short_id("deployment", "rollback", target.deployment_id)
        done = deployments.find(session, deployment_id)
        if done is not None and done.state != "rejected":
            return done
        if target.state != "active":
            raise Conflict(
                f"deployment {target.deployment_id} is {target.state}; only what is in force can be rolled back",
                "See which version is in force with `xcrack params show`",
            )
        if done is not None:
            # The engine refused the first attempt; a second one needs an id of its own.
            tried = [each for each in deployments.of_instance(session, target.instance_id) if each.state == "rejected"]
            deployment_id = short_id("deployment", "rollback", target.deployment_id, len(tried))
        active = param_versions.active(session, target.instance_id)
        earlier = param_versions.get(session, target.instance_id, target.rollback_to)
        version = self._add_version(session, active, earlier.params, f"{ROLLBACK}{target.deployment_id}")
        deployment = self._add_deployment(session, deployment_id, None, version, active)
        payload = {"target": target.deployment_id, "reason": reason}
        audit.append(session, self.clock.now(), by, "rollback", deployment_id, payload)
        return self._push(session, replace(deployment, reason=reason), version, active, by)

    def on_ack(self, session: Session, ack: ParamsAck) -> str:
        """Note what became of an update; return the text of an alert, or empty. A repeated ack has no second effect."""
        deployment = deployments.find(session, ack.deployment_id)
        if deployment is None:
            return f"the engine acknowledged deployment {ack.deployment_id}, which nobody here made"
        if deployment.state != "pushed":
            return ""
        version = param_versions.get(session, deployment.instance_id, deployment.version)
        if _is_as_sent(ack, version, deployment):
            self._activate(session, deployment, version)
            return ""
        why = _refusal(ack, version, deployment)
        now = self.clock.now()
        deployments.put(
            session, replace(deployment, state="rejected", acked_at=now, ack_sha256=ack.params_sha256, reason=why)
        )
        audit.append(session, now, ENGINE, "refuse_params", deployment.deployment_id, {"reason": why})
        return f"{deployment.instance_id} did not take version {version.version}: {why}"

    def _program(self, instance_id: str) -> str | None:
        """Return the rule set of an instance, which its slots follow too."""
        return self.programs.get(live_id(instance_id))

    def _activate(self, session: Session, deployment: Deployment, version: ParamVersion) -> None:
        now = self.clock.now()
        undone = version.origin.removeprefix(ROLLBACK) if version.origin.startswith(ROLLBACK) else ""
        for former in deployments.of_instance(session, deployment.instance_id):
            if former.state == "active":
                state: DeploymentState = "rolled_back" if former.deployment_id == undone else "superseded"
                deployments.put(session, replace(former, state=state))
        param_versions.activate(session, deployment.instance_id, version.version)
        deployments.put(session, replace(deployment, state="active", acked_at=now, ack_sha256=version.sha256))
        self._settle_proposals(session, deployment, undone)
        payload = {"version": version.version, "sha256": version.sha256}
        audit.append(session, now, ENGINE, "apply_params", deployment.deployment_id, payload)

    def _settle_proposals(self, session: Session, deployment: Deployment, undone: str) -> None:
        if deployment.proposal_id is not None:
            proposal = proposals.get(session, deployment.proposal_id)
            # A narrowing stays `narrowed`: nothing was shown about it.
            if proposal.state == "accepted":
                proposals.set_state(session, proposal.proposal_id, "deployed")
        if undone:
            target = deployments.get(session, undone)
            if target.proposal_id is not None:
                proposals.set_state(session, target.proposal_id, "rolled_back")

    def _add_version(
        self, session: Session, active: ParamVersion, params: Mapping[str, float], origin: str
    ) -> ParamVersion:
        newest = param_versions.history(session, active.instance_id)[-1]
        version = ParamVersion(
            instance_id=active.instance_id,
            strategy=active.strategy,
            version=newest.version + 1,
            params=dict(params),
            sha256=validate_params(active.strategy, params, self._program(active.instance_id)),
            origin=origin,
            created_at=self.clock.now(),
            active=False,
        )
        param_versions.add(session, version)
        return version

    def _add_deployment(
        self,
        session: Session,
        deployment_id: str,
        proposal_id: str | None,
        version: ParamVersion,
        active: ParamVersion,
        capital_share: float = 1.0,
    ) -> Deployment:
        deployment = Deployment(
            deployment_id=deployment_id,
            proposal_id=proposal_id,
            instance_id=version.instance_id,
            version=version.version,
            rollback_to=active.version,
            state="awaiting_approval",
            created_at=self.clock.now(),
            approved_by="",
            pushed_at=None,
            acked_at=None,
            ack_sha256="",
            reason="",
            capital_share=capital_share,
        )
        deployments.add(session, deployment)
        return deployment

    def _push(
        self, session: Session, deployment: Deployment, version: ParamVersion, base: ParamVersion, by: str
    ) -> Deployment:
        now = self.clock.now()
        pushed = replace(deployment, state="pushed", approved_by=by, pushed_at=now)
        deployments.put(session, pushed)
        self.send(
            session,
            ParamsUpdate(
                base_sha256=base.sha256,
                base_version=base.version,
                capital_share=deployment.capital_share,
                deployment_id=deployment.deployment_id,
                expires_at_ns=to_ns(now + EXPIRES_AFTER),
                instance_id=deployment.instance_id,
                issued_at_ns=to_ns(now),
                origin=deployment.proposal_id or (version.origin if is_slot(version.instance_id) else by),
                params=version.params,
                params_sha256=version.sha256,
                version=version.version,
            ),
        )
        return pushed


def is_wider(strategy: str, base: Mapping[str, float], candidate: Mapping[str, float]) -> bool:
    """Return whether the candidate may expose more than the base: anything but lower caps and nothing else."""
    specs = load_param_specs(strategy)
    changed = [name for name in candidate if candidate[name] != base.get(name)]
    return any(specs[name].risk != "cap" or candidate[name] > base[name] for name in changed)


def _require_leave(session: Session, proposal: Proposal, verdict: Verdict) -> None:
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


def _require_waiting(deployment: Deployment, verb: str) -> None:
    if deployment.state != "awaiting_approval":
        raise Conflict(
            f"cannot {verb} deployment {deployment.deployment_id}: it is {deployment.state}",
            "Only deployments that wait for approval can be approved or rejected",
        )


def _find_target(session: Session, target_id: str) -> Deployment:
    found = deployments.find(session, target_id)
    if found is not None:
        return found
    of_proposal = deployments.for_proposal(session, target_id)
    return of_proposal[-1] if of_proposal else deployments.get(session, target_id)


def _require_sendable(slot_id: str, capital_share: float) -> None:
    if not is_slot(slot_id):
        raise BadInput(f"{slot_id} is no slot", "A live instance changes by a deployment")
    if slot_id.endswith(f"{SLOT_MARK}day0"):
        raise Refused(f"{slot_id} keeps the parameters of the first day for ever", "Name another slot")
    if not 0 <= capital_share <= 1:
        raise BadInput(f"a share of {capital_share} of the capital is none", "Give a number from 0 to 1")


def _is_as_sent(ack: ParamsAck, version: ParamVersion, deployment: Deployment) -> bool:
    sent = (True, version.version, version.sha256, deployment.capital_share)
    return (ack.applied, ack.version, ack.params_sha256, ack.capital_share) == sent


def _refusal(ack: ParamsAck, version: ParamVersion, deployment: Deployment) -> str:
    if not ack.applied:
        return ack.reason or "the engine gave no reason"
    reported = f"the engine reports version {ack.version} with hash {ack.params_sha256} at share {ack.capital_share:g}"
    return f"{reported}, sent was {version.sha256} at share {deployment.capital_share:g}"
