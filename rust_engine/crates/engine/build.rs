//! Names the code that a snapshot was made by: a hash over the sources of every crate whose state goes into one.
//!
//! A version number would not do: two builds of one version can differ in what they keep, and a snapshot is only worth
//! something to the code that wrote it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const CRATES: [&str; 9] = ["model", "indicators", "book", "strategies", "execution", "risk", "sim", "mev", "engine"];

/// FNV-1a with 128 bits (Fowler, Noll and Vo): small, and enough to tell honest versions apart.
struct Fnv(u128);

impl Fnv {
    fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B);
        }
    }
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for name in CRATES {
        let dir = crates.join(name).join("src");
        if dir.is_dir() {
            println!("cargo::rerun-if-changed={}", dir.display());
            sources(&dir, &mut files)?;
        }
    }
    files.sort();
    let mut hash = Fnv(0x6C62_272E_07BB_0142_62B8_2175_6295_C58D);
    for file in &files {
        hash.update(&fs::read(file)?);
    }
    println!("cargo::rustc-env=XCRACK_SOURCES={:032x}", hash.0);
    Ok(())
}
