"""The screen on seen data: cheap, and no claim. It vetoes what is plainly worse and ranks the rest.

Vetoes: paired mean not above zero at 1.5 x costs, a gain that its neighbours do not share, too few changed trades, a
worse crash. The deflated Sharpe ratio and the probability of overfitting are shown and veto nothing: the sealed test
avoids the question of how many trials there were.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from core.metrics import Series
from core.model.proposal import Check, Fold, Outcome, Proposal
from core.settings_sections import GateSettings
from core.sharpe import deflated_sharpe_of
from strategies.backtest import DailyFacts
from strategies.gate.admission import changed_edits
from strategies.gate.overfitting import overfitting_probability
from strategies.gate.paired import MIN_DAYS, paired_difference, paired_test
from strategies.gate.stress import Paths, Scenario, path_checks, stress_check
from strategies.schema import ParamSpec

N_FOLDS = 6
STATISTIC = "screen_t"
"""The check that ranks survivors: mean of d over its standard error."""


@dataclass(frozen=True, slots=True)
class ScreenRuns:
    """All backtests of a screen, on the same bars with the same costs; those under stress day by day."""

    incumbent: DailyFacts
    candidate: DailyFacts
    neighbours: Sequence[tuple[str, DailyFacts]]
    """By changed parameter."""
    scenarios: Sequence[Scenario]
    paths: Paths
    capital_usd: float


@dataclass(frozen=True, slots=True)
class ScreenResult:
    """What the screen found."""

    outcome: Outcome
    deciding: str
    checks: tuple[Check, ...]


def neighbours_of(proposal: Proposal, specs: Mapping[str, ParamSpec]) -> list[tuple[str, dict[str, float]]]:
    """Return changed parameter and full parameters of each candidate one grid step away, without the incumbent.

    The incumbent is left out because its gain over itself is zero by definition and says nothing of a plateau.
    """
    found = []
    for edit in changed_edits(proposal):
        spec = specs[edit.param]
        for shift in (-1, 1):
            value = spec.at_index(spec.grid_index(edit.value) + shift)
            params = {**proposal.params, edit.param: value}
            is_incumbent = params == proposal.base_params and proposal.rules is None
            if spec.minimum <= value <= spec.maximum and not is_incumbent:
                found.append((edit.param, params))
    return found


def judge_screen(runs: ScreenRuns, settings: GateSettings, n_trials: int) -> ScreenResult:
    """Return queued, refused, or inconclusive, with every number. `n_trials` counts this screen's own backtests too."""
    if runs.candidate.days.size < MIN_DAYS:
        needed = f"{runs.candidate.days.size} seen days are there and {MIN_DAYS} are needed"
        return ScreenResult("inconclusive", f"too few to tell: {needed}", (_days_check(runs),))
    if not np.array_equal(runs.candidate.days, runs.incumbent.days):
        return ScreenResult("refused", "candidate and incumbent were not run on the same days", (_days_check(runs),))
    d = paired_difference(runs.candidate.pnl_usd, runs.incumbent.pnl_usd)
    if isinstance(d, str):
        failed = Check("paired_mean", False, None, 0.0, d)
        return ScreenResult("refused", f"no comparison: {d}", (_days_check(runs), failed))
    mean = float(d.mean())
    checks = (
        _days_check(runs),
        paired_mean_check(d, f"{mean:+.2f} USD a day at equal volatility, at {settings.cost_multiple:g} x costs"),
        _plateau_check(runs, mean, settings),
        _changed_trades_check(runs, settings),
        *(stress_check(scenario, runs.capital_usd) for scenario in runs.scenarios),
        *path_checks(runs.paths, runs.capital_usd),
        *shown_checks(runs.candidate.pnl_usd, runs.incumbent.pnl_usd, d, _tried(runs), n_trials),
    )
    failed_checks = [check for check in checks if check.veto and not check.passed]
    if failed_checks:
        return ScreenResult("refused", f"{failed_checks[0].name}: {failed_checks[0].detail}", checks)
    return ScreenResult("queued", f"{mean:+.2f} USD a day on {d.size} seen days; waits for its sealed test", checks)


def paired_mean_check(d: Series, detail: str) -> Check:
    """Return the veto on a difference whose mean is not above zero."""
    mean = float(d.mean())
    return Check("paired_mean", mean > 0, mean, 0.0, detail)


def shown_checks(
    candidate: Series, incumbent: Series, d: Series, tried: Series | None, n_trials: int
) -> tuple[Check, ...]:
    """Return what is shown and vetoes nothing. `tried` is configurations x days, None where they cannot be compared."""
    t = float(d.mean()) / (float(d.std(ddof=1)) / math.sqrt(d.size))
    dsr = deflated_sharpe_of(d, n_trials)
    pbo = overfitting_probability(tried) if tried is not None else None
    p_value = paired_test(candidate, incumbent).p_value
    among = f" among {tried.shape[0]} configurations" if tried is not None else ""
    return (
        Check(STATISTIC, True, t, None, f"mean over standard error {t:.2f}; ranks the queue", veto=False),
        Check("seen_p", True, p_value, None, "p on seen days; searched data, so no evidence", veto=False),
        Check(
            "deflated_sharpe",
            dsr is not None and dsr >= 0.95,
            dsr,
            0.95,
            f"chance that it beats the best of {n_trials} unskilled trials",
            veto=False,
        ),
        Check(
            "overfitting",
            pbo is not None and pbo <= 0.2,
            pbo,
            0.2,
            f"probability of overfitting{among}",
            veto=False,
        ),
    )


def folds_of(runs: ScreenRuns) -> tuple[Fold, ...]:
    """Return six blocks of seen days in a row with what both made, in USD; fewer than six days give none."""
    days = runs.candidate.days
    if days.size < N_FOLDS or not np.array_equal(days, runs.incumbent.days):
        return ()
    texts = runs.candidate.day_texts()
    return tuple(
        Fold(
            texts[block[0]],
            texts[block[-1]],
            float(runs.incumbent.pnl_usd[block].sum()),
            float(runs.candidate.pnl_usd[block].sum()),
        )
        for block in np.array_split(np.arange(days.size), N_FOLDS)
    )


def _days_check(runs: ScreenRuns) -> Check:
    n_days = int(runs.candidate.days.size)
    return Check("seen_days", n_days >= MIN_DAYS, float(n_days), float(MIN_DAYS), f"{n_days} seen days")


def _plateau_check(runs: ScreenRuns, mean: float, settings: GateSettings) -> Check:
    gains = []
    for _, facts in runs.neighbours:
        d = paired_difference(facts.pnl_usd, runs.incumbent.pnl_usd)
        # A neighbour that cannot be compared shares no gain.
        gains.append(0.0 if isinstance(d, str) else float(d.mean()))
    if not gains:
        return Check("plateau", True, None, settings.plateau_share, "no neighbour inside the bounds to ask")
    if mean <= 0:
        return Check("plateau", False, None, settings.plateau_share, "there is no gain for neighbours to share")
    share = float(np.median(gains)) / mean
    return Check(
        "plateau",
        share >= settings.plateau_share,
        share,
        settings.plateau_share,
        f"the middle one of {len(gains)} neighbours keeps {share:.0%} of the gain",
    )


def _changed_trades_check(runs: ScreenRuns, settings: GateSettings) -> Check:
    n_changed = len(runs.candidate.trades ^ runs.incumbent.trades)
    return Check(
        "changed_trades",
        n_changed >= settings.min_changed_trades,
        float(n_changed),
        float(settings.min_changed_trades),
        f"{n_changed} round trips differ; {settings.min_changed_trades} are needed",
    )


def _tried(runs: ScreenRuns) -> Series | None:
    tried = [runs.candidate.pnl_usd, runs.incumbent.pnl_usd, *(facts.pnl_usd for _, facts in runs.neighbours)]
    return np.array(tried) if len({series.size for series in tried}) == 1 else None
