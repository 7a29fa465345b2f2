"""Canaries as the cycles see them: what begins, what the whole days decide, what the running day may already have lost.

`plan` and `judge` compute and write nothing; what saves is in the caller's transaction and has no second effect.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np

from core.clock import Clock, kst_day
from core.errors import Conflict
from core.log import get_logger
from core.model.canary import Canary, CanaryDay, CanaryDecision, DayFault
from core.model.canonical import canonical_json, sha256_of, short_id
from core.model.generated import ParamsAck
from core.model.operations import Severity
from core.model.proposal import Proposal
from core.native import validate_params
from core.settings_sections import GateSettings
from core.store import Session, Store, canaries, param_versions, proposals
from feedback.alerts import AlertDesk, Finding
from feedback.cycles.canary_days import measure_day, running_difference
from feedback.cycles.canary_parity import ShadowReplay
from strategies.gate import Gate
from strategies.gate.honesty import why_stopped
from strategies.rollout.guard import (
    build_schedule,
    calibrate_terms,
    fired_text,
    is_budget_lost,
    judge_guard,
    promise_of,
    simulator_alarm,
)
from strategies.rollout.records import CanaryDesk
from strategies.rollout.stages import FAULTS, Leave, next_stage

RESIDUAL_DAYS = 180
"""So many days of live less simulated results are looked at for drift of the simulator."""

UNSOUND: tuple[DayFault, ...] = ("not_marked", "gap", "not_a_number", "parity")

_log = get_logger("feedback.cycles.canaries")


@dataclass(frozen=True, slots=True)
class Planned:
    """An accepted proposal with the canary it begins, or why it cannot begin now."""

    proposal: Proposal
    canary: Canary | None
    reason: str


@dataclass(frozen=True, slots=True)
class JudgedCanary:
    """A canary as it was judged, with its new days and what they decide."""

    canary: Canary
    days: tuple[CanaryDay, ...]
    decision: CanaryDecision
    unsound: str
    """What is wrong that people should look at, other than time that has not passed; empty when nothing is.

    Alerts can be read by a proposer, so nothing that rests on sealed days is in it: neither d nor a limit of the guard.
    """


@dataclass(frozen=True, slots=True)
class CanaryRoom:
    """Holds the rooms that canaries need. `capital` is by instance, in USD."""

    store: Store
    clock: Clock
    settings: GateSettings
    gate: Gate
    desk: CanaryDesk
    alerts: AlertDesk
    capital: Mapping[str, Decimal]
    replay: ShadowReplay

    def plan(self) -> tuple[Planned, ...]:
        """Return what accepted proposals begin: schedule, terms and promise are fixed here, from sealed days."""
        with self.store.session() as session:
            accepted = proposals.in_state(session, "accepted")
            waiting = [each for each in accepted if canaries.for_proposal(session, each.proposal_id) is None]
        return tuple(self._plan(proposal) for proposal in waiting)

    def save_plans(self, session: Session, planned: Sequence[Planned]) -> str:
        """Begin every planned canary in the shadow; one whose base was replaced meanwhile expires."""
        begun = []
        for each in planned:
            if each.canary is None:
                self._tell(session, "canary_waits", each.proposal.proposal_id, each.reason)
                continue
            try:
                begun.append(self.desk.begin(session, each.canary).canary_id)
                self._tell(session, "canary_moved", each.canary.instance_id, f"shadow: {each.canary.reason}")
            except Conflict as error:
                if not self._is_current(session, each.proposal):
                    proposals.set_state(session, each.proposal.proposal_id, "expired")
                _log.warning("canary_not_begun", proposal_id=each.proposal.proposal_id, reason=str(error))
        return canonical_json(begun)

    def judge(self, on: date) -> tuple[JudgedCanary, ...]:
        """Return what the whole days up to `on` decide about every open canary. Writes nothing."""
        with self.store.session() as session:
            still_open = canaries.all_open(session)
            # Looks at the whole ledger, so only once, and only where something could be promoted.
            stopped = why_stopped(session, self.clock.now()) if still_open else ""
            found = [self._read(session, canary, on, stopped) for canary in still_open]
        return tuple(self._judge(each, on) for each in found)

    def save(self, session: Session, judged: Sequence[JudgedCanary]) -> str:
        """Save each decision with its messages, once a day and canary, and tell people what moved or holds.

        Where none is open, what the engine refused when the last one ended is sent again.
        """
        saved = []
        for each in judged:
            moved = self.desk.save(session, each.canary, each.days, each.decision)
            if moved is not None:
                saved.append([moved.canary_id, moved.stage, moved.step])
                self._tell_decision(session, moved, each)
        self.desk.settle_what_is_over(session, self.capital)
        return canonical_json(saved)

    def watch_budgets(self, session: Session) -> list[Canary]:
        """Return the canaries taken back now, because the running day has lost what was left of their budget."""
        now = self.clock.now()
        lost = []
        for canary in canaries.all_open(session):
            on = kst_day(now)
            kept, new = self._days(session, canary, on - timedelta(days=1))
            days = [*kept, *new]
            made_usd = running_difference(session, canary, on, now, self.capital[canary.instance_id])
            if made_usd is None or not is_budget_lost(canary, days, made_usd):
                continue
            figures = judge_guard(canary, days)
            lost_figures = replace(figures, sum_usd=figures.sum_usd + made_usd, fired="loss_budget")
            text = f"within the day, {fired_text(canary, lost_figures)}"
            lost.append(self.desk.stop(session, canary.canary_id, "guard", text))
            self._tell(session, "canary_rolled_back", canary.instance_id, text)
        return lost

    def stop(self, session: Session, canary_id: str, by: str, reason: str) -> Canary:
        """Return the canary, taken back by a person. Raises UnknownName, and Conflict when it is over."""
        ended = self.desk.stop(session, canary_id, by, reason)
        self._tell(session, "canary_rolled_back", ended.instance_id, ended.reason)
        return ended

    def on_ack(self, session: Session, ack: ParamsAck) -> None:
        """Send what had to wait for this answer, and tell people of a canary that it ended."""
        ended = self.desk.on_ack(session, ack)
        if ended is not None:
            self._tell(session, "canary_stopped", ended.instance_id, ended.reason)

    def _plan(self, proposal: Proposal) -> Planned:
        results = self.gate.sealed_results(proposal)
        promised = results if isinstance(results, str) else promise_of(*results)
        if isinstance(promised, str):
            return Planned(proposal, None, promised)
        promise, d = promised
        canary_id = short_id("canary", proposal.proposal_id)
        schedule, seed = build_schedule(self.settings), int(sha256_of(canary_id)[:8], 16)
        terms = calibrate_terms(d, schedule, self.settings, seed)
        if isinstance(terms, str):
            return Planned(proposal, None, terms)
        today = kst_day(self.clock.now())
        base_rules = proposal.base_rules or self.gate.programs.get(proposal.instance_id)
        rules = proposal.rules or base_rules
        canary = Canary(
            canary_id=canary_id,
            proposal_id=proposal.proposal_id,
            instance_id=proposal.instance_id,
            strategy=proposal.strategy,
            stage="shadow",
            step=-1,
            share=0.0,
            schedule=schedule,
            incumbent_version=proposal.base_version,
            incumbent_params=proposal.base_params,
            incumbent_sha256=proposal.base_sha256,
            candidate_params=proposal.params,
            candidate_sha256=validate_params(proposal.strategy, proposal.params, rules),
            promise=promise,
            terms=terms,
            started_on=today,
            changed_on=today,
            ended_on=None,
            reason="it passed the sealed test",
            incumbent_rules=base_rules,
            candidate_rules=rules,
        )
        return Planned(proposal, canary, "")

    def _read(self, session: Session, canary: Canary, on: date, stopped: str) -> "_Read":
        kept, new = self._days(session, canary, on)
        return _Read(canary, kept, new, self._leave(session, canary, [*kept, *new], stopped))

    def _days(self, session: Session, canary: Canary, on: date) -> tuple[list[CanaryDay], list[CanaryDay]]:
        """Return the days up to `on`: those that are kept, and those that have ended since."""
        kept = [day for day in canaries.days(session, canary.canary_id) if day.on <= on]
        first = kept[-1].on + timedelta(days=1) if kept else canary.started_on
        ended = (first + timedelta(days=n) for n in range((on - first).days + 1))
        return kept, [measure_day(session, canary, day, self.capital[canary.instance_id]) for day in ended]

    def _leave(self, session: Session, canary: Canary, days: Sequence[CanaryDay], stopped: str) -> Leave:
        others = [each for each in canaries.latest(session, 100, canary.instance_id) if each != canary]
        before = [day for other in reversed(others) for day in canaries.days(session, other.canary_id)]
        residuals = [day.residual_usd for day in [*before, *days] if day.residual_usd is not None]
        alarm = simulator_alarm(np.array(residuals[-RESIDUAL_DAYS:], dtype=np.float64), self.settings.drift_days)
        blocked = f"nothing may be promoted: {stopped}" if stopped else alarm
        return Leave(blocked, self.desk.is_approved(session, proposals.get(session, canary.proposal_id)))

    def _judge(self, read: "_Read", on: date) -> JudgedCanary:
        new = tuple(self.replay.checked(read.canary, day) for day in read.new)
        days = [*read.kept, *new]
        decision = next_stage(read.canary, days, on + timedelta(days=1), read.leave)
        newest = days[-1:]
        faults = [f"{day.on} does not count: {FAULTS[day.fault]}" for day in newest if day.fault in UNSOUND]
        return JudgedCanary(read.canary, new, decision, "; ".join([*filter(None, [read.leave.blocked]), *faults]))

    def _is_current(self, session: Session, proposal: Proposal) -> bool:
        return param_versions.active(session, proposal.instance_id).sha256 == proposal.base_sha256

    def _tell_decision(self, session: Session, canary: Canary, judged: JudgedCanary) -> None:
        decision, subject = judged.decision, canary.instance_id
        is_held = bool(judged.unsound) and canary.is_open and not decision.is_move
        self.alerts.settle(session, [Finding("canary_held", subject, is_held, "warning", {"reason": judged.unsound})])
        if decision.is_move:
            kind = "canary_rolled_back" if canary.stage == "rolled_back" else "canary_moved"
            self._tell(session, kind, subject, f"{canary.stage}: {decision.reason}")
        elif decision.asks:
            self._tell(session, "canary_asks", subject, canary.proposal_id)

    def _tell(self, session: Session, kind: str, subject: str, reason: str) -> None:
        severity: Severity = "warning" if kind in ("canary_rolled_back", "canary_stopped", "canary_waits") else "info"
        self.alerts.tell(session, Finding(kind, subject, True, severity, {"reason": reason}))


@dataclass(frozen=True, slots=True)
class _Read:
    canary: Canary
    kept: list[CanaryDay]
    new: list[CanaryDay]
    leave: Leave
