//! Changes of bytes as fuzzers make them, and searches through them that a seed repeats: for the tests of every decoder.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};
use std::fmt::Debug;

/// Lengths and numbers that nothing behind them keeps: 2 and 4 GiB, more than that, and the longest arrays, maps, byte strings
/// and texts of MessagePack.
const CLAIMS: [&[u8]; 9] = [
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"18446744073709551616",
    b"-1e999",
];
/// What opens one more level in JSON, in a rule set and in MessagePack.
const LEVELS: [&[u8]; 6] = [b"[", b"{\"a\":", b"{\"not\":", b"{\"and\":[", b"\x91", b"\x81\xa1a"];

/// One change of some bytes.
#[derive(Clone, Debug)]
pub enum Mutation {
    Flip(Index, u8),
    Cut(Index),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// From, to, how much.
    Repeat(Index, Index, usize),
    /// From here on the bytes of another sample, from there on.
    Splice(Index, Index),
    /// Which claim, where, and whether it stands in place of what is there.
    Claim(Index, Index, bool),
    /// Which level, where, how many.
    Nest(Index, Index, usize),
}

impl Mutation {
    /// Changes `bytes`; `other` is another sample.
    pub fn apply(&self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Flip(at, mask) => bytes[at.index(length)] ^= mask,
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Insert(at, what) => drop(bytes.splice(at.index(length)..at.index(length), what.iter().copied())),
            Self::Remove(at, n) => drop(bytes.drain(at.index(length)..(at.index(length) + n).min(length))),
            Self::Repeat(from, to, n) => {
                let copied = bytes[from.index(length)..(from.index(length) + n).min(length)].to_vec();
                drop(bytes.splice(to.index(length)..to.index(length), copied));
            }
            Self::Splice(at, from) => {
                bytes.truncate(at.index(length));
                bytes.extend_from_slice(&other[from.index(other.len() + 1)..]);
            }
            Self::Claim(which, at, in_place) => {
                let (claim, at) = (*which.get(&CLAIMS), at.index(length));
                let end = if *in_place { (at + claim.len()).min(length) } else { at };
                drop(bytes.splice(at..end, claim.iter().copied()));
            }
            Self::Nest(which, at, n) => {
                let at = at.index(length);
                drop(bytes.splice(at..at, which.get(&LEVELS).repeat(*n)));
            }
        }
    }
}

/// One to four changes.
pub fn any_mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<Index>;
    let any = prop_oneof![
        4 => (index(), 1..=255_u8).prop_map(|(at, mask)| Mutation::Flip(at, mask)),
        1 => index().prop_map(Mutation::Cut),
        1 => (index(), prop::collection::vec(any::<u8>(), 1..64)).prop_map(|(at, what)| Mutation::Insert(at, what)),
        1 => (index(), 1..300_usize).prop_map(|(at, n)| Mutation::Remove(at, n)),
        1 => (index(), index(), 1..300_usize).prop_map(|(from, to, n)| Mutation::Repeat(from, to, n)),
        1 => (index(), index()).prop_map(|(at, from)| Mutation::Splice(at, from)),
        1 => (index(), index(), any::<bool>()).prop_map(|(which, at, in_place)| Mutation::Claim(which, at, in_place)),
        1 => (index(), index(), 1..2_000_usize).prop_map(|(which, at, n)| Mutation::Nest(which, at, n)),
    ];
    prop::collection::vec(any, 1..5)
}

/// Checks `n_cases` of `cases`, the same ones for the same `seed`. A failure is told in its shortest form.
pub fn search<T: Debug>(
    n_cases: u32,
    seed: u64,
    cases: &impl Strategy<Value = T>,
    check: impl Fn(T) -> TestCaseResult,
) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let config = Config { failure_persistence: None, ..Config::with_cases(n_cases) };
    let found = TestRunner::new_with_rng(config, rng).run(cases, check);
    assert!(found.is_ok(), "seed {seed}: {}", found.unwrap_err());
}
