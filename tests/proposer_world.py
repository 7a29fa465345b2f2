"""A bowl for the proposers: a judge whose best point is known, without any market."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.model.proposal import ExpectedEffect, ParamVersion, Proposal
from core.native import validate_params
from core.settings_sections import SearchSettings
from strategies.proposers.build import build_proposal
from strategies.proposers.cma import CmaProposer
from strategies.proposers.jitter import JitterProposer
from strategies.proposers.protocol import Proposer, Score, Trial
from strategies.proposers.search import SearchRequest
from strategies.proposers.space import Params, Space, build_space
from strategies.proposers.tpe import TpeProposer
from strategies.schema import default_params

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ARMS: tuple[Proposer, ...] = (TpeProposer(), CmaProposer(), JitterProposer())


def running_version(strategy: str = "momentum_scalping", **params: float) -> ParamVersion:
    values = {**default_params(strategy), **params}
    return ParamVersion("one-1", strategy, 3, values, validate_params(strategy, values), "initial", NOW, True)


def momentum_space(share: float = 0.5) -> Space:
    return build_space(running_version(trail=3.0, lookback=8.0), share)


@dataclass(frozen=True, slots=True)
class Bowl:
    """The highest score, zero, is at the corner of the space that is `goal` of the way up; every call is kept."""

    space: Space
    goal: float = 0.8
    asked: list[Params] = field(default_factory=list)

    def __call__(self, several: Sequence[Params], programs: Sequence[str | None] = ()) -> list[Score]:
        self.asked.extend(several)
        return [Score(self.value(params), 100, 50, "") for params in several]

    def value(self, params: Params) -> float:
        point = self.space.point_of(params)
        assert point is not None
        ranges = self.space.ranges
        shares = [(point[name] - r[0]) / (r[-1] - r[0]) for name, r in ranges.items()]
        return 1.0 - sum((share - self.goal) ** 2 for share in shares)


def request(
    space: Space, judge, n_trials: int = 40, seed: int = 7, known: tuple[Trial, ...] = (), llm_share: float = 1 / 3
) -> SearchRequest:
    settings = SearchSettings(backtests_per_instance=n_trials, llm_share=llm_share)
    return SearchRequest(space, judge, settings, "calm", seed, known)


def handed_proposal(space: Space, source: str = "llm:some-model", **edits: float) -> Proposal:
    changed = {**space.running.params, **edits}
    effect = ExpectedEffect("daily_pnl_usd", "up", 2.0, 7)
    return build_proposal(
        space.running, space.edits_to(changed), "a reason", effect, 0.7, analysis_id="a-1", source=source, at=NOW
    )
