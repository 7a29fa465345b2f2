"""Candidates that want to look better than they are, each given to every rule among 49 honest ones without skill."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.metrics import Series
from strategies.gate.evaluation.rules import Rule
from strategies.gate.evaluation.worlds import (
    DAILY_GAIN,
    N_DAYS,
    N_TRIALS,
    VOLATILITY,
    Flags,
    make_market,
    own_noise,
    propose,
    sharpe_of_ir,
)
from strategies.gate.evaluation.years import FIRST_DAY
from strategies.gate.shocks import GAP
from strategies.gate.stress import Scenario, stress_check

LEVERAGE = 1.5
PREMIUM_IR = 4.0
"""Information ratio of what the penny-picker collects while nothing happens."""
CRASHES_PER_DAY = 1 / 1000
EXPOSURE = 0.25
"""Of the incumbent: a market that moves by 4 % a day makes its 1 %."""


@dataclass(frozen=True, slots=True)
class Raw:
    """What an attacker has to work with; worlds x days."""

    incumbent: Series
    honest: Series
    """A candidate without skill."""


Attack = Callable[[np.random.Generator, Raw], Series]


def leverage(rng: np.random.Generator, raw: Raw) -> Series:
    """More of the same."""
    return LEVERAGE * raw.incumbent


def leverage_with_noise(rng: np.random.Generator, raw: Raw) -> Series:
    """More of the same, hidden under a little noise."""
    return LEVERAGE * raw.incumbent + rng.normal(0.0, 0.05 * VOLATILITY, raw.incumbent.shape)


def identical(rng: np.random.Generator, raw: Raw) -> Series:
    """The incumbent under another name."""
    return raw.incumbent.copy()


def not_a_number(rng: np.random.Generator, raw: Raw) -> Series:
    """A great edge with one day that was not computed."""
    broken = raw.honest + sharpe_of_ir(6.0) * DAILY_GAIN
    broken[np.arange(len(broken)), rng.integers(0, 700, len(broken))] = np.nan
    return broken


def penny_picker(rng: np.random.Generator, raw: Raw) -> Series:
    """Small gains every day, and a crash every thousand days that takes them all back."""
    crashed = rng.random(raw.honest.shape) < CRASHES_PER_DAY
    return raw.honest + premium() - crashed * (premium() / CRASHES_PER_DAY)


ATTACKS: dict[str, Attack] = {
    "leverage": leverage,
    "leverage_with_noise": leverage_with_noise,
    "identical": identical,
    "nan": not_a_number,
    "penny_picker": penny_picker,
}


def premium() -> float:
    """Return what the penny-picker collects a day, as a share of the capital."""
    return sharpe_of_ir(PREMIUM_IR) * DAILY_GAIN


def attack(rng: np.random.Generator, name: str, n_worlds: int, rules: Sequence[Rule]) -> dict[str, Flags]:
    """Return by rule and world whether the attack was accepted."""
    market = make_market(rng, n_worlds, N_DAYS)
    incumbent = market.shared + own_noise(rng, market.volatility, 1)[:, 0]
    trials = own_noise(rng, market.volatility, N_TRIALS) + market.shared[:, None, :]
    trials[:, 0] = ATTACKS[name](rng, Raw(incumbent, trials[:, 0]))
    proposals = propose(FIRST_DAY, incumbent, trials, np.zeros(n_worlds, dtype=np.int64))
    return {rule.name: rule.open(n_worlds).decide(proposals).accepted for rule in rules}


def passes_stress() -> bool:
    """Return whether the penny-picker passes the gate's stress veto, which comes before the sealed test.

    Both hold the incumbent's exposure when the gap comes; the penny-picker also pays what it was paid for.
    """
    gap = np.array([EXPOSURE * GAP])
    fallen = Scenario("gap", f"a gap of {GAP:.0%}", [gap - premium() / CRASHES_PER_DAY], [gap])
    return stress_check(fallen, capital_usd=1.0).passed
