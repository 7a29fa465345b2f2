//! Linearly weighted sums over the last `n` values, in the form of [`super::window`].

use super::state::Carry;
use super::window::Stretch;

/// Linearly weighted sum of the last `n` values, the newest counting `n` times, less a multiple of their sum, times a factor.
#[derive(Clone, Debug)]
pub(crate) struct Weighted {
    factor: f64,
    multiple: f64,
    at: usize,
    head: (f64, f64),
    values: Vec<f64>,
    /// Sum and weighted sum of each tail of the previous stretch; the oldest of a tail counts once.
    tails: Vec<(f64, f64)>,
}

impl Weighted {
    /// The weighted mean.
    pub(crate) fn mean(n: usize) -> Self {
        let size = n as f64;
        Self::new(n, 2.0 / (size * (size + 1.0)), 0.0)
    }

    /// Change a bar of the least-squares line.
    pub(crate) fn slope(n: usize) -> Self {
        let size = n as f64;
        Self::new(n, 12.0 / (size * (size * size - 1.0)), (size + 1.0) / 2.0)
    }

    fn new(n: usize, factor: f64, multiple: f64) -> Self {
        let tails = vec![(f64::NAN, f64::NAN); n + 1];
        let mut made = Self { factor, multiple, at: 0, head: (0.0, 0.0), values: vec![0.0; n], tails };
        made.reset();
        made
    }

    pub(crate) fn reset(&mut self) {
        let n = self.values.len();
        (self.at, self.head) = (0, (0.0, 0.0));
        self.tails.fill((f64::NAN, f64::NAN));
        self.tails[n] = (0.0, 0.0);
    }

    fn turn(&mut self) {
        let mut sums = (0.0, 0.0);
        for (tail, x) in self.tails.iter_mut().zip(&self.values).rev() {
            sums.0 += x;
            sums.1 += sums.0;
            *tail = sums;
        }
        (self.at, self.head) = (0, (0.0, 0.0));
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.at, self.values.len() - 1);
        to.number(&mut self.head.0);
        to.number(&mut self.head.1);
        to.numbers(&mut self.values);
        for tail in &mut self.tails {
            to.number(&mut tail.0);
            to.number(&mut tail.1);
        }
    }
}

impl Stretch for Weighted {
    #[inline]
    fn update(&mut self, x: f64) -> f64 {
        let (size, newest) = (self.values.len(), (self.at + 1) as f64);
        self.head.0 += x;
        self.head.1 += newest * x;
        let tail = self.tails[self.at + 1];
        let all = tail.1 + self.head.1 + (size as f64 - newest) * self.head.0;
        let made = self.factor * (all - self.multiple * (tail.0 + self.head.0));
        self.values[self.at] = x;
        self.at += 1;
        if self.at == size {
            self.turn();
        }
        made
    }

    #[inline]
    fn run(&mut self, mut x: &[f64], mut made: &mut [f64]) {
        let size = self.values.len();
        while !x.is_empty() {
            let n = x.len().min(size - self.at);
            let (now, rest) = x.split_at(n);
            let (out, others) = std::mem::take(&mut made).split_at_mut(n);
            let ((mut sum, mut weighted), mut newest) = (self.head, self.at as f64);
            for ((out, x), tail) in out.iter_mut().zip(now).zip(&self.tails[self.at + 1..]) {
                newest += 1.0;
                sum += x;
                weighted += newest * x;
                let all = tail.1 + weighted + (size as f64 - newest) * sum;
                *out = self.factor * (all - self.multiple * (tail.0 + sum));
            }
            self.values[self.at..self.at + n].copy_from_slice(now);
            (self.at, self.head) = (self.at + n, (sum, weighted));
            if self.at == size {
                self.turn();
            }
            (x, made) = (rest, others);
        }
    }
}
