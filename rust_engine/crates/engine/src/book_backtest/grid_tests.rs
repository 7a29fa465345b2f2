use super::super::{BookColumns, BookFacts, BookFill, BookRequest, LEVEL, SNAPSHOT, TRADE, run};
use super::*;
use model::{BookTop, CancelReason, Costs, Fill, Liquidity, Money, OrderUpdate, VenueConfig, VenueModel};
use proptest::prelude::*;

const TICK: i64 = 100;
const LOT: i64 = 10;
const A: SymbolId = SymbolId(0);
const SPEC: GridSpec = GridSpec {
    qty_lots: 2,
    layers: 2,
    half_spread_ticks: 2,
    interval_ticks: 1,
    skew_half_ticks: 3,
    cap_quotes: 4,
    settle_ns: 50,
};

fn symbol() -> SymbolSpec {
    SymbolSpec::new("A", Price(TICK), Qty(LOT))
}

fn grid(spec: GridSpec) -> BookGrid {
    BookGrid::new(spec, &symbol()).unwrap()
}

/// Ticks that a grid with this inventory, in lots, wants on each side, best first.
fn wanted(spec: GridSpec, lots: i64, bid: i64, ask: i64) -> [Vec<i64>; 2] {
    let mut grid = grid(spec);
    grid.position = Qty(lots * LOT);
    grid.wanted(bid, ask).map(|side| (0..side.layers).map(|layer| side.tick(layer)).collect())
}

#[test]
fn a_flat_grid_stands_around_the_middle() {
    // The middle is 101.5: bids two ticks below it, rounded down, asks two ticks above it, rounded up.
    assert_eq!(wanted(SPEC, 0, 100, 103), [vec![99, 98], vec![104, 105]]);
    assert_eq!(wanted(SPEC, 0, 100, 102), [vec![99, 98], vec![103, 104]]);
    // Never better than what stands.
    assert_eq!(wanted(GridSpec { half_spread_ticks: 0, ..SPEC }, 0, 100, 110), [vec![100, 99], vec![110, 111]]);
    // On a coarse grid the first bid is the next multiple below, the first ask the next above.
    assert_eq!(wanted(GridSpec { interval_ticks: 10, ..SPEC }, 0, 100, 103), [vec![90, 80], vec![110, 120]]);
}

#[test]
fn inventory_moves_the_centre_against_itself() {
    // Two quotes long: the centre falls by three ticks to 98.5, but no ask goes below the best.
    assert_eq!(wanted(SPEC, 4, 100, 103), [vec![96, 95], vec![103, 104]]);
    assert_eq!(wanted(SPEC, -4, 100, 103), [vec![100, 99], vec![107, 108]]);
    // Part of a quote does not count, on either side.
    assert_eq!(wanted(SPEC, 1, 100, 103), wanted(SPEC, 0, 100, 103));
    assert_eq!(wanted(SPEC, -1, 100, 103), wanted(SPEC, 0, 100, 103));
}

#[test]
fn at_the_cap_one_side_is_empty() {
    assert_eq!(wanted(SPEC, 7, 100, 103).map(|side| side.len()), [2, 2]);
    assert_eq!(wanted(SPEC, 8, 100, 103).map(|side| side.len()), [0, 2]);
    assert_eq!(wanted(SPEC, 9, 100, 103).map(|side| side.len()), [0, 2]);
    assert_eq!(wanted(SPEC, -8, 100, 103).map(|side| side.len()), [2, 0]);
}

#[test]
fn numbers_that_cannot_be_quoted_are_refused() {
    let bad = [
        GridSpec { qty_lots: 0, ..SPEC },
        GridSpec { qty_lots: i64::MAX, ..SPEC },
        GridSpec { layers: 0, ..SPEC },
        GridSpec { layers: 65, ..SPEC },
        GridSpec { half_spread_ticks: -1, ..SPEC },
        GridSpec { interval_ticks: 0, ..SPEC },
        GridSpec { skew_half_ticks: -1, ..SPEC },
        GridSpec { cap_quotes: 0, ..SPEC },
        GridSpec { settle_ns: -1, ..SPEC },
    ];
    assert!(bad.into_iter().all(|spec| BookGrid::new(spec, &symbol()).is_none()));
    assert!(BookGrid::new(SPEC, &SymbolSpec::new("A", Price::ZERO, Qty(LOT))).is_none());
}

/// What the grid asks for when it sees these best prices at this time: side, tick, whether it is a cancel.
fn asked(grid: &mut BookGrid, at: i64, bid: i64, ask: i64) -> Vec<(Side, i64, bool)> {
    let mut top = BookTop { symbol: A, at: Ts(at), bids: Default::default(), asks: Default::default() };
    (top.bids[0], top.asks[0]) = ((Price(bid * TICK), Qty(LOT)), (Price(ask * TICK), Qty(LOT)));
    let mut actions = Actions::default();
    grid.on_event(Event::Book(&top), &mut actions);
    let told = |action: &Action| match action {
        Action::Submit(order) => {
            assert_eq!((order.qty, order.tif, order.purpose), (Qty(2 * LOT), TimeInForce::PostOnly, Purpose::Quote));
            (order.side, order.named_price().unwrap().0 / TICK, false)
        }
        Action::CancelAt(named) => (named.side, named.price.0 / TICK, true),
        other => panic!("{other:?}"),
    };
    actions.as_slice().iter().map(told).collect()
}

#[test]
fn what_stands_at_its_price_stays_and_the_rest_is_cancelled_once_it_is_settled() {
    let one_layer = GridSpec { layers: 1, ..SPEC };
    let mut grid = grid(one_layer);
    assert_eq!(asked(&mut grid, 0, 100, 103), [(Side::Buy, 99, false), (Side::Sell, 104, false)]);
    assert_eq!(asked(&mut grid, 10, 100, 103), []);
    // One tick up: new quotes at once, the old ones are left alone until they must have arrived.
    assert_eq!(asked(&mut grid, 49, 101, 104), [(Side::Buy, 100, false), (Side::Sell, 105, false)]);
    assert_eq!(asked(&mut grid, 50, 101, 104), [(Side::Buy, 99, true), (Side::Sell, 104, true)]);
    assert_eq!(asked(&mut grid, 200, 101, 104), [], "a cancel is sent once");
    // A crossed side without orders is no market.
    let mut top = BookTop { symbol: A, at: Ts(300), bids: Default::default(), asks: Default::default() };
    top.asks[0] = (Price(200 * TICK), Qty(LOT));
    let mut actions = Actions::default();
    grid.on_event(Event::Book(&top), &mut actions);
    assert!(actions.is_empty());
}

#[test]
fn a_quote_is_replaced_when_it_is_gone_and_not_while_part_of_it_is_left() {
    let mut grid = grid(GridSpec { layers: 1, ..SPEC });
    asked(&mut grid, 0, 100, 103);
    let limit = |tick: i64| OrderKind::Limit { price: Price(tick * TICK) };
    let order = OrderRequest { kind: limit(99), ..OrderRequest::market(A, Side::Buy, Qty(2 * LOT), Price(TICK)) };
    let mut actions = Actions::default();
    let fill = Fill::free(order, Ts(5), Price(99 * TICK), Qty(LOT), Liquidity::Maker);
    grid.on_event(Event::Fill(&fill), &mut actions);
    assert_eq!(asked(&mut grid, 6, 100, 103), [], "half of it still rests");
    grid.on_event(Event::Fill(&fill), &mut actions);
    assert_eq!(grid.position, Qty(2 * LOT));
    // Long one quote: the centre is 100, so the next bid stands at 98 and the ask at the best; the old ask goes later.
    assert_eq!(asked(&mut grid, 7, 100, 103), [(Side::Buy, 98, false), (Side::Sell, 103, false)]);
    let refused = OrderRequest { kind: limit(103), side: Side::Sell, ..order };
    let update = OrderUpdate { order: refused, reason: CancelReason::Refused };
    grid.on_event(Event::OrderUpdate(&update), &mut actions);
    assert_eq!(asked(&mut grid, 8, 100, 103), [(Side::Sell, 103, false)], "what was refused is asked for again");
}

/// Rows: time, kind, side, tick, lots.
type Rows = Vec<(i64, u8, i8, i64, i64)>;

fn play(rows: &Rows, spec: GridSpec) -> BookFacts {
    let column = |f: fn(&(i64, u8, i8, i64, i64)) -> i64| rows.iter().map(f).collect::<Vec<_>>();
    let (at_ns, price, qty) = (column(|r| r.0), column(|r| r.3 * TICK), column(|r| r.4 * LOT));
    let kind: Vec<u8> = rows.iter().map(|row| row.1).collect();
    let side: Vec<i8> = rows.iter().map(|row| row.2).collect();
    let columns =
        BookColumns { at_ns: &at_ns, exch_at_ns: &at_ns, kind: &kind, side: &side, price_e8: &price, qty_e8: &qty };
    let venue = VenueConfig { model: VenueModel::Book, order_latency_us: 1, ..VenueConfig::default() };
    let symbol = symbol();
    let request = BookRequest { symbol: &symbol, costs: Costs::default(), venue: &venue };
    run(&request, &columns.checked().unwrap(), &mut grid(spec)).unwrap()
}

fn opening() -> Rows {
    vec![(0, SNAPSHOT, 1, 100, 50), (0, SNAPSHOT, -1, 103, 50)]
}

#[test]
fn a_print_through_a_quote_fills_it_as_maker() {
    let mut rows = opening();
    // The bid at 99 stands since 1 us; a seller prints five lots below it, of which two are ours at our price.
    rows.extend([(20_000, TRADE, -1, 97, 5), (40_000, LEVEL, 1, 90, 1)]);
    let facts = play(&rows, GridSpec { layers: 1, settle_ns: 10_000, ..SPEC });
    let [fill] = &facts.fills[..] else { panic!("{facts:?}") };
    let told = (fill.fill.order.side, fill.fill.price, fill.fill.qty, fill.fill.liquidity);
    assert_eq!(told, (Side::Buy, Price(99 * TICK), Qty(2 * LOT), Liquidity::Maker));
    assert_eq!((facts.position, facts.n_events, facts.n_refused), (Qty(2 * LOT), 3, 0));
    assert_eq!(facts.cash, Money::ZERO - fill.fill.price * fill.fill.qty - fill.fill.fee);
    assert_eq!(facts.fees, fill.fill.fee);
}

/// Levels around 100 and prints through them, never crossed: bids at 95 to 100, asks at 103 to 108.
fn any_rows() -> impl Strategy<Value = Rows> {
    let level = (any::<bool>(), 0..6_i64, 0..9_i64).prop_map(|(is_bid, depth, lots)| {
        if is_bid { (LEVEL, 1, 100 - depth, lots) } else { (LEVEL, -1, 103 + depth, lots) }
    });
    let print = (any::<bool>(), 0..10_i64, 1..9_i64).prop_map(|(is_sell, depth, lots)| {
        if is_sell { (TRADE, -1, 101 - depth, lots) } else { (TRADE, 1, 102 + depth, lots) }
    });
    prop::collection::vec((1..3_000_i64, prop_oneof![level, print]), 1..120).prop_map(|steps| {
        let mut at = 0;
        let row = |(gap, (kind, side, tick, lots)): (i64, (u8, i8, i64, i64))| {
            at += gap;
            (at, kind, side, tick, lots)
        };
        opening().into_iter().chain(steps.into_iter().map(row).collect::<Vec<_>>()).collect()
    })
}

proptest! {
    #[test]
    fn wanted_prices_mirror_and_never_better_the_market(bid in 10..500_i64, spread in 1..40_i64, lots in -20..20_i64, interval in 1..7_i64) {
        let (spec, ask) = (GridSpec { interval_ticks: interval, cap_quotes: 100, ..SPEC }, bid + spread);
        let [bids, asks] = wanted(spec, lots, bid, ask);
        prop_assert!(bids.iter().all(|tick| *tick <= bid && tick % interval == 0));
        prop_assert!(asks.iter().all(|tick| *tick >= ask && tick % interval == 0));
        let [mirrored_bids, mirrored_asks] = wanted(spec, -lots, -ask, -bid);
        prop_assert_eq!(bids, mirrored_asks.iter().map(|tick| -tick).collect::<Vec<_>>());
        prop_assert_eq!(asks, mirrored_bids.iter().map(|tick| -tick).collect::<Vec<_>>());
    }

    #[test]
    fn cash_and_position_are_what_the_fills_say(rows in any_rows(), cap in 1..4_i64) {
        let spec = GridSpec { cap_quotes: cap, settle_ns: 2_500, ..SPEC };
        let facts = play(&rows, spec);
        let (mut position, mut cash, mut fees) = (0, Money::ZERO, Money::ZERO);
        let known_at = |at: Ts| {
            let known = facts.fills.iter().filter(|known| known.fill.at <= at);
            known.map(|known| known.fill.order.side.sign() * known.fill.qty.0).sum::<i64>()
        };
        for BookFill { fill, .. } in &facts.fills {
            let signed = Qty(fill.order.side.sign() * fill.qty.0);
            position += signed.0;
            cash = cash - fill.price * signed - fill.fee;
            fees += fill.fee;
            prop_assert!(fill.qty.0 > 0 && fill.qty.0 <= 2 * LOT && fill.qty.0 % LOT == 0);
            let named = fill.order.named_price().unwrap();
            let inventory = known_at(fill.order.decided_at) / (2 * LOT) * fill.order.side.sign();
            prop_assert!(inventory < cap, "nothing more is asked for at the cap");
            prop_assert!((named.0 - fill.price.0) * fill.order.side.sign() >= 0, "never worse than asked");
        }
        prop_assert_eq!((facts.position, facts.cash, facts.fees), (Qty(position), cash, fees));
        prop_assert_eq!(&facts, &play(&rows, spec), "the same events give the same facts");
        prop_assert!(facts.n_ended <= facts.n_orders);
    }
}
