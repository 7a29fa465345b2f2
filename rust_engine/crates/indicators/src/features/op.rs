//! The operations that columns are made of.

use super::input::{Input, Source};
use super::recursive::GARCH_START;

/// A fixed number of an operation, comparable as its bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Fixed(u64);

impl Fixed {
    pub(crate) fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl From<f64> for Fixed {
    fn from(value: f64) -> Self {
        Self(value.to_bits())
    }
}

/// A part of the time at which a bar closes, UTC.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Part {
    /// Hours since midnight, with their fraction.
    HourOfDay,
    /// Minutes since the full hour.
    MinuteOfHour,
    /// 0 on Monday to 6 on Sunday.
    Weekday,
    /// Days since Monday 0:00, with their fraction.
    DayOfWeek,
    /// Share of the month that has passed, 0 to 1.
    OfMonth,
    /// Hours until the next settlement of funding, every 8 hours from midnight on.
    HoursToFunding,
}

/// One operation on up to three series; `usize` are bars.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Op {
    Input(Input),
    Time(Part),
    /// `x * k`
    Scale(Fixed),
    /// `x + k`
    Offset(Fixed),
    /// 1 where `low <= x < high`, else 0
    Between(Fixed, Fixed),
    Abs,
    Sqrt,
    Sign,
    /// `max(x, 0)`
    Positive,
    /// `max(-x, 0)`
    Negative,
    Sine,
    Cosine,
    /// `1 / (1 + exp(-x))`
    Logistic,
    Add,
    Sub,
    Mul,
    /// `k x / y`, NaN where the divisor is zero
    Div(Fixed),
    /// `k (x / y - 1)`, NaN where the divisor is zero
    Ratio(Fixed),
    /// `k (x - y) / (x + y)`, NaN where both are zero
    Balance(Fixed),
    /// `k x / (x + y)`, `k / 2` where both are zero
    Share(Fixed),
    /// `k (x - y) / (z - y)`, NaN where the ends are one
    Within(Fixed),
    /// `x + k y`
    Line(Fixed),
    /// `x` with the sign of `y`, 0 where that is 0
    Signed,
    /// `x` where `y` is above zero, else 0
    Rising,
    /// `x` where `y` is below zero, else 0
    Falling,
    /// `2 x - y`
    TwoLess,
    /// `3 (x - y) + z`
    ThreeLess,
    /// Where the close is between low and high, -1 to 1; 0 where they are one
    Location,
    /// `ln(x / y)`, NaN unless both are above zero
    Log,
    Larger,
    Smaller,
    /// Upward movement: `x` where it is above zero and further than `y` is below, else 0; of changes of high and low
    MovedUp,
    /// Downward movement: `-y` where it is above zero and further than `x` is above, else 0
    MovedDown,
    /// `max(h, c) - min(l, c)` of high, low and previous close
    TrueRange,
    /// Mean of three.
    Typical,
    /// Corwin and Schultz' spread of this bar's and the last one's ranges: `alpha` of beta and gamma
    CorwinSchultz,
    Lag(usize),
    /// `x` less itself some bars ago
    Change(usize),
    Sum(usize),
    Mean(usize),
    Highest(usize),
    Lowest(usize),
    HighestAge(usize),
    LowestAge(usize),
    Std(usize),
    Wma(usize),
    Slope(usize),
    Skewness(usize),
    Kurtosis(usize),
    Correlation(usize),
    Beta(usize),
    Covariance(usize),
    MeanDeviation(usize),
    Rank(usize),
    Ema(usize),
    Wilder(usize),
    Directional(usize),
    /// Average with a decay, started at the mean of some values.
    Ewma(Fixed, usize),
    Garch,
    Total,
}

/// How far back a column looks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A function of the time alone.
    Calendar,
    /// Forgets what left its window.
    Windowed,
    /// Forgets slowly.
    Recursive,
    /// Never forgets.
    Cumulative,
    /// Says something about the world or the funding, as known then.
    Context,
}

impl Op {
    /// Bars that pass after the first of its inputs before its own first value.
    pub(crate) fn warmup(self) -> usize {
        match self {
            Self::Lag(n) | Self::Change(n) => n,
            Self::Sum(n) | Self::Mean(n) | Self::Highest(n) | Self::Lowest(n) => n - 1,
            Self::HighestAge(n) | Self::LowestAge(n) | Self::Std(n) | Self::Wma(n) | Self::Slope(n) => n - 1,
            Self::Skewness(n) | Self::Kurtosis(n) | Self::Rank(n) => n - 1,
            Self::Correlation(n) | Self::Beta(n) | Self::Covariance(n) => n - 1,
            Self::Ema(n) | Self::Wilder(n) | Self::Directional(n) | Self::Ewma(_, n) => n - 1,
            Self::Garch => GARCH_START - 1,
            // The centre of a mean deviation is the mean over the same bars, and there no sooner.
            _ => 0,
        }
    }

    /// The kind of this operation alone.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Input(input) => match input.source() {
                Source::Time => Kind::Calendar,
                Source::Funding | Source::World => Kind::Context,
                Source::Candle | Source::Peers | Source::Book => Kind::Windowed,
            },
            Self::Ema(_) | Self::Wilder(_) | Self::Directional(_) | Self::Ewma(..) | Self::Garch => Kind::Recursive,
            Self::Total => Kind::Cumulative,
            _ => Kind::Calendar,
        }
    }

    /// How it reads in a formula; `args` are its inputs' texts.
    pub(crate) fn text(self, args: &[&str]) -> String {
        let name = match self {
            Self::Input(input) => return input.name().to_owned(),
            Self::Time(part) => format!("{part:?}"),
            Self::Scale(k) => return format!("({} * {})", args[0], k.get()),
            Self::Offset(k) => return format!("({} + {})", args[0], k.get()),
            Self::Between(low, high) => return format!("between({}, {}, {})", args[0], low.get(), high.get()),
            Self::Add => return format!("({} + {})", args[0], args[1]),
            Self::Sub => return format!("({} - {})", args[0], args[1]),
            Self::Mul => return format!("({} * {})", args[0], args[1]),
            Self::Div(k) => return times(k, &format!("{} / {}", args[0], args[1])),
            Self::Ratio(k) => return times(k, &format!("{} / {} - 1", args[0], args[1])),
            Self::Balance(k) => return times(k, &format!("balance({}, {})", args[0], args[1])),
            Self::Share(k) => return times(k, &format!("share({}, {})", args[0], args[1])),
            Self::Within(k) => return times(k, &format!("within({}, {}, {})", args[0], args[1], args[2])),
            Self::Line(k) => return format!("({} + {} * {})", args[0], k.get(), args[1]),
            Self::Ewma(decay, n) => return format!("ewma({}, decay {}, start {n})", args[0], decay.get()),
            other => format!("{other:?}"),
        };
        let (word, window) =
            name.split_once('(').map_or((name.as_str(), None), |(word, rest)| (word, Some(rest.trim_end_matches(')'))));
        let parts: Vec<_> = args.iter().copied().chain(window).collect();
        format!("{}({})", snake_case(word), parts.join(", "))
    }
}

/// A formula `k` times; once is the formula.
fn times(k: Fixed, formula: &str) -> String {
    if k.get() == 1.0 { format!("({formula})") } else { format!("(({formula}) * {})", k.get()) }
}

fn snake_case(word: &str) -> String {
    let mut text = String::new();
    for (at, letter) in word.char_indices() {
        if letter.is_uppercase() && at > 0 {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}
