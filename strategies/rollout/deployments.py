"""How a change reaches the engine, and how it is taken back.

A deployment is a new parameter version, sent as a compare-and-set on the version in force and active only when the
engine acknowledges its hash. A rollback is a new version too: history is never rewritten. Everything happens in the
caller's transaction, and a repeated call finds what the first one did.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from core.clock import Clock, to_ns
from core.errors import BadInput, Conflict
from core.model.canonical import short_id
from core.model.generated import Message, ParamsAck, ParamsUpdate
from core.model.proposal import Deployment, DeploymentState, ParamVersion, Proposal, Verdict
from core.model.slots import is_slot, slot_id, slots_of
from core.native import validate_params
from core.settings import Settings
from core.settings_sections import InstanceSettings
from core.store import Session, audit, deployments, param_versions, proposals
from strategies.programs import Programs
from strategies.rollout.checks import (
    ROLLBACK,
    brought_by,
    find_target,
    is_as_sent,
    is_wider,
    refusal_of,
    require_leave,
    require_no_return,
    require_share,
    require_slot,
    require_waiting,
    share_in_force,
)
from strategies.schema import default_params

EXPIRES_AFTER = timedelta(hours=1)
"""The engine refuses an update that reaches it later than this: the market it was decided on is gone."""
GATE = "gate"
ENGINE = "engine"


@dataclass(frozen=True, slots=True)
class Rollout:
    """Deploys accepted and narrowing changes. `send` puts a message into the outbox in the same transaction."""

    clock: Clock
    settings: Settings
    send: Callable[[Session, Message], int]
    programs: Programs = field(default_factory=dict)
    """The rule sets that live instances begin with."""

    def ensure_initial(self, session: Session, instances: Sequence[InstanceSettings]) -> list[ParamVersion]:
        """Return the versions in force of live instances; one without any gets version 1 from settings and defaults.

        So does each of its slots, as a base for what is sent there. Later edits of the settings change nothing: from
        then on only deployments do. Raises BadInput for parameters that the strategy refuses.
        """
        for instance in instances:
            if param_versions.find_active(session, instance.instance_id) is None:
                params = {**default_params(instance.strategy), **instance.params}
                rules = self.programs.get(instance.instance_id)
                sha256 = validate_params(instance.strategy, params, rules)
                first = (1, params, sha256, "initial", self.clock.now(), True, rules)
                for name in (instance.instance_id, *slots_of(instance.instance_id)):
                    param_versions.add(session, ParamVersion(name, instance.strategy, *first))
        return param_versions.all_active(session)

    def require_same_programs(self, session: Session) -> None:
        """Raise BadInput for an instance whose first rule set is not the one that the settings name.

        What runs is that of the version in force, whatever the settings say; but a file that somebody changed, in the
        belief that it would run, must not go unnoticed. Versions from before they kept their rule set get theirs.
        """
        for instance_id, rules in self.programs.items():
            first = next(iter(param_versions.history(session, instance_id)), None)
            if first is None:
                continue
            if validate_params(first.strategy, first.params, rules) != first.sha256:
                raise BadInput(
                    f"the rule set that the settings name for instance {instance_id} is not the one it began with, and "
                    "the settings give the first one only",
                    "Put the old file back; proposals change what runs. Or give the new one to another instance "
                    "in a home of its own",
                )
            param_versions.fill_rules(session, (instance_id, *slots_of(instance_id)), rules)

    def deploy(self, session: Session, proposal: Proposal, verdict: Verdict) -> Deployment:
        """Return the deployment of an accepted or narrowing proposal: pushed, or waiting for a named person.

        Raises Refused without a stored verdict that allows it, Conflict when other parameters are in force by now.
        """
        deployment_id = short_id("deployment", proposal.proposal_id)
        done = deployments.find(session, deployment_id)
        if done is not None:
            return done
        require_leave(session, proposal, verdict)
        stored = proposals.get(session, proposal.proposal_id)
        active = param_versions.active(session, proposal.instance_id)
        if active.sha256 != proposal.base_sha256:
            raise Conflict(
                f"{proposal.proposal_id} was judged against version {proposal.base_version} of "
                f"{proposal.instance_id}, and version {active.version} is in force",
                "Let the next cycle propose it again",
            )
        waits = self.settings.gate.require_approval or stored.hold
        version = self._add_version(session, active, proposal.params, proposal.proposal_id, proposal.rules)
        share = share_in_force(session, proposal.instance_id)
        deployment = self._add_deployment(session, deployment_id, proposal.proposal_id, version, active, share)
        audit.append(session, deployment.created_at, GATE, "deploy", deployment_id, {"verdict": verdict.verdict_id})
        return deployment if waits else self._push(session, deployment, version, active, GATE)

    def send_to_slot(
        self,
        session: Session,
        slot: str,
        params: Mapping[str, float],
        capital_share: float,
        origin: str,
        rules: str | None = None,
    ) -> Deployment:
        """Return the pushed deployment that has a slot run `params` at a share of the instance's capital; 0 is idle.

        `rules` is the rule set of strategy `rules`; None keeps the slot's. It is a new version, also where only the
        share changes; a repeat while it is the newest changes nothing. Raises BadInput for a share outside 0 to 1 or an
        id that is no slot's, Refused for the slot of day 0, Conflict while something else is on its way there.
        """
        require_slot(slot, capital_share)
        return self._send(session, slot, params, capital_share, origin, None, rules)

    def send_to_live(
        self,
        session: Session,
        instance_id: str,
        params: Mapping[str, float],
        capital_share: float,
        origin: str,
        proposal_id: str | None = None,
        rules: str | None = None,
    ) -> Deployment:
        """Return the pushed deployment that has a live instance run `params` at a share of its capital.

        `rules` is the rule set of strategy `rules`; None keeps the instance's. With `proposal_id` it is that proposal's
        promotion. A repeat while it is the newest changes nothing. Raises BadInput for a share outside 0 to 1, Conflict
        while something else is on its way there.
        """
        require_share(capital_share)
        return self._send(session, instance_id, params, capital_share, origin, proposal_id, rules)

    def ask_for_canary(
        self,
        session: Session,
        instance_id: str,
        params: Mapping[str, float],
        proposal_id: str,
        rules: str | None = None,
    ) -> Deployment:
        """Return the deployment that waits for a person's approval of a proposal's first money.

        Approved it makes the canary's slot ready, idle; the money comes by the canary's own steps.
        """
        deployment_id = short_id("deployment", proposal_id, "canary")
        done = deployments.find(session, deployment_id)
        if done is not None:
            return done
        active = param_versions.active(session, slot_id(instance_id, "canary"))
        version = self._add_version(session, active, params, proposal_id, rules)
        asked = self._add_deployment(session, deployment_id, proposal_id, version, active, 0.0)
        audit.append(session, asked.created_at, GATE, "ask_for_canary", deployment_id, {"proposal_id": proposal_id})
        return asked

    def _send(
        self,
        session: Session,
        instance_id: str,
        params: Mapping[str, float],
        capital_share: float,
        origin: str,
        proposal_id: str | None,
        rules: str | None,
    ) -> Deployment:
        active = param_versions.active(session, instance_id)
        sha256 = validate_params(active.strategy, params, active.rules if rules is None else rules)
        newest = next(reversed(deployments.of_instance(session, instance_id)), None)
        if newest is not None and newest.state in {"pushed", "active"}:
            there = param_versions.get(session, instance_id, newest.version)
            if (there.sha256, newest.capital_share, there.origin) == (sha256, capital_share, origin):
                return newest
            if newest.state == "pushed":
                raise Conflict(
                    f"version {newest.version} of {instance_id} is on its way to the engine",
                    "Wait for its acknowledgement",
                )
        version = self._add_version(session, active, params, origin, rules)
        deployment_id = short_id("deployment", instance_id, version.version)
        made = self._add_deployment(session, deployment_id, proposal_id, version, active, capital_share)
        payload = {"origin": origin, "capital_share": capital_share}
        audit.append(session, made.created_at, GATE, "send", deployment_id, payload)
        return self._push(session, made, version, active, GATE)

    def approve(self, session: Session, deployment_id: str, by: str) -> Deployment:
        """Return the deployment, pushed on the word of `by`. Raises Conflict unless it waits for approval.

        A repeat by anyone after it was approved changes nothing.
        """
        deployment = deployments.get(session, deployment_id)
        if deployment.approved_by:
            return deployment
        require_waiting(deployment, "approve")
        active = param_versions.active(session, deployment.instance_id)
        if active.version != deployment.rollback_to:
            raise Conflict(
                f"{deployment_id} changes version {deployment.rollback_to}, and version {active.version} is in force",
                "Reject it; the next cycle proposes anew",
            )
        version = param_versions.get(session, deployment.instance_id, deployment.version)
        wider = is_wider(active.strategy, active.params, version.params) or version.rules != active.rules
        audit.append(session, self.clock.now(), by, "approve", deployment_id, {"wider": wider})
        return self._push(session, deployment, version, active, by)

    def reject(self, session: Session, deployment_id: str, by: str, reason: str) -> Deployment:
        """Return the deployment, rejected by `by`; its proposal is refused. Raises Conflict unless it waits."""
        deployment = deployments.get(session, deployment_id)
        if deployment.state == "rejected":
            return deployment
        require_waiting(deployment, "reject")
        rejected = replace(deployment, state="rejected", reason=f"rejected by {by}: {reason}")
        deployments.put(session, rejected)
        if deployment.proposal_id is not None:
            proposals.set_state(session, deployment.proposal_id, "refused")
        audit.append(session, self.clock.now(), by, "reject", deployment_id, {"reason": reason})
        return rejected

    def rollback(self, session: Session, target_id: str, by: str, reason: str) -> Deployment:
        """Return the deployment that takes `target_id` (a deployment or its proposal) back, by a new version.

        Raises UnknownName for an unknown target, Refused for one that took parameters back itself, Conflict when it is
        not in force or something else is on its way.
        """
        target = brought_by(session, find_target(session, target_id))
        require_no_return(session, target)
        if is_slot(target.instance_id):
            raise Conflict(
                f"deployment {target.deployment_id} is in slot {target.instance_id}, which trades for no proposal yet",
                "Roll back what the live instance runs",
            )
        deployment_id = short_id("deployment", "rollback", target.deployment_id)
        done = deployments.find(session, deployment_id)
        if done is not None and done.state != "rejected":
            return done
        active = param_versions.active(session, target.instance_id)
        is_in_force = active.sha256 == param_versions.get(session, target.instance_id, target.version).sha256
        if target.state != "active" and not (target.state == "superseded" and is_in_force):
            raise Conflict(
                f"deployment {target.deployment_id} is {target.state}; only what is in force can be rolled back",
                "See which version is in force with `xcrack params show`",
            )
        if done is not None:
            # The engine refused the first attempt; a second one needs an id of its own.
            tried = [each for each in deployments.of_instance(session, target.instance_id) if each.state == "rejected"]
            deployment_id = short_id("deployment", "rollback", target.deployment_id, len(tried))
        earlier = param_versions.get(session, target.instance_id, target.rollback_to)
        origin = f"{ROLLBACK}{target.deployment_id}"
        version = self._add_version(session, active, earlier.params, origin, earlier.rules)
        share = share_in_force(session, target.instance_id)
        deployment = self._add_deployment(session, deployment_id, None, version, active, share)
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
        if is_as_sent(ack, version, deployment):
            self._activate(session, deployment, version)
            return ""
        why = refusal_of(ack, version, deployment)
        now = self.clock.now()
        deployments.put(
            session, replace(deployment, state="rejected", acked_at=now, ack_sha256=ack.params_sha256, reason=why)
        )
        audit.append(session, now, ENGINE, "refuse_params", deployment.deployment_id, {"reason": why})
        return f"{deployment.instance_id} did not take version {version.version}: {why}"

    def _activate(self, session: Session, deployment: Deployment, version: ParamVersion) -> None:
        now = self.clock.now()
        undone = version.origin.removeprefix(ROLLBACK) if version.origin.startswith(ROLLBACK) else ""
        for former in deployments.of_instance(session, deployment.instance_id):
            if former.state == "active" or former.deployment_id == undone:
                state: DeploymentState = "rolled_back" if former.deployment_id == undone else "superseded"
                deployments.put(session, replace(former, state=state))
        param_versions.activate(session, deployment.instance_id, version.version)
        deployments.put(session, replace(deployment, state="active", acked_at=now, ack_sha256=version.sha256))
        self._settle_proposals(session, deployment, undone)
        payload = {"version": version.version, "sha256": version.sha256}
        audit.append(session, now, ENGINE, "apply_params", deployment.deployment_id, payload)

    def _settle_proposals(self, session: Session, deployment: Deployment, undone: str) -> None:
        # What a slot of a candidate runs is not deployed yet.
        if deployment.proposal_id is not None and not is_slot(deployment.instance_id):
            proposal = proposals.get(session, deployment.proposal_id)
            # A narrowing stays `narrowed`: nothing was shown about it.
            if proposal.state == "accepted":
                proposals.set_state(session, proposal.proposal_id, "deployed")
        if undone:
            target = deployments.get(session, undone)
            if target.proposal_id is not None:
                proposals.set_state(session, target.proposal_id, "rolled_back")

    def _add_version(
        self,
        session: Session,
        active: ParamVersion,
        params: Mapping[str, float],
        origin: str,
        rules: str | None,
    ) -> ParamVersion:
        newest = param_versions.history(session, active.instance_id)[-1]
        program = active.rules if rules is None else rules
        version = ParamVersion(
            instance_id=active.instance_id,
            strategy=active.strategy,
            version=newest.version + 1,
            params=dict(params),
            sha256=validate_params(active.strategy, params, program),
            origin=origin,
            created_at=self.clock.now(),
            active=False,
            rules=program,
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
                rules=None if version.rules == base.rules else version.rules,
                version=version.version,
            ),
        )
        return pushed
