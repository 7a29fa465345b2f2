//! Columns as a graph of operations, every operation once however many columns need it.

use super::input::{INPUTS, Input};
use super::op::{Fixed, Kind, Op, Part};
use std::collections::{BTreeSet, HashMap};

/// A series: the result of one operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Series(pub(crate) u16);

/// One operation and the series it reads.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Step {
    pub(crate) op: Op,
    pub(crate) args: Vec<Series>,
}

/// Operations in an order in which each comes after what it reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    steps: Vec<Step>,
    known: HashMap<Step, Series>,
}

impl Graph {
    pub(crate) fn step(&self, series: Series) -> &Step {
        &self.steps[usize::from(series.0)]
    }

    fn add(&mut self, op: Op, args: &[Series]) -> Series {
        let step = Step { op, args: args.to_vec() };
        if let Some(series) = self.known.get(&step) {
            return *series;
        }
        let series = Series(u16::try_from(self.steps.len()).unwrap_or(u16::MAX));
        self.steps.push(step.clone());
        self.known.insert(step, series);
        series
    }

    /// All series that `wanted` rest on, themselves included, each after what it reads.
    pub(crate) fn needed(&self, wanted: &[Series]) -> BTreeSet<Series> {
        let mut needed = BTreeSet::new();
        let mut open = wanted.to_vec();
        while let Some(series) = open.pop() {
            if needed.insert(series) {
                open.extend(&self.step(series).args);
            }
        }
        needed
    }

    /// Bars before the first value of a series, counted from the first bar that has all its inputs.
    pub(crate) fn warmup(&self, series: Series) -> usize {
        let step = self.step(series);
        step.op.warmup() + step.args.iter().map(|arg| self.warmup(*arg)).max().unwrap_or(0)
    }

    pub(crate) fn inputs(&self, series: Series) -> Vec<Input> {
        let used: BTreeSet<_> = self
            .needed(&[series])
            .into_iter()
            .filter_map(|s| if let Op::Input(input) = self.step(s).op { Some(input) } else { None })
            .collect();
        INPUTS.iter().copied().filter(|input| used.contains(input)).collect()
    }

    pub(crate) fn kind(&self, series: Series) -> Kind {
        let kinds = self.needed(&[series]).into_iter().map(|s| self.step(s).op.kind());
        kinds.max().unwrap_or(Kind::Windowed)
    }

    pub(crate) fn formula(&self, series: Series) -> String {
        let step = self.step(series);
        let args: Vec<_> = step.args.iter().map(|arg| self.formula(*arg)).collect();
        step.op.text(&args.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

macro_rules! operations {
    ($($name:ident($($arg:ident),*; $($number:ident: $type:ty),*) = $op:expr;)+) => {
        /// One method an operation.
        #[allow(clippy::wrong_self_convention, reason = "the operations have the names that formulas use")]
        impl Graph {
            $(pub(crate) fn $name(&mut self, $($arg: Series,)* $($number: $type),*) -> Series {
                self.add($op, &[$($arg),*])
            })+
        }
    };
}

operations! {
    input(; input: Input) = Op::Input(input);
    part(time; part: Part) = Op::Time(part);
    scale(x; k: f64) = Op::Scale(Fixed::from(k));
    offset(x; k: f64) = Op::Offset(Fixed::from(k));
    between(x; low: f64, high: f64) = Op::Between(Fixed::from(low), Fixed::from(high));
    abs(x;) = Op::Abs;
    sqrt(x;) = Op::Sqrt;
    sign(x;) = Op::Sign;
    positive(x;) = Op::Positive;
    negative(x;) = Op::Negative;
    sine(x;) = Op::Sine;
    cosine(x;) = Op::Cosine;
    logistic(x;) = Op::Logistic;
    add_up(x, y;) = Op::Add;
    sub(x, y;) = Op::Sub;
    mul(x, y;) = Op::Mul;
    div_by(x, y; k: f64) = Op::Div(Fixed::from(k));
    ratio_by(x, y; k: f64) = Op::Ratio(Fixed::from(k));
    balance_by(x, y; k: f64) = Op::Balance(Fixed::from(k));
    share_by(x, y; k: f64) = Op::Share(Fixed::from(k));
    within_by(x, low, high; k: f64) = Op::Within(Fixed::from(k));
    line(x, y; k: f64) = Op::Line(Fixed::from(k));
    signed(x, y;) = Op::Signed;
    rising(x, y;) = Op::Rising;
    falling(x, y;) = Op::Falling;
    two_less(x, y;) = Op::TwoLess;
    three_less(x, y, z;) = Op::ThreeLess;
    location_of(close, low, high;) = Op::Location;
    log(x, y;) = Op::Log;
    larger(x, y;) = Op::Larger;
    smaller(x, y;) = Op::Smaller;
    moved_up(x, y;) = Op::MovedUp;
    moved_down(x, y;) = Op::MovedDown;
    true_range_of(high, low, previous;) = Op::TrueRange;
    typical_of(high, low, close;) = Op::Typical;
    corwin_schultz(beta, gamma;) = Op::CorwinSchultz;
    lag(x; n: usize) = Op::Lag(n);
    change(x; n: usize) = Op::Change(n);
    sum(x; n: usize) = Op::Sum(n);
    mean(x; n: usize) = Op::Mean(n);
    highest(x; n: usize) = Op::Highest(n);
    lowest(x; n: usize) = Op::Lowest(n);
    highest_age(x; n: usize) = Op::HighestAge(n);
    lowest_age(x; n: usize) = Op::LowestAge(n);
    std(x; n: usize) = Op::Std(n);
    wma(x; n: usize) = Op::Wma(n);
    slope(x; n: usize) = Op::Slope(n);
    skewness(x; n: usize) = Op::Skewness(n);
    kurtosis(x; n: usize) = Op::Kurtosis(n);
    correlation(x, y; n: usize) = Op::Correlation(n);
    beta(x, y; n: usize) = Op::Beta(n);
    covariance(x, y; n: usize) = Op::Covariance(n);
    mean_deviation(x, centre; n: usize) = Op::MeanDeviation(n);
    rank(x; n: usize) = Op::Rank(n);
    ema(x; n: usize) = Op::Ema(n);
    wilder(x; n: usize) = Op::Wilder(n);
    directional(x; n: usize) = Op::Directional(n);
    ewma(x; decay: f64, n: usize) = Op::Ewma(Fixed::from(decay), n);
    garch(x;) = Op::Garch;
    total(x;) = Op::Total;
}

/// What is read from a candle again and again.
impl Graph {
    pub(crate) fn open(&mut self) -> Series {
        self.input(Input::Open)
    }

    pub(crate) fn high(&mut self) -> Series {
        self.input(Input::High)
    }

    pub(crate) fn low(&mut self) -> Series {
        self.input(Input::Low)
    }

    pub(crate) fn close(&mut self) -> Series {
        self.input(Input::Close)
    }

    pub(crate) fn volume(&mut self) -> Series {
        self.input(Input::Volume)
    }

    pub(crate) fn previous_close(&mut self) -> Series {
        let close = self.close();
        self.lag(close, 1)
    }

    /// Log return over one bar.
    pub(crate) fn log_return(&mut self) -> Series {
        let (close, previous) = (self.close(), self.previous_close());
        self.log(close, previous)
    }

    /// Mean of high, low and close.
    pub(crate) fn typical(&mut self) -> Series {
        let (high, low, close) = (self.high(), self.low(), self.close());
        self.typical_of(high, low, close)
    }

    pub(crate) fn true_range(&mut self) -> Series {
        let (high, low, previous) = (self.high(), self.low(), self.previous_close());
        self.true_range_of(high, low, previous)
    }

    /// `x / y`
    pub(crate) fn div(&mut self, x: Series, y: Series) -> Series {
        self.div_by(x, y, 1.0)
    }

    /// `x / y - 1`
    pub(crate) fn ratio(&mut self, x: Series, y: Series) -> Series {
        self.ratio_by(x, y, 1.0)
    }

    /// `x / (x + y)`
    pub(crate) fn share(&mut self, x: Series, y: Series) -> Series {
        self.share_by(x, y, 1.0)
    }

    /// Deviations from the mean of the last `n`.
    pub(crate) fn z_score(&mut self, x: Series, n: usize) -> Series {
        let (mean, std) = (self.mean(x, n), self.std(x, n));
        let distance = self.sub(x, mean);
        self.div(distance, std)
    }

    /// `ln(x / x` of `n` bars ago`)`
    pub(crate) fn log_change(&mut self, x: Series, n: usize) -> Series {
        let before = self.lag(x, n);
        self.log(x, before)
    }

    /// Signed share of two quantities: `(x - y) / (x + y)`.
    pub(crate) fn balance(&mut self, x: Series, y: Series) -> Series {
        self.balance_by(x, y, 1.0)
    }
}
