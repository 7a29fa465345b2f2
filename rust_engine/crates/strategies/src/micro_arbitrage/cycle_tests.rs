use super::*;
use proptest::prelude::*;

fn spec(id: u16, venue: &str, base: &str, quote: &str, lot: f64) -> (SymbolId, SymbolSpec) {
    let names = SymbolSpec { venue: venue.into(), base: base.into(), quote: quote.into(), ..plain(id, lot) };
    (SymbolId(id), names)
}

fn plain(id: u16, lot: f64) -> SymbolSpec {
    SymbolSpec::new(&format!("S{id}"), Price(1), Qty::from_f64(lot).unwrap())
}

fn offer(price: f64, qty: f64) -> Offer {
    let (price, qty) = (Price::from_f64(price).unwrap(), Qty::from_f64(qty).unwrap());
    Offer { price, qty, position: Qty::ZERO }
}

fn terms(budget: f64) -> Terms {
    let money = |v| Money::from_f64(v).unwrap();
    Terms {
        budget: money(budget),
        inventory_cap: money(4.0 * budget),
        taker_fee_bps: 5.0,
        latency_buffer_bps: 1.0,
        min_edge_bps: 2.0,
    }
}

fn triangle() -> Vec<(SymbolId, SymbolSpec)> {
    vec![spec(0, "x", "BTC", "USDT", 0.001), spec(1, "x", "ETH", "USDT", 0.01), spec(2, "x", "ETH", "BTC", 0.01)]
}

fn described(cycles: &[Cycle]) -> Vec<String> {
    let step = |s: &Step| format!("{}{}", if s.side == Side::Buy { '+' } else { '-' }, s.symbol.0);
    cycles.iter().map(|c| c.steps.iter().map(step).collect()).collect()
}

#[test]
fn cycles_are_found_by_what_symbols_trade() {
    assert_eq!(described(&find(&triangle())), ["+0+2-1", "+1-2-0"]);
    let two = [spec(0, "x", "BTC", "USDT", 0.001), spec(1, "y", "BTC", "USDT", 0.002)];
    let found = find(&two);
    assert_eq!(described(&found), ["+0-1", "+1-0"]);
    assert!(found[0].steps.iter().all(|s| s.lot == two[1].1.lot), "multiples of both lots");
    // Another quote currency, the same venue, or no names at all: nothing to close.
    assert!(find(&[spec(0, "x", "BTC", "USDT", 1.0), spec(1, "y", "BTC", "USDC", 1.0)]).is_empty());
    assert!(find(&[spec(0, "x", "BTC", "USDT", 1.0), spec(1, "x", "BTC", "USDT", 1.0)]).is_empty());
    assert!(find(&[(SymbolId(0), plain(0, 1.0)), (SymbolId(1), plain(1, 1.0))]).is_empty());
    let ring = [spec(0, "x", "A", "B", 1.0), spec(1, "x", "B", "C", 1.0), spec(2, "x", "C", "A", 1.0)];
    assert_eq!(described(&find(&ring)), ["+0+2+1", "-1-2-0"]);
}

#[test]
fn a_difference_pays_only_above_all_fees_and_the_buffer() {
    let two = [spec(0, "x", "BTC", "USDT", 0.001), spec(1, "y", "BTC", "USDT", 0.001)];
    let cycle = &find(&two)[0];
    // 13 bps are needed: two fees of 5, a buffer of 1, an edge of 2.
    let plan = |bid: f64| cycle.plan(&[offer(10_000.0, 3.0), offer(bid, 2.0)], &terms(5_000.0));
    assert_eq!(plan(10_012.9), None);
    let found = plan(10_013.1).unwrap();
    assert!((found.edge_bps - 2.1).abs() < 1e-6);
    assert_eq!(found.legs.iter().map(|l| l.1.to_f64()).collect::<Vec<_>>(), [0.5, 0.5]);
}

#[test]
fn the_size_is_the_least_of_offers_budget_and_room() {
    let two = [spec(0, "x", "BTC", "USDT", 0.001), spec(1, "y", "BTC", "USDT", 0.001)];
    let cycle = &find(&two)[0];
    let size = |ask_qty: f64, bid_qty: f64, budget: f64, position: f64| {
        let mut offers = [offer(10_000.0, ask_qty), offer(10_050.0, bid_qty)];
        offers[0].position = Qty::from_f64(position).unwrap();
        cycle.plan(&offers, &terms(budget)).map_or(0.0, |p| p.legs[1].1.to_f64())
    };
    assert_eq!(size(0.3, 2.0, 50_000.0, 0.0), 0.3);
    assert_eq!(size(3.0, 0.2, 50_000.0, 0.0), 0.2);
    assert_eq!(size(3.0, 2.0, 1_000.0, 0.0), 0.1);
    // The cap of 40,000 is 4; 3.9 are held, so 0.1 more may be bought.
    assert_eq!(size(3.0, 2.0, 10_000.0, 3.9), 0.1);
    assert_eq!(size(3.0, 2.0, 10_000.0, 4.0), 0.0);
}

#[test]
fn a_triangle_buys_what_its_next_step_gives() {
    let cycle = &find(&triangle())[0];
    // 3,000 / 50,000 = 0.06 BTC; 0.06 / 0.06 = 1 ETH at 3,030: 100 bps before 16 of costs.
    let plan = cycle.plan(&[offer(50_000.0, 1.0), offer(0.06, 5.0), offer(3_030.0, 5.0)], &terms(3_000.0)).unwrap();
    assert_eq!(plan.legs.iter().map(|l| l.1.to_f64()).collect::<Vec<_>>(), [0.06, 1.0, 1.0]);
    assert!((plan.edge_bps - 84.0).abs() < 1e-6);
    // 0.99 ETH on offer are 0.0594 BTC; whole lots make that 0.059 and 0.98, and the rest does not come home: 65.76
    // before costs.
    let plan = cycle.plan(&[offer(50_000.0, 1.0), offer(0.06, 5.0), offer(3_030.0, 0.99)], &terms(3_000.0)).unwrap();
    assert_eq!(plan.legs.iter().map(|l| l.1.to_f64()).collect::<Vec<_>>(), [0.059, 0.98, 0.98]);
    assert!((plan.edge_bps - 49.762_711_864).abs() < 1e-6);
}

proptest! {
    #[test]
    fn no_plan_passes_an_offer_a_budget_or_its_edge(
        prices in proptest::array::uniform3(900_i64..1_100), qty in proptest::array::uniform3(1_i64..500_000_000),
        budget in 10_i64..100_000,
    ) {
        let offers = [
            Offer { price: Price(50 * prices[0] * 100_000_000), qty: Qty(qty[0]), position: Qty::ZERO },
            Offer { price: Price(6 * prices[2] * 1_000), qty: Qty(qty[2]), position: Qty::ZERO },
            Offer { price: Price(3 * prices[1] * 100_000_000), qty: Qty(qty[1]), position: Qty::ZERO },
        ];
        let terms = terms(budget as f64);
        if let Some(plan) = find(&triangle())[0].plan(&offers, &terms) {
            for ((price, qty), offer) in plan.legs.iter().zip(&offers) {
                prop_assert!(*price == offer.price && Qty::ZERO < *qty && *qty <= offer.qty);
            }
            let (spent, got) = (plan.legs[0].0 * plan.legs[0].1, plan.legs[2].0 * plan.legs[2].1);
            prop_assert!(spent <= terms.budget + Money(1 << 40));
            prop_assert!(got.to_f64() >= spent.to_f64() * (1.0 + 18.0e-4) - 1e-6);
        }
    }
}
