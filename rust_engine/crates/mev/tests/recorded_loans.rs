//! Recorded liquidations on Optimism: the loans that the chain let go are those that this crate would let go.
//!
//! The records are Parquet, which the project's own Python reads.

use mev::{best_liquidation, health_factor};
use model::message::{LendingProtocol, LoanPosition, LoanReserve};
use model::{Money, Price, Qty};
use std::path::{Path, PathBuf};
use std::process::Command;

const PRINT_ROWS: &str = "
import sys, pyarrow.parquet as parquet
names = ['protocol', 'health_factor_start', 'shortfall_start']
for row in parquet.read_table(sys.argv[1], columns=names).to_pylist():
    print(*('' if row[name] is None else row[name] for name in names), sep=',')
";

fn python() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.venv/bin/python");
    if own.is_file() { own } else { PathBuf::from("python3") }
}

/// The rows as comma-separated text, or why there are none.
fn recorded_rows() -> Result<String, String> {
    let folder = std::env::var("XCRACK_DATA_DIR").map_err(|_| "XCRACK_DATA_DIR is not set".to_owned())?;
    let file = Path::new(&folder).join("mev/liquidations_optimism.parquet");
    let done = Command::new(python()).args(["-c", PRINT_ROWS]).arg(&file).output().map_err(|e| e.to_string())?;
    if !done.status.success() {
        return Err(format!("cannot read {}: {}", file.display(), String::from_utf8_lossy(&done.stderr)));
    }
    String::from_utf8(done.stdout).map_err(|e| e.to_string())
}

fn reserve(amount: f64, liquidation_threshold: f64) -> LoanReserve {
    let amount = Qty((amount * 1e8).round() as i64);
    LoanReserve { asset: "A".to_owned(), amount, price: Price(100_000_000), liquidation_threshold }
}

/// A loan of `debt` secured by `secured / 0.8` at a threshold of 80 %.
fn loan(protocol: LendingProtocol, secured: f64, debt: f64) -> LoanPosition {
    LoanPosition {
        protocol,
        borrower: "0x1".to_owned(),
        collateral: vec![reserve(secured / 0.8, 0.8)],
        debt: vec![reserve(debt, 0.0)],
        seize: 0,
        repay: 0,
        bonus_bps: 500.0,
        protocol_fee_bps: 1_000.0,
        flash_fee_bps: 5.0,
        swap_cost_bps: 30.0,
        gas: Money::ZERO,
    }
}

#[test]
fn every_recorded_health_factor_and_shortfall_is_judged_as_the_chain_judged_it() {
    let rows = match recorded_rows() {
        Ok(rows) => rows,
        Err(reason) => {
            assert!(std::env::var("CI").is_err(), "no recorded loans: {reason}");
            eprintln!("skipped: {reason}");
            return;
        }
    };
    let (mut n_aave, mut n_compound, mut n_below) = (0, 0, 0);
    for row in rows.lines() {
        let [protocol, health, shortfall] = row.split(',').collect::<Vec<_>>().try_into().unwrap();
        let (loan, is_below) = match (protocol, health.parse::<f64>(), shortfall.parse::<f64>()) {
            // A factor above a million stands for no debt at all.
            ("Aave", Ok(factor), _) if factor < 1e6 => {
                n_aave += 1;
                let loan = loan(LendingProtocol::AaveV3, factor * 10_000.0, 10_000.0);
                assert!((health_factor(&loan).unwrap().to_f64() - factor).abs() < 1e-7 * factor.max(1.0), "{row}");
                (loan, factor < 1.0)
            }
            // What the security lacks of the debt, in 1e-18 of the oracle's currency.
            ("Compound", _, Ok(shortfall)) if shortfall < 1e28 => {
                n_compound += 1;
                (loan(LendingProtocol::CompoundV2, 10_000.0, 10_000.0 + shortfall * 1e-18), shortfall > 1e10)
            }
            _ => continue,
        };
        n_below += usize::from(is_below);
        let outcome = best_liquidation(&loan).unwrap();
        assert_eq!(outcome.is_some(), is_below, "{row}");
        assert!(outcome.is_none_or(|o| o.seized <= loan.collateral[0].amount), "{row}");
    }
    assert!(n_aave > 3_400 && n_compound > 1_700 && n_below > 5_000, "{n_aave} {n_compound} {n_below}");
}
