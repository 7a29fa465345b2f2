//! Operations with what they carry.

use super::engine::Rows;
use super::moments::{Moments, Pair};
use super::op::Op;
use super::plain;
use super::recursive::{Bank, Garch, Smooth, Total};
use super::ring::{Deviation, Ring};
use super::state::Carry;
use super::weighted::Weighted;
use super::window::{Highest, HighestAge, Sum, Variance};

/// An operation with its state.
#[derive(Clone, Debug)]
pub(crate) enum Kernel {
    /// Carries nothing.
    Plain(Op),
    Lag(Ring),
    Change(Ring),
    Sum(Sum),
    Mean(Sum),
    Highest(Highest),
    Lowest(Highest),
    HighestAge(HighestAge),
    LowestAge(HighestAge),
    Std(Variance),
    Wma(Weighted),
    Slope(Weighted),
    Skewness(Moments),
    Kurtosis(Moments),
    Correlation(Pair),
    Beta(Pair),
    Covariance(Pair),
    MeanDeviation(Deviation),
    Rank(Ring),
    Smooth(Smooth),
    Smooths2(Bank<2>),
    Smooths3(Box<Bank<3>>),
    Smooths4(Box<Bank<4>>),
    Smooths8(Box<Bank<8>>),
    Garch(Garch),
    Total(Total),
}

/// Does the same with the state of whatever kind a kernel has.
macro_rules! with_state {
    ($kernel:expr, $state:ident => $action:expr) => {
        match $kernel {
            Kernel::Plain(_) => {}
            Kernel::Lag($state) | Kernel::Change($state) | Kernel::Rank($state) => $action,
            Kernel::MeanDeviation($state) => $action,
            Kernel::Sum($state) | Kernel::Mean($state) => $action,
            Kernel::Highest($state) | Kernel::Lowest($state) => $action,
            Kernel::HighestAge($state) | Kernel::LowestAge($state) => $action,
            Kernel::Std($state) => $action,
            Kernel::Wma($state) | Kernel::Slope($state) => $action,
            Kernel::Skewness($state) | Kernel::Kurtosis($state) => $action,
            Kernel::Correlation($state) | Kernel::Beta($state) | Kernel::Covariance($state) => $action,
            Kernel::Smooth($state) => $action,
            Kernel::Smooths2($state) => $action,
            Kernel::Smooths3($state) => $action,
            Kernel::Smooths4($state) => $action,
            Kernel::Smooths8($state) => $action,
            Kernel::Garch($state) => $action,
            Kernel::Total($state) => $action,
        }
    };
}

/// The smoothing that an operation is, if it is one.
pub(crate) fn smooth_of(op: Op) -> Option<Smooth> {
    Some(match op {
        Op::Ema(n) => Smooth::ema(n),
        Op::Wilder(n) => Smooth::wilder(n),
        Op::Directional(n) => Smooth::directional(n),
        Op::Ewma(decay, n) => Smooth::decaying(decay.get(), n),
        _ => return None,
    })
}

impl Kernel {
    pub(crate) fn new(op: Op) -> Self {
        match op {
            Op::Lag(n) => Self::Lag(Ring::new(n)),
            Op::Change(n) => Self::Change(Ring::new(n)),
            Op::Sum(n) => Self::Sum(Sum::new(n, 1.0)),
            Op::Mean(n) => Self::Mean(Sum::new(n, 1.0 / n as f64)),
            Op::Highest(n) => Self::Highest(Highest::new(n, 1.0)),
            Op::Lowest(n) => Self::Lowest(Highest::new(n, -1.0)),
            Op::HighestAge(n) => Self::HighestAge(HighestAge::new(n)),
            Op::LowestAge(n) => Self::LowestAge(HighestAge::new(n)),
            Op::Std(n) => Self::Std(Variance::new(n)),
            Op::Wma(n) => Self::Wma(Weighted::mean(n)),
            Op::Slope(n) => Self::Slope(Weighted::slope(n)),
            Op::Skewness(n) => Self::Skewness(Moments::new(n)),
            Op::Kurtosis(n) => Self::Kurtosis(Moments::new(n)),
            Op::Correlation(n) => Self::Correlation(Pair::new(n)),
            Op::Beta(n) => Self::Beta(Pair::new(n)),
            Op::Covariance(n) => Self::Covariance(Pair::new(n)),
            Op::MeanDeviation(n) => Self::MeanDeviation(Deviation::new(n)),
            Op::Rank(n) => Self::Rank(Ring::new(n)),
            Op::Garch => Self::Garch(Garch::new()),
            Op::Total => Self::Total(Total::default()),
            other => smooth_of(other).map_or(Self::Plain(other), Self::Smooth),
        }
    }

    /// One kernel for several smoothings that do not wait for each other: 8, 4, 3, 2 or 1.
    pub(crate) fn bank(smooths: Vec<Smooth>) -> Option<Self> {
        match smooths.len() {
            8 => smooths.try_into().ok().map(|lanes| Self::Smooths8(Box::new(Bank::new(lanes)))),
            4 => smooths.try_into().ok().map(|lanes| Self::Smooths4(Box::new(Bank::new(lanes)))),
            3 => smooths.try_into().ok().map(|lanes| Self::Smooths3(Box::new(Bank::new(lanes)))),
            2 => smooths.try_into().ok().map(|lanes| Self::Smooths2(Bank::new(lanes))),
            _ => smooths.into_iter().next().map(Self::Smooth),
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        with_state!(self, state => state.reset());
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        with_state!(self, state => state.carry(to));
    }

    /// Runs over the rows, oldest first.
    #[inline]
    pub(crate) fn run(&mut self, args: &[u16; 8], out: u16, rows: &mut impl Rows) {
        let a = [args[0], args[1], args[2]];
        match self {
            Self::Plain(op) => plain::run(*op, a, out, rows),
            Self::Lag(k) => rows.lag(a, out, k),
            Self::Change(k) => rows.map1(a, out, |x| x - k.swap(x)),
            Self::Sum(k) | Self::Mean(k) => rows.stretch(a, out, k),
            Self::Highest(k) | Self::Lowest(k) => rows.stretch(a, out, k),
            Self::HighestAge(k) => rows.map1(a, out, |x| k.update(x)),
            Self::LowestAge(k) => rows.map1(a, out, |x| k.update(-x)),
            Self::Std(k) => rows.stretch(a, out, k),
            Self::Wma(k) | Self::Slope(k) => rows.stretch(a, out, k),
            Self::Skewness(k) => rows.map1(a, out, |x| k.skewness(x)),
            Self::Kurtosis(k) => rows.map1(a, out, |x| k.kurtosis(x)),
            Self::Correlation(k) => rows.map2(a, out, |x, y| k.correlation(x, y)),
            Self::Beta(k) => rows.map2(a, out, |x, y| k.beta(x, y)),
            Self::Covariance(k) => rows.map2(a, out, |x, y| k.covariance(x, y)),
            Self::MeanDeviation(k) => rows.deviation(a, out, k),
            Self::Rank(k) => rows.map1(a, out, |x| k.rank(x)),
            Self::Smooth(k) => rows.map1(a, out, |x| k.update(x)),
            Self::Smooths2(k) => rows.lanes([args[0], args[1]], out, k),
            Self::Smooths3(k) => rows.lanes([args[0], args[1], args[2]], out, k),
            Self::Smooths4(k) => rows.lanes([args[0], args[1], args[2], args[3]], out, k),
            Self::Smooths8(k) => rows.lanes(*args, out, k),
            Self::Garch(k) => rows.map1(a, out, |x| k.update(x)),
            Self::Total(k) => rows.map1(a, out, |x| k.update(x)),
        }
    }
}
