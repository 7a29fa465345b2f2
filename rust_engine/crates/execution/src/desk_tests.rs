use super::*;
use model::{Algorithm, CancelReason, Liquidity, Money, OrderKind, Side, TimeInForce};
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;
const LOT: Qty = Qty(10);

fn parent(algorithm: Algorithm, lots: i64, horizon_ns: i64) -> ParentOrder {
    let order =
        OrderRequest { id: OrderId(7), ..OrderRequest::market(SymbolId(0), Side::Buy, Qty(lots * 10), Price(100)) };
    ParentOrder { order, algorithm, horizon_ns, limit: None }
}

/// A desk with one parent, and everything it asked for so far.
struct Bench {
    desk: Desk<u8>,
    sent: Vec<OrderRequest>,
    cancels: usize,
    finished: Option<Worked>,
    next_id: u64,
}

impl Bench {
    fn start(parent: ParentOrder) -> Self {
        let mut bench = Self { desk: Desk::new(false), sent: Vec::new(), cancels: 0, finished: None, next_id: 100 };
        bench.call(|desk, out| desk.start(parent, 3, LOT, Price(1), Ts(0), out).unwrap());
        bench
    }

    fn call(&mut self, call: impl FnOnce(&mut Desk<u8>, &mut Vec<Instruction<u8>>)) {
        let mut out = Vec::new();
        call(&mut self.desk, &mut out);
        for instruction in out {
            match instruction {
                Instruction::Send(child) => {
                    assert_eq!((child.order.parent, child.tag), (OrderId(7), 3));
                    self.next_id += 1;
                    self.sent.push(OrderRequest { id: OrderId(self.next_id), ..child.order });
                }
                Instruction::CancelChildren(id) => {
                    assert_eq!(id, OrderId(7));
                    self.cancels += 1;
                }
                Instruction::Finished(worked) => assert!(self.finished.replace(worked).is_none(), "finished twice"),
            }
        }
    }

    fn last(&self) -> OrderRequest {
        *self.sent.last().unwrap()
    }

    fn fill(&mut self, qty: i64, at: i64) {
        let fill = Fill {
            order: self.last(),
            at: Ts(at),
            price: Price(100),
            qty: Qty(qty),
            base_fee: Qty::ZERO,
            fee: Money::ZERO,
            slippage: Money::ZERO,
            arrival_price: Price(100),
            half_spread: Price(1),
            liquidity: Liquidity::Taker,
        };
        self.call(|desk, out| desk.on_fill(&fill, out));
    }

    fn end(&mut self, reason: CancelReason, at: i64) {
        let update = OrderUpdate { order: self.last(), reason };
        self.call(|desk, out| desk.on_ended(&update, Ts(at), out));
    }

    fn time(&mut self, at: i64) {
        self.call(|desk, out| desk.on_time(Ts(at), out));
    }

    fn print(&mut self, qty: i64, at: i64) {
        let (at, side) = (Ts(at), Side::Sell);
        let trade = MarketTrade {
            symbol: SymbolId(0),
            at,
            exch_at: at,
            price: Price(100),
            qty: Qty(qty),
            aggressor: side,
            id: 0,
        };
        self.call(|desk, out| desk.on_trade(&trade, out));
    }

    fn filled(&self) -> i64 {
        self.finished.map_or(-1, |w| w.filled.0)
    }
}

fn sizes(bench: &Bench) -> Vec<i64> {
    bench.sent.iter().map(|o| o.qty.0).collect()
}

#[test]
fn an_immediate_parent_is_one_market_order() {
    let mut bench = Bench::start(parent(Algorithm::Immediate, 5, 60 * SECOND));
    assert_eq!((sizes(&bench), bench.last().kind), (vec![50], OrderKind::Market));
    bench.fill(50, 1);
    let worked = bench.finished.unwrap();
    assert_eq!((worked.filled, worked.notional, worked.shortfall.opportunity), (Qty(50), Money(5000), Money::ZERO));
    assert!(bench.desk.parents().next().is_none() && bench.desk.next_due().is_none());
}

#[test]
fn slices_go_out_when_they_are_due_and_the_clock_is_asked_for() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 4 }, 10, 4 * SECOND));
    let mut due = Vec::new();
    for _ in 0..4 {
        bench.fill(bench.last().qty.0, bench.desk.now.0);
        if let Some(at) = bench.desk.next_due() {
            due.push(at.0 / SECOND);
            bench.time(at.0);
        }
    }
    assert_eq!((sizes(&bench), due), (vec![30, 20, 30, 20], vec![1, 2, 3]));
    assert_eq!(bench.filled(), 100);
}

#[test]
fn a_late_clock_catches_up_with_one_child() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 4 }, 10, 4 * SECOND));
    bench.time(2 * SECOND);
    assert_eq!(sizes(&bench), [30], "no second child while the first is on its way");
    bench.fill(30, 2 * SECOND);
    assert_eq!(sizes(&bench), [30, 50]);
}

#[test]
fn the_rest_goes_as_one_last_child_when_time_is_over() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 4 }, 10, 4 * SECOND));
    bench.end(CancelReason::Refused, 0);
    bench.time(4 * SECOND);
    bench.fill(100, 4 * SECOND);
    assert_eq!((sizes(&bench), bench.filled()), (vec![30, 100], 100));
}

#[test]
fn a_limit_makes_children_immediate_and_what_it_forbids_stays_unfilled() {
    let order = ParentOrder { limit: Some(Price(90)), ..parent(Algorithm::Twap { slices: 2 }, 10, 2 * SECOND) };
    let mut bench = Bench::start(order);
    let child = bench.last();
    assert_eq!((child.kind, child.tif), (OrderKind::Limit { price: Price(90) }, TimeInForce::Ioc));
    bench.fill(20, 0);
    bench.end(CancelReason::Unfilled, 0);
    bench.time(SECOND);
    bench.end(CancelReason::Unfilled, SECOND);
    assert!(bench.finished.is_none());
    bench.time(2 * SECOND);
    bench.end(CancelReason::Unfilled, 2 * SECOND);
    assert_eq!((sizes(&bench), bench.filled()), (vec![50, 80, 80], 20));
}

#[test]
fn three_refusals_in_a_row_end_a_parent_and_a_fill_forgives_them() {
    let mut bench = Bench::start(parent(Algorithm::Immediate, 5, 0));
    for n in 0..2 {
        bench.end(CancelReason::RateLimited, n * SECOND);
        assert_eq!(bench.desk.next_due(), Some(Ts((n + 1) * SECOND)));
        bench.time((n + 1) * SECOND);
    }
    bench.fill(20, 2 * SECOND);
    for n in 2..5 {
        assert!(bench.finished.is_none());
        bench.end(CancelReason::Rejected, n * SECOND);
        bench.time((n + 1) * SECOND);
    }
    assert_eq!((bench.filled(), bench.sent.len()), (20, 5));
}

#[test]
fn a_veto_a_halt_or_an_operator_ends_the_parent_at_once() {
    for reason in [CancelReason::Vetoed, CancelReason::Halted, CancelReason::Requested, CancelReason::NothingToReduce] {
        let mut bench = Bench::start(parent(Algorithm::Twap { slices: 4 }, 10, 4 * SECOND));
        bench.end(reason, 0);
        assert_eq!(bench.filled(), 0, "{reason:?}");
    }
}

#[test]
fn a_child_that_the_advisor_shrank_leaves_its_rest_to_the_schedule() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 2 }, 10, 2 * SECOND));
    bench.sent[0].qty = Qty(20);
    bench.fill(20, 0);
    bench.time(SECOND);
    assert_eq!(sizes(&bench), [20, 30]);
    bench.fill(30, SECOND);
    assert_eq!(bench.last().qty, Qty(50));
}

#[test]
fn an_iceberg_shows_a_part_reloads_when_it_is_gone_and_never_crosses_its_price() {
    let mut bench = Bench::start(parent(Algorithm::Iceberg { display: Qty(20), price: Price(99) }, 5, 10 * SECOND));
    assert_eq!((bench.last().qty, bench.last().kind), (Qty(20), OrderKind::Limit { price: Price(99) }));
    bench.fill(10, 1);
    assert_eq!(bench.sent.len(), 1);
    bench.fill(10, 2);
    assert_eq!(sizes(&bench), [20, 20]);
    assert_eq!(bench.desk.next_due(), Some(Ts(10 * SECOND)));
    bench.time(10 * SECOND);
    assert_eq!((bench.cancels, bench.finished), (1, None), "it waits for the answer to its cancel");
    bench.fill(10, 10 * SECOND);
    bench.end(CancelReason::Requested, 10 * SECOND);
    assert_eq!((bench.filled(), bench.cancels), (30, 1));
}

#[test]
fn a_share_of_no_volume_is_nothing() {
    let mut bench = Bench::start(parent(Algorithm::Pov { rate_e4: 1000 }, 5, 10 * SECOND));
    bench.time(9 * SECOND);
    assert!(bench.sent.is_empty());
    bench.time(10 * SECOND);
    assert_eq!(bench.filled(), 0);
}

#[test]
fn candles_count_for_a_share_of_volume_only_until_prints_come() {
    let mut bench = Bench::start(parent(Algorithm::Pov { rate_e4: 5000 }, 100, 100 * SECOND));
    let price = Price(100);
    let bar = |from: i64| Bar {
        symbol: SymbolId(0),
        opened_at: Ts(from),
        closed_at: Ts(from + SECOND),
        open: price,
        high: price,
        low: price,
        close: price,
        volume: Qty(40),
    };
    bench.call(|desk, out| desk.on_bar(&bar(-SECOND), out));
    assert!(bench.sent.is_empty(), "volume before the start is not shared in");
    bench.call(|desk, out| desk.on_bar(&bar(0), out));
    assert_eq!(sizes(&bench), [40]);
    bench.fill(40, SECOND);
    bench.print(30, SECOND);
    bench.fill(30, SECOND);
    bench.call(|desk, out| desk.on_bar(&bar(SECOND), out));
    assert_eq!(sizes(&bench), [40, 30]);
}

#[test]
fn stopping_cancels_what_is_on_its_way_and_waits_for_it() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 4 }, 10, 4 * SECOND));
    bench.call(|desk, out| desk.stop(OrderId(7), Ts(1), out));
    bench.call(|desk, out| desk.stop_where(|p| p.order.symbol == SymbolId(0), Ts(1), out));
    assert_eq!((bench.cancels, bench.finished), (1, None));
    bench.end(CancelReason::Requested, 2);
    assert_eq!(bench.filled(), 0);
}

#[test]
fn a_parent_is_worked_once() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 4 }, 10, 4 * SECOND));
    let again = bench.desk.start(parent(Algorithm::Immediate, 1, 0), 3, LOT, Price(1), Ts(0), &mut Vec::new());
    assert_eq!(again, Err(StartError::Repeated(7)));
}

#[test]
fn what_was_missed_of_a_parent_is_priced_where_it_ended() {
    let mut bench = Bench::start(parent(Algorithm::Twap { slices: 2 }, 10, 2 * SECOND));
    bench.fill(50, 0);
    let at = Ts(SECOND);
    let quote =
        Quote { symbol: SymbolId(0), at, exch_at: at, bid: Price(108), bid_qty: LOT, ask: Price(112), ask_qty: LOT };
    bench.call(|desk, out| desk.on_quote(&quote, out));
    bench.end(CancelReason::Vetoed, SECOND);
    let split = bench.finished.unwrap().shortfall;
    assert_eq!((split.delay, split.spread, split.opportunity), (Money::ZERO, Money(50), Money(500)));
}

#[derive(Clone, Debug)]
enum Step {
    Fill(i64),
    End(CancelReason),
    Time(i64),
    Print(i64),
    Stop,
}

fn step() -> impl Strategy<Value = Step> {
    let reasons = vec![
        CancelReason::Unfilled,
        CancelReason::Refused,
        CancelReason::RateLimited,
        CancelReason::Stale,
        CancelReason::Requested,
    ];
    prop_oneof![
        6 => (1_i64..30).prop_map(Step::Fill),
        2 => prop::sample::select(reasons).prop_map(Step::End),
        6 => (0_i64..3 * SECOND).prop_map(Step::Time),
        4 => (1_i64..2000).prop_map(Step::Print),
        1 => Just(Step::Stop),
    ]
}

fn any_algorithm() -> impl Strategy<Value = Algorithm> {
    prop_oneof![
        Just(Algorithm::Immediate),
        (1_u16..40).prop_map(|slices| Algorithm::Twap { slices }),
        (1_u16..40).prop_map(|slices| Algorithm::Vwap { slices }),
        (1_u16..9_999).prop_map(|rate_e4| Algorithm::Pov { rate_e4 }),
        (1_i64..8).prop_map(|lots| Algorithm::Iceberg { display: Qty(lots * 10), price: Price(100) }),
        (1_u16..40).prop_map(|slices| Algorithm::AlmgrenChriss {
            slices,
            risk_aversion: 1e-3,
            temporary_impact: 1e-3,
            permanent_impact: 0.0,
            volatility: 1.0,
        }),
    ]
}

proptest! {
    #[test]
    fn nothing_is_ever_sent_twice_and_every_bound_holds_after_every_event(
        algorithm in any_algorithm(), lots in 1_i64..60, steps in proptest::collection::vec(step(), 1..120), own_in_prints in any::<bool>(),
    ) {
        let mut bench = Bench { desk: Desk::new(own_in_prints), sent: Vec::new(), cancels: 0, finished: None, next_id: 100 };
        let order = parent(algorithm, lots, 20 * SECOND);
        bench.call(|desk, out| desk.start(order, 3, LOT, Price(1), Ts(0), out).unwrap());
        let (mut now, mut own, mut market, mut open) = (0_i64, 0_i64, 0_i64, 0_i64);
        let mut answered = 0;
        for step in steps {
            // One child at a time: what is open is the newest, until it was answered.
            if bench.sent.len() > answered && open == 0 {
                open = bench.last().qty.0;
            }
            match step {
                Step::Fill(part) if open > 0 => {
                    let qty = part.min(open);
                    open -= qty;
                    own += qty;
                    market += if own_in_prints { qty } else { 0 };
                    answered += usize::from(open == 0);
                    if own_in_prints {
                        bench.print(qty, now);
                    }
                    bench.fill(qty, now);
                }
                Step::End(reason) if open > 0 => {
                    open = 0;
                    answered += 1;
                    bench.end(reason, now);
                }
                Step::Time(ns) => {
                    now += ns;
                    bench.time(now);
                }
                Step::Print(qty) => {
                    market += qty;
                    bench.print(qty, now);
                }
                Step::Stop => bench.call(|desk, out| desk.stop(OrderId(7), Ts(now), out)),
                _ => {}
            }
            prop_assert!(bench.sent.len() <= answered + 1, "two children on their way");
            let on_its_way = if bench.sent.len() > answered && open == 0 { bench.last().qty.0 } else { open };
            prop_assert!(own + on_its_way <= lots * 10, "more than the parent");
            prop_assert!(bench.sent.iter().all(|o| o.qty.0 > 0));
            if let Algorithm::Pov { rate_e4 } = algorithm {
                let total = market + if own_in_prints { 0 } else { own };
                prop_assert!(own * 10_000 <= total * i64::from(rate_e4) + 10 * 10_000, "{} of {}", own, total);
            }
            if let Algorithm::Iceberg { display, .. } = algorithm {
                prop_assert!(on_its_way <= display.0);
            }
            if let Some(worked) = bench.finished {
                prop_assert_eq!((worked.filled.0, on_its_way), (own, 0));
                break;
            }
        }
        let text = serde_json::to_string(&bench.desk).unwrap();
        prop_assert_eq!(serde_json::from_str::<Desk<u8>>(&text).unwrap(), bench.desk);
    }
}
