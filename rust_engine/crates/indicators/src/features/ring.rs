//! The last `n` values themselves, and what cannot be had from less: their ranks, their deviations.

use super::state::Carry;

/// The last `n` values as they came.
#[derive(Clone, Debug)]
pub(crate) struct Ring {
    at: usize,
    values: Vec<f64>,
}

impl Ring {
    pub(crate) fn new(n: usize) -> Self {
        Self { at: 0, values: vec![f64::NAN; n] }
    }

    pub(crate) fn reset(&mut self) {
        self.at = 0;
        self.values.fill(f64::NAN);
    }

    /// Puts a value in the place of the one `n` bars ago and gives that one.
    #[inline]
    pub(crate) fn swap(&mut self, x: f64) -> f64 {
        let old = std::mem::replace(&mut self.values[self.at], x);
        self.at += 1;
        if self.at == self.values.len() {
            self.at = 0;
        }
        old
    }

    /// The same for many values, oldest first.
    #[inline]
    pub(crate) fn swap_all(&mut self, x: &[f64], made: &mut [f64]) {
        let (n, many) = (self.values.len(), x.len());
        if many < n {
            for (made, x) in made.iter_mut().zip(x) {
                *made = self.swap(*x);
            }
            return;
        }
        let (young, old) = self.values.split_at(self.at);
        made[..old.len()].copy_from_slice(old);
        made[old.len()..n].copy_from_slice(young);
        made[n..].copy_from_slice(&x[..many - n]);
        self.at = (self.at + many) % n;
        let (old, young) = x[many - n..].split_at(n - self.at);
        self.values[self.at..].copy_from_slice(old);
        self.values[..self.at].copy_from_slice(young);
    }

    /// Adds a value and gives the share of the last `n`, itself included, that lie below it, equals counting half.
    #[inline]
    pub(crate) fn rank(&mut self, x: f64) -> f64 {
        self.swap(x);
        let mut below = 0.0;
        for value in &self.values {
            if value.is_nan() {
                return f64::NAN;
            }
            below += if *value < x {
                1.0
            } else if *value == x {
                0.5
            } else {
                0.0
            };
        }
        below / self.values.len() as f64
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.at, self.values.len() - 1);
        to.numbers(&mut self.values);
    }
}

/// Mean absolute deviation of the last `n` values from a centre. The cost grows with `n`: no shorter form is exact.
#[derive(Clone, Debug)]
pub(crate) struct Deviation {
    n: usize,
    /// Place after the newest value.
    end: usize,
    /// Room for many values after another, so that a window always lies in one piece, oldest first.
    values: Vec<f64>,
}

/// Values that come in before the window is moved to the front again.
const ROOM: usize = 128;

impl Deviation {
    pub(crate) fn new(n: usize) -> Self {
        Self { n, end: n, values: vec![f64::NAN; n + ROOM] }
    }

    pub(crate) fn reset(&mut self) {
        self.end = self.n;
        self.values.fill(f64::NAN);
    }

    #[inline]
    pub(crate) fn update(&mut self, x: f64, centre: f64) -> f64 {
        let mut made = [0.0];
        self.run(&[x], &[centre], &mut made);
        made[0]
    }

    /// Adds values, oldest first, each with its centre.
    pub(crate) fn run(&mut self, x: &[f64], centre: &[f64], made: &mut [f64]) {
        for ((x, centre), made) in x.chunks(ROOM).zip(centre.chunks(ROOM)).zip(made.chunks_mut(ROOM)) {
            if self.end + x.len() > self.values.len() {
                self.values.copy_within(self.end - self.n..self.end, 0);
                self.end = self.n;
            }
            self.values[self.end..self.end + x.len()].copy_from_slice(x);
            let first = self.end + 1 - self.n;
            self.end += x.len();
            let windows = self.values[first..self.end].windows(self.n);
            for ((made, window), centre) in made.iter_mut().zip(windows).zip(centre) {
                *made = deviation(window, *centre) / self.n as f64;
            }
        }
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        to.count(&mut self.end, self.values.len());
        self.end = self.end.max(self.n);
        to.numbers(&mut self.values);
    }
}

/// Sum of the distances from a centre, four at a time.
#[inline]
fn deviation(window: &[f64], centre: f64) -> f64 {
    let (quads, rest) = window.as_chunks::<4>();
    let mut lanes = [0.0; 4];
    for quad in quads {
        for k in 0..4 {
            lanes[k] += (quad[k] - centre).abs();
        }
    }
    let rest: f64 = rest.iter().map(|x| (x - centre).abs()).sum();
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]) + rest
}
