"""How often a pattern is followed by the move it is held to announce, beside the same signals at every other time.

A hit is a move over the next `horizon_bars` bars in the direction of the signal. The null moves all signals of a
pattern together round the circle of the sample, so that their number, their signs and how they cluster stay: the p
value is the share of all shifts, the true one included, at which there are at least as many hits (Phipson & Smyth
2010). Shifts within the horizon of the truth share moves with it and are left out. Over all patterns the false
discovery rate is held by Benjamini & Hochberg (1995).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import false_discovery_control

from core.errors import BadInput
from core.metrics import share_interval
from market.candles import Floats

MAX_Q = 0.10
MIN_SIGNALS = 30
"""Below this the rate is shown with its interval, and nothing is concluded."""


@dataclass(frozen=True, slots=True)
class PatternEvidence:
    """What one pattern was worth. Rates are shares of signals, moves in bps before costs."""

    name: str
    horizon_bars: int
    n: int
    hit_rate: float | None
    hit_rate_ci: tuple[float, float] | None
    """Interval of 90 % after Wilson, as if signals were independent."""
    null_rate: float | None
    """Mean rate over the shifts: what the same signals find at other times."""
    mean_move_bps: float | None
    """Mean move in the direction of the signal."""
    p_value: float | None
    q_value: float | None
    has_evidence: bool


def measure_patterns(signs: Mapping[str, Floats], close: Floats, horizon_bars: int) -> tuple[PatternEvidence, ...]:
    """Return the evidence for each pattern, in order. `signs` holds (n,) arrays of -1, 0 and 1, `close` (n,) prices.

    Raises BadInput for arrays of other lengths and for a horizon that leaves no bar.
    """
    n = len(close)
    if not 1 <= horizon_bars < n:
        raise BadInput(f"a horizon of {horizon_bars} bars does not fit into {n} bars", "Give more bars")
    if any(len(each) != n for each in signs.values()):
        raise BadInput("patterns and prices must have one value a bar")
    moves = np.log(close[horizon_bars:] / close[:-horizon_bars])
    measured = [_measure(name, each[: n - horizon_bars], moves, horizon_bars) for name, each in signs.items()]
    tested = [one.p_value for one in measured if one.p_value is not None]
    adjusted = iter(false_discovery_control(tested) if tested else ())
    return tuple(_judge(one, float(next(adjusted))) if one.p_value is not None else one for one in measured)


def _measure(name: str, signs: Floats, moves: Floats, horizon_bars: int) -> PatternEvidence:
    n = int(np.count_nonzero(signs))
    if n == 0:
        return PatternEvidence(name, horizon_bars, 0, None, None, None, None, None, None, False)
    hits = _hits_by_shift(signs, np.sign(moves))
    far = np.ones(len(moves), dtype=bool)
    far[1 : horizon_bars + 1] = far[len(moves) - horizon_bars :] = False
    found, others = hits[0], hits[far]
    enough = n >= MIN_SIGNALS and len(others) > 1
    return PatternEvidence(
        name=name,
        horizon_bars=horizon_bars,
        n=n,
        hit_rate=float(found / n),
        hit_rate_ci=share_interval(int(found), n),
        null_rate=float(others[1:].mean() / n) if len(others) > 1 else None,
        mean_move_bps=float((signs * moves).sum() / n * 1e4),
        p_value=float((others >= found).mean()) if enough else None,
        q_value=None,
        has_evidence=False,
    )


def _hits_by_shift(signs: Floats, directions: Floats) -> Floats:
    """Return (n,) how many signals meet a move of their sign, when all signals come k bars later, k = 0 … n - 1.

    A circular correlation by Fourier transform; the counts are whole numbers, so rounding makes them exact.
    """
    n = len(signs)
    spectrum = np.conj(np.fft.rfft(signs)) * np.fft.rfft(directions)
    agreement = np.fft.irfft(spectrum, n)
    unmoved = np.conj(np.fft.rfft(np.abs(signs))) * np.fft.rfft((directions == 0).astype(np.float64))
    return np.asarray(np.round((np.abs(signs).sum() - np.fft.irfft(unmoved, n) + agreement) / 2.0), dtype=np.float64)


def _judge(one: PatternEvidence, q_value: float) -> PatternEvidence:
    return replace(one, q_value=q_value, has_evidence=q_value <= MAX_Q)
