"""One live instance with its slots, a desk for canaries, and an engine that takes, refuses or repeats orders."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from core.clock import VirtualClock, kst_day, kst_day_bounds, to_ns
from core.model.canary import Canary, CanaryDecision, CanaryStage, GuardFigures
from core.model.generated import Message, ParamsAck, ParamsUpdate
from core.model.proposal import Proposal, Verdict
from core.model.slots import is_slot, slot_id
from core.native import validate_params
from core.settings import Settings
from core.settings_sections import GateSettings, InstanceSettings
from core.store import Session, canaries, equity, param_versions, proposals, verdicts
from strategies.gate.records import verdict_id
from strategies.rollout import CanaryDesk, Rollout, share_in_force
from tests import factories
from tests.canaries import canary
from tests.gate_world import make_proposal

LIVE = "mm-1"
CAPITAL_USD = Decimal(20_000)
HOUR = timedelta(hours=1)
BETTER = {"spread_threshold": 50.0}
QUIET = GuardFigures(n_days=3, sum_usd=12.0, statistic=1.0, drift=None, fired="")


class CanaryWorld:
    """`sent` holds every message; `answer` has the engine answer all that it has not answered yet."""

    def __init__(self, clock: VirtualClock, session: Session, **gate: Any) -> None:
        self.clock, self.session = clock, session
        self.sent: list[ParamsUpdate] = []
        self.n_answered = 0
        self.rollout = Rollout(clock, Settings(gate=GateSettings(**gate)), self._send)
        self.desk = CanaryDesk(clock, self.rollout)
        live = InstanceSettings(instance_id=LIVE, strategy="market_making", capital_share=0.5)
        [self.base] = self.rollout.ensure_initial(session, [live])

    def _send(self, session: Session, message: Message) -> int:
        assert isinstance(message, ParamsUpdate)
        self.sent.append(message)
        return len(self.sent)

    def judged(self, stage: str = "sealed", outcome: str = "accepted", hold: bool = False, **edits: float) -> Proposal:
        """Return a stored proposal with its verdict, made for what is in force."""
        active = param_versions.active(self.session, LIVE)
        made = make_proposal(active, self.clock.now(), **(edits or BETTER))
        proposal = replace(made, state=outcome, hold=hold)  # type: ignore[arg-type]
        proposals.add(self.session, proposal)
        named = verdict_id(proposal.proposal_id, stage)  # type: ignore[arg-type]
        now = self.clock.now()
        decided = Verdict(named, proposal.proposal_id, stage, outcome, "p", (), (), (), (), (), 1, now)  # type: ignore[arg-type]
        verdicts.add(self.session, decided)
        return proposal

    def canary_of(self, proposal: Proposal, **over: Any) -> Canary:
        today = kst_day(self.clock.now())
        return canary(
            canary_id=f"canary-of-{proposal.proposal_id}",
            proposal_id=proposal.proposal_id,
            instance_id=LIVE,
            incumbent_version=proposal.base_version,
            incumbent_params=proposal.base_params,
            incumbent_sha256=proposal.base_sha256,
            candidate_params=proposal.params,
            candidate_sha256=validate_params("market_making", proposal.params),
            started_on=today,
            changed_on=today,
            **over,
        )

    def begun(self, **edits: float) -> Canary:
        """Return the canary of a fresh proposal, begun and taken by the engine."""
        made = self.desk.begin(self.session, self.canary_of(self.judged(**edits)))
        self.answer()
        return made

    def decide(self, of: Canary, stage: CanaryStage, step: int, share: float, **over: Any) -> Canary:
        """Have the next day decide that the canary goes to a place, and return it; the engine has answered nothing."""
        self.clock.advance_to(self.clock.now() + timedelta(days=1))
        decision = self.decision(of, stage, step, share, **over)
        moved = self.desk.save(self.session, of, (), decision)
        assert moved is not None
        return moved

    def decision(self, of: Canary, stage: CanaryStage, step: int, share: float, **over: Any) -> CanaryDecision:
        is_move = (stage, step) != (of.stage, of.step)
        today: date = kst_day(self.clock.now())
        made = CanaryDecision(of.canary_id, today, stage, step, share, is_move, False, f"to {stage}", QUIET)
        return replace(made, **over)

    def at(self, place: str, **edits: float) -> Canary:
        """Return a canary taken to `canary` at 25 % or to `promoted`, with everything answered."""
        made = self.begun(**edits)
        for stage, step, share in (("canary", 0, 0.1), ("canary", 1, 0.25), ("promoted", 3, 1.0)):
            if place == "canary" and stage == "promoted":
                break
            made = self.decide(made, stage, step, share)  # type: ignore[arg-type]
            self.answer()
        return made

    def ack(self, update: ParamsUpdate, applied: bool = True) -> str:
        """Answer one message, as often as asked; returns the alert."""
        text = self.rollout.on_ack(
            self.session,
            answer := ParamsAck(
                applied=applied,
                at_ns=to_ns(self.clock.now()),
                capital_share=update.capital_share,
                deployment_id=update.deployment_id,
                instance_id=update.instance_id,
                params_sha256=update.params_sha256,
                reason="" if applied else "the base is not in force",
                version=update.version,
            ),
        )
        self.desk.on_ack(self.session, answer)
        return text

    def answer(self) -> list[tuple[str, float]]:
        """Take everything sent, and what its answers bring; returns slots and shares in order."""
        taken = []
        while self.n_answered < len(self.sent):
            update = self.sent[self.n_answered]
            self.n_answered += 1
            assert self.ack(update) == ""
            assert self.in_force <= 1 + 1e-9
            taken.append((update.instance_id, update.capital_share))
        return taken

    @property
    def in_force(self) -> float:
        """The share of the account's capital that the engine has acknowledged."""
        return share_in_force(self.session, LIVE) + share_in_force(self.session, slot_id(LIVE, "canary"))

    def runs(self, slot: str = "") -> tuple[dict[str, float], float]:
        """Return parameters and share in force of the live instance, or of a slot."""
        name = slot_id(LIVE, slot) if slot and not is_slot(slot) else LIVE  # type: ignore[arg-type]
        return dict(param_versions.active(self.session, name).params), share_in_force(self.session, name)

    def stored(self, of: Canary) -> Canary:
        return canaries.get(self.session, of.canary_id)

    def state(self, of: Canary) -> str:
        return proposals.get(self.session, of.proposal_id).state


class MarkedWorld(CanaryWorld):
    """Marks what the slots make, as the engine does."""

    def __init__(self, clock: VirtualClock, session: Session, **gate: Any) -> None:
        super().__init__(clock, session, **gate)
        self.profit: dict[str, Decimal] = {}

    def mark(
        self,
        slot: str,
        made_usd: float,
        n_hours: int = 24,
        left_out: tuple[int, ...] = (),
        start_at: datetime | None = None,
        **over: Any,
    ) -> None:
        """Mark the hours of a day, of which the slot makes the same each; `left_out` hours have no mark."""
        name = f"{LIVE}.{slot}" if slot else LIVE
        version = param_versions.active(self.session, name).version
        start_at = start_at or kst_day_bounds(self.today)[0]
        before = self.profit.get(name, Decimal(0))
        for hour in range(n_hours + 1):
            capital_usd = over.get("capital_usd", CAPITAL_USD * Decimal(str(self.runs(slot)[1])))
            profit_usd = before + Decimal(str(made_usd)) * hour / n_hours
            if hour in left_out or (hour == 0 and equity.at_or_before(self.session, name, start_at) is not None):
                continue
            fields = {"capital_usd": capital_usd, "equity_usd": capital_usd + profit_usd, "params_version": version}
            point = factories.equity(start_at + hour * HOUR, instance_id=name, strategy="market_making")
            equity.add(self.session, replace(point, **{**fields, **over}))
        self.profit[name] = before + Decimal(str(made_usd))

    @property
    def today(self) -> date:
        """The day that is marked: the first one that begins after now."""
        return kst_day(self.clock.now()) + timedelta(days=1)
