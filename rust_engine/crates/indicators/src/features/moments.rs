//! Moments and pairs over the last `n` values, in the form of [`super::window`].

use super::state::Carry;

/// Sums of `K` numbers a bar over the last `n` bars.
#[derive(Clone, Debug)]
struct Sums<const K: usize> {
    at: usize,
    head: [f64; K],
    tails: Vec<[f64; K]>,
}

impl<const K: usize> Sums<K> {
    fn new(n: usize) -> Self {
        let mut made = Self { at: 0, head: [0.0; K], tails: vec![[f64::NAN; K]; n + 1] };
        made.reset();
        made
    }

    fn reset(&mut self) {
        let n = self.tails.len() - 1;
        (self.at, self.head) = (0, [0.0; K]);
        self.tails.fill([f64::NAN; K]);
        self.tails[n] = [0.0; K];
    }

    #[inline]
    fn update(&mut self, x: [f64; K]) -> [f64; K] {
        self.tails[self.at] = x;
        self.at += 1;
        let tail = self.tails[self.at];
        let sums = std::array::from_fn(|k| {
            self.head[k] += x[k];
            tail[k] + self.head[k]
        });
        if self.at + 1 == self.tails.len() {
            self.turn();
        }
        sums
    }

    #[allow(clippy::manual_memcpy, reason = "adding and copying are one pass")]
    fn turn(&mut self) {
        let mut sums = [0.0; K];
        for tail in self.tails.iter_mut().rev() {
            for k in 0..K {
                sums[k] += tail[k];
                tail[k] = sums[k];
            }
        }
        (self.at, self.head) = (0, [0.0; K]);
    }

    fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.at, self.tails.len() - 2);
        to.numbers(&mut self.head);
        for tail in &mut self.tails {
            to.numbers(tail);
        }
    }
}

/// Share of the mean square under which a variance is rounding.
const ROUNDING: f64 = 1e-12;

/// Third and fourth standardised moment of the last `n` values, which lie about zero as returns do; NaN where they do not
/// vary.
#[derive(Clone, Debug)]
pub(crate) struct Moments {
    n: f64,
    sums: Sums<4>,
}

impl Moments {
    pub(crate) fn new(n: usize) -> Self {
        Self { n: n as f64, sums: Sums::new(n) }
    }

    pub(crate) fn reset(&mut self) {
        self.sums.reset();
    }

    /// Mean, and the second, third and fourth central moments.
    #[inline]
    fn central(&mut self, x: f64) -> Option<[f64; 3]> {
        let square = x * x;
        let [s1, s2, s3, s4] = self.sums.update([x, square, square * x, square * square]).map(|s| s / self.n);
        let variance = s2 - s1 * s1;
        (variance > ROUNDING * s2).then(|| {
            let third = s3 - 3.0 * s1 * s2 + 2.0 * s1 * s1 * s1;
            let fourth = s4 - 4.0 * s1 * s3 + 6.0 * s1 * s1 * s2 - 3.0 * s1 * s1 * s1 * s1;
            [variance, third, fourth]
        })
    }

    /// Population skewness.
    #[inline]
    pub(crate) fn skewness(&mut self, x: f64) -> f64 {
        self.central(x).map_or(f64::NAN, |[variance, third, _]| third / (variance * variance.sqrt()))
    }

    /// Population kurtosis less the 3 of a normal distribution.
    #[inline]
    pub(crate) fn kurtosis(&mut self, x: f64) -> f64 {
        self.central(x).map_or(f64::NAN, |[variance, _, fourth]| fourth / (variance * variance) - 3.0)
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        self.sums.carry(to);
    }
}

/// Correlation and regression of two series over the last `n` bars, which lie about zero as returns do; NaN where one of
/// them does not vary.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    n: f64,
    sums: Sums<5>,
}

impl Pair {
    pub(crate) fn new(n: usize) -> Self {
        Self { n: n as f64, sums: Sums::new(n) }
    }

    pub(crate) fn reset(&mut self) {
        self.sums.reset();
    }

    /// Covariance and the two variances.
    #[inline]
    fn spread(&mut self, x: f64, y: f64) -> Option<[f64; 3]> {
        let [sx, sy, sxx, syy, sxy] = self.sums.update([x, y, x * x, y * y, x * y]).map(|s| s / self.n);
        let (of_x, of_y) = (sxx - sx * sx, syy - sy * sy);
        (of_x > ROUNDING * sxx && of_y > ROUNDING * syy).then_some([sxy - sx * sy, of_x, of_y])
    }

    /// Pearson's correlation.
    #[inline]
    pub(crate) fn correlation(&mut self, x: f64, y: f64) -> f64 {
        self.spread(x, y).map_or(f64::NAN, |[both, of_x, of_y]| both / (of_x * of_y).sqrt())
    }

    /// Population covariance; zero is an answer here.
    #[inline]
    pub(crate) fn covariance(&mut self, x: f64, y: f64) -> f64 {
        let [sx, sy, _, _, sxy] = self.sums.update([x, y, x * x, y * y, x * y]).map(|s| s / self.n);
        sxy - sx * sy
    }

    /// Slope of the regression of `x` on `y`.
    #[inline]
    pub(crate) fn beta(&mut self, x: f64, y: f64) -> f64 {
        self.spread(x, y).map_or(f64::NAN, |[both, _, of_y]| both / of_y)
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        self.sums.carry(to);
    }
}
