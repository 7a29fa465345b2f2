//! What carries its whole past in a few numbers. A NaN before the first value delays the start; a later one gives NaN for its
//! own bar and is not carried on.

use super::state::Carry;

/// An average that moves to each new value by `weight`, started at the mean of the first values.
#[derive(Clone, Debug)]
pub(crate) struct Smooth {
    weight: f64,
    /// Values that the start is made of, and what their sum is divided by.
    seeds: usize,
    divisor: f64,
    /// Values before the first that is given.
    quiet: usize,
    seen: usize,
    value: f64,
}

impl Smooth {
    /// Exponential, of span `n`: weight `2 / (n + 1)`, started at the mean of `n` values.
    pub(crate) fn ema(n: usize) -> Self {
        Self::new(2.0 / (n as f64 + 1.0), n, n as f64, n - 1)
    }

    /// Wilder's, weight `1 / n`, started at the mean of `n` values.
    pub(crate) fn wilder(n: usize) -> Self {
        Self::new(1.0 / n as f64, n, n as f64, n - 1)
    }

    /// Wilder's running sum over `n`, divided by `n`: started at `n - 1` values, given from the next on.
    pub(crate) fn directional(n: usize) -> Self {
        Self::new(1.0 / n as f64, n - 1, n as f64, n - 1)
    }

    /// Weight `1 - decay`, started at the mean of `n` values.
    pub(crate) fn decaying(decay: f64, n: usize) -> Self {
        Self::new(1.0 - decay, n, n as f64, n - 1)
    }

    fn new(weight: f64, seeds: usize, divisor: f64, quiet: usize) -> Self {
        Self { weight, seeds, divisor, quiet, seen: 0, value: 0.0 }
    }

    pub(crate) fn reset(&mut self) {
        (self.seen, self.value) = (0, 0.0);
    }

    #[inline]
    pub(crate) fn update(&mut self, x: f64) -> f64 {
        if x.is_nan() {
            return f64::NAN;
        }
        if self.seen > self.quiet {
            self.value += self.weight * (x - self.value);
            return self.value;
        }
        self.start(x)
    }

    #[inline(never)]
    fn start(&mut self, x: f64) -> f64 {
        if self.seen < self.seeds {
            self.value += x;
            if self.seen + 1 == self.seeds {
                self.value /= self.divisor;
            }
        } else {
            self.value += self.weight * (x - self.value);
        }
        self.seen += 1;
        if self.seen > self.quiet { self.value } else { f64::NAN }
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.seen, self.quiet + 1);
        to.number(&mut self.value);
    }
}

/// Several averages of the kind of [`Smooth`] side by side, to the same bit: each waits for its own last value at every bar,
/// and together they fill the time.
#[derive(Clone, Debug)]
pub(crate) struct Bank<const K: usize> {
    weight: [f64; K],
    /// Once all have started they are here.
    value: [f64; K],
    is_steady: bool,
    lanes: [Smooth; K],
}

impl<const K: usize> Bank<K> {
    pub(crate) fn new(lanes: [Smooth; K]) -> Self {
        let weight = std::array::from_fn(|k| lanes[k].weight);
        Self { weight, value: [0.0; K], is_steady: false, lanes }
    }

    pub(crate) fn reset(&mut self) {
        self.is_steady = false;
        self.lanes.iter_mut().for_each(Smooth::reset);
    }

    #[inline]
    pub(crate) fn update(&mut self, x: [f64; K]) -> [f64; K] {
        if self.is_steady { step(&self.weight, &mut self.value, x) } else { self.start(x) }
    }

    /// Adds `n` values a lane, oldest first.
    #[inline]
    pub(crate) fn run<const B: usize>(&mut self, x: [&[f64; B]; K], made: &mut [[f64; B]; K], n: usize) {
        let mut at = 0;
        while at < n.min(B) && !self.is_steady {
            let values = self.start(x.map(|x| x[at]));
            made.iter_mut().zip(values).for_each(|(made, value)| made[at] = value);
            at += 1;
        }
        let (weight, mut value) = (self.weight, self.value);
        for at in at..n.min(B) {
            let values = step(&weight, &mut value, std::array::from_fn(|k| x[k][at]));
            for k in 0..K {
                made[k][at] = values[k];
            }
        }
        self.value = value;
    }

    #[inline(never)]
    fn start(&mut self, x: [f64; K]) -> [f64; K] {
        let made = std::array::from_fn(|k| self.lanes[k].update(x[k]));
        self.is_steady = self.lanes.iter().all(|lane| lane.seen > lane.quiet);
        self.value = std::array::from_fn(|k| self.lanes[k].value);
        made
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        let mut steady = usize::from(self.is_steady);
        to.count(&mut steady, 1);
        self.is_steady = steady == 1;
        to.numbers(&mut self.value);
        self.lanes.iter_mut().for_each(|lane| lane.carry(to));
    }
}

#[inline]
fn step<const K: usize>(weight: &[f64; K], value: &mut [f64; K], x: [f64; K]) -> [f64; K] {
    std::array::from_fn(|k| {
        let moved = value[k] + weight[k] * (x[k] - value[k]);
        value[k] = if moved.is_nan() { value[k] } else { moved };
        moved
    })
}

/// Share of the newest squared return in a GARCH(1,1) variance.
pub(crate) const GARCH_ALPHA: f64 = 0.08;
/// Share of the previous variance.
pub(crate) const GARCH_BETA: f64 = 0.90;
/// Returns that the long-run variance is first taken from; afterwards it is an average over a span ten times that long.
pub(crate) const GARCH_START: usize = 50;

/// Variance of the next return by a GARCH(1,1) filter with fixed weights (Bollerslev 1986), its long-run variance being that
/// of the returns so far (variance targeting): `h' = (1 - a - b) v + a r^2 + b h`.
#[derive(Clone, Debug)]
pub(crate) struct Garch {
    long_run: Smooth,
    value: f64,
}

impl Garch {
    pub(crate) fn new() -> Self {
        let decay = 1.0 - 1.0 / (10.0 * GARCH_START as f64);
        Self { long_run: Smooth::decaying(decay, GARCH_START), value: f64::NAN }
    }

    pub(crate) fn reset(&mut self) {
        self.long_run.reset();
        self.value = f64::NAN;
    }

    #[inline]
    pub(crate) fn update(&mut self, x: f64) -> f64 {
        let square = x * x;
        let long_run = self.long_run.update(square);
        if long_run.is_nan() {
            return f64::NAN;
        }
        let before = if self.value.is_nan() { long_run } else { self.value };
        self.value = (1.0 - GARCH_ALPHA - GARCH_BETA) * long_run + GARCH_ALPHA * square + GARCH_BETA * before;
        self.value
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        self.long_run.carry(to);
        to.number(&mut self.value);
    }
}

/// Running sum since the start of the run of bars.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total(f64);

impl Total {
    pub(crate) fn reset(&mut self) {
        self.0 = 0.0;
    }

    #[inline]
    pub(crate) fn update(&mut self, x: f64) -> f64 {
        if x.is_nan() {
            return f64::NAN;
        }
        self.0 += x;
        self.0
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.number(&mut self.0);
    }
}
