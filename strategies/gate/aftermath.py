"""What became of every proposal that was registered, whatever the gate said: a sign that nobody chose to measure.

After 7 and after 30 lived KST days the engine plays its parameters and those it would have replaced over the bars
since, from the first whole day after its registration, and the mean of d decides. Refused, expired, deployed and
placebo proposals are treated alike, so what is counted cannot be picked by its result. Computed once, and never for a
day that was not lived. People read it; of what feeds a proposer only the bandit does, as one count of signs an arm.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from core.errors import BadInput
from core.log import get_logger
from core.metrics import Series
from core.model.aftermath import HORIZONS_DAYS, Aftermath, AftermathOutcome
from core.model.canonical import sha256_of, short_id
from core.model.proposal import BacktestRun, LedgerRow, Proposal
from core.native import validate_params
from core.store import Session, aftermaths, analyses, backtests, ledger, prompts, proposals, verdicts
from strategies.backtest import DailyFacts
from strategies.gate.paired import paired_difference
from strategies.gate.records import trial_payload, verdict_id
from strategies.gate.runs import Laboratory
from strategies.gate.screen import STATISTIC
from strategies.gate.split import HistorySplit, ceil_midnight, read_split
from strategies.schema import decides_on

KIND = "aftermath"
DAILY_LIMIT = 50
"""Aftermaths judged in one day, oldest first; a backlog takes as many days as it needs."""
GRACE = timedelta(days=7)
"""How long the last bars of a horizon may be late before what is there is judged."""
MIN_DAY_SHARE = 0.9
"""Share of the horizon's days that must hold bars."""
MIN_CHANGED_TRADES = 5
"""Round trips that must differ: below that the sign is that of one or two trades."""

_log = get_logger("strategies.gate")


@dataclass(frozen=True, slots=True)
class Horizon:
    """An aftermath that is due."""

    proposal: Proposal
    days: int
    registered_at: datetime
    fault: str
    """Why the registration on the ledger cannot stand for the proposal, or empty."""
    prompt: str
    promised_usd: float | None
    promised_ir: float | None

    @property
    def start_at(self) -> datetime:
        """The first KST midnight at or after the registration."""
        return ceil_midnight(self.registered_at)

    @property
    def end_at(self) -> datetime:
        """Where the horizon ends."""
        return self.start_at + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class JudgedAftermath:
    """An aftermath with the backtests behind it, to be saved together."""

    aftermath: Aftermath
    backtests: tuple[BacktestRun, ...] = ()


def find_due(session: Session, now: datetime) -> tuple[HistorySplit | None, list[Horizon]]:
    """Return the split and what has passed its horizon without an aftermath, oldest first and at most a day's work.

    Nothing is due while nothing may be judged: the history was never split, or the trial ledger is broken.
    """
    broken = ledger.verify(session)
    if broken is not None:
        _log.error("aftermaths_wait", reason=f"the trial ledger is broken: {broken.reason}")
        return None, []
    split = read_split(session)
    if split is None:
        return None, []
    known = aftermaths.ids(session)
    passed = [
        (row, days)
        for row in ledger.rows(session, "preregistration")
        for days in HORIZONS_DAYS
        if row.proposal_id is not None and aftermath_id(row.proposal_id, days) not in known
        if ceil_midnight(row.at) + timedelta(days=days) <= now
    ]
    passed.sort(key=lambda pair: (pair[0].at + timedelta(days=pair[1]), pair[0].n, pair[1]))
    found = (_read_horizon(session, row, days) for row, days in passed)
    return split, [each for each in found if each is not None][:DAILY_LIMIT]


def judge_horizon(
    due: Horizon, split: HistorySplit, now: datetime, laboratory_of: Callable[[Proposal], Laboratory]
) -> JudgedAftermath | None:
    """Return what became of one proposal, or None while its last bars may still arrive. Writes nothing."""
    try:
        fault = due.fault or _unplayable(due.proposal)
        if fault:
            return _not_comparable(due, now, fault)
        laboratory = laboratory_of(due.proposal)
        sha256 = validate_params(due.proposal.strategy, due.proposal.base_params, laboratory.incumbent.rules)
        if sha256 != due.proposal.base_sha256:
            return _not_comparable(due, now, "the strategy is no longer the one it was made for")
        if not laboratory.has_bars_until(due.end_at) and now < due.end_at + GRACE:
            return None
        candidate, incumbent, made = laboratory.run_lived(split, due.start_at, due.end_at)
    except BadInput as error:
        return _not_comparable(due, now, error.message)
    return _compare(due, now, candidate, incumbent, made)


def save_aftermaths(session: Session, judged: Sequence[JudgedAftermath]) -> list[str]:
    """Store aftermaths, their backtests and one ledger row for each; returns the ids. A repeat has no effect."""
    for each in judged:
        value = each.aftermath
        if aftermaths.find(session, value.aftermath_id) is not None:
            continue
        for run in each.backtests:
            if backtests.add(session, run):
                ledger.append(session, run.at, "backtest", run.strategy, run.proposal_id, trial_payload(run))
        aftermaths.add(session, value)
        payload = {"aftermath_id": value.aftermath_id, "sha256": sha256_of(value)}
        ledger.append(session, value.judged_at, KIND, value.strategy, value.proposal_id, payload)
    return [each.aftermath.aftermath_id for each in judged]


def aftermath_id(proposal_id: str, horizon_days: int) -> str:
    """Return the id of the one aftermath of a proposal over a horizon."""
    return short_id("aftermath", proposal_id, horizon_days)


def _read_horizon(session: Session, row: LedgerRow, days: int) -> Horizon | None:
    proposal = proposals.find(session, row.proposal_id or "")
    if proposal is None:
        # The scorecard names it as missing; there is nothing to play.
        _log.error("registered_proposal_missing", proposal_id=row.proposal_id)
        return None
    registered = json.loads(row.payload)
    same = (registered["content_sha256"], registered["source"]) == (proposals.content_sha256(proposal), proposal.source)
    promised_usd, promised_ir = _promised(session, proposal)
    return Horizon(
        proposal=proposal,
        days=days,
        registered_at=row.at,
        fault="" if same else "the pre-registration on the ledger is of another change",
        prompt=prompt_of(session, proposal),
        promised_usd=promised_usd,
        promised_ir=promised_ir,
    )


def _promised(session: Session, proposal: Proposal) -> tuple[float | None, float | None]:
    """Return the screen's mean of d a day, in USD and over its standard deviation; None where none compared."""
    verdict = verdicts.find(session, verdict_id(proposal.proposal_id, "screen"))
    values = {} if verdict is None else {check.name: check.value for check in verdict.checks}
    mean, t, n_days = values.get("paired_mean"), values.get(STATISTIC), values.get("seen_days")
    if mean is None or t is None or not n_days:
        return None, None
    return mean, t / math.sqrt(n_days)


def prompt_of(session: Session, proposal: Proposal) -> str:
    """Return template and version of the prompt that asked for changes on the proposal's day, or empty."""
    study = analyses.find(session, proposal.analysis_id)
    task = "adjustments" if proposal.rules is None else "programs"
    asked = None if study is None else analyses.for_day(session, study.on, task)
    if asked is None or asked.source != proposal.source or not asked.prompt_sha256:
        return ""
    prompt = prompts.find(session, asked.prompt_sha256)
    return "" if prompt is None else f"{prompt.name}.v{prompt.version}"


def _unplayable(proposal: Proposal) -> str:
    needs = decides_on(proposal.strategy)
    # What models said comes with the bars, where they spoke; the engine refuses to play without it.
    return "" if needs in ("bars", "predictions") else f"{proposal.strategy} decides on {needs}, and bars hold none"


def _compare(
    due: Horizon, now: datetime, candidate: DailyFacts, incumbent: DailyFacts, made: tuple[BacktestRun, ...]
) -> JudgedAftermath:
    n_days, n_changed = int(candidate.days.size), len(candidate.trades ^ incumbent.trades)
    needed = math.ceil(MIN_DAY_SHARE * due.days)

    def told(outcome: AftermathOutcome, reason: str, d: Series | None = None) -> JudgedAftermath:
        return JudgedAftermath(_aftermath(due, now, outcome, reason, n_days, n_changed, d), made)

    if n_days < needed:
        return told("too_few_days", f"{n_days} days hold bars and {needed} are needed")
    if n_changed < MIN_CHANGED_TRADES:
        return told("too_few_trades", f"{n_changed} round trips differ and {MIN_CHANGED_TRADES} are needed")
    if not np.array_equal(candidate.days, incumbent.days):
        return told("not_comparable", "both were not played on the same days")
    d = paired_difference(candidate.pnl_usd, incumbent.pnl_usd, min_days=needed)
    if isinstance(d, str):
        return told("not_comparable", d)
    return told("better" if float(d.mean()) > 0 else "worse", "", d)


def _not_comparable(due: Horizon, now: datetime, reason: str) -> JudgedAftermath:
    return JudgedAftermath(_aftermath(due, now, "not_comparable", reason, 0, 0, None))


def _aftermath(
    due: Horizon,
    now: datetime,
    outcome: AftermathOutcome,
    reason: str,
    n_days: int,
    n_changed_trades: int,
    d: Series | None,
) -> Aftermath:
    proposal = due.proposal
    return Aftermath(
        aftermath_id=aftermath_id(proposal.proposal_id, due.days),
        proposal_id=proposal.proposal_id,
        horizon_days=due.days,
        instance_id=proposal.instance_id,
        strategy=proposal.strategy,
        source=proposal.source,
        prompt=due.prompt,
        registered_at=due.registered_at,
        start_at=due.start_at,
        end_at=due.end_at,
        outcome=outcome,
        reason=reason,
        n_days=n_days,
        n_changed_trades=n_changed_trades,
        mean_usd=None if d is None else float(d.mean()),
        daily_ir=None if d is None else float(d.mean()) / float(d.std(ddof=1)),
        promised_usd=due.promised_usd,
        promised_ir=due.promised_ir,
        judged_at=now,
    )
