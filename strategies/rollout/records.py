"""What becomes of canaries, written down: rows, ledger, audit, orders to the engine, in the caller's transaction.

Every function finds what an earlier call did, so a repeat has no second effect. What is sent to the slots follows from
the newest canary and from what the engine has acknowledged; `settle` sends what may be sent now and is called again at
every answer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from core.clock import Clock, kst_day
from core.errors import Conflict, Refused
from core.model.canary import Canary, CanaryDay, CanaryDecision
from core.model.generated import ParamsAck
from core.model.proposal import Deployment, Proposal
from core.model.slots import live_id
from core.store import Session, audit, canaries, deployments, ledger, param_versions, proposals, verdicts
from strategies.rollout.capital import ROLES, Holding, Role, SlotState, id_of, next_orders, wanted_holdings
from strategies.rollout.checks import ROLLBACK, share_in_force
from strategies.rollout.deployments import EXPIRES_AFTER, GATE, Rollout
from strategies.rollout.stages import after, stop

CANARY = "canary"
TAKEN_BACK = "its deployment was rolled back"
REPLACED = "the live instance runs other parameters now, so nothing is left to compare with"


@dataclass(frozen=True, slots=True)
class CanaryDesk:
    """Keeps canaries and moves the capital between the slots of their instances."""

    clock: Clock
    rollout: Rollout

    def begin(self, session: Session, canary: Canary) -> Canary:
        """Return the canary, now in the shadow, with its schedule and terms on the ledger.

        Raises Refused without a passed sealed test, Conflict while another one of the instance is open or the
        incumbent is not in force any more.
        """
        stored = canaries.find(session, canary.canary_id)
        if stored is not None:
            return stored
        self._require_leave(session, canary)
        canaries.add(session, canary)
        self._record(session, canary, GATE)
        self.settle(session, canary.instance_id)
        return canary

    def save(
        self, session: Session, judged: Canary, days: Sequence[CanaryDay], decision: CanaryDecision
    ) -> Canary | None:
        """Return the canary as the decision leaves it, or None when the day has one or it has moved on since."""
        stored = canaries.get(session, judged.canary_id)
        if stored != judged or canaries.decision_on(session, judged.canary_id, decision.on) is not None:
            return None
        for day in days:
            canaries.add_day(session, day)
        canaries.add_decision(session, decision)
        moved = after(stored, decision)
        canaries.put(session, moved)
        if decision.is_move:
            self._record(session, moved, GATE)
        if decision.asks:
            self._ask(session, moved)
        self._settle_proposal(session, moved)
        self.settle(session, moved.instance_id, is_retry=True)
        return moved

    def stop(self, session: Session, canary_id: str, by: str, reason: str) -> Canary:
        """Return the canary, taken back on the word of `by`. Raises UnknownName, and Conflict when it is over."""
        canary = canaries.get(session, canary_id)
        if not canary.is_open:
            raise Conflict(
                f"canary {canary_id} is {canary.stage}: nothing of it is on its way",
                "See which ones are with `xcrack canary list`",
            )
        return self._end(session, canary, by, f"{by}: {reason}", rolled_back=True)

    def on_ack(self, session: Session, ack: ParamsAck) -> Canary | None:
        """Send what had to wait for this answer; return the canary that ended because its base was replaced, or None.

        A refused order is not sent again before the next decision, or the next day where no canary is open. One that
        only came too late, and takes a canary back, is sent again at once: the engine that answered is there.
        """
        instance_id = live_id(ack.instance_id)
        if param_versions.find_active(session, instance_id) is None:
            return None
        canary, ended = canaries.open_of(session, instance_id), None
        if canary is not None and ack.applied and self._is_taken_back(session, canary):
            ended = self._end(session, canary, GATE, TAKEN_BACK, rolled_back=True)
        elif canary is not None and ack.applied and self._is_replaced(session, canary):
            ended = self._end(session, canary, GATE, REPLACED, rolled_back=False)
        self.settle(session, instance_id, is_retry=canary is None and self._came_too_late(session, ack))
        return ended

    def settle_what_is_over(self, session: Session, instance_ids: Iterable[str]) -> list[Deployment]:
        """Return what was sent again because the engine had refused it; for instances without an open canary.

        An open one is settled by its next decision, and one that is over has none.
        """
        over = [
            each
            for each in instance_ids
            if param_versions.find_active(session, each) is not None and canaries.open_of(session, each) is None
        ]
        return [made for each in over for made in self.settle(session, each, is_retry=True)]

    def settle(self, session: Session, instance_id: str, is_retry: bool = False) -> list[Deployment]:
        """Return what was sent so that the slots come to what the newest canary of the instance asks for."""
        newest = canaries.open_of(session, instance_id) or next(iter(canaries.latest(session, 1, instance_id)), None)
        slots = self._slots(session, instance_id)
        orders = next_orders(slots, wanted_holdings(slots, newest))
        return [
            self._send(session, instance_id, role, held, slots[role], newest)
            for role, held in orders.items()
            if is_retry or not self._was_refused(session, id_of(instance_id, role), held)
        ]

    def is_approved(self, session: Session, proposal: Proposal) -> bool:
        """Return whether a person gave leave for the proposal's first money, or none has to."""
        if not (self.rollout.settings.gate.require_approval or proposal.hold):
            return True
        # The word counts, not whether the engine took the idle slot: the canary's own steps send it again.
        return any(each.approved_by for each in deployments.for_proposal(session, proposal.proposal_id))

    def _ask(self, session: Session, canary: Canary) -> None:
        asked = (canary.instance_id, canary.candidate_params, canary.proposal_id, canary.candidate_rules)
        self.rollout.ask_for_canary(session, *asked)

    def _ask_no_more(self, session: Session, canary: Canary) -> None:
        """Take back the question for a first money that will not come."""
        for asked in deployments.for_proposal(session, canary.proposal_id):
            if asked.state == "awaiting_approval":
                deployments.put(session, replace(asked, state="rejected", reason=f"its canary is {canary.stage}"))

    def _end(self, session: Session, canary: Canary, by: str, reason: str, rolled_back: bool) -> Canary:
        ended = stop(canary, kst_day(self.clock.now()), reason, rolled_back)
        canaries.put(session, ended)
        self._record(session, ended, by)
        self._settle_proposal(session, ended)
        self.settle(session, ended.instance_id, is_retry=True)
        return ended

    def _settle_proposal(self, session: Session, canary: Canary) -> None:
        """Bring the proposal's state after the canary's; `deployed` comes with the engine's answer."""
        if not canary.is_open:
            self._ask_no_more(session, canary)
        state = proposals.get(session, canary.proposal_id).state
        if canary.stage == "rolled_back" and state in ("accepted", "deployed"):
            proposals.set_state(session, canary.proposal_id, "rolled_back")
        elif canary.stage == "stopped" and state == "accepted":
            proposals.set_state(session, canary.proposal_id, "expired")

    def _send(
        self, session: Session, instance_id: str, role: Role, held: Holding, slot: SlotState, canary: Canary | None
    ) -> Deployment:
        origin = f"{CANARY}:{canary.canary_id}" if canary is not None else f"live:{instance_id}"
        proposal_id = None
        if role != "live":
            slot_name = id_of(instance_id, role)
            return self.rollout.send_to_slot(session, slot_name, held.params, held.share, origin, held.rules)
        if canary is not None and held.sha256 != slot.in_force.sha256:
            if canary.stage == "promoted":
                origin = proposal_id = canary.proposal_id
            else:
                origin = f"{ROLLBACK}{self._promotion_of(session, canary)}"
        sent = (instance_id, held.params, held.share, origin, proposal_id, held.rules)
        return self.rollout.send_to_live(session, *sent)

    def _slots(self, session: Session, instance_id: str) -> dict[Role, SlotState]:
        return {role: self._slot(session, id_of(instance_id, role)) for role in ROLES}

    def _slot(self, session: Session, slot: str) -> SlotState:
        active = param_versions.active(session, slot)
        in_force = Holding(active.params, active.sha256, share_in_force(session, slot), active.rules)
        sent = next((each for each in deployments.of_instance(session, slot) if each.state == "pushed"), None)
        if sent is None:
            return SlotState(in_force)
        version = param_versions.get(session, slot, sent.version)
        under_way = Holding(version.params, version.sha256, sent.capital_share, version.rules)
        return SlotState(in_force, under_way)

    def _was_refused(self, session: Session, slot: str, held: Holding) -> bool:
        newest = next(reversed(deployments.of_instance(session, slot)), None)
        if newest is None or newest.state != "rejected":
            return False
        version = param_versions.get(session, slot, newest.version)
        return Holding(version.params, version.sha256, newest.capital_share).is_same(held)

    def _came_too_late(self, session: Session, ack: ParamsAck) -> bool:
        sent = deployments.find(session, ack.deployment_id)
        if ack.applied or sent is None or sent.state != "rejected" or sent.pushed_at is None:
            return False
        return self.clock.now() - sent.pushed_at >= EXPIRES_AFTER

    def _promotion_of(self, session: Session, canary: Canary) -> str:
        """Return the id of the newest deployment that brought the candidate into the live instance; empty without."""
        made = deployments.for_proposal(session, canary.proposal_id)
        return next((each.deployment_id for each in reversed(made) if each.instance_id == canary.instance_id), "")

    def _is_taken_back(self, session: Session, canary: Canary) -> bool:
        origin = param_versions.active(session, canary.instance_id).origin
        return origin.startswith(ROLLBACK) and origin == f"{ROLLBACK}{self._promotion_of(session, canary)}"

    def _is_replaced(self, session: Session, canary: Canary) -> bool:
        in_force = param_versions.active(session, canary.instance_id).sha256
        known = {canary.incumbent_sha256} | ({canary.candidate_sha256} if canary.stage == "promoted" else set())
        return in_force not in known

    def _require_leave(self, session: Session, canary: Canary) -> None:
        if proposals.get(session, canary.proposal_id).is_placebo:
            raise Refused(f"{canary.proposal_id} is a placebo", "It measures the gate and never gets capital")
        judged = verdicts.for_proposal(session, canary.proposal_id)
        if not any((verdict.stage, verdict.outcome) == ("sealed", "accepted") for verdict in judged):
            raise Refused(
                f"{canary.proposal_id} has no verdict that lets it through", "Only a passed sealed test begins a canary"
            )
        other = canaries.open_of(session, canary.instance_id)
        if other is not None:
            raise Conflict(
                f"canary {other.canary_id} of {canary.instance_id} is {other.stage}, and one runs at a time",
                "It waits until that one is over",
            )
        active = param_versions.active(session, canary.instance_id)
        if active.sha256 != canary.incumbent_sha256:
            raise Conflict(
                f"{canary.proposal_id} was judged against version {canary.incumbent_version} of {canary.instance_id}, "
                f"and version {active.version} is in force",
                "Let the next cycle propose it again",
            )

    def _record(self, session: Session, canary: Canary, by: str) -> None:
        """Put where a canary stands now on the ledger and into the audit; at its start with schedule and terms."""
        now = self.clock.now()
        payload = {
            "canary_id": canary.canary_id,
            "stage": canary.stage,
            "step": canary.step,
            "share": canary.share,
            "reason": canary.reason,
        }
        audit.append(session, now, by, CANARY, canary.canary_id, payload)
        if canary.stage == "shadow":
            payload |= {
                "schedule": asdict(canary.schedule),
                "terms": asdict(canary.terms),
                "scale": canary.promise.scale,
                "incumbent_sha256": canary.incumbent_sha256,
                "candidate_sha256": canary.candidate_sha256,
            }
        ledger.append(session, now, CANARY, canary.strategy, canary.proposal_id, payload)
