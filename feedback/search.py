"""The weekly search: around each running version, arms share a few backtests of seen days.

The find that gains most on later days, which were not searched, goes to the gate. No change is an equal answer. Of what
became of earlier proposals only two counts an arm come back: those that the screen let through, and those that 30 lived
days bore out. A search writes nothing until it is saved, and the same week gives the same search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from core.clock import kst_day_bounds
from core.errors import BadInput
from core.log import get_logger
from core.model.canonical import short_id
from core.model.proposal import ParamVersion, Proposal
from core.model.search import ArmTally, NoChange, WeeklySearch
from core.settings_sections import CostSettings, SearchSettings
from core.store import Session, deployments, param_versions, proposals, searches, verdicts
from feedback.regime_at import RegimeHistory
from market.bars import BarArchive
from strategies.backtest import dearer
from strategies.gate import Gate, HistorySplit
from strategies.gate.records import IN_FLIGHT
from strategies.gate.split import history_span, read_split, seen_window
from strategies.proposers import Proposed, SearchRequest, Space, build_space, propose
from strategies.proposers.bandit import ArmCounts, wants_placebo
from strategies.proposers.build import build_proposal
from strategies.proposers.cma import CmaProposer
from strategies.proposers.fresh import N_RETESTED, SeenParts, split_seen
from strategies.proposers.jitter import JitterProposer
from strategies.proposers.llm import AdviceRequest, Adviser, LlmProposer
from strategies.proposers.placebo import shadow
from strategies.proposers.protocol import Judge, Proposer, Score, Trial, seed_of
from strategies.proposers.record import SearchedWindow, load_record, load_screened, save_backtests
from strategies.proposers.seen import build_judge, load_seen
from strategies.proposers.space import Params
from strategies.proposers.tpe import TpeProposer
from strategies.proposers.variants import VariantsProposer
from strategies.schema import decides_on, is_judged_on_bars

PLACEBO_SEED = 1
"""One for all weeks: whether a proposal has a placebo is drawn once in its life."""

_log = get_logger("feedback.search")


@dataclass(frozen=True, slots=True)
class Searched:
    """One instance's search, to be saved at once. `window` is None where no backtest was made."""

    search: WeeklySearch
    running: ParamVersion | None
    proposals: tuple[Proposal, ...]
    trials: Proposed | None
    window: SearchedWindow | None


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the store knows before a search. The proposals are the instance's own of the week."""

    running: ParamVersion | None
    split: HistorySplit | None
    record: dict[str, ArmCounts]
    on_its_way: str
    week: tuple[Proposal, ...]
    ideas: tuple[Proposal, ...]


@dataclass(frozen=True, slots=True)
class ParameterSearch:
    """Looks for better parameters of what runs, with the gate's own bars, costs and capital."""

    gate: Gate
    archive: BarArchive
    settings: SearchSettings

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances that a week's searches are about, in the order in which they are made."""
        return tuple(sorted(self.gate.capital))

    def search(self, instance_id: str, on: date, analysis_id: str, at: datetime) -> Searched:
        """Return what this week's search around an instance found; `at` is the time of the analysis it belongs to."""
        ground = self._load(instance_id, on)
        week = _Week(self, ground, instance_id, on, analysis_id, at)
        if ground.running is None:
            return week.without("not_running", "")
        if not is_judged_on_bars(ground.running.strategy):
            return week.without("not_on_bars", decides_on(ground.running.strategy))
        try:
            space = build_space(ground.running, self.gate.settings.max_step_share)
        except BadInput as error:
            return week.without("nothing_to_search", error.message)
        if self.settings.backtests_per_instance == 0:
            return week.without("off", "", space)
        if ground.on_its_way:
            return week.without("on_its_way", ground.on_its_way, space)
        parts = self._parts(ground)
        return week.without("too_few_days", parts, space) if isinstance(parts, str) else week.made(space, parts)

    def save(self, session: Session, searched: Searched) -> str:
        """Store the search, a ledger row for every backtest, and its proposals as pending; return the search's id."""
        if not searches.add(session, searched.search):
            return searched.search.search_id
        if searched.window is not None and searched.running is not None and searched.trials is not None:
            found = searched.trials
            at = searched.search.created_at
            save_backtests(session, at, searched.running, searched.window, found.search.trials, found.retests)
        for proposal in searched.proposals:
            proposals.add(session, proposal)
        return searched.search.search_id

    @property
    def costs(self) -> CostSettings:
        """The costs that finds are judged at: those of the screen that comes after."""
        return dearer(self.gate.costs, self.gate.settings.cost_multiple)

    def symbols_of(self, instance_id: str) -> tuple[str, ...]:
        """Return what the instance trades."""
        return self.gate.symbols.get(instance_id) or self.gate.archive.symbols()

    def judge_on(
        self, running: ParamVersion, split: HistorySplit, start_at: datetime, end_at: datetime, n_most: int
    ) -> Judge:
        """Return the judge of one part of the seen days, which says in the log how many of `n_most` it has judged."""
        name = running.instance_id
        asked = (self.gate.archive, self.symbols_of(name), split, start_at, end_at)
        seen = load_seen(*asked, running.strategy)
        judge = build_judge(running, seen, self.costs, self.gate.capital[name])
        n_judged = 0

        def judged(params: Sequence[Params], programs: Sequence[str | None] = ()) -> list[Score]:
            nonlocal n_judged
            scores = list(judge(params, programs))
            n_judged += len(scores)
            _log.info("backtests", instance=name, n=n_judged, of=n_most)
            return scores

        return judged

    def regime_on(self, instance_id: str, on: date) -> str:
        """Return the regime of a day over the instance's symbols, or `unknown`."""
        symbols = self.symbols_of(instance_id)
        return RegimeHistory.load(self.archive, symbols, *kst_day_bounds(on)).regime_of_day(symbols, on) or "unknown"

    def _load(self, instance_id: str, on: date) -> _Ground:
        start_at = kst_day_bounds(on - timedelta(days=6))[0]
        with self.gate.store.session() as session:
            running = param_versions.find_active(session, instance_id)
            made = [] if running is None else proposals.of_instance(session, instance_id)
            week = [
                each
                for each in made
                if running is not None
                and each.created_at >= start_at
                and each.base_sha256 == running.sha256
                and not each.is_placebo
            ]
            return _Ground(
                running=running,
                split=read_split(session),
                record=load_record(session),
                on_its_way=_on_its_way(session, instance_id, made),
                week=tuple(week),
                ideas=_open_ideas(session, week, made),
            )

    def _parts(self, ground: _Ground) -> SeenParts | str:
        _, end_at = history_span(self.gate.archive)
        if ground.split is None or end_at is None:
            return "there is no history"
        now = self.gate.clock.now()
        start_at, end_at = seen_window(ground.split, now, end_at, self.gate.settings.seen_days)
        return split_seen(start_at, end_at, self.settings.fresh_days, self.gate.settings.embargo_days)


@dataclass(frozen=True, slots=True)
class _Week:
    """One instance's search of one week at work."""

    room: ParameterSearch
    ground: _Ground
    instance_id: str
    on: date
    analysis_id: str
    at: datetime

    @property
    def search_id(self) -> str:
        """The one search of this instance and week."""
        return short_id("search", self.on.isoformat(), self.instance_id)

    @property
    def seed(self) -> int:
        """Another one each week and for each instance."""
        return seed_of(self.on.toordinal(), "search", self.instance_id)

    def without(self, reason: NoChange, detail: str, space: Space | None = None) -> Searched:
        """Return the search that was not made; the week's other proposals still get their placebos."""
        made = () if space is None else self._placebos(space, self.ground.week)
        return Searched(self._summary("", None, reason, detail, made), self.ground.running, made, None, None)

    def made(self, space: Space, parts: SeenParts) -> Searched:
        """Return the search after its backtests."""
        room, running, split = self.room, space.running, self.ground.split
        assert split is not None, "the parts are those of a split"
        regime = room.regime_on(self.instance_id, self.on)
        n_trials = room.settings.backtests_per_instance
        request = SearchRequest(
            space=space,
            judge=room.judge_on(running, split, parts.search_start_at, parts.search_end_at, n_trials),
            settings=room.settings,
            regime=regime,
            seed=self.seed,
            known=self._screened(space, regime),
            record=self.ground.record,
        )
        arms: list[Proposer] = [LlmProposer(self._adviser()), TpeProposer(), CmaProposer(), JitterProposer()]
        if running.rules is not None:
            arms.append(VariantsProposer())
        judge_fresh = room.judge_on(running, split, parts.fresh_start_at, parts.fresh_end_at, N_RETESTED)
        found = propose(arms, request, judge_fresh, self.analysis_id, self.at)
        own = () if found.proposal is None else (found.proposal,)
        made = (*own, *self._placebos(space, (*self.ground.week, *own)))
        reason: NoChange = "" if own else "no_gain_fresh" if found.retests else "no_gain"
        summary = self._summary(regime, found, reason, "", made)
        _log.info(
            "searched", instance=self.instance_id, trials=summary.n_trials, proposal=summary.proposal_id or reason
        )
        window = SearchedWindow(self.search_id, parts, room.gate.settings.cost_multiple)
        return Searched(summary, running, made, found, window)

    def _screened(self, space: Space, regime: str) -> tuple[Trial, ...]:
        with self.room.gate.store.session() as session:
            return load_screened(session, space, regime)

    def _adviser(self) -> Adviser:
        """Return what hands on the analyzer's open ideas of the week, each once and under its own source."""
        ideas = iter(self._handed(each) for each in self.ground.ideas)

        def advise(asked: AdviceRequest) -> list[Proposal]:
            return [idea for _, idea in zip(range(asked.n), ideas, strict=False)]

        return advise

    def _handed(self, idea: Proposal) -> Proposal:
        assert self.ground.running is not None, "ideas are about a running version"
        return build_proposal(
            self.ground.running,
            idea.edits,
            idea.rationale,
            idea.expected_effect,
            idea.confidence,
            analysis_id=self.analysis_id,
            source=idea.source,
            at=self.at,
            rules=idea.rules,
        )

    def _placebos(self, space: Space, week: Sequence[Proposal]) -> tuple[Proposal, ...]:
        share = self.room.settings.placebo_share
        chosen = [each for each in week if wants_placebo(each.proposal_id, share, PLACEBO_SEED)]
        shadows = [shadow(each, space, PLACEBO_SEED) for each in chosen]
        return tuple(each for each in shadows if each is not None)

    def _summary(
        self, regime: str, found: Proposed | None, reason: NoChange, detail: str, made: Sequence[Proposal]
    ) -> WeeklySearch:
        running = self.ground.running
        trials = () if found is None else found.search.trials
        retests = () if found is None else found.retests
        gains = [each.score.value for each in trials if (each.score.value or 0.0) > 0]
        fresh = [each.fresh.value for each in retests if each.fresh.value is not None]
        return WeeklySearch(
            search_id=self.search_id,
            on=self.on,
            instance_id=self.instance_id,
            strategy="" if running is None else running.strategy,
            base_sha256="" if running is None else running.sha256,
            regime=regime,
            n_trials=len(trials),
            arms=() if found is None else _tallies(found),
            n_gains=len(gains),
            n_retested=len(retests),
            n_gains_fresh=sum(each.passed for each in retests),
            best_searched_usd=max((value for value in gains if value is not None), default=None),
            best_fresh_usd=max(fresh, default=None),
            proposal_id="" if found is None or found.proposal is None else found.proposal.proposal_id,
            reason=reason,
            detail=detail,
            made=tuple(each.proposal_id for each in made),
            created_at=self.at,
        )


def _tallies(found: Proposed) -> tuple[ArmTally, ...]:
    return tuple(
        ArmTally(name, each.n_asked, each.n_judged, each.counts.n_good, each.n_repeated, each.n_refused)
        for name, each in sorted(found.search.arms.items())
    )


def _on_its_way(session: Session, instance_id: str, made: Sequence[Proposal]) -> str:
    """Return what a find would have to wait behind, or an empty text."""
    moving = [each.deployment_id for each in deployments.of_instance(session, instance_id) if each.state in IN_FLIGHT]
    accepted = [each.proposal_id for each in made if each.state == "accepted"]
    waiting = [each.proposal_id for each in made if each.state == "queued" and each.lane == "search"]
    return next(iter([*moving, *accepted, *waiting]), "")


def _open_ideas(session: Session, week: Sequence[Proposal], made: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """Return the analyzer's ideas of the week that were never tried; none while one of its own waits in the queue."""
    if any(each.state == "queued" and each.lane == "analyzer" for each in made):
        return ()
    screened = verdicts.outcomes(session, "screen")
    return tuple(
        each
        for each in week
        if each.lane == "analyzer"
        and each.state in ("refused", "expired")
        and each.proposal_id not in screened
        # What a person was to look at comes back by no other door.
        and not each.hold
    )
