"""The gate: what stands between a proposal and the engine.

admit -> screen -> (queue) -> champion -> judge_sealed. Every `judge` computes and writes nothing; every `save` writes
and computes nothing, in the caller's transaction, and has no second effect when repeated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from core.clock import Clock
from core.errors import Conflict, Refused, UnknownName
from core.metrics import Series
from core.model.proposal import Check, Outcome, Proposal, ProposalState, Stage, Verdict
from core.settings_sections import CostSettings, GateSettings
from core.store import Session, Store, canaries, deployments, ledger, param_versions, proposals, verdicts
from strategies.gate import records
from strategies.gate.admission import check_admission
from strategies.gate.aftermath import JudgedAftermath, find_due, judge_horizon
from strategies.gate.budget import BudgetState, read_budget
from strategies.gate.honesty import check_promotions, why_stopped
from strategies.gate.paired import MIN_DAYS
from strategies.gate.placebo import DECIDING, PlaceboTest, first_queued, judge_placebo_runs, save_placebo_test
from strategies.gate.ports import BarSource
from strategies.gate.records import Judgement
from strategies.gate.runs import Laboratory
from strategies.gate.screen import STATISTIC, ScreenResult, ScreenRuns, folds_of, judge_screen
from strategies.gate.seal import broken_seal, record_seal
from strategies.gate.sealed import SealedResult, judge_sealed_runs
from strategies.gate.split import HistorySplit, read_split, write_split
from strategies.programs import Programs
from strategies.schema import decides_on, strategy_names

DEPLOYABLE: tuple[ProposalState, ...] = ("accepted", "narrowed")


@dataclass(frozen=True, slots=True)
class Gate:
    """Holds no state of its own: the ledger does. Safe to share between threads."""

    store: Store
    clock: Clock
    settings: GateSettings
    costs: CostSettings
    capital: Mapping[str, Decimal]
    """By instance, in USD."""
    symbols: Mapping[str, tuple[str, ...]]
    """By instance; empty means every symbol of the archive."""
    archive: BarSource
    programs: Programs = field(default_factory=dict)
    """First rule sets, for proposals from before they carried that of their base."""

    def split_history(self, session: Session, first_start_at: datetime) -> HistorySplit:
        """Return the split in force; call it at every start. Changed thresholds and sealed bars are put on record."""
        records.record_thresholds(session, self.clock.now(), self.settings, self.costs)
        split = write_split(session, self.archive, first_start_at, self.settings)
        record_seal(session, self.clock.now(), self.archive, split)
        return split

    def admit(self, proposal: Proposal) -> Verdict:
        """Return the admission verdict: accepted (go and screen it), narrowed (may be deployed), or refused."""
        now = self.clock.now()
        with self.store.session() as session:
            facts = records.load_admission_facts(session, proposal, now)
            n_trials = ledger.count_trials(session, proposal.strategy)
            facts = replace(facts, said_share=self._said_share(session, proposal))
        if proposal.instance_id not in self.capital:
            # Its versions are still stored, but the settings no longer run it.
            facts = replace(facts, active=None)
        admission = check_admission(proposal, facts, self.settings)
        outcome: Outcome
        if admission.failed:
            first = admission.failed[0]
            outcome, deciding = "refused", f"{first.name}: {first.detail}"
        elif admission.is_narrowing:
            outcome, deciding = "narrowed", "only lowers caps, or takes that back, within the evidenced version"
        else:
            outcome, deciding = "accepted", f"admitted: all {len(admission.checks)} checks passed"
        return self._verdict(proposal, "admission", outcome, deciding, admission.checks, n_trials)

    def save_admission(self, session: Session, proposal: Proposal, verdict: Verdict) -> str:
        """Store the proposal, its pre-registration and the verdict; return the verdict's id."""
        proposals.add(session, proposal)
        state: ProposalState = "pending" if verdict.outcome == "accepted" else verdict.outcome
        if records.save_verdict(session, proposal, Judgement(verdict), state) and verdict.outcome != "refused":
            records.register(session, proposal, verdict.decided_at, verdict.decided_at)
        return verdict.verdict_id

    def screen(self, proposal: Proposal) -> Judgement:
        """Return queued, refused or inconclusive on seen days, with every backtest made. Writes nothing."""
        laboratory = self._laboratory(proposal)
        with self.store.session() as session:
            fault = records.missing_record(session, proposal, self.settings, self.costs)
            split = read_split(session)
            tried = ledger.tried_params(session, proposal.strategy)
        if fault:
            return Judgement(self._verdict(proposal, "screen", "refused", fault, (), len(tried)))
        start_at, end_at = laboratory.seen_window(split, self.settings.seen_days)
        n_days = (end_at - start_at).days
        if split is None or n_days < MIN_DAYS:
            deciding = f"too few to tell: {n_days} seen days are there and {MIN_DAYS} are needed"
            days = Check("seen_days", False, float(n_days), float(MIN_DAYS), f"{n_days} seen days")
            return Judgement(self._verdict(proposal, "screen", "inconclusive", deciding, (days,), len(tried)))
        runs, made = laboratory.run_screen(split, start_at, end_at, self.settings)
        n_trials = len(tried | {run.params_sha256 for run in made})
        result = judge_screen(runs, self.settings, n_trials)
        return Judgement(self._screen_verdict(proposal, result, runs, n_trials), made)

    def save_screen(self, session: Session, proposal: Proposal, judgement: Judgement) -> str:
        """Store the screen's verdict and its backtests, each one a ledger row; return the verdict's id."""
        records.save_verdict(session, proposal, judgement, judgement.verdict.outcome)
        return judgement.verdict.verdict_id

    def champion(self, session: Session) -> Proposal | None:
        """Return the queued proposal with the best screen statistic over all strategies, never a placebo.

        None without one, without a test left, and while a gate that breaks its promises may promote nothing; since when
        and why becomes a ledger row. What is queued for an instance with an open canary waits for its end.
        """
        if self.budget(session).tests_left == 0 or check_promotions(session, self.clock.now()):
            return None
        ranked = [
            (statistic, proposal)
            for proposal in proposals.in_state(session, "queued")
            if not proposal.is_placebo and self._is_current(session, proposal) and not self._is_old(proposal)
            if canaries.open_of(session, proposal.instance_id) is None
            if (statistic := records.screen_statistic(session, proposal, STATISTIC)) is not None
        ]
        # `in_state` is oldest first and max keeps the first of equals.
        return max(ranked, key=lambda pair: pair[0])[1] if ranked else None

    def judge_sealed(self, proposal: Proposal) -> Judgement:
        """Return accepted, inconclusive or, where the ledger has a hole, refused. Writes and spends nothing yet.

        Raises Conflict when the proposal is not queued, Refused when the quarter has no test left, for a placebo, and
        while nothing may be promoted.
        """
        with self.store.session() as session:
            stored = proposals.get(session, proposal.proposal_id)
            fault = self._sealed_fault(session, stored)
            split = None if fault else read_split(session)
            budget = self.budget(session)
            stop = "" if fault else why_stopped(session, self.clock.now())
            n_trials = ledger.count_trials(session, stored.strategy)
        if stored.state != "queued":
            raise Conflict(f"proposal {stored.proposal_id} is {stored.state}, not queued")
        if stored.is_placebo:
            raise Refused(f"{stored.proposal_id} is a placebo", "Its own test spends nothing and promotes nothing")
        if fault:
            return Judgement(self._verdict(stored, "sealed", "refused", fault, (), n_trials))
        if stop:
            raise Refused(f"nothing may be promoted: {stop}", "See `xcrack scorecard`")
        if budget.tests_left == 0:
            raise Refused(f"no sealed test is left in {budget.quarter}", f"It waits until {budget.renews_at:%Y-%m-%d}")
        if split is None or not split.is_testable:
            why = split.shortfall if split is not None else "the history was never split"
            verdict = self._verdict(stored, "sealed", "inconclusive", f"no sealed test: {why}", (), n_trials)
            return Judgement(verdict)
        candidate, incumbent, made = self._laboratory(stored).run_sealed(split)
        result = judge_sealed_runs(candidate, incumbent, budget, split.n_needed_days)
        return Judgement(self._sealed_verdict(stored, result, n_trials), made, budget)

    def save_sealed(self, session: Session, proposal: Proposal, judgement: Judgement) -> str:
        """Store the sealed verdict and spend its share of the budget; return the verdict's id.

        Raises Conflict when another test was spent since it was judged.
        """
        records.save_verdict(session, proposal, judgement, judgement.verdict.outcome)
        return judgement.verdict.verdict_id

    def sealed_results(self, proposal: Proposal) -> tuple[Series, Series] | str:
        """Return candidate's and incumbent's USD a sealed day of a proposal that passed, or why there are none.

        For the guard of its canary and for people; nothing is spent, and nothing of it may reach a proposer.
        """
        with self.store.session() as session:
            judged = verdicts.find(session, records.verdict_id(proposal.proposal_id, "sealed"))
            fault = self._sealed_fault(session, proposal)
            is_paid = bool(ledger.rows(session, "promotion", proposal_id=proposal.proposal_id))
            split = read_split(session)
        if judged is None or judged.outcome != "accepted":
            return "it did not pass the sealed test"
        if not is_paid:
            return "the ledger knows of no sealed test that it passed"
        if fault or split is None:
            return fault or "the history was never split"
        candidate, incumbent, _ = self._laboratory(proposal).run_sealed(split)
        return candidate.pnl_usd, incumbent.pnl_usd

    def next_placebo(self, session: Session) -> Proposal | None:
        """Return the placebo whose turn it is: the queued one that waits longest, or None."""
        queued = (each for each in first_queued(session) if self._is_current(session, each) and not self._is_old(each))
        return next(queued, None)

    def judge_placebo(self, proposal: Proposal) -> PlaceboTest:
        """Return the sealed test of a placebo, outside the error budget. Writes nothing.

        Raises Refused for any other proposal, Conflict when it is not queued.
        """
        with self.store.session() as session:
            stored = proposals.get(session, proposal.proposal_id)
            fault = self._sealed_fault(session, stored)
            split = read_split(session)
            n_trials = ledger.count_trials(session, stored.strategy)
        if not stored.is_placebo:
            raise Refused(f"{stored.proposal_id} is no placebo", "Only random changes are tested outside the budget")
        if stored.state != "queued":
            raise Conflict(f"proposal {stored.proposal_id} is {stored.state}, not queued")
        verdict = self._verdict(stored, "sealed", "inconclusive", DECIDING, (), n_trials)
        if fault or split is None or not split.is_testable:
            shortfall = "the history was never split" if split is None else split.shortfall
            return PlaceboTest(verdict, 0, None, fault or shortfall)
        candidate, incumbent, made = self._laboratory(stored).run_sealed(split)
        return PlaceboTest(verdict, *judge_placebo_runs(candidate, incumbent), made)

    def save_placebo(self, session: Session, proposal: Proposal, test: PlaceboTest) -> str:
        """Store a placebo's test, which spends nothing and ends the proposal; return the verdict's id."""
        return save_placebo_test(session, proposal, test)

    def judge_aftermaths(self) -> tuple[JudgedAftermath, ...]:
        """Return what became of registered proposals whose horizon has passed, at most a day's work. Writes nothing."""
        now = self.clock.now()
        with self.store.session() as session:
            split, due = find_due(session, now)
        if split is None:
            return ()
        judged = (judge_horizon(each, split, now, self._laboratory) for each in due)
        return tuple(each for each in judged if each is not None)

    def expire(self, session: Session) -> list[Proposal]:
        """Return what was set to expired: waited too long, or was made for parameters no longer in force."""
        expired = [
            *(each for each in proposals.in_state(session, "pending") if self._is_old(each)),
            *(
                each
                for each in proposals.in_state(session, "queued")
                if self._is_old(each) or not self._is_current(session, each)
            ),
            *(
                each
                for state in DEPLOYABLE
                for each in proposals.in_state(session, state)
                if not deployments.for_proposal(session, each.proposal_id) and not self._is_current(session, each)
            ),
        ]
        return [proposals.set_state(session, each.proposal_id, "expired") for each in expired]

    def budget(self, session: Session) -> BudgetState:
        """Return where this quarter's error budget stands."""
        return read_budget(session, self.clock.now(), self.settings)

    def _is_old(self, proposal: Proposal) -> bool:
        return self.clock.now() - proposal.created_at > timedelta(days=self.settings.queue_days)

    def _is_current(self, session: Session, proposal: Proposal) -> bool:
        active = param_versions.find_active(session, proposal.instance_id)
        runs = active is not None and active.sha256 == proposal.base_sha256
        return runs and proposal.instance_id in self.capital

    def _sealed_fault(self, session: Session, proposal: Proposal) -> str:
        broken = ledger.verify(session)
        if broken is not None:
            return f"the trial ledger is broken: {broken.reason}"
        missing = records.missing_record(session, proposal, self.settings, self.costs)
        split = read_split(session)
        if missing or split is None or not split.is_testable:
            return missing
        return broken_seal(session, self.archive, split, self._symbols_of(proposal))

    def _said_share(self, session: Session, proposal: Proposal) -> float:
        """Return the smaller share of the sealed and the seen days on which models spoke; 0 where nobody asks."""
        known = proposal.strategy in strategy_names() and decides_on(proposal.strategy) == "predictions"
        split = read_split(session) if known else None
        if split is None or not split.is_testable:
            return 0.0
        symbols, now = self._symbols_of(proposal), self.clock.now()
        stretches = ((split.sealed_start_at, split.sealed_end_at), (split.seen_start_at, now))
        return min(self.archive.said_share(symbols, *stretch) for stretch in stretches)

    def _symbols_of(self, proposal: Proposal) -> tuple[str, ...]:
        return tuple(self.symbols.get(proposal.instance_id) or self.archive.symbols())

    def _laboratory(self, proposal: Proposal) -> Laboratory:
        if proposal.instance_id not in self.capital:
            raise UnknownName(f"there is no instance {proposal.instance_id}", "Name one of the settings' instances")
        return Laboratory(
            proposal=proposal,
            symbols=self._symbols_of(proposal),
            capital_usd=self.capital[proposal.instance_id],
            costs=self.costs,
            bars=self.archive,
            now=self.clock.now(),
            rules=self.programs.get(proposal.instance_id),
        )

    def _screen_verdict(self, proposal: Proposal, result: ScreenResult, runs: ScreenRuns, n_trials: int) -> Verdict:
        capital = float(self.capital[proposal.instance_id])
        return Verdict(
            verdict_id=records.verdict_id(proposal.proposal_id, "screen"),
            proposal_id=proposal.proposal_id,
            stage="screen",
            outcome=result.outcome,
            deciding=result.deciding,
            checks=result.checks,
            folds=folds_of(runs),
            equity_days=runs.candidate.day_texts(),
            equity_incumbent=runs.incumbent.equity(capital),
            equity_candidate=runs.candidate.equity(capital),
            n_trials=n_trials,
            decided_at=self.clock.now(),
        )

    def _sealed_verdict(self, proposal: Proposal, result: SealedResult, n_trials: int) -> Verdict:
        return self._verdict(proposal, "sealed", result.outcome, result.deciding, result.checks, n_trials)

    def _verdict(
        self,
        proposal: Proposal,
        stage: Stage,
        outcome: Outcome,
        deciding: str,
        checks: tuple[Check, ...],
        n_trials: int,
    ) -> Verdict:
        return Verdict(
            verdict_id=records.verdict_id(proposal.proposal_id, stage),
            proposal_id=proposal.proposal_id,
            stage=stage,
            outcome=outcome,
            deciding=deciding,
            checks=checks,
            folds=(),
            equity_days=(),
            equity_incumbent=(),
            equity_candidate=(),
            n_trials=n_trials,
            decided_at=self.clock.now(),
        )
