//! Aggregates over the last `n` values, without subtraction.
//!
//! A window is the tail of the previous stretch of `n` values joined with the head of the present one. The tails are summed
//! backwards once a stretch, the head grows by one value a bar, so that a bar costs one step and nothing that left the window
//! leaves rounding behind. Places that were never written hold NaN: no value before the window is full, and none while a NaN
//! is inside it.

use super::state::Carry;

/// A window that can take many rows at once: the same numbers, with less done between them.
pub(crate) trait Stretch {
    /// Adds a value and gives the window's.
    fn update(&mut self, x: f64) -> f64;

    /// Adds values, oldest first, and gives the window's after each.
    fn run(&mut self, x: &[f64], made: &mut [f64]);
}

/// Sum of the last `n` values times a weight.
#[derive(Clone, Debug)]
pub(crate) struct Sum {
    weight: f64,
    at: usize,
    head: f64,
    /// Values of the present stretch up to `at`, from there on sums of the previous one's tails; a zero at the end.
    tails: Vec<f64>,
}

impl Sum {
    pub(crate) fn new(n: usize, weight: f64) -> Self {
        let mut made = Self { weight, at: 0, head: 0.0, tails: vec![f64::NAN; n + 1] };
        made.reset();
        made
    }

    pub(crate) fn reset(&mut self) {
        let n = self.tails.len() - 1;
        (self.at, self.head) = (0, 0.0);
        self.tails.fill(f64::NAN);
        self.tails[n] = 0.0;
    }

    #[inline(never)]
    fn turn(&mut self) {
        let mut sum = 0.0;
        for tail in self.tails.iter_mut().rev() {
            sum += *tail;
            *tail = sum;
        }
        (self.at, self.head) = (0, 0.0);
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.at, self.tails.len() - 2);
        to.number(&mut self.head);
        to.numbers(&mut self.tails);
    }
}

impl Stretch for Sum {
    #[inline]
    fn update(&mut self, x: f64) -> f64 {
        self.head += x;
        self.tails[self.at] = x;
        self.at += 1;
        let sum = (self.tails[self.at] + self.head) * self.weight;
        if self.at + 1 == self.tails.len() {
            self.turn();
        }
        sum
    }

    #[inline]
    fn run(&mut self, mut x: &[f64], mut made: &mut [f64]) {
        while !x.is_empty() {
            let n = x.len().min(self.tails.len() - 1 - self.at);
            let (now, rest) = x.split_at(n);
            let (out, others) = std::mem::take(&mut made).split_at_mut(n);
            let tails = &mut self.tails[self.at..=self.at + n];
            let (mut head, weight) = (self.head, self.weight);
            for ((out, x), tail) in out.iter_mut().zip(now).zip(&tails[1..]) {
                head += x;
                *out = (tail + head) * weight;
            }
            tails[..n].copy_from_slice(now);
            (self.at, self.head) = (self.at + n, head);
            if self.at + 1 == self.tails.len() {
                self.turn();
            }
            (x, made) = (rest, others);
        }
    }
}

/// The larger of two, NaN when one is.
#[inline]
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

/// The larger of two numbers.
#[inline]
fn top(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Largest of the last `n` values, or, by a sign of -1, the smallest.
#[derive(Clone, Debug)]
pub(crate) struct Highest {
    sign: f64,
    at: usize,
    head: f64,
    tails: Vec<f64>,
    /// Values since the last NaN, as far as they count.
    since: usize,
}

impl Highest {
    pub(crate) fn new(n: usize, sign: f64) -> Self {
        let mut made = Self { sign, at: 0, head: f64::NEG_INFINITY, tails: vec![f64::NEG_INFINITY; n + 1], since: 0 };
        made.reset();
        made
    }

    pub(crate) fn reset(&mut self) {
        (self.at, self.head, self.since) = (0, f64::NEG_INFINITY, 0);
        self.tails.fill(f64::NEG_INFINITY);
    }

    #[inline(never)]
    fn turn(&mut self) {
        let mut highest = f64::NEG_INFINITY;
        for tail in self.tails.iter_mut().rev() {
            highest = top(*tail, highest);
            *tail = highest;
        }
        (self.at, self.head) = (0, f64::NEG_INFINITY);
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        let n = self.tails.len() - 1;
        to.count(&mut self.at, n - 1);
        to.number(&mut self.head);
        to.numbers(&mut self.tails);
        to.count(&mut self.since, n);
    }
}

impl Stretch for Highest {
    #[inline]
    fn update(&mut self, x: f64) -> f64 {
        let n = self.tails.len() - 1;
        let is_known = !x.is_nan();
        let value = if is_known { x * self.sign } else { f64::NEG_INFINITY };
        self.since = if is_known { n.min(self.since + 1) } else { 0 };
        self.head = top(value, self.head);
        self.tails[self.at] = value;
        self.at += 1;
        let highest = top(self.tails[self.at], self.head) * self.sign;
        if self.at == n {
            self.turn();
        }
        if self.since == n { highest } else { f64::NAN }
    }

    #[inline]
    fn run(&mut self, mut x: &[f64], mut made: &mut [f64]) {
        let n = self.tails.len() - 1;
        if self.since < n || x.iter().any(|x| x.is_nan()) {
            for (made, x) in made.iter_mut().zip(x) {
                *made = self.update(*x);
            }
            return;
        }
        while !x.is_empty() {
            let count = x.len().min(n - self.at);
            let (now, rest) = x.split_at(count);
            let (out, others) = std::mem::take(&mut made).split_at_mut(count);
            let tails = &mut self.tails[self.at..=self.at + count];
            let (mut head, sign) = (self.head, self.sign);
            for ((out, x), tail) in out.iter_mut().zip(now).zip(&tails[1..]) {
                head = top(x * sign, head);
                *out = top(*tail, head) * sign;
            }
            for (tail, x) in tails.iter_mut().zip(now) {
                *tail = x * sign;
            }
            (self.at, self.head) = (self.at + count, head);
            if self.at == n {
                self.turn();
            }
            (x, made) = (rest, others);
        }
    }
}

/// How many bars ago the largest of the last `n` values was, the newest of equals; 0 for the newest bar.
#[derive(Clone, Debug)]
pub(crate) struct HighestAge {
    at: usize,
    /// Largest of the present stretch and its place.
    head: (f64, f64),
    tails: Vec<f64>,
    /// Place, counted from the first of the previous stretch, of the largest in each tail.
    places: Vec<f64>,
}

impl HighestAge {
    pub(crate) fn new(n: usize) -> Self {
        let mut made =
            Self { at: 0, head: (f64::NEG_INFINITY, 0.0), tails: vec![f64::NAN; n + 1], places: vec![0.0; n + 1] };
        made.reset();
        made
    }

    pub(crate) fn reset(&mut self) {
        let n = self.tails.len() - 1;
        (self.at, self.head) = (0, (f64::NEG_INFINITY, 0.0));
        self.tails.fill(f64::NAN);
        self.tails[n] = f64::NEG_INFINITY;
        self.places.fill(0.0);
    }

    #[inline]
    pub(crate) fn update(&mut self, x: f64) -> f64 {
        if !self.head.0.is_nan() && (self.head.0 <= x || x.is_nan()) {
            self.head = (x, self.at as f64);
        }
        self.tails[self.at] = x;
        self.at += 1;
        let n = (self.tails.len() - 1) as f64;
        let (tail, now) = (self.tails[self.at], (self.at - 1) as f64);
        let age = if tail.is_nan() || self.head.0.is_nan() {
            f64::NAN
        } else if tail > self.head.0 {
            n + now - self.places[self.at]
        } else {
            now - self.head.1
        };
        if self.at + 1 == self.tails.len() {
            self.turn();
        }
        age
    }

    fn turn(&mut self) {
        let (mut highest, mut place) = (f64::NEG_INFINITY, 0.0);
        let n = self.tails.len() - 1;
        for at in (0..n).rev() {
            let x = self.tails[at];
            if x > highest || x.is_nan() {
                (highest, place) = (larger(highest, x), at as f64);
            }
            (self.tails[at], self.places[at]) = (highest, place);
        }
        (self.at, self.head) = (0, (f64::NEG_INFINITY, 0.0));
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.at, self.tails.len() - 2);
        to.number(&mut self.head.0);
        to.number(&mut self.head.1);
        to.numbers(&mut self.tails);
        to.numbers(&mut self.places);
    }
}

/// Population variance of the last `n` values, as squared deviations from a value of the window.
#[derive(Clone, Debug)]
pub(crate) struct Variance {
    at: usize,
    weight: f64,
    shift: f64,
    head: (f64, f64),
    values: Vec<f64>,
    tails: Vec<(f64, f64)>,
}

/// Share of the squared mean deviation under which a variance has lost too many digits.
const LOST: f64 = 1e-6;

impl Variance {
    pub(crate) fn new(n: usize) -> Self {
        let mut made = Self {
            at: 0,
            weight: 1.0 / n as f64,
            shift: f64::NAN,
            head: (0.0, 0.0),
            values: vec![f64::NAN; n],
            tails: vec![(f64::NAN, f64::NAN); n + 1],
        };
        made.reset();
        made
    }

    pub(crate) fn reset(&mut self) {
        let n = self.values.len();
        (self.at, self.shift, self.head) = (0, f64::NAN, (0.0, 0.0));
        self.values.fill(f64::NAN);
        self.tails.fill((f64::NAN, f64::NAN));
        self.tails[n] = (0.0, 0.0);
    }

    /// Starts a stretch whose deviations are taken from the newest value, and gives the variance by these. The newest is no
    /// further from the mean than `sqrt(n)` deviations, so that digits cannot get lost again before it has left the window:
    /// a bar costs one step on average.
    #[inline(never)]
    fn turned(&mut self, x: f64) -> f64 {
        self.values.rotate_left(self.at);
        self.turn(x);
        let mean = self.tails[0].0 * self.weight;
        let variance = self.tails[0].1 * self.weight - mean * mean;
        if variance < 0.0 { 0.0 } else { variance }
    }

    fn turn(&mut self, shift: f64) {
        let mut sums = (0.0, 0.0);
        for (tail, x) in self.tails.iter_mut().zip(&self.values).rev() {
            let d = x - shift;
            sums = (sums.0 + d, sums.1 + d * d);
            *tail = sums;
        }
        (self.at, self.shift, self.head) = (0, shift, (0.0, 0.0));
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.at, self.values.len() - 1);
        to.number(&mut self.shift);
        to.number(&mut self.head.0);
        to.number(&mut self.head.1);
        to.numbers(&mut self.values);
        for tail in &mut self.tails {
            to.number(&mut tail.0);
            to.number(&mut tail.1);
        }
    }
}

impl Stretch for Variance {
    /// Gives the standard deviation.
    #[inline]
    fn update(&mut self, x: f64) -> f64 {
        if self.shift.is_nan() {
            self.shift = x;
        }
        let d = x - self.shift;
        self.head.0 += d;
        self.head.1 += d * d;
        self.values[self.at] = x;
        self.at += 1;
        let tail = self.tails[self.at];
        let mean = (tail.0 + self.head.0) * self.weight;
        let variance = (tail.1 + self.head.1) * self.weight - mean * mean;
        if self.at == self.values.len() || variance < mean * mean * LOST {
            return self.turned(x).sqrt();
        }
        (if variance < 0.0 { 0.0 } else { variance }).sqrt()
    }

    #[inline]
    fn run(&mut self, mut x: &[f64], mut made: &mut [f64]) {
        while let Some((first, _)) = x.split_first() {
            // The value that ends a stretch goes the long way, as does one that loses digits.
            let room = x.len().min(self.values.len() - 1 - self.at);
            let mut n = 0;
            if !self.shift.is_nan() {
                let (shift, weight, mut head) = (self.shift, self.weight, self.head);
                for ((out, x), tail) in made.iter_mut().zip(&x[..room]).zip(&self.tails[self.at + 1..]) {
                    let d = x - shift;
                    let grown = (head.0 + d, head.1 + d * d);
                    let mean = (tail.0 + grown.0) * weight;
                    let variance = (tail.1 + grown.1) * weight - mean * mean;
                    if variance < mean * mean * LOST {
                        break;
                    }
                    *out = (if variance < 0.0 { 0.0 } else { variance }).sqrt();
                    (head, n) = (grown, n + 1);
                }
                self.values[self.at..self.at + n].copy_from_slice(&x[..n]);
                (self.at, self.head) = (self.at + n, head);
            }
            if n < room || room == 0 {
                made[n] = self.update(x.get(n).copied().unwrap_or(*first));
                n += 1;
            }
            x = &x[n..];
            made = &mut std::mem::take(&mut made)[n..];
        }
    }
}
