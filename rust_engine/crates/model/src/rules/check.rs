//! What makes a rule set acceptable: kinds, bounds and completeness.

use super::{Expr, MAX_DEPTH, MAX_NODES, MAX_NUMBER, MAX_WINDOW, RuleSet};
use std::fmt;

/// What the value of an expression is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A price level, in quote currency per unit of base.
    Price,
    /// A difference of two price levels.
    Distance,
    /// A plain number without unit.
    Number,
    /// True or false.
    Truth,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Price => "a price",
            Self::Distance => "a distance of prices",
            Self::Number => "a plain number",
            Self::Truth => "a truth",
        })
    }
}

/// Which rule was broken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Reason {
    /// Not the JSON of a rule set.
    #[error("not a rule set: {0}")]
    Json(String),
    /// The name is empty, too long or has other characters.
    #[error("must be 1 to 64 of a-z, 0-9, _ and -")]
    Name,
    /// No entry at all.
    #[error("names neither entry_long nor entry_short: it could never trade")]
    NoEntry,
    /// An entry that nothing ever leaves.
    #[error("has neither an exit of its side nor a stop: a position could stay for ever")]
    NoExit,
    /// An exit without an entry of its side.
    #[error("leaves positions that no entry opens")]
    NoSuchPosition,
    /// Too many nodes.
    #[error("all expressions together have more than {MAX_NODES} nodes")]
    TooManyNodes,
    /// Too deep.
    #[error("is deeper than {MAX_DEPTH} nodes")]
    TooDeep,
    /// A window outside its bounds.
    #[error("{name} = {value} is outside {minimum} to {MAX_WINDOW} bars")]
    Window {
        /// The field.
        name: &'static str,
        /// What was given.
        value: u16,
        /// Smallest allowed.
        minimum: u16,
    },
    /// The fast window is not below the slow one.
    #[error("fast = {fast} must be below slow = {slow}")]
    FastNotBelowSlow {
        /// Fast window.
        fast: u16,
        /// Slow window.
        slow: u16,
    },
    /// A constant outside its bounds, or not finite.
    #[error("{value} is outside {minimum} to {maximum}")]
    Constant {
        /// What was given.
        value: f64,
        /// Smallest allowed.
        minimum: f64,
        /// Largest allowed.
        maximum: f64,
    },
    /// The operands cannot be combined.
    #[error("cannot {verb} {left} and {right}")]
    Mixed {
        /// What was tried.
        verb: &'static str,
        /// Kind of the first operand.
        left: Kind,
        /// Kind of the second.
        right: Kind,
    },
    /// The expression has another kind than its place wants.
    #[error("is {found}, and {expected} is wanted")]
    Unexpected {
        /// What its place wants.
        expected: Kind,
        /// What it is.
        found: Kind,
    },
}

/// Why a rule set was refused, and where: `entry_long.and[0].above[1]`.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("rules at {path}: {reason}")]
pub struct RuleError {
    /// Where, from the field of the rule set down; `$` is the rule set itself.
    pub path: String,
    /// Which rule was broken.
    pub reason: Reason,
}

impl RuleSet {
    /// Checks everything that the types do not: the name, completeness, nodes, depth, windows, constants and kinds.
    ///
    /// # Errors
    /// The first broken rule with its place.
    pub fn validate(&self) -> Result<(), RuleError> {
        let refuse = |path: &str, reason: Reason| Err(RuleError { path: path.to_owned(), reason });
        let named = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(named) {
            return refuse("name", Reason::Name);
        }
        if self.entry_long.is_none() && self.entry_short.is_none() {
            return refuse("$", Reason::NoEntry);
        }
        let sides = [
            ("entry_long", &self.entry_long, "exit_long", &self.exit_long),
            ("entry_short", &self.entry_short, "exit_short", &self.exit_short),
        ];
        for (entry_name, entry, exit_name, exit) in sides {
            if entry.is_some() && exit.is_none() && self.stop.is_none() {
                return refuse(entry_name, Reason::NoExit);
            }
            if entry.is_none() && exit.is_some() {
                return refuse(exit_name, Reason::NoSuchPosition);
            }
        }
        let mut check = Check { path: String::new(), n_nodes: 0 };
        for (name, expr) in self.expressions() {
            let expected = match name {
                "sizing" => Kind::Number,
                "stop" => Kind::Distance,
                _ => Kind::Truth,
            };
            check.path.clear();
            check.path.push_str(name);
            let found = check.kind(expr, 1)?;
            if found != expected {
                return check.refuse(Reason::Unexpected { expected, found });
            }
        }
        Ok(())
    }
}

struct Check {
    path: String,
    n_nodes: usize,
}

impl Check {
    fn refuse<T>(&self, reason: Reason) -> Result<T, RuleError> {
        Err(RuleError { path: self.path.clone(), reason })
    }

    /// The kind of `expr`, whose root is the `depth`th node from the top.
    fn kind(&mut self, expr: &Expr, depth: usize) -> Result<Kind, RuleError> {
        self.n_nodes += 1;
        if self.n_nodes > MAX_NODES {
            return self.refuse(Reason::TooManyNodes);
        }
        if depth > MAX_DEPTH {
            return self.refuse(Reason::TooDeep);
        }
        self.check_numbers(expr)?;
        let mut kinds = [Kind::Truth; 2];
        let length = self.path.len();
        for (i, operand) in expr.operands().enumerate() {
            self.path.push_str(&format!(".{}[{i}]", expr.name()));
            kinds[i] = self.kind(operand, depth + 1)?;
            self.path.truncate(length);
        }
        self.combine(expr, kinds)
    }

    fn check_numbers(&self, expr: &Expr) -> Result<(), RuleError> {
        let window = |name, value: u16, minimum| {
            let sound = (minimum..=MAX_WINDOW).contains(&value);
            if sound { Ok(()) } else { self.refuse(Reason::Window { name, value, minimum }) }
        };
        let constant = |value: f64, minimum: f64, maximum: f64| {
            let sound = (minimum..=maximum).contains(&value);
            if sound { Ok(()) } else { self.refuse(Reason::Constant { value, minimum, maximum }) }
        };
        let ordered =
            |fast, slow| if fast < slow { Ok(()) } else { self.refuse(Reason::FastNotBelowSlow { fast, slow }) };
        match *expr {
            Expr::Number(value) => constant(value, -MAX_NUMBER, MAX_NUMBER),
            Expr::Sma { window: n }
            | Expr::Ema { window: n }
            | Expr::Atr { window: n }
            | Expr::Highest { window: n }
            | Expr::Lowest { window: n } => window("window", n, 1),
            Expr::Rsi { window: n } | Expr::VolumeRatio { window: n } => window("window", n, 2),
            Expr::Return { bars } => window("bars", bars, 1),
            Expr::BollingerUpper { window: n, width } | Expr::BollingerLower { window: n, width } => {
                window("window", n, 2)?;
                constant(width, 0.1, 10.0)
            }
            Expr::MacdLine { fast, slow } => {
                window("fast", fast, 1)?;
                window("slow", slow, 2)?;
                ordered(fast, slow)
            }
            Expr::MacdSignal { fast, slow, signal } => {
                window("fast", fast, 1)?;
                window("slow", slow, 2)?;
                window("signal", signal, 1)?;
                ordered(fast, slow)
            }
            _ => Ok(()),
        }
    }

    fn combine(&self, expr: &Expr, [left, right]: [Kind; 2]) -> Result<Kind, RuleError> {
        use Kind::{Distance, Number, Price, Truth};
        let mixed = |verb| self.refuse(Reason::Mixed { verb, left, right });
        match expr {
            Expr::Open | Expr::High | Expr::Low | Expr::Close => Ok(Price),
            Expr::Sma { .. } | Expr::Ema { .. } | Expr::Highest { .. } | Expr::Lowest { .. } => Ok(Price),
            Expr::BollingerUpper { .. } | Expr::BollingerLower { .. } => Ok(Price),
            Expr::MacdLine { .. } | Expr::MacdSignal { .. } | Expr::Atr { .. } => Ok(Distance),
            Expr::Number(_) | Expr::Rsi { .. } | Expr::Return { .. } | Expr::VolumeRatio { .. } => Ok(Number),
            Expr::HourOfDay | Expr::Weekday => Ok(Number),
            Expr::Add(..) => match (left, right) {
                (Price, Distance) | (Distance, Price) => Ok(Price),
                (Distance, Distance) | (Number, Number) => Ok(left),
                _ => mixed("add"),
            },
            Expr::Subtract(..) => match (left, right) {
                (Price, Price) => Ok(Distance),
                (Price, Distance) | (Distance, Distance) | (Number, Number) => Ok(left),
                _ => mixed("subtract"),
            },
            Expr::Multiply(..) => match (left, right) {
                (Truth, _) | (_, Truth) => mixed("multiply"),
                (Number, other) | (other, Number) => Ok(other),
                _ => mixed("multiply"),
            },
            Expr::Divide(..) => match (left, right) {
                (Truth, _) | (_, Truth) => mixed("divide"),
                (_, Number) => Ok(left),
                (Price | Distance, Price | Distance) => Ok(Number),
                _ => mixed("divide"),
            },
            Expr::And(..) | Expr::Or(..) => {
                if (left, right) == (Truth, Truth) {
                    Ok(Truth)
                } else {
                    mixed("join")
                }
            }
            Expr::Not(_) if left == Truth => Ok(Truth),
            Expr::Not(_) => self.refuse(Reason::Unexpected { expected: Truth, found: left }),
            Expr::Above(a, b)
            | Expr::AtLeast(a, b)
            | Expr::Below(a, b)
            | Expr::AtMost(a, b)
            | Expr::CrossesAbove(a, b)
            | Expr::CrossesBelow(a, b) => {
                let zero = |e: &Expr| matches!(e, Expr::Number(n) if *n == 0.0);
                let against_zero = (left == Distance && zero(b)) || (right == Distance && zero(a));
                let comparable = left == right && left != Truth;
                if comparable || against_zero { Ok(Truth) } else { mixed("compare") }
            }
        }
    }
}

impl Expr {
    /// The node's name as JSON writes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Number(_) => "number",
            Self::Open => "open",
            Self::High => "high",
            Self::Low => "low",
            Self::Close => "close",
            Self::Sma { .. } => "sma",
            Self::Ema { .. } => "ema",
            Self::Rsi { .. } => "rsi",
            Self::MacdLine { .. } => "macd_line",
            Self::MacdSignal { .. } => "macd_signal",
            Self::BollingerUpper { .. } => "bollinger_upper",
            Self::BollingerLower { .. } => "bollinger_lower",
            Self::Atr { .. } => "atr",
            Self::Highest { .. } => "highest",
            Self::Lowest { .. } => "lowest",
            Self::Return { .. } => "return",
            Self::VolumeRatio { .. } => "volume_ratio",
            Self::HourOfDay => "hour_of_day",
            Self::Weekday => "weekday",
            Self::Add(..) => "add",
            Self::Subtract(..) => "subtract",
            Self::Multiply(..) => "multiply",
            Self::Divide(..) => "divide",
            Self::Above(..) => "above",
            Self::AtLeast(..) => "at_least",
            Self::Below(..) => "below",
            Self::AtMost(..) => "at_most",
            Self::CrossesAbove(..) => "crosses_above",
            Self::CrossesBelow(..) => "crosses_below",
            Self::And(..) => "and",
            Self::Or(..) => "or",
            Self::Not(_) => "not",
        }
    }
}
