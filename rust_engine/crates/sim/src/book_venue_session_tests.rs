//! Random sessions at the book venue: what holds in every one of them.

use super::*;
use proptest::prelude::*;

/// One step of a random session.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Send(bool, i64, i64, u8),
    Cancel(u64),
    Level(bool, i64, i64),
    Print(bool, i64, i64),
}

fn turn() -> impl Strategy<Value = Turn> {
    let tick = 95_i64..106;
    prop_oneof![
        3 => (any::<bool>(), tick.clone(), 1_i64..6, 0_u8..5).prop_map(|(b, t, q, k)| Turn::Send(b, t, q, k)),
        1 => (0_u64..40).prop_map(Turn::Cancel),
        4 => (any::<bool>(), tick.clone(), 0_i64..12).prop_map(|(b, t, q)| Turn::Level(b, t, q)),
        2 => (any::<bool>(), tick, 1_i64..12).prop_map(|(b, t, q)| Turn::Print(b, t, q)),
    ]
}

const fn side_of(is_buy: bool) -> Side {
    if is_buy { Side::Buy } else { Side::Sell }
}

/// What each order has left by what was told, checked against what `resting` says after every step.
#[derive(Default)]
struct Book {
    left: std::collections::BTreeMap<u64, (OrderRequest, i64, Ts)>,
}

impl Book {
    fn hear(&mut self, outcome: &VenueOutcome<u64>) -> Result<(), TestCaseError> {
        match outcome {
            VenueOutcome::Fill { order, qty, price, liquidity, exch_at, remaining, at, .. } => {
                let (sent, left, sent_at) = self.left.get_mut(&order.id.0).unwrap();
                prop_assert_eq!(&*sent, order);
                *left -= qty.0;
                prop_assert!(qty.0 > 0 && *left >= 0, "filled more than was sent");
                prop_assert_eq!(remaining.0, *left);
                prop_assert!(*exch_at >= sent_at.plus_ns(10_000), "filled before it arrived");
                prop_assert!(*at >= exch_at.plus_ns(5_000), "told before the answer came");
                if let OrderKind::Limit { price: limit } = order.kind {
                    prop_assert!((price.0 - limit.0) * order.side.sign() <= 0, "worse than its limit");
                }
                if *liquidity == Liquidity::Maker {
                    self.check_priority(order)?;
                }
            }
            VenueOutcome::Ended { order, .. } => {
                prop_assert!(self.left.get(&order.id.0).unwrap().1 > 0, "ended after it was filled");
                self.left.remove(&order.id.0);
            }
        }
        self.left.retain(|_, (_, left, _)| *left > 0);
        Ok(())
    }

    /// No order of ours that had arrived by then stands at a better price, or earlier at the same one.
    fn check_priority(&self, filled: &OrderRequest) -> Result<(), TestCaseError> {
        let Some(price) = filled.named_price() else { return Ok(()) };
        for (id, (order, left, _)) in &self.left {
            if let OrderKind::Limit { price: other } = order.kind
                && order.side == filled.side
                && *left > 0
            {
                let ahead = (other.0 - price.0) * filled.side.sign();
                prop_assert!(
                    *id >= filled.id.0 || ahead < 0 || order.tif == TimeInForce::Ioc,
                    "{} filled through {}",
                    filled.id.0,
                    id
                );
            }
        }
        Ok(())
    }

    fn open(&self) -> (Qty, Qty) {
        let sum = |side| self.left.values().filter(|o| o.0.side == side).map(|o| o.1).sum();
        (Qty(sum(Side::Buy)), Qty(sum(Side::Sell)))
    }
}

fn play(turns: &[Turn], config: &VenueConfig, restarts: bool) -> Result<Vec<VenueOutcome<u64>>, TestCaseError> {
    let mut world = World::new(config);
    let mut book = Book::default();
    let mut all = Vec::new();
    for (n, turn) in turns.iter().enumerate() {
        let now = us(1_000 + 7 * n as i64);
        let mut offered = None;
        match *turn {
            Turn::Send(is_buy, tick, lots, kind) => {
                let price = Price(tick * TICK);
                let (kind, tif) = match kind {
                    0 => (OrderKind::Market, TimeInForce::Gtc),
                    1 => (OrderKind::Limit { price }, TimeInForce::Ioc),
                    2 => (OrderKind::Limit { price }, TimeInForce::PostOnly),
                    3 => (OrderKind::Stop { trigger: price }, TimeInForce::Ioc),
                    _ => (OrderKind::Limit { price }, TimeInForce::Gtc),
                };
                world.send(n as u64, side_of(is_buy), kind, lots, tif, now);
                let order = world.venue.slots.iter().flatten().find(|o| o.order.id.0 == n as u64).unwrap().order;
                book.left.insert(n as u64, (order, order.qty.0, now));
            }
            Turn::Cancel(id) => world.venue.cancel(ME, OrderId(id), now),
            Turn::Level(is_bid, tick, lots) => world.level(side_of(is_bid), tick, lots, now),
            Turn::Print(is_buy, tick, lots) => {
                offered = Some((now.plus_ns(-5_000), lots * LOT));
                world.print(side_of(is_buy), tick, lots, now);
            }
        }
        if n + 1 == turns.len() {
            world.venue.on_time(us(1_000_000), &mut world.out);
        }
        let makers_at = |at: Ts| {
            let of = |o: &VenueOutcome<u64>| match o {
                VenueOutcome::Fill { qty, exch_at, liquidity: Liquidity::Maker, .. } if *exch_at == at => qty.0,
                _ => 0,
            };
            world.out.iter().map(of).sum::<i64>()
        };
        if let Some((made_at, qty)) = offered {
            prop_assert!(makers_at(made_at) <= qty, "our fills exceed the print");
        }
        for outcome in world.out.drain(..) {
            book.hear(&outcome)?;
            all.push(outcome);
        }
        prop_assert_eq!(world.venue.resting(ME, A), book.open());
        prop_assert_eq!(world.venue.len(), book.left.len());
        if restarts && n % 5 == 4 {
            let text = serde_json::to_string(&world.venue).unwrap();
            world.venue = serde_json::from_str(&text).unwrap();
        }
    }
    Ok(all)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn quantity_is_conserved_and_priority_kept_in_any_session(
        turns in prop::collection::vec(turn(), 1..120),
        cubic in any::<bool>(),
        reject_rate in prop_oneof![Just(0.0), 0.0..=1.0],
        reject_seed in any::<u64>(),
    ) {
        let queue = if cubic { QueueModel::ProbPower { power: 3.0 } } else { QueueModel::RiskAverse };
        let config = VenueConfig { queue, reject_rate, reject_seed, ..config() };
        let straight = play(&turns, &config, false)?;
        prop_assert_eq!(straight, play(&turns, &config, true)?, "writing the state down changes nothing");
    }
}
