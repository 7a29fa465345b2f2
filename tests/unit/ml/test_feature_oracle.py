"""Every column that TA-Lib has, against TA-Lib, over an unbroken run of recorded hours.

Where a convention differs it stands here, beside the comparison, with the reason.
"""

from collections.abc import Callable

import numpy as np
import pytest
import talib
from scipy import stats

from core.native_features import features_batch
from market.candles import Candles, Floats
from ml.features.registry import load_registry
from tests.feature_world import HOUR_MS, bars, recorded

REGISTRY = load_registry()
RELATIVE = 1e-9
WITHHELD = ("stochrsi_14", "stoch_k_14")
"""TA-Lib gives %K only from the bar on at which its mean, %D, is there too; ours comes when it is known."""
LONG_AFTER = 1_200
"""Bars after which an exponential average has forgotten where it started."""


@pytest.fixture(scope="module")
def run() -> Candles:
    candles = recorded("BTCUSDT")
    starts = np.flatnonzero(np.diff(candles.opened_at_ms, prepend=0) != HOUR_MS)
    longest = int(np.argmax(np.diff(starts, append=len(candles))))
    return candles.rows(slice(starts[longest], starts[longest] + 3_000))


def column(run: Candles, name: str) -> Floats:
    return features_batch([name], HOUR_MS, bars(run)).values[:, 0]


def lag(x: Floats, n: int) -> Floats:
    return np.concatenate([np.full(n, np.nan), x[:-n]])


def log_returns(c: Candles) -> Floats:
    return np.log(c.close / lag(c.close, 1))


def after_nan(x: Floats, function: Callable[..., Floats], *others: Floats, **options: float) -> Floats:
    """Apply a function of TA-Lib to what follows the first NaNs, which TA-Lib itself would carry on for ever."""
    start = int(np.argmax(np.isfinite(x)))
    made = function(x[start:], *(other[start:] for other in others), **options)
    return np.concatenate([np.full(start, np.nan), made])


def hl(c: Candles) -> tuple[Floats, Floats]:
    return c.high, c.low


def hlc(c: Candles) -> tuple[Floats, Floats, Floats]:
    return c.high, c.low, c.close


def hlcv(c: Candles) -> tuple[Floats, Floats, Floats, Floats]:
    return c.high, c.low, c.close, c.volume


ORACLE: dict[str, Callable[[Candles], Floats]] = {
    **{f"sma_ratio_{n}": lambda c, n=n: c.close / talib.SMA(c.close, n) - 1 for n in (5, 10, 20, 50, 100, 200)},
    **{f"ema_ratio_{n}": lambda c, n=n: c.close / talib.EMA(c.close, n) - 1 for n in (5, 10, 20, 50, 100, 200)},
    **{f"wma_ratio_{n}": lambda c, n=n: c.close / talib.WMA(c.close, n) - 1 for n in (10, 20, 50)},
    **{f"dema_ratio_{n}": lambda c, n=n: c.close / talib.DEMA(c.close, n) - 1 for n in (10, 20, 50)},
    **{f"tema_ratio_{n}": lambda c, n=n: c.close / talib.TEMA(c.close, n) - 1 for n in (10, 20, 50)},
    "sma_cross_20_50": lambda c: talib.SMA(c.close, 20) / talib.SMA(c.close, 50) - 1,
    "ema_cross_50_200": lambda c: talib.EMA(c.close, 50) / talib.EMA(c.close, 200) - 1,
    **{f"trix_{n}": lambda c, n=n: talib.TRIX(c.close, n) for n in (9, 15, 30)},
    **{f"adx_{n}": lambda c, n=n: talib.ADX(*hlc(c), n) for n in (7, 14, 28)},
    "plus_di_14": lambda c: talib.PLUS_DI(*hlc(c), 14),
    "minus_di_14": lambda c: talib.MINUS_DI(*hlc(c), 14),
    "dx_14": lambda c: talib.DX(*hlc(c), 14),
    "di_difference_28": lambda c: talib.PLUS_DI(*hlc(c), 28) - talib.MINUS_DI(*hlc(c), 28),
    **{f"aroon_down_{n}": lambda c, n=n: talib.AROON(*hl(c), n)[0] for n in (14, 25, 50)},
    **{f"aroon_up_{n}": lambda c, n=n: talib.AROON(*hl(c), n)[1] for n in (14, 25, 50)},
    **{f"aroon_oscillator_{n}": lambda c, n=n: talib.AROONOSC(*hl(c), n) for n in (14, 25, 50)},
    **{f"slope_{n}": lambda c, n=n: talib.LINEARREG_SLOPE(c.close, n) / c.close * 1e4 for n in (5, 10, 20, 50, 100)},
    "time_correlation_50": lambda c: talib.CORREL(c.close, np.arange(len(c.close), dtype=float), 50),
    "high_distance_55": lambda c: np.log(c.close / talib.MAX(c.high, 55)),
    "low_distance_55": lambda c: np.log(c.close / talib.MIN(c.low, 55)),
    "channel_position_20": lambda c: talib.WILLR(*hlc(c), 20) / 100 + 1,
    **{f"rsi_{n}": lambda c, n=n: talib.RSI(c.close, n) for n in (7, 14, 21, 28)},
    "stochrsi_14": lambda c: talib.STOCHRSI(c.close, 14, 14, 3)[0],
    "stochrsi_14_mean_3": lambda c: talib.STOCHRSI(c.close, 14, 14, 3)[1],
    "cmo_20": lambda c: talib.CMO(c.close, 20),
    "tsi_25_13": lambda c: talib.TSI(c.close, 25, 13),
    **{f"cci_{n}": lambda c, n=n: talib.CCI(*hlc(c), n) for n in (14, 20, 50)},
    **{f"willr_{n}": lambda c, n=n: talib.WILLR(*hlc(c), n) for n in (7, 14, 28)},
    "stoch_k_14": lambda c: talib.STOCH(*hlc(c), 14, 3, 0, 3, 0)[0],
    "stoch_d_14": lambda c: talib.STOCH(*hlc(c), 14, 3, 0, 3, 0)[1],
    "mom_atr_20": lambda c: talib.MOM(c.close, 20) / talib.ATR(*hlc(c), 14),
    "roc_16": lambda c: talib.ROC(c.close, 16),
    "awesome_ratio_5_34": lambda c: talib.AO(*hl(c), 5, 34) / c.close,
    **{f"mfi_{n}": lambda c, n=n: talib.MFI(*hlcv(c), n) for n in (14, 28)},
    "ultosc_7_14_28": lambda c: talib.ULTOSC(*hlc(c), 7, 14, 28),
    "volume_ratio_20": lambda c: c.volume / talib.SMA(c.volume, 20),
    "volume_ema_cross_12_26": lambda c: talib.EMA(c.volume, 12) / talib.EMA(c.volume, 26) - 1,
    "obv_change_20": lambda c: talib.MOM(talib.OBV(c.close, c.volume), 20) / talib.SUM(c.volume, 20),
    "ad_change_20": lambda c: talib.CMF(*hlcv(c), 20),
    "vwap_distance_20": lambda c: np.log(
        c.close / (talib.SUM(talib.TYPPRICE(*hlc(c)) * c.volume, 20) / talib.SUM(c.volume, 20))
    ),
    "force_index_ratio_13": lambda c: talib.EFI(c.close, c.volume, 13) / talib.EMA(c.volume, 13) / c.close,
    "volatility_24": lambda c: after_nan(log_returns(c), talib.STDDEV, timeperiod=24),
    "true_range_ratio": lambda c: talib.TRANGE(*hlc(c)) / c.close,
    **{f"atr_ratio_{n}": lambda c, n=n: talib.NATR(*hlc(c), n) / 100 for n in (7, 14, 28)},
    "bollinger_width_20": lambda c: (talib.BBANDS(c.close, 20, 2, 2)[0] / talib.SMA(c.close, 20) - 1) * 2,
    "efficiency_ratio_10": lambda c: np.sign(talib.MOM(c.close, 10)) * talib.ER(c.close, 10),
    "autocorrelation_1_72": lambda c: after_nan(
        lag(log_returns(c), 1), lambda x, y: talib.CORREL(x, y, 72), log_returns(c)
    ),
    "body_ratio": lambda c: talib.BOP(c.open, *hlc(c)),
    "range_168": lambda c: np.log(talib.MAX(c.high, 168) / talib.MIN(c.low, 168)),
}

RAW: dict[str, Callable[[Candles], Floats]] = {
    **{f"sma_{n}": lambda c, n=n: talib.SMA(c.close, n) for n in (10, 20, 50, 100, 200)},
    **{f"ema_{n}": lambda c, n=n: talib.EMA(c.close, n) for n in (9, 12, 26, 50, 200)},
    **{f"wma_{n}": lambda c, n=n: talib.WMA(c.close, n) for n in (10, 20)},
    **{f"dema_{n}": lambda c, n=n: talib.DEMA(c.close, n) for n in (20, 50)},
    **{f"tema_{n}": lambda c, n=n: talib.TEMA(c.close, n) for n in (20, 50)},
    "bb_upper_20": lambda c: talib.BBANDS(c.close, 20, 2, 2)[0],
    "bb_middle_20": lambda c: talib.BBANDS(c.close, 20, 2, 2)[1],
    "bb_lower_20": lambda c: talib.BBANDS(c.close, 20, 2, 2)[2],
    **{f"atr_{n}": lambda c, n=n: talib.ATR(*hlc(c), n) for n in (7, 14)},
    **{f"std_{n}": lambda c, n=n: talib.STDDEV(c.close, n) for n in (10, 20)},
    **{f"max_{n}": lambda c, n=n: talib.MAX(c.close, n) for n in (20, 50)},
    **{f"min_{n}": lambda c, n=n: talib.MIN(c.close, n) for n in (20, 50)},
    **{f"mom_{n}": lambda c, n=n: talib.MOM(c.close, n) for n in (10, 20)},
    **{f"roc_{n}": lambda c, n=n: talib.ROC(c.close, n) for n in (10, 20)},
    "trix_15": lambda c: talib.TRIX(c.close, 15),
    "ad": lambda c: talib.AD(*hlcv(c)),
    "vwap": lambda c: talib.VWAP(*hlcv(c)),
}


def assert_equal(made: Floats, expected: Floats, scale: float) -> None:
    known = np.isfinite(made)
    assert np.array_equal(known, np.isfinite(expected)), "they start at different bars"
    worst = np.max(np.abs(made - expected)[known] / np.maximum(np.abs(expected[known]), scale))
    assert worst <= RELATIVE, f"differs by {worst:.3g}"


@pytest.mark.parametrize("name", ORACLE)
def test_feature_is_what_talib_makes_of_it(name: str, run: Candles):
    # Ratios and oscillators come near zero, where the rounding of the levels they are made of is all that is left.
    expected = ORACLE[name](run)
    scale = 1.0 if REGISTRY.feature(name).normaliser in ("ratio", "coefficient") else float(np.nanstd(expected))
    made = column(run, name)
    compared = np.where(np.isnan(expected), np.nan, made) if name in WITHHELD else made
    assert_equal(compared, expected, scale)
    assert int(np.argmax(np.isfinite(made))) == REGISTRY.feature(name).warmup_bars


@pytest.mark.parametrize("name", RAW)
def test_indicator_is_talibs(name: str, run: Candles):
    expected = RAW[name](run)
    near_zero = name.startswith(("mom", "roc", "trix", "ad"))
    assert_equal(column(run, f"raw.{name}"), expected, float(np.nanstd(expected)) if near_zero else 0.0)


def test_macd_starts_each_average_at_its_own_first_bars(run: Candles):
    # TA-Lib delays the fast average so that both start together; ours is the difference of TA-Lib's own averages, so
    # that a column needs no second average of the same span. Both agree once the start is forgotten.
    line = talib.EMA(run.close, 12) - talib.EMA(run.close, 26)
    assert_equal(column(run, "macd_line_12_26_9"), line / run.close, 1.0)
    signal = after_nan(line, talib.EMA, timeperiod=9)
    assert_equal(column(run, "macd_signal_12_26_9"), signal / run.close, 1.0)
    for name, theirs in zip(("", "_signal", "_histogram"), talib.MACD(run.close, 12, 26, 9), strict=True):
        ours = column(run, f"raw.macd{name}_12_26_9")
        assert np.allclose(ours[LONG_AFTER:], theirs[LONG_AFTER:], rtol=0, atol=RELATIVE * np.std(theirs[LONG_AFTER:]))


def test_balance_of_volume_counts_from_the_first_change(run: Candles):
    # TA-Lib begins with the first bar's volume, whose direction nobody knows.
    ours = column(run, "raw.obv")
    theirs = talib.OBV(run.close, run.volume)[1:] - run.volume[0]
    assert np.allclose(ours[1:], theirs, rtol=0, atol=1e-9 * np.std(theirs))


def test_a_market_that_stands_still_has_neutral_oscillators():
    # TA-Lib says 0 for these, which reads as a market that only fell.
    n = 100
    flat = Candles(np.arange(n, dtype=np.int64) * HOUR_MS, *[np.full(n, 50.0)] * 4, np.ones(n))
    for name, neutral in [("rsi_14", 50.0), ("mfi_14", 50.0), ("close_location", 0.0), ("sma_ratio_50", 0.0)]:
        assert column(flat, name)[-1] == neutral
    for name in ("volatility_24", "atr_ratio_14", "parkinson_24", "yang_zhang_24", "garch_volatility"):
        assert column(flat, name)[-1] == 0.0
    for name in (
        "cci_14",
        "willr_14",
        "skewness_24",
        "channel_position_20",
        "variance_ratio_2_72",
        "efficiency_ratio_10",
    ):
        assert np.isnan(column(flat, name)[-1])


def test_moments_are_scipys(run: Candles):
    returns = log_returns(run)
    for n in (24, 168):
        windows = np.lib.stride_tricks.sliding_window_view(returns[1:], n)
        for name, expected in [
            ("skewness", stats.skew(windows, axis=1)),
            ("kurtosis", stats.kurtosis(windows, axis=1)),
        ]:
            assert np.allclose(column(run, f"{name}_{n}")[n:], expected, rtol=1e-9, atol=1e-9)


def test_volatility_by_range_is_the_published_formula(run: Candles):
    o, h, low, c = run.open, run.high, run.low, run.close
    n = 24

    def mean(x: Floats) -> Floats:
        return np.lib.stride_tricks.sliding_window_view(x, n).mean(axis=1)

    def variance(x: Floats) -> Floats:
        return np.lib.stride_tricks.sliding_window_view(x, n).var(axis=1, ddof=1)

    rogers = np.log(h / c) * np.log(h / o) + np.log(low / c) * np.log(low / o)
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    gap, body = np.log(o[1:] / c[:-1]), np.log(c / o)[1:]
    expected = {
        "parkinson_24": np.sqrt(mean(np.log(h / low) ** 2) / (4 * np.log(2))),
        "garman_klass_24": np.sqrt(mean(0.5 * np.log(h / low) ** 2 - (2 * np.log(2) - 1) * np.log(c / o) ** 2)),
        "rogers_satchell_24": np.sqrt(mean(rogers)),
        "yang_zhang_24": np.sqrt(variance(gap) + k * variance(body) + (1 - k) * mean(rogers[1:])),
    }
    for name, values in expected.items():
        made = column(run, name)
        assert np.allclose(made[np.isfinite(made)], values, rtol=1e-9)


def test_garch_is_its_recursion(run: Candles):
    returns = log_returns(run)[1:]
    squares = returns**2
    long_run = before = squares[:50].mean()
    expected = np.full(len(run), np.nan)
    for at in range(49, len(squares)):
        if at > 49:
            long_run += (squares[at] - long_run) / 500
        before = 0.02 * long_run + 0.08 * squares[at] + 0.90 * before
        expected[at + 1] = np.sqrt(before)
    assert_equal(column(run, "garch_volatility"), expected, 0.0)
