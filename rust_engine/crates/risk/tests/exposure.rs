//! A small market with two instances, two symbols and moving prices: whatever is sent, filled, cancelled or repriced in whatever
//! order, no order takes the account over a limit, and reductions always pass.
#![allow(clippy::unwrap_used)]

use model::{
    InstanceId, Mode, Money, OrderId, OrderKind, OrderRequest, Price, Qty, RiskLimits, Side, SymbolId, SymbolSpec,
    TradingState, Ts,
};
use proptest::prelude::*;
use risk::{Exposure, RiskGate, Rule, worst_position};

const ONE: i64 = model::fixed::SCALE;
const N: usize = 2;

/// Positions and open orders of every instance, and prices.
struct World {
    prices: [Price; N],
    positions: [[Qty; N]; N],
    open: Vec<OrderRequest>,
}

impl Exposure for World {
    fn last_price(&self, symbol: SymbolId) -> Price {
        self.prices[symbol.index()]
    }
    fn position(&self, instance: InstanceId, symbol: SymbolId) -> Qty {
        self.positions[instance.index()][symbol.index()]
    }
    fn resting(&self, instance: InstanceId, symbol: SymbolId) -> (Qty, Qty) {
        let of = |side| {
            let mine =
                |o: &&OrderRequest| o.instance == instance && o.symbol == symbol && o.side == side && !o.reduce_only;
            Qty(self.open.iter().filter(mine).map(|o| o.qty.0).sum())
        };
        (of(Side::Buy), of(Side::Sell))
    }
    fn gross_elsewhere(&self, instance: InstanceId, symbol: SymbolId) -> Money {
        let here = self.worst(instance.index(), symbol.index());
        self.gross() - here
    }
}

impl World {
    fn worst(&self, instance: usize, symbol: usize) -> Money {
        let (instance, id) = (InstanceId(instance as u16), SymbolId(symbol as u16));
        let (buys, sells) = self.resting(instance, id);
        self.prices[symbol] * worst_position(self.position(instance, id), buys, sells)
    }

    fn gross(&self) -> Money {
        (0..N * N).map(|k| self.worst(k / N, k % N)).fold(Money::ZERO, |sum, x| sum + x)
    }

    /// The account's worst case is within the limits, or it has not grown since `before`.
    fn is_within(&self, limits: &RiskLimits, before: &World) -> bool {
        let positions = (0..N * N).all(|k| {
            let (now, then) = (self.worst(k / N, k % N), before.worst(k / N, k % N));
            now <= limits.max_position_notional || now <= then
        });
        positions && (self.gross() <= limits.max_gross_notional || self.gross() <= before.gross())
    }

    fn copy(&self) -> World {
        World { prices: self.prices, positions: self.positions, open: self.open.clone() }
    }

    /// Fills `tenths` of the `n`th open order; a reduction is shrunk to what is left of the position, as a venue does.
    fn fill(&mut self, n: usize, tenths: i64) {
        if self.open.is_empty() {
            return;
        }
        let n = n % self.open.len();
        let order = self.open[n];
        let part = Qty((order.qty.0 * tenths / 10).max(1));
        let position = &mut self.positions[order.instance.index()][order.symbol.index()];
        let reducible = (-order.side.sign() * position.0).max(0);
        let qty = if order.reduce_only { part.0.min(reducible) } else { part.0 };
        position.0 += order.side.sign() * qty;
        self.open[n].qty.0 -= part.0;
        if self.open[n].qty.0 <= 0 {
            self.open.remove(n);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(Wish),
    Together(Vec<Wish>),
    Fill(usize, i64),
    Cancel(usize),
    Price(usize, i64),
}

#[derive(Clone, Debug)]
struct Wish {
    instance: u16,
    symbol: u16,
    is_buy: bool,
    reduce_only: bool,
    tenths: i64,
    /// Distance of the limit price from the last, in percent; a market order at zero.
    away: i64,
}

impl Wish {
    fn order(&self, world: &World, id: u64) -> OrderRequest {
        let symbol = SymbolId(self.symbol);
        let last = world.last_price(symbol);
        let price = Price(last.0 + last.0 / 100 * self.away).round_down(Price(ONE / 100));
        OrderRequest {
            id: OrderId(id),
            instance: InstanceId(self.instance),
            kind: if self.away == 0 { OrderKind::Market } else { OrderKind::Limit { price } },
            reduce_only: self.reduce_only,
            ..OrderRequest::market(
                symbol,
                if self.is_buy { Side::Buy } else { Side::Sell },
                Qty(self.tenths * ONE / 10),
                last,
            )
        }
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    (0_u16..2, 0_u16..2, any::<bool>(), prop::bool::weighted(0.3), 1_i64..60, -6_i64..7).prop_map(
        |(instance, symbol, is_buy, reduce_only, tenths, away)| Wish {
            instance,
            symbol,
            is_buy,
            reduce_only,
            tenths,
            away,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => wish().prop_map(Step::Send),
        1 => proptest::collection::vec(wish(), 2..4).prop_map(Step::Together),
        2 => (any::<usize>(), 1_i64..11).prop_map(|(n, tenths)| Step::Fill(n, tenths)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => (0_usize..2, 50_i64..200).prop_map(|(symbol, price)| Step::Price(symbol, price)),
    ]
}

fn limits() -> RiskLimits {
    let money = |usd: f64| Money::from_f64(usd).unwrap();
    RiskLimits::basic(money(500.0), money(1_000.0), money(1_800.0), 500.0)
}

fn gate(limits: &RiskLimits) -> RiskGate {
    let symbols = ["AAA", "BBB"].map(|name| SymbolSpec::new(name, Price(ONE / 100), Qty(ONE / 10)));
    RiskGate::new(Some(limits.clone()), &symbols).unwrap().with_modes(&[Mode::Live, Mode::Canary])
}

proptest! {
    #[test]
    fn no_order_of_events_takes_the_account_over_a_limit(steps in proptest::collection::vec(step(), 1..120)) {
        let limits = limits();
        let mut gate = gate(&limits);
        let mut world = World { prices: [Price(100 * ONE); N], positions: [[Qty::ZERO; N]; N], open: Vec::new() };
        for (n, step) in steps.into_iter().enumerate() {
            let (at, before) = (Ts(n as i64), world.copy());
            match step {
                Step::Send(wish) => {
                    let order = wish.order(&world, n as u64);
                    let answer = gate.approve(order, at, &world);
                    prop_assert!(answer.is_ok() || !order.reduce_only, "a reduction was refused");
                    if answer.is_ok() {
                        world.open.push(order);
                    }
                }
                Step::Together(wishes) => {
                    let orders: Vec<_> = wishes.iter().map(|w| w.order(&world, n as u64)).collect();
                    match gate.approve_all(&orders, at, &world) {
                        Ok(approved) => world.open.extend(approved.iter().map(|a| *a.get())),
                        Err((i, refused)) => prop_assert_eq!(refused.order, orders[i]),
                    }
                }
                Step::Fill(k, tenths) => world.fill(k, tenths),
                Step::Cancel(k) => {
                    if !world.open.is_empty() {
                        world.open.remove(k % world.open.len());
                    }
                }
                // A price may take a position over a limit; that is not an order's doing.
                Step::Price(symbol, price) => {
                    world.prices[symbol] = Price(price * ONE);
                    continue;
                }
            }
            prop_assert!(world.is_within(&limits, &before), "{:?}", world.open);
        }
    }

    #[test]
    fn a_group_passes_exactly_when_its_orders_would_pass_one_after_the_other(
        wishes in proptest::collection::vec(wish(), 1..6),
        most in 1_u32..6,
    ) {
        let limits = RiskLimits {
            max_messages_per_s: Some(most),
            max_repeats: Some(2),
            duplicate_window_ms: Some(100),
            ..limits()
        };
        let (mut together, mut alone) = (gate(&limits), gate(&limits));
        let mut world = World { prices: [Price(100 * ONE); N], positions: [[Qty::ZERO; N]; N], open: Vec::new() };
        let orders: Vec<_> = wishes.iter().map(|w| w.order(&world, 1)).collect();
        let answer = together.approve_all(&orders, Ts(0), &world).map(|all| all.len());
        let mut expected: Result<usize, (usize, Rule)> = Ok(orders.len());
        for (i, order) in orders.iter().enumerate() {
            match alone.approve(*order, Ts(0), &world) {
                Ok(approved) => world.open.push(approved.into_inner()),
                Err(refused) => {
                    expected = Err((i, refused.rule));
                    break;
                }
            }
        }
        prop_assert_eq!(answer.map_err(|(i, refused)| (i, refused.rule)), expected);
    }

    #[test]
    fn the_account_sends_no_more_openings_a_second_than_allowed(
        gaps_ms in proptest::collection::vec((0_i64..600, any::<bool>()), 1..80)
    ) {
        let limits = RiskLimits { max_messages_per_s: Some(4), ..limits() };
        let mut gate = gate(&limits);
        let world = World { prices: [Price(100 * ONE); N], positions: [[Qty::ZERO; N]; N], open: Vec::new() };
        let wish = Wish { instance: 0, symbol: 0, is_buy: true, reduce_only: false, tenths: 1, away: 0 };
        let (mut at, mut messages, mut openings) = (0, Vec::new(), Vec::new());
        for (gap_ms, cancels) in gaps_ms {
            at += gap_ms * Ts::MS;
            if cancels {
                gate.cancels_sent(InstanceId(0), 1, Ts(at));
                messages.push(at);
            } else {
                let within = messages.iter().filter(|t| at - **t < 1_000 * Ts::MS).count();
                let passed = gate.approve(wish.order(&world, 1), Ts(at), &world).is_ok();
                prop_assert_eq!(passed, within < 4);
                if passed {
                    messages.push(at);
                    openings.push(at);
                }
            }
        }
        for start in &openings {
            prop_assert!(openings.iter().filter(|t| (0..1_000 * Ts::MS).contains(&(**t - start))).count() <= 4);
        }
        prop_assert_eq!(gate.state(), TradingState::Active);
    }
}
