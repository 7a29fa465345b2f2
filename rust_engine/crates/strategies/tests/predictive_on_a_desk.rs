//! Predictions, prices, fills and refusals in any order, on the desk that works the entries: a position never exceeds
//! its entry, is covered by its stops, and every prediction is answered once.

#![allow(clippy::unwrap_used)]

use execution::{Desk, Instruction};
use model::message::{Prediction, Recommendation};
use model::params::PredictiveParams;
use model::{
    Action, Actions, Bar, CancelReason, Costs, Driver, Event, Fill, Liquidity, Money, OrderId, OrderRequest,
    OrderUpdate, ParentOrder, PredictionView, Price, Purpose, Qty, Side, SymbolId, SymbolSpec, Ts,
};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};
use strategies::predictive::Predictive;
use strategies::{Market, Strategy as _};

const SECOND: i64 = 1_000_000_000;
const A: SymbolId = SymbolId(0);

/// What the venue does next.
#[derive(Clone, Debug)]
enum Step {
    Predict { up: bool, horizon_s: u64, how: u8, late: bool },
    Close { after_s: i64, ticks: i32 },
    FillOne { which: usize, whole: bool },
    Refuse { which: usize },
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => (any::<bool>(), 10_u64..900, 0_u8..6, prop::bool::weighted(0.1))
            .prop_map(|(up, horizon_s, how, late)| Step::Predict { up, horizon_s, how, late }),
        4 => (1_i64..120, -200_i32..200).prop_map(|(after_s, ticks)| Step::Close { after_s, ticks }),
        6 => (0_usize..8, any::<bool>()).prop_map(|(which, whole)| Step::FillOne { which, whole }),
        1 => (0_usize..8).prop_map(|which| Step::Refuse { which }),
        1 => Just(Step::Sweep),
    ]
}

struct World {
    predictive: Predictive,
    desk: Desk<()>,
    orders: Vec<OrderRequest>,
    ended: VecDeque<OrderUpdate>,
    parents: Vec<ParentOrder>,
    position: i64,
    now: i64,
    close: f64,
    ids: u64,
    predictions: u64,
    answers: BTreeMap<u64, u32>,
}

impl World {
    fn new() -> Self {
        let price = Price::from_f64(0.01).unwrap();
        let market = Market {
            symbols: vec![(A, SymbolSpec::new("A", price, Qty::from_f64(0.001).unwrap()))],
            capital: Money::from_f64(10_000.0).unwrap(),
            driver: Driver::Bars,
            costs: Costs::default(),
            rules: None,
        };
        let mut world = Self {
            predictive: Predictive::new(PredictiveParams::default(), &market),
            desk: Desk::new(false),
            orders: Vec::new(),
            ended: VecDeque::new(),
            parents: Vec::new(),
            position: 0,
            now: 0,
            close: 100.0,
            ids: 0,
            predictions: 0,
            answers: BTreeMap::new(),
        };
        world.close_bar(60, 0);
        world
    }

    fn named(&mut self, order: OrderRequest) -> OrderRequest {
        self.ids += 1;
        OrderRequest { id: OrderId(self.ids), decided_at: Ts(self.now), ..order }
    }

    fn tell(&mut self, event: Event<'_>) {
        let mut actions = Actions::default();
        self.predictive.on_event(event, &mut actions);
        for action in actions.as_slice() {
            self.act(action);
        }
    }

    fn act(&mut self, action: &Action) {
        let mut out = Vec::new();
        match action {
            Action::Submit(order) => {
                let order = self.named(*order);
                self.orders.push(order);
            }
            Action::Execute(parent) => {
                let parent = ParentOrder { order: self.named(parent.order), ..*parent };
                self.parents.push(parent);
                let (lot, tick) = (Qty::from_f64(0.001).unwrap(), Price::from_f64(0.01).unwrap());
                self.desk.start(parent, (), lot, tick, Ts(self.now), &mut out).unwrap();
            }
            Action::StopExecution(id) => {
                self.desk.stop_where(|p| *id == OrderId(0) || p.order.id == *id, Ts(self.now), &mut out);
            }
            Action::CancelAll(_) => self.cancel(|_| true),
            Action::Feedback(view) => *self.answers.entry(view.number).or_default() += 1,
            other => panic!("{other:?} is not expected"),
        }
        self.carry_out(out);
    }

    fn cancel(&mut self, wanted: impl Fn(&OrderRequest) -> bool) {
        let (out, stays) = self.orders.iter().partition::<Vec<OrderRequest>, _>(|o| wanted(o));
        self.orders = stays;
        self.ended.extend(out.into_iter().map(|order| OrderUpdate { order, reason: CancelReason::Requested }));
    }

    fn carry_out(&mut self, out: Vec<Instruction<()>>) {
        for instruction in out {
            match instruction {
                Instruction::Send(child) => {
                    let order = self.named(child.order);
                    self.orders.push(order);
                }
                Instruction::CancelChildren(parent) => self.cancel(|o| o.parent == parent),
                Instruction::Finished(worked) => self.tell(Event::Worked(&worked)),
            }
        }
    }

    /// Tells of every order that ended, until nothing more ends.
    fn settle(&mut self) {
        while let Some(update) = self.ended.pop_front() {
            let mut out = Vec::new();
            self.desk.on_ended(&update, Ts(self.now), &mut out);
            self.tell(Event::OrderUpdate(&update));
            self.carry_out(out);
        }
    }

    fn close_bar(&mut self, after_s: i64, ticks: i32) {
        let (opened_at, price) = (Ts(self.now), |v: f64| Price::from_f64(v).unwrap());
        self.now += after_s * SECOND;
        self.close = (self.close + f64::from(ticks) * 0.01).max(50.0);
        let close = price(self.close);
        let volume = Qty::from_f64(3.0).unwrap();
        let bar =
            Bar { symbol: A, opened_at, closed_at: Ts(self.now), open: close, high: close, low: close, close, volume };
        let mut out = Vec::new();
        self.desk.on_bar(&bar, &mut out);
        self.carry_out(out);
        self.settle();
        self.tell(Event::Bar(&bar));
        self.settle();
    }

    fn predict(&mut self, up: bool, horizon_s: u64, how: u8, late: bool) {
        let sign = if up { 1.0 } else { -1.0 };
        let how = [
            Recommendation::Immediate,
            Recommendation::Twap,
            Recommendation::Vwap,
            Recommendation::Pov,
            Recommendation::Iceberg,
            Recommendation::AlmgrenChriss,
        ][usize::from(how)];
        self.predictions += 1;
        let at_ns = self.now - if late { 31 * SECOND } else { 0 };
        let prediction = Prediction {
            prediction_id: self.predictions.to_string(),
            at_ns,
            symbol: "A".into(),
            direction: sign,
            confidence: 0.7,
            expected_move_bps: 30.0 * sign,
            horizon_ms: horizon_s * 1000,
            expected_volatility_bps: Some(40.0),
            regime: None,
            recommended_strategy: how,
            strategy_params: BTreeMap::new(),
            expires_at_ns: at_ns + 60 * SECOND,
            model: String::new(),
            model_sha256: String::new(),
            feature_schema: String::new(),
            reasons: Vec::new(),
        };
        let view = PredictionView { symbol: A, at: Ts(self.now), number: self.predictions, prediction: &prediction };
        self.tell(Event::Prediction(view));
        self.settle();
    }

    fn fill_one(&mut self, which: usize, whole: bool) {
        if self.orders.is_empty() {
            return;
        }
        let i = which % self.orders.len();
        let mut order = self.orders[i];
        if order.reduce_only {
            let room = (-self.position * order.side.sign()).max(0);
            if room == 0 {
                self.orders.remove(i);
                self.ended.push_back(OrderUpdate { order, reason: CancelReason::NothingToReduce });
                return self.settle();
            }
            order.qty = order.qty.min(Qty(room));
        }
        let part = if whole || order.parent == OrderId(0) { order.qty } else { Qty((order.qty.0 / 2).max(1)) };
        if part == order.qty {
            self.orders.remove(i);
        } else {
            // The rest of a child is filled as an order of its own size: what the desk sees is the sum.
            self.orders[i].qty -= part;
        }
        self.position += order.side.sign() * part.0;
        let original = OrderRequest { qty: if part == order.qty { order.qty } else { Qty(i64::MAX) }, ..order };
        let price = Price::from_f64(self.close).unwrap();
        let fill = Fill {
            order: original,
            at: Ts(self.now),
            price,
            qty: part,
            base_fee: Qty::ZERO,
            fee: Money::ZERO,
            slippage: Money::ZERO,
            arrival_price: price,
            half_spread: Price::ZERO,
            liquidity: Liquidity::Taker,
        };
        self.tell(Event::Fill(&fill));
        let mut out = Vec::new();
        self.desk.on_fill(&fill, &mut out);
        self.carry_out(out);
        self.settle();
    }

    fn refuse(&mut self, which: usize) {
        let candidates: Vec<usize> =
            (0..self.orders.len()).filter(|i| self.orders[*i].purpose != Purpose::StopLoss).collect();
        if let Some(i) = candidates.get(which % candidates.len().max(1)) {
            let order = self.orders.remove(*i);
            self.ended.push_back(OrderUpdate { order, reason: CancelReason::RateLimited });
            self.settle();
        }
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let largest = self.parents.iter().map(|p| p.order.qty.0).max().unwrap_or(0);
        prop_assert!(self.position.abs() <= largest, "{} is more than {}", self.position, largest);
        let protects = |o: &&OrderRequest| o.purpose == Purpose::StopLoss && o.side == against(self.position);
        let covered: i64 = self.orders.iter().filter(protects).map(|o| o.qty.0).sum();
        prop_assert!(covered >= self.position.abs(), "{} of {} is covered", covered, self.position);
        prop_assert!(self.answers.values().all(|n| *n == 1), "{:?}", self.answers);
        Ok(())
    }
}

fn against(position: i64) -> Side {
    if position > 0 { Side::Sell } else { Side::Buy }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn positions_are_bounded_and_covered_and_every_prediction_is_answered_once(
        steps in proptest::collection::vec(step(), 1..80),
    ) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Predict { up, horizon_s, how, late } => world.predict(up, horizon_s, how, late),
                Step::Close { after_s, ticks } => world.close_bar(after_s, ticks),
                Step::FillOne { which, whole } => world.fill_one(which, whole),
                Step::Refuse { which } => world.refuse(which),
                Step::Sweep => {
                    world.cancel(|o| o.purpose == Purpose::StopLoss);
                    world.settle();
                }
            }
            world.check()?;
        }
        // Every horizon passes, everything on its way is answered.
        for _ in 0..40 {
            world.close_bar(120, 0);
            while let Some(i) = world.orders.iter().position(|o| o.purpose != Purpose::StopLoss) {
                world.fill_one(i, true);
            }
            world.check()?;
        }
        prop_assert_eq!((world.position, world.orders.len()), (0, 0), "{:?}", world.orders);
        prop_assert_eq!(world.answers.len() as u64, world.predictions, "{:?}", world.answers);
    }
}
