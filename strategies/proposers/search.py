"""A search: arms take turns, the judge scores, everybody learns, and every backtest comes back as a trial."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from core.errors import BadInput
from core.model.proposal import Proposal
from core.settings_sections import SearchSettings
from strategies.proposers.bandit import ArmCounts, choose_arm, llm_turns
from strategies.proposers.protocol import LLM, Idea, Judge, Proposer, Score, Task, Trial, comparable, seed_of
from strategies.proposers.space import Params, Space

TURN_TRIALS = 4
"""Backtests of one turn: enough for the cores of a sweep, few enough to learn in between."""
FIRST_LOOK = 6
"""Advice has its first turn after a sixth of the backtests: before that there is nothing to tell good from bad by, and
whatever comes first counts as good."""
GOOD_SHARE = 0.2
"""A trial among the best fifth of the study so far is a good outcome, if it beats the running version."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search around one running version, in one regime."""

    space: Space
    judge: Judge
    settings: SearchSettings
    regime: str
    seed: int
    known: tuple[Trial, ...] = ()
    """Trials of the ledger; those that compare with the running version warm the arms up. They are not run again and
    cannot be found again, so give those whose days are still the searched ones."""
    record: Mapping[str, ArmCounts] = field(default_factory=dict)
    """What became of the arms' earlier proposals; the bandit starts from it."""


@dataclass(frozen=True, slots=True)
class Unjudged:
    """An idea that no backtest was spent on."""

    idea: Idea
    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class ArmReport:
    """What one arm did in a search."""

    n_asked: int = 0
    n_judged: int = 0
    """Backtests spent."""
    n_repeated: int = 0
    """Ideas that were known already: the stored score answered."""
    n_refused: int = 0
    """Ideas that admission would refuse, or beyond what the turn allowed."""
    counts: ArmCounts = ArmCounts()


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Everything that a search did. `trials` is complete: one row for every backtest, in order."""

    trials: tuple[Trial, ...]
    arms: Mapping[str, ArmReport]
    unjudged: tuple[Unjudged, ...]
    handed: Mapping[str, Proposal]
    """By params_sha256: the proposals that were handed in and judged, untouched."""

    def best(self, n: int) -> tuple[Trial, ...]:
        """Return the `n` best trials with a gain, best first; the earlier of equals comes first."""
        gains = [trial for trial in self.trials if (trial.score.value or 0.0) > 0]
        return tuple(sorted(gains, key=lambda trial: -(trial.score.value or 0.0))[:n])


def search(arms: Sequence[Proposer], request: SearchRequest) -> SearchResult:
    """Return what `arms` found together within the request's backtests. Ends early when no arm has an idea left.

    Raises BadInput for no arms, or two arms of one name.
    """
    known = comparable(request.known, request.space, request.regime)
    reports = {arm.name: ArmReport() for arm in arms}
    if not arms or len(reports) != len(arms):
        raise BadInput(f"no search by {', '.join(arm.name for arm in arms) or 'no arm'}")
    board = _Board(request, reports, {request.space.running.sha256, *(trial.params_sha256 for trial in known)})
    studies = {
        arm.name: arm.open(Task(request.space, request.regime, known, seed_of(request.seed, arm.name))) for arm in arms
    }
    while board.n_left and (arm := board.next_arm(studies)) is not None:
        n = board.turn_trials(arm)
        judged = board.judge(arm, studies[arm].ask(n), n)
        for study in studies.values():
            study.tell(judged)
        board.count(arm, judged)
        if not judged:
            # An arm that has nothing new would be asked for ever.
            del studies[arm]
    return SearchResult(tuple(board.trials), dict(board.reports), tuple(board.unjudged), dict(board.handed))


def match_budgets(arms: Sequence[Proposer], request: SearchRequest) -> dict[str, SearchResult]:
    """Return by arm what each found alone, every one with the same number of backtests.

    A parameter set that several arms come upon is run once and counts for each of them.
    """
    seen: dict[str, Score] = {}
    judge = _cached(request, seen)
    return {arm.name: search([arm], replace(request, judge=judge)) for arm in arms}


def _cached(request: SearchRequest, seen: dict[str, Score]) -> Judge:
    def judge(params: Sequence[Params], programs: Sequence[str | None] = ()) -> list[Score]:
        pairs = list(zip(params, programs or [None] * len(params), strict=True))
        names = [request.space.identify(each, rules) for each, rules in pairs]
        missing = {sha256: pair for sha256, pair in zip(names, pairs, strict=True) if sha256 not in seen}
        if missing:
            scores = request.judge([each for each, _ in missing.values()], [rules for _, rules in missing.values()])
            seen.update(zip(missing, scores, strict=True))
        return [seen[sha256] for sha256 in names]

    return judge


@dataclass(slots=True)
class _Board:
    """What a search has so far."""

    request: SearchRequest
    reports: dict[str, ArmReport]
    known: set[str]
    """What needs no backtest: the running version, the ledger's trials, and this search's own."""
    trials: list[Trial] = field(default_factory=list)
    unjudged: list[Unjudged] = field(default_factory=list)
    handed: dict[str, Proposal] = field(default_factory=dict)

    @property
    def n_left(self) -> int:
        return self.request.settings.backtests_per_instance - len(self.trials)

    def next_arm(self, open_arms: Iterable[str]) -> str | None:
        names = set(open_arms)
        if len(self.reports) == 1:
            return next(iter(names), None)
        looked = FIRST_LOOK * (len(self.trials) - self._n_llm) >= self.request.settings.backtests_per_instance
        if not looked and names != {LLM}:
            names.discard(LLM)
        earlier = self.request.record
        counts = {name: self.reports[name].counts.plus(earlier.get(name, ArmCounts())) for name in names}
        seed = seed_of(self.request.seed, "bandit", len(self.trials))
        return choose_arm(
            counts, self._n_llm, self.request.settings.backtests_per_instance, self.request.settings.llm_share, seed
        )

    def turn_trials(self, arm: str) -> int:
        """Return how many backtests the arm's turn may use."""
        n = min(TURN_TRIALS, self.n_left)
        if arm != LLM or len(self.reports) == 1:
            return n
        return min(
            n, llm_turns(self.request.settings.backtests_per_instance, self.request.settings.llm_share) - self._n_llm
        )

    @property
    def _n_llm(self) -> int:
        return self.reports[LLM].n_judged if LLM in self.reports else 0

    def judge(self, arm: str, ideas: Sequence[Idea], n: int) -> list[Trial]:
        """Return a trial for each idea that is new and admissible, `n` at most, and note what became of the others."""
        fresh: dict[str, Idea] = {}
        n_repeated = n_refused = 0
        for idea in ideas:
            reason = _refusal(idea, self.request.space) or ("" if len(fresh) < n else f"more than the {n} asked for")
            if reason:
                n_refused += 1
                self.unjudged.append(Unjudged(idea, _source(arm, idea), reason))
                continue
            sha256 = self.request.space.identify(idea.params, idea.rules)
            if sha256 in self.known or sha256 in fresh:
                n_repeated += 1
                self.unjudged.append(Unjudged(idea, _source(arm, idea), "was tried before"))
            else:
                fresh[sha256] = idea
        judged = self._trials_of(arm, fresh)
        report = self.reports[arm]
        self.reports[arm] = replace(
            report,
            n_asked=report.n_asked + len(ideas),
            n_judged=report.n_judged + len(judged),
            n_repeated=report.n_repeated + n_repeated,
            n_refused=report.n_refused + n_refused,
        )
        return judged

    def count(self, arm: str, judged: Sequence[Trial]) -> None:
        """Count which of an arm's new trials are among the best of the study so far."""
        values = [trial.score.value for trial in self.trials if trial.score.value is not None]
        bar = float(np.quantile(values, 1 - GOOD_SHARE)) if values else math.inf
        gains = (trial.score.value or 0.0 for trial in judged)
        n_good = sum(gain > 0 and gain >= bar for gain in gains)
        old = self.reports[arm].counts
        counts = ArmCounts(old.n_good + n_good, old.n_bad + len(judged) - n_good)
        self.reports[arm] = replace(self.reports[arm], counts=counts)

    def _trials_of(self, arm: str, fresh: Mapping[str, Idea]) -> list[Trial]:
        if not fresh:
            return []
        running = self.request.space.running
        ideas = fresh.values()
        scores = self.request.judge([idea.params for idea in ideas], [idea.rules for idea in ideas])
        made = [
            Trial(
                strategy=running.strategy,
                regime=self.request.regime,
                base_sha256=running.sha256,
                params=dict(idea.params),
                params_sha256=sha256,
                source=_source(arm, idea),
                score=score,
                rules=idea.rules,
            )
            for (sha256, idea), score in zip(fresh.items(), scores, strict=True)
        ]
        self.trials.extend(made)
        self.known.update(fresh)
        self.handed.update({sha256: idea.proposal for sha256, idea in fresh.items() if idea.proposal is not None})
        return made


def _source(arm: str, idea: Idea) -> str:
    return idea.proposal.source if idea.proposal is not None else arm


def _refusal(idea: Idea, space: Space) -> str:
    handed, running = idea.proposal, space.running
    if handed is not None and (handed.instance_id, handed.base_sha256) != (running.instance_id, running.sha256):
        return f"made for version {handed.base_version} of {handed.instance_id}, which this search is not about"
    return space.refusal(idea.params, idea.rules)
