use super::*;
use proptest::prelude::*;

const FIXED_COST: f64 = 0.0625;

/// The example of the paper: a million shares in five days.
fn paper(risk_aversion: f64) -> Trajectory {
    Trajectory::new(Inputs {
        quantity: 1e6,
        horizon: 5.0,
        intervals: 5,
        volatility: 0.95,
        permanent_impact: 2.5e-7,
        temporary_impact: 2.5e-6,
        risk_aversion,
    })
    .unwrap()
}

/// Expected cost `E = gamma X^2 / 2 + epsilon sum |n| + (eta~ / tau) sum n^2`, where each unit also pays the paper's epsilon.
fn expected_cost(of: &Trajectory, epsilon: f64) -> f64 {
    let traded = (1..=of.inputs.intervals).map(|j| of.traded(j));
    let (sum, squares) = traded.fold((0.0, 0.0), |(sum, squares), n| (sum + n.abs(), squares + n * n));
    let gamma = of.inputs.permanent_impact;
    let effective_eta = of.inputs.temporary_impact - gamma * of.tau / 2.0;
    gamma * of.inputs.quantity * of.inputs.quantity / 2.0 + epsilon * sum + effective_eta / of.tau * squares
}

/// Variance `V = sigma^2 tau sum_{j>=1} x_j^2` of that cost.
fn variance(of: &Trajectory) -> f64 {
    let held = (1..=of.inputs.intervals).map(|j| of.inputs.quantity * of.share_held(j));
    of.inputs.volatility * of.inputs.volatility * of.tau * held.map(|x| x * x).sum::<f64>()
}

fn near(got: f64, expected: f64, tolerance: f64) {
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

#[test]
fn without_risk_aversion_it_trades_evenly() {
    let even = paper(0.0);
    near(expected_cost(&even, FIXED_COST), 662_500.00, 0.005);
    near(variance(&even).sqrt(), 1_040_672.86, 0.005);
    assert!((1..=5).all(|j| (even.traded(j) - 200_000.0).abs() < 1e-6));
}

#[test]
fn the_papers_example_at_1e_6() {
    let optimal = paper(1e-6);
    near(optimal.kappa(), 0.607_076, 5e-7);
    for (j, expected) in [(1, 458_044.4), (2, 252_101.3), (3, 141_956.7), (4, 85_755.7), (5, 62_141.8)] {
        near(optimal.traded(j), expected, 0.05);
    }
    near(expected_cost(&optimal, FIXED_COST), 911_226.99, 0.005);
    near(variance(&optimal).sqrt(), 603_430.67, 0.005);
}

#[test]
fn the_papers_example_at_2e_6() {
    let optimal = paper(2e-6);
    near(optimal.kappa(), 0.846_297, 5e-7);
    near(expected_cost(&optimal, FIXED_COST), 1_140_715.17, 0.005);
    near(variance(&optimal).sqrt(), 449_367.65, 0.005);
}

#[test]
fn it_agrees_with_an_independent_library_at_small_risk_aversion() {
    for (risk_aversion, cost, varies_by, half_life) in
        [(1e-9, 662_500.9, 1.081_19e12, 51.2997), (9e-9, 662_572.1, 1.066_91e12, 17.1021)]
    {
        let optimal = paper(risk_aversion);
        near(expected_cost(&optimal, FIXED_COST), cost, 0.05);
        near(variance(&optimal), varies_by, 5e6);
        near(1.0 / optimal.kappa(), half_life, 5e-5);
    }
}

#[test]
fn inputs_without_a_trajectory_are_refused_by_name() {
    let good = paper(1e-6).inputs;
    let check = |inputs: Inputs, named: &str| {
        let text = Trajectory::new(inputs).unwrap_err().to_string();
        assert!(text.contains(named), "{text}");
    };
    check(Inputs { quantity: 0.0, ..good }, "quantity");
    check(Inputs { horizon: f64::NAN, ..good }, "horizon");
    check(Inputs { intervals: 0, ..good }, "slices");
    check(Inputs { volatility: -1.0, ..good }, "volatility");
    check(Inputs { temporary_impact: 0.0, ..good }, "temporary_impact");
    check(Inputs { risk_aversion: f64::INFINITY, ..good }, "risk_aversion");
    check(Inputs { permanent_impact: 1e-5, ..good }, "above zero: take more slices");
}

proptest! {
    #[test]
    fn holdings_fall_from_one_to_zero_whatever_the_urgency(exponent in -20.0_f64..3.0, n in 1_u16..400) {
        let inputs = Inputs { intervals: n, permanent_impact: 0.0, risk_aversion: 10_f64.powf(exponent), ..paper(0.0).inputs };
        let optimal = Trajectory::new(inputs).unwrap();
        prop_assert_eq!((optimal.share_held(0), optimal.share_held(n)), (1.0, 0.0));
        for j in 1..=n {
            prop_assert!(optimal.share_held(j) <= optimal.share_held(j - 1));
        }
    }

    #[test]
    fn more_aversion_costs_more_and_varies_less(exponent in -9.0_f64..-5.0) {
        let (calm, keen) = (paper(10_f64.powf(exponent)), paper(10_f64.powf(exponent + 0.5)));
        prop_assert!(expected_cost(&keen, 0.0) > expected_cost(&calm, 0.0));
        prop_assert!(variance(&keen) < variance(&calm));
    }
}
