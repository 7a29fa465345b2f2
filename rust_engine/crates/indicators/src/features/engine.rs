//! The chosen columns as a list of kernels over rows of series: one row for a bar that arrives, many for a history.

use super::graph::{Graph, Series};
use super::input::{INPUTS, Input};
use super::kernel::{Kernel, smooth_of};
use super::op::Op;
use super::recursive::Bank;
use super::ring::{Deviation, Ring};
use super::state::{Carry, Layout};
use super::window::Stretch;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Rows that a history is worked on at a time: few enough that all series stay in the second-level cache, and an odd number of
/// cache lines, so that they do not push each other out of the first.
pub(crate) const BLOCK: usize = 120;

/// Where a kernel finds its arguments' rows and puts its own.
pub(crate) trait Rows {
    fn map1(&mut self, args: [u16; 3], out: u16, f: impl FnMut(f64) -> f64);
    fn map2(&mut self, args: [u16; 3], out: u16, f: impl FnMut(f64, f64) -> f64);
    fn map3(&mut self, args: [u16; 3], out: u16, f: impl FnMut(f64, f64, f64) -> f64);
    /// Several averages side by side.
    fn lanes<const K: usize>(&mut self, args: [u16; K], out: u16, bank: &mut Bank<K>);
    /// A window that can take many rows at once.
    fn stretch(&mut self, args: [u16; 3], out: u16, window: &mut impl Stretch);
    /// What was some rows ago.
    fn lag(&mut self, args: [u16; 3], out: u16, ring: &mut Ring);
    /// Deviations of the first argument from the second.
    fn deviation(&mut self, args: [u16; 3], out: u16, window: &mut Deviation);
}

#[derive(Clone, Debug)]
struct Node {
    kernel: Kernel,
    args: [u16; 8],
    out: u16,
}

/// Kernels of the columns wanted, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Engine {
    /// Inputs read, as places in a bar; the first series are theirs, in this order.
    pub(crate) inputs: Vec<usize>,
    nodes: Vec<Node>,
    /// Series of each column.
    pub(crate) columns: Vec<u16>,
    pub(crate) n_series: usize,
    /// Hash of what runs in which order, where its results lie, and which words of it are carried.
    pub(crate) layout: [u8; 32],
    is_fresh: bool,
}

impl Engine {
    pub(crate) fn new(graph: &Graph, wanted: &[Series]) -> Self {
        let (inputs, steps) = schedule(graph, wanted);
        let order = inputs.iter().chain(steps.iter().flatten()).copied();
        let places: HashMap<_, _> = order.zip(0_u16..).collect();
        let mut nodes: Vec<_> = steps.iter().filter_map(|group| node(graph, group, &places)).collect();
        let place_of = |input: Input| INPUTS.iter().position(|known| *known == input);
        let input_places = inputs.iter().filter_map(|s| match graph.step(*s).op {
            Op::Input(input) => place_of(input),
            _ => None,
        });
        Self {
            inputs: input_places.collect(),
            layout: layout(graph, &inputs, &steps, &mut nodes),
            nodes,
            columns: wanted.iter().map(|series| places[series]).collect(),
            n_series: places.len(),
            is_fresh: true,
        }
    }

    /// Forgets all bars.
    pub(crate) fn reset(&mut self) {
        if !self.is_fresh {
            self.nodes.iter_mut().for_each(|node| node.kernel.reset());
            self.is_fresh = true;
        }
    }

    /// Works out all series from the inputs in `rows`.
    #[inline]
    pub(crate) fn run(&mut self, rows: &mut impl Rows) {
        self.is_fresh = false;
        for node in &mut self.nodes {
            node.kernel.run(&node.args, node.out, rows);
        }
    }

    pub(crate) fn carry(&mut self, to: &mut impl Carry) {
        self.nodes.iter_mut().for_each(|node| node.kernel.carry(to));
        let mut fresh = usize::from(self.is_fresh);
        to.count(&mut fresh, 1);
        self.is_fresh = fresh == 1;
    }
}

/// Inputs, and the other series in an order in which each comes after what it reads. Smoothings wait for their own last value
/// at every bar, so those that do not wait for each other go side by side, up to 8 to a group.
fn schedule(graph: &Graph, wanted: &[Series]) -> (Vec<Series>, Vec<Vec<Series>>) {
    let needed = graph.needed(wanted);
    let (inputs, mut open): (Vec<_>, Vec<_>) =
        needed.into_iter().partition(|s| matches!(graph.step(*s).op, Op::Input(_)));
    let mut done: std::collections::HashSet<_> = inputs.iter().copied().collect();
    let mut groups = Vec::new();
    while !open.is_empty() {
        let (mut smooths, mut rest) = (Vec::new(), Vec::new());
        for series in open {
            let step = graph.step(series);
            if !step.args.iter().all(|arg| done.contains(arg)) {
                rest.push(series);
            } else if smooth_of(step.op).is_some() {
                smooths.push(series);
            } else {
                done.insert(series);
                groups.push(vec![series]);
            }
        }
        done.extend(&smooths);
        let mut left = smooths.as_slice();
        while !left.is_empty() {
            let (group, others) = left.split_at(match left.len() {
                8.. => 8,
                5 => 3,
                4..8 => 4,
                few => few,
            });
            groups.push(group.to_vec());
            left = others;
        }
        open = rest;
    }
    (inputs, groups)
}

fn node(graph: &Graph, group: &[Series], places: &HashMap<Series, u16>) -> Option<Node> {
    let first = graph.step(*group.first()?);
    let smooths: Vec<_> = group.iter().filter_map(|series| smooth_of(graph.step(*series).op)).collect();
    let (kernel, read): (_, Vec<Series>) = if smooths.is_empty() {
        (Kernel::new(first.op), first.args.clone())
    } else {
        (Kernel::bank(smooths)?, group.iter().map(|series| graph.step(*series).args[0]).collect())
    };
    let args = std::array::from_fn(|at| read.get(at).map_or(0, |arg| places[arg]));
    Some(Node { kernel, args, out: places[group.first()?] })
}

/// A state is only words in a row: two builds that run the same formulas in another order would read each other's words as
/// their own, so their layouts differ.
fn layout(graph: &Graph, inputs: &[Series], steps: &[Vec<Series>], nodes: &mut [Node]) -> [u8; 32] {
    let mut hash = Sha256::new();
    let ops = |group: &[Series]| group.iter().map(|series| graph.step(*series).op).collect::<Vec<_>>();
    hash.update(format!("{:?}\n", ops(inputs)));
    for (group, node) in steps.iter().zip(nodes) {
        let mut words = Layout::default();
        node.kernel.carry(&mut words);
        hash.update(format!("{:?} {:?} {} ", ops(group), node.args, node.out));
        hash.update([words.0.as_slice(), b"\n"].concat());
    }
    hash.finalize().into()
}

/// One row: a number a series.
pub(crate) struct One<'a>(pub(crate) &'a mut [f64]);

impl One<'_> {
    #[inline]
    fn at(&self, series: u16) -> f64 {
        self.0[usize::from(series)]
    }
}

impl Rows for One<'_> {
    #[inline]
    fn map1(&mut self, args: [u16; 3], out: u16, mut f: impl FnMut(f64) -> f64) {
        self.0[usize::from(out)] = f(self.at(args[0]));
    }

    #[inline]
    fn map2(&mut self, args: [u16; 3], out: u16, mut f: impl FnMut(f64, f64) -> f64) {
        self.0[usize::from(out)] = f(self.at(args[0]), self.at(args[1]));
    }

    #[inline]
    fn map3(&mut self, args: [u16; 3], out: u16, mut f: impl FnMut(f64, f64, f64) -> f64) {
        self.0[usize::from(out)] = f(self.at(args[0]), self.at(args[1]), self.at(args[2]));
    }

    #[inline]
    fn lanes<const K: usize>(&mut self, args: [u16; K], out: u16, bank: &mut Bank<K>) {
        let made = bank.update(args.map(|arg| self.at(arg)));
        let out = usize::from(out);
        self.0[out..out + K].copy_from_slice(&made);
    }

    #[inline]
    fn stretch(&mut self, args: [u16; 3], out: u16, window: &mut impl Stretch) {
        self.0[usize::from(out)] = window.update(self.at(args[0]));
    }

    #[inline]
    fn lag(&mut self, args: [u16; 3], out: u16, ring: &mut Ring) {
        self.0[usize::from(out)] = ring.swap(self.at(args[0]));
    }

    #[inline]
    fn deviation(&mut self, args: [u16; 3], out: u16, window: &mut Deviation) {
        self.0[usize::from(out)] = window.update(self.at(args[0]), self.at(args[1]));
    }
}

/// Rows of a history, `BLOCK` places a series.
pub(crate) struct Block<'a> {
    pub(crate) series: &'a mut [[f64; BLOCK]],
    pub(crate) n_rows: usize,
}

impl Block<'_> {
    /// The arguments, and the series that come of them; those stand behind all that they read.
    #[inline]
    fn split<const K: usize>(&mut self, args: [u16; K], out: u16) -> ([&[f64]; K], &mut [[f64; BLOCK]]) {
        let (before, from) = self.series.split_at_mut(usize::from(out));
        (args.map(|arg| &before[usize::from(arg)][..self.n_rows]), from)
    }
}

impl Rows for Block<'_> {
    #[inline]
    fn map1(&mut self, args: [u16; 3], out: u16, mut f: impl FnMut(f64) -> f64) {
        let ([x], made) = self.split([args[0]], out);
        for (made, x) in made[0].iter_mut().zip(x) {
            *made = f(*x);
        }
    }

    #[inline]
    fn map2(&mut self, args: [u16; 3], out: u16, mut f: impl FnMut(f64, f64) -> f64) {
        let ([x, y], made) = self.split([args[0], args[1]], out);
        for ((made, x), y) in made[0].iter_mut().zip(x).zip(y) {
            *made = f(*x, *y);
        }
    }

    #[inline]
    fn map3(&mut self, args: [u16; 3], out: u16, mut f: impl FnMut(f64, f64, f64) -> f64) {
        let ([x, y, z], made) = self.split(args, out);
        for (((made, x), y), z) in made[0].iter_mut().zip(x).zip(y).zip(z) {
            *made = f(*x, *y, *z);
        }
    }

    #[inline]
    fn lanes<const K: usize>(&mut self, args: [u16; K], out: u16, bank: &mut Bank<K>) {
        let n = self.n_rows.min(BLOCK);
        let (before, from) = self.series.split_at_mut(usize::from(out));
        if let Some(made) = from.first_chunk_mut::<K>() {
            bank.run(args.map(|arg| &before[usize::from(arg)]), made, n);
        }
    }

    #[inline]
    fn stretch(&mut self, args: [u16; 3], out: u16, window: &mut impl Stretch) {
        let n = self.n_rows.min(BLOCK);
        let ([x], made) = self.split([args[0]], out);
        window.run(x, &mut made[0][..n]);
    }

    #[inline]
    fn lag(&mut self, args: [u16; 3], out: u16, ring: &mut Ring) {
        let n = self.n_rows.min(BLOCK);
        let ([x], made) = self.split([args[0]], out);
        ring.swap_all(x, &mut made[0][..n]);
    }

    #[inline]
    fn deviation(&mut self, args: [u16; 3], out: u16, window: &mut Deviation) {
        let n = self.n_rows.min(BLOCK);
        let ([x, centre], made) = self.split([args[0], args[1]], out);
        window.run(x, centre, &mut made[0][..n]);
    }
}
