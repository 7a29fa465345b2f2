"""Rules that decide whether a proposal goes live: our gate, and what others do or advise. All see the same worlds.

Our gate and the rules on sealed days judge what the proposer's search over the seen days took. The others keep no days
back: they search and judge on the known days, which are the seen ones, or all of them where that is asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from online_fdr.p_values.investing.lord.plus_plus import LordPlusPlus

from core.metrics import Series
from strategies.gate.evaluation import peers
from strategies.gate.evaluation.worlds import N_KNOWN, N_SEALED, SEEN, Counts, Flags, Proposals
from strategies.gate.paired import paired_difference, paired_test
from strategies.gate.series import factory

ALPHA_QUARTER, TESTS_PER_QUARTER = 0.10, 13
UNCONTROLLED_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Decisions:
    """By world: which trial the rule looked at, and whether it goes live."""

    picked: Counts
    accepted: Flags


class Streams(Protocol):
    """A rule at work in several worlds, each with a memory of its own."""

    def decide(self, proposals: Proposals) -> Decisions:
        """Return the decision in each world."""
        ...


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule; `open` starts it afresh in so many worlds."""

    name: str
    label: str
    open: Callable[[int], Streams]
    is_sealed: bool
    """Whether it judges on days that the proposer has not seen."""
    scored_from: int = 0
    """From which segment on the days are that such a rule shows scores of; see `segments`."""


class GateStreams:
    """Our gate, as production decides."""

    def __init__(self, n_worlds: int) -> None:
        self._gates = [factory(ALPHA_QUARTER, TESTS_PER_QUARTER, world) for world in range(n_worlds)]

    def decide(self, proposals: Proposals) -> Decisions:
        """Ask each world's gate about what its search took."""
        candidate = proposals.candidate
        accepted = [gate.decide(facts_of(proposals, candidate[world], world)) for world, gate in enumerate(self._gates)]
        return Decisions(proposals.picked, np.array(accepted))


def facts_of(proposals: Proposals, candidate: Series, world: int) -> dict[str, object]:
    """Return what `strategies.gate.factory` takes of one world."""
    incumbent = proposals.incumbent[world]
    return {
        "day": proposals.day,
        "n_trials": proposals.trials.shape[1],
        "seen_inc": incumbent[SEEN],
        "seen_cand": candidate[SEEN],
        "seen_pool": (proposals.trials[world, :, SEEN] - incumbent[SEEN]).T,
        "sealed_inc": incumbent[:N_SEALED],
        "sealed_cand": candidate[:N_SEALED],
        "fresh_inc": incumbent[N_KNOWN:],
        "fresh_cand": candidate[N_KNOWN:],
    }


class SealedStreams:
    """The paired sealed test at one level for ever, without control of the stream."""

    def __init__(self, n_worlds: int) -> None:
        self._n_worlds = n_worlds

    def decide(self, proposals: Proposals) -> Decisions:
        """Accept at 5 % what the screen lets through."""
        p_values = sealed_p_values(proposals)
        return Decisions(proposals.picked, np.array([p is not None and p <= UNCONTROLLED_LEVEL for p in p_values]))


class LordStreams:
    """The paired sealed test at the levels of LORD++ (Ramdas and others 2017), by online-fdr."""

    def __init__(self, n_worlds: int) -> None:
        self._tests = [LordPlusPlus(alpha=ALPHA_QUARTER, wealth=ALPHA_QUARTER / 2) for _ in range(n_worlds)]

    def decide(self, proposals: Proposals) -> Decisions:
        """Test in each world what the screen lets through."""
        accepted = [
            p is not None and bool(test.test_one(p))
            for test, p in zip(self._tests, sealed_p_values(proposals), strict=True)
        ]
        return Decisions(proposals.picked, np.array(accepted))


def sealed_p_values(proposals: Proposals) -> list[float | None]:
    """Return p of the sealed test by world; None where the screen says no, or where there is no p."""
    candidate, incumbent = proposals.candidate, proposals.incumbent
    found: list[float | None] = []
    for ours, theirs in zip(candidate, incumbent, strict=True):
        d = paired_difference(ours[SEEN], theirs[SEEN])
        is_screened = not isinstance(d, str) and float(d.mean()) > 0
        found.append(paired_test(ours[:N_SEALED], theirs[:N_SEALED]).p_value if is_screened else None)
    return found


class PeerStreams:
    """A rule without memory."""

    def __init__(self, judge: peers.Judge) -> None:
        self._judge = judge

    def decide(self, proposals: Proposals) -> Decisions:
        """Let the rule search, unless what it has to judge is given."""
        picked, accepted = self._judge(proposals)
        return Decisions(picked, accepted)


def _peer(name: str, label: str, judge: peers.Judge, scored_from: int = 0) -> Rule:
    return Rule(name, label, lambda _: PeerStreams(judge), is_sealed=False, scored_from=scored_from)


def all_rules() -> Sequence[Rule]:
    """Return our gate, then the others."""
    return (
        Rule("xcrack", "xCrack's gate", GateStreams, is_sealed=True),
        _peer("best_of_k", "best of 50 in-sample, if better", peers.best_of_k),
        _peer("single_split", "best on 2/3, better on the last 1/3", peers.single_split, peers.TWO_THIRDS),
        _peer("walk_forward_4_of_6", "best of 50, better in 4 of 6 folds", peers.walk_forward),
        _peer("freqtrade_split", "best on 2/3, profit on the last 1/3", peers.profitable_split, peers.TWO_THIRDS),
        _peer("dsr_alone", "deflated Sharpe of the best >= .95", peers.deflated_alone),
        _peer("pbo_50", "PBO <= .5, then the best", peers.overfitting_cut(0.5)),
        _peer("pbo_20", "PBO <= .2, then the best", peers.overfitting_cut(0.2)),
        Rule("sealed_5pct", "sealed paired test at 5 %, no budget", SealedStreams, is_sealed=True),
        Rule("lord_plus_plus", "sealed paired test under LORD++", LordStreams, is_sealed=True),
    )
