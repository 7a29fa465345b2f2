use super::*;

#[test]
fn glft_gives_the_published_half_spread_and_skew() {
    let quoting = glft(0.05, 10.69, 2.986_162_360_812_285, 0.042_357_411_150_840_49, 1.0);
    assert!((quoting.half_spread - 20.472_085_338_443_71).abs() < 1e-12, "{quoting:?}");
    assert!((quoting.skew - 9.763_268_650_292_27).abs() < 1e-12, "{quoting:?}");
}

#[test]
fn the_papers_spread_shrinks_towards_the_end_and_leans_with_the_inventory() {
    let start = avellaneda_stoikov(0.1, 2.0, 1.0, 1.5);
    assert!((start.skew - 0.4).abs() < 1e-15);
    assert!((start.half_spread - (0.2 + 10.0 * (1.0_f64 + 0.1 / 1.5).ln())).abs() < 1e-12);
    assert_eq!(avellaneda_stoikov(0.1, 2.0, 0.0, 1.5).skew, 0.0);
}

/// A generator for the simulation alone: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Debug)]
struct Outcome {
    mean_spread: f64,
    profit: f64,
    profit_sd: f64,
    inventory_sd: f64,
}

/// Section 3.3 of the paper: s = 100, T = 1, sigma = 2, dt = 0.005, k = 1.5, A = 140, one unit a quote. `leans` false is its
/// benchmark: the same spread around the middle.
fn simulate(gamma: f64, leans: bool, paths: u32) -> Outcome {
    let (sigma, dt, k, a, steps) = (2.0_f64, 0.005_f64, 1.5_f64, 140.0_f64, 200_i32);
    let mut numbers = Numbers(20_080_301);
    let (mut spreads, mut profits, mut profits2, mut held2) = (0.0, 0.0, 0.0, 0.0);
    for _ in 0..paths {
        let (mut mid, mut held, mut cash) = (100.0, 0.0, 0.0);
        for step in 0..steps {
            let quoting = avellaneda_stoikov(gamma, sigma, 1.0 - f64::from(step) * dt, k);
            spreads += 2.0 * quoting.half_spread;
            let lean = if leans { held * quoting.skew } else { 0.0 };
            let (below, above) = (quoting.half_spread + lean, quoting.half_spread - lean);
            let (bid_fills, ask_fills) = [below, above].map(|d| numbers.uniform() < a * (-k * d).exp() * dt).into();
            if bid_fills {
                held += 1.0;
                cash -= mid - below;
            }
            if ask_fills {
                held -= 1.0;
                cash += mid + above;
            }
            mid += sigma * dt.sqrt() * if numbers.uniform() < 0.5 { 1.0 } else { -1.0 };
        }
        let profit = cash + held * mid;
        profits += profit;
        profits2 += profit * profit;
        held2 += held * held;
    }
    let n = f64::from(paths);
    let profit = profits / n;
    Outcome {
        mean_spread: spreads / (n * f64::from(steps)),
        profit,
        profit_sd: (profits2 / n - profit * profit).sqrt(),
        inventory_sd: (held2 / n).sqrt(),
    }
}

fn check(outcome: &Outcome, expected: [f64; 4], tolerance: [f64; 4]) {
    let got = [outcome.mean_spread, outcome.profit, outcome.profit_sd, outcome.inventory_sd];
    for ((got, expected), tolerance) in got.iter().zip(expected).zip(tolerance) {
        assert!((got - expected).abs() <= tolerance, "{outcome:?} is not {expected}");
    }
}

#[test]
fn leaning_against_inventory_halves_the_spread_of_profits() {
    let bands = [0.01, 0.6, 0.5, 0.3];
    check(&simulate(0.1, true, 3000), [1.49, 64.9, 6.6, 2.9], bands);
    check(&simulate(0.1, false, 3000), [1.49, 68.2, 13.5, 8.4], bands);
    check(&simulate(0.01, true, 3000), [1.35, 68.3, 9.0, 5.2], bands);
}

#[test]
#[ignore = "soak: 20,000 paths of each case"]
fn the_figures_of_20_000_paths() {
    let bands = [0.005, 0.3, 0.25, 0.15];
    check(&simulate(0.1, true, 20_000), [1.49, 64.9, 6.6, 2.9], bands);
    check(&simulate(0.1, false, 20_000), [1.49, 68.2, 13.5, 8.4], bands);
    check(&simulate(0.01, true, 20_000), [1.35, 68.3, 9.0, 5.2], bands);
}
