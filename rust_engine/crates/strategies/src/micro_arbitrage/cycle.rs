//! Cycles of symbols that end in what they start with, and how much may go round one now.

use model::{Money, Price, Qty, Side, SymbolId, SymbolSpec};
use serde::{Deserialize, Serialize};

const BPS: f64 = 1e4;
const UNIT: i128 = model::fixed::SCALE as i128;

/// One step: buys the symbol's base with what is held, or sells what is held for its quote currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) symbol: SymbolId,
    pub(super) side: Side,
    /// Quantities of this step are multiples of this.
    lot: Qty,
}

/// Two or three steps; the first starts from the home currency and the last ends in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cycle {
    pub(super) steps: Vec<Step>,
}

/// What can be traded against in one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub(super) price: Price,
    pub(super) qty: Qty,
    /// Ours in this symbol.
    pub(super) position: Qty,
}

/// What a round may use and must bring. Amounts are in the home currency, which is that of the capital.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) budget: Money,
    pub(super) inventory_cap: Money,
    /// Fees of one leg and the latency buffer of the round, in bps.
    pub(super) taker_fee_bps: f64,
    pub(super) latency_buffer_bps: f64,
    pub(super) min_edge_bps: f64,
}

/// A round worth sending.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// Per step: price and quantity, above zero.
    pub(super) legs: Vec<(Price, Qty)>,
    /// What is left after fees and buffer, in bps of what goes in.
    pub(super) edge_bps: f64,
}

/// Every cycle of these symbols: the same base and quote on two venues, and three symbols of one venue that join three
/// currencies; each in both directions.
pub(super) fn find(symbols: &[(SymbolId, SymbolSpec)]) -> Vec<Cycle> {
    let named = |spec: &SymbolSpec| !spec.base.is_empty() && !spec.quote.is_empty() && spec.base != spec.quote;
    let known: Vec<&(SymbolId, SymbolSpec)> = symbols.iter().filter(|(_, spec)| named(spec)).collect();
    let mut cycles = Vec::new();
    for (i, first) in known.iter().enumerate() {
        for (j, second) in known.iter().enumerate().skip(i + 1) {
            cycles.extend(across_venues(first, second));
            for third in &known[j + 1..] {
                cycles.extend(triangles([first, second, third]));
            }
        }
    }
    cycles
}

fn across_venues(a: &(SymbolId, SymbolSpec), b: &(SymbolId, SymbolSpec)) -> Vec<Cycle> {
    let same = a.1.base == b.1.base && a.1.quote == b.1.quote && a.1.venue != b.1.venue;
    let Some(lot) = common_multiple(a.1.lot, b.1.lot).filter(|_| same) else { return Vec::new() };
    let step = |symbol: SymbolId, side: Side| Step { symbol, side, lot };
    let round = |buy: SymbolId, sell: SymbolId| Cycle { steps: vec![step(buy, Side::Buy), step(sell, Side::Sell)] };
    vec![round(a.0, b.0), round(b.0, a.0)]
}

fn common_multiple(a: Qty, b: Qty) -> Option<Qty> {
    let (mut x, mut y) = (a.0, b.0);
    while y > 0 {
        (x, y) = (y, x % y);
    }
    (x > 0).then(|| (a.0 / x).checked_mul(b.0).map(Qty)).flatten()
}

fn triangles(symbols: [&(SymbolId, SymbolSpec); 3]) -> Vec<Cycle> {
    let specs = symbols.map(|(_, spec)| spec);
    if specs.iter().any(|spec| spec.venue != specs[0].venue) {
        return Vec::new();
    }
    // Home is what two of them are quoted in; where every currency is quoted once, that of the first.
    let quoted_twice = specs.iter().find(|s| specs.iter().filter(|t| t.quote == s.quote).count() == 2);
    let home = quoted_twice.map_or(&specs[0].quote, |s| &s.quote);
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    orders.into_iter().filter_map(|order| walk(order.map(|i| symbols[i]), home)).collect()
}

/// The cycle through these symbols in this order, if it starts and ends at home.
fn walk(symbols: [&(SymbolId, SymbolSpec); 3], home: &str) -> Option<Cycle> {
    let (mut held, mut steps) = (home, Vec::with_capacity(symbols.len()));
    for (symbol, spec) in symbols {
        let side = if spec.quote == held {
            Side::Buy
        } else if spec.base == held {
            Side::Sell
        } else {
            return None;
        };
        held = if side == Side::Buy { &spec.base } else { &spec.quote };
        if held == home && steps.len() < 2 {
            return None;
        }
        steps.push(Step { symbol: *symbol, side, lot: spec.lot });
    }
    (held == home).then_some(Cycle { steps })
}

impl Cycle {
    pub(super) fn contains(&self, symbol: SymbolId) -> bool {
        self.steps.iter().any(|step| step.symbol == symbol)
    }

    /// The largest round that pays, or `None`. `offers` are those of the steps, in order.
    pub(super) fn plan(&self, offers: &[Offer], terms: &Terms) -> Option<Plan> {
        let costs_bps = terms.taker_fee_bps * self.steps.len() as f64 + terms.latency_buffer_bps;
        let required_bps = terms.min_edge_bps + costs_bps;
        let home = self.largest_start(offers, terms, required_bps)?;
        let (mut held, mut start, mut legs) = (home, 0, Vec::with_capacity(offers.len()));
        for (step, offer) in self.steps.iter().zip(offers) {
            let price = i128::from(offer.price.0);
            let wanted = if step.side == Side::Buy { held * UNIT / price } else { held };
            let qty = Qty(i64::try_from(wanted).ok()?).round_down(step.lot);
            if qty <= Qty::ZERO || qty > offer.qty {
                return None;
            }
            let (base, quote) = (i128::from(qty.0), price * i128::from(qty.0) / UNIT);
            let (given, got) = if step.side == Side::Buy { (quote, base) } else { (base, quote) };
            if legs.is_empty() {
                start = given;
            }
            held = got;
            legs.push((offer.price, qty));
        }
        // Whole lots leave something behind on the way; only what comes home counts.
        let gross_bps = (held - start) as f64 / start as f64 * BPS;
        (gross_bps >= required_bps).then_some(Plan { legs, edge_bps: gross_bps - costs_bps })
    }

    /// The most of the home currency that budget, offers and inventories allow, in units of 1e-8; `None` when the
    /// prices do not leave enough.
    fn largest_start(&self, offers: &[Offer], terms: &Terms, required_bps: f64) -> Option<i128> {
        let mut start = terms.budget.to_f64();
        let mut held = 1.0;
        for (step, offer) in self.steps.iter().zip(offers) {
            let price = offer.price.to_f64();
            // Base of this step that one unit of home becomes.
            let base = if step.side == Side::Buy { held / price } else { held };
            let room = terms.inventory_cap.to_f64() * base - step.side.sign() as f64 * offer.position.to_f64();
            start = start.min(offer.qty.to_f64() / base).min(room / base);
            held = if step.side == Side::Buy { base } else { held * price };
        }
        let pays = (held - 1.0) * BPS >= required_bps;
        (pays && start > 0.0).then(|| Qty::from_f64(start).ok().map(|s| i128::from(s.0))).flatten()
    }
}

#[cfg(test)]
#[path = "cycle_tests.rs"]
mod tests;
