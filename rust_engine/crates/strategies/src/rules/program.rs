//! A rule set as one flat postfix program: six expressions, one pass, a fixed stack, nothing allocated.

use crate::history::Ring;
use crate::rules::feed::Feed;
use model::rules::{Expr, MAX_DEPTH, RuleError};
use model::{Bar, Price, RuleSet};
use serde::{Deserialize, Serialize};

/// Where the value of each expression goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Root {
    EntryLong,
    EntryShort,
    ExitLong,
    ExitShort,
    Sizing,
    Stop,
}

const ROOTS: usize = 6;

/// The values of all expressions at one bar; what is absent or unknown is not a number, truths are 1 and 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Values([f64; ROOTS]);

impl Values {
    const UNKNOWN: Self = Self([f64::NAN; ROOTS]);

    /// Whether the expression is known and true.
    pub(super) fn holds(&self, root: Root) -> bool {
        self.0[root as usize] == 1.0
    }

    /// The number, if it is known and finite.
    pub(super) fn number(&self, root: Root) -> Option<f64> {
        Some(self.0[root as usize]).filter(|value| value.is_finite())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Comparison {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Comparison {
    fn of(expr: &Expr) -> Option<(Self, [&Expr; 2])> {
        Some(match expr {
            Expr::Above(a, b) => (Self::Above, [a, b]),
            Expr::AtLeast(a, b) => (Self::AtLeast, [a, b]),
            Expr::Below(a, b) => (Self::Below, [a, b]),
            Expr::AtMost(a, b) => (Self::AtMost, [a, b]),
            _ => return None,
        })
    }

    /// 1 or 0. Neither infinities nor unknowns can be compared: they come of sums beyond the range of numbers.
    #[inline]
    fn judge(self, a: f64, b: f64) -> f64 {
        let holds = match self {
            Self::Above => a > b,
            Self::AtLeast => a >= b,
            Self::Below => a < b,
            Self::AtMost => a <= b,
        };
        truth(holds, !a.is_finite() || !b.is_finite())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Op {
    Number(f64),
    Load(u16),
    Add,
    Subtract,
    Multiply,
    Divide,
    Compare(Comparison),
    /// The commonest form in one step: two leaves.
    CompareLeaves(Comparison, u16, u16),
    CrossesAbove(u16),
    CrossesBelow(u16),
    And,
    Or,
    Not,
    Give(Root),
}

/// The compiled form: the same for every symbol.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Program {
    ops: Vec<Op>,
    feeds: Vec<Feed>,
    n_crossings: usize,
    pub(super) has_sizing: bool,
    pub(super) has_stop: bool,
}

impl Program {
    /// Compiles what [`RuleSet::validate`] accepts; equal leaves share one feed.
    pub(super) fn compile(rules: &RuleSet) -> Result<Self, RuleError> {
        rules.validate()?;
        let mut program =
            Self { has_sizing: rules.sizing.is_some(), has_stop: rules.stop.is_some(), ..Self::default() };
        let mut leaves: Vec<&Expr> = Vec::new();
        for (name, expr) in rules.expressions() {
            program.emit(expr, &mut leaves);
            let root = match name {
                "entry_long" => Root::EntryLong,
                "entry_short" => Root::EntryShort,
                "exit_long" => Root::ExitLong,
                "exit_short" => Root::ExitShort,
                "sizing" => Root::Sizing,
                _ => Root::Stop,
            };
            program.ops.push(Op::Give(root));
        }
        Ok(program)
    }

    fn emit<'a>(&mut self, expr: &'a Expr, leaves: &mut Vec<&'a Expr>) {
        let comparison = Comparison::of(expr);
        if let Some((how, [a, b])) = comparison.filter(|(_, both)| both.iter().all(|side| Feed::of(side).is_some())) {
            let op = Op::CompareLeaves(how, self.slot(a, leaves), self.slot(b, leaves));
            self.ops.push(op);
            return;
        }
        expr.operands().for_each(|operand| self.emit(operand, leaves));
        let op = match expr {
            Expr::Number(value) => Op::Number(*value),
            Expr::Add(..) => Op::Add,
            Expr::Subtract(..) => Op::Subtract,
            Expr::Multiply(..) => Op::Multiply,
            Expr::Divide(..) => Op::Divide,
            Expr::CrossesAbove(..) => Op::CrossesAbove(self.crossing()),
            Expr::CrossesBelow(..) => Op::CrossesBelow(self.crossing()),
            Expr::And(..) => Op::And,
            Expr::Or(..) => Op::Or,
            Expr::Not(_) => Op::Not,
            other => match comparison {
                Some((how, _)) => Op::Compare(how),
                None => Op::Load(self.slot(other, leaves)),
            },
        };
        self.ops.push(op);
    }

    // At most MAX_NODES of either, so the indices fit.
    fn crossing(&mut self) -> u16 {
        self.n_crossings += 1;
        (self.n_crossings - 1) as u16
    }

    fn slot<'a>(&mut self, leaf: &'a Expr, leaves: &mut Vec<&'a Expr>) -> u16 {
        let known = leaves.iter().position(|l| *l == leaf);
        known.unwrap_or_else(|| {
            leaves.push(leaf);
            self.feeds.extend(Feed::of(leaf));
            leaves.len() - 1
        }) as u16
    }
}

/// What the program remembers of one symbol.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Memory {
    feeds: Vec<Feed>,
    /// Value of each feed now.
    slots: Vec<f64>,
    /// First minus second operand of each crossing at the bar before.
    gaps: Vec<f64>,
    closes: Ring<Price>,
}

impl Memory {
    pub(super) fn new(program: &Program) -> Self {
        Self {
            feeds: program.feeds.clone(),
            slots: vec![f64::NAN; program.feeds.len()],
            gaps: vec![f64::NAN; program.n_crossings],
            closes: Ring::new(),
        }
    }

    /// Takes a closed bar and gives the value of every expression.
    pub(super) fn update(&mut self, program: &Program, bar: &Bar) -> Values {
        for (feed, slot) in self.feeds.iter_mut().zip(&mut self.slots) {
            *slot = feed.update(bar, &self.closes);
        }
        self.closes.push(bar.close);
        self.run(&program.ops)
    }

    fn run(&mut self, ops: &[Op]) -> Values {
        let mut values = Values::UNKNOWN;
        let mut stack = Stack { values: [0.0; MAX_DEPTH], len: 0 };
        for op in ops {
            match *op {
                Op::Number(value) => stack.push(value),
                Op::Load(slot) => stack.push(self.slots[usize::from(slot)]),
                Op::Add => stack.combine(|a, b| a + b),
                Op::Subtract => stack.combine(|a, b| a - b),
                Op::Multiply => stack.combine(|a, b| a * b),
                Op::Divide => stack.combine(|a, b| if b == 0.0 { f64::NAN } else { a / b }),
                Op::Compare(how) => stack.combine(|a, b| how.judge(a, b)),
                Op::CompareLeaves(how, a, b) => {
                    stack.push(how.judge(self.slots[usize::from(a)], self.slots[usize::from(b)]));
                }
                Op::CrossesAbove(n) => {
                    let before = &mut self.gaps[usize::from(n)];
                    stack.combine(|a, b| crossed(std::mem::replace(before, a - b), a - b));
                }
                Op::CrossesBelow(n) => {
                    let before = &mut self.gaps[usize::from(n)];
                    stack.combine(|a, b| crossed(std::mem::replace(before, b - a), b - a));
                }
                Op::And => stack.combine(|a, b| a * b),
                Op::Or => stack.combine(|a, b| if a + b > 0.5 { 1.0 } else { a + b }),
                Op::Not => stack.combine_one(|a| 1.0 - a),
                Op::Give(root) => values.0[root as usize] = stack.pop(),
            }
        }
        values
    }
}

/// Whether a gap became positive; unknown unless both are known.
fn crossed(before: f64, now: f64) -> f64 {
    truth(before <= 0.0 && now > 0.0, !before.is_finite() || !now.is_finite())
}

fn truth(holds: bool, is_unknown: bool) -> f64 {
    if is_unknown { f64::NAN } else { f64::from(u8::from(holds)) }
}

struct Stack {
    values: [f64; MAX_DEPTH],
    len: usize,
}

impl Stack {
    #[inline]
    fn push(&mut self, value: f64) {
        self.values[self.len] = value;
        self.len += 1;
    }

    #[inline]
    fn pop(&mut self) -> f64 {
        self.len -= 1;
        self.values[self.len]
    }

    #[inline]
    fn combine(&mut self, f: impl FnOnce(f64, f64) -> f64) {
        let second = self.pop();
        let first = self.pop();
        self.push(f(first, second));
    }

    #[inline]
    fn combine_one(&mut self, f: impl FnOnce(f64) -> f64) {
        let value = self.pop();
        self.push(f(value));
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
