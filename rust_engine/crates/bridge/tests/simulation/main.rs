//! Two sessions over a wire that partitions, reorders, repeats, cuts and garbles, between sides that are killed and come back
//! with what their disks held. A thousand seeds; each must end with every message delivered once and in order, and every signal
//! accounted for.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

mod side;
mod world;

use bridge::Counts;
use bridge::session::{MOST_HELD, SignalRefused};
use model::message::{AdvanceTo, Message};
use world::{Who, World};

const SEEDS: u64 = 1000;
const STEPS: usize = 220;

#[test]
fn a_thousand_faulty_wires_lose_and_double_nothing() {
    let mut seen = Counts::default();
    let mut links = 0;
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        world.connect();
        for n in 0..STEPS {
            world.step(n);
        }
        world.settle();
        world.check(seed);
        links += world.n_links;
        seen.signals_delivered += world.counts.signals_delivered;
        seen.signals_expired += world.counts.signals_expired;
        seen.signals_expired_at_peer += world.counts.signals_expired_at_peer;
        seen.signals_conflated_at_peer += world.counts.signals_conflated_at_peer;
        seen.messages_sent_again += world.counts.messages_sent_again;
        seen.signals_sent_again += world.worker.session.monitor().counts.signals_sent_again;
        seen.frames_refused += world.counts.frames_refused;
    }
    // The simulation is worth something only if it met what it is about.
    assert!(links > 3 * SEEDS, "{links}");
    for (name, n) in seen.all() {
        let is_about = ["signals_delivered", "signals_expired", "signals_expired_at_peer", "signals_conflated_at_peer"];
        let repeats = ["messages_sent_again", "signals_sent_again", "frames_refused"];
        assert!(n > 100 || !(is_about.contains(&name) || repeats.contains(&name)), "{name}: {n}");
    }
}

#[test]
fn credit_is_never_exceeded_and_a_full_sender_refuses() {
    let mut world = World::new(0);
    for n in 0..5000 {
        world.engine.make(n);
    }
    world.connect();
    for _ in 0..6 {
        world.deliver(Who::Engine);
        world.deliver(Who::Worker);
    }
    for _ in 0..20 {
        world.transmit(Who::Worker);
        world.deliver(Who::Engine);
        world.transmit(Who::Engine);
        while !world.worker.inbound.is_empty() {
            world.deliver(Who::Worker);
        }
    }
    // Nothing was committed, so the window is all that may be under way.
    assert_eq!(world.worker.pending.len(), 1024);
    world.settle();
    assert_eq!(world.worker.received, world.engine.made);

    world.cut();
    let now = world.now();
    let mut opportunities = 0;
    let refused = loop {
        opportunities += 1;
        let opportunity = model::message::MevOpportunity {
            opportunity_id: opportunities.to_string(),
            kind: model::message::OpportunityKind::Arbitrage,
            chain_id: 1,
            block: 1,
            target_tx: None,
            pools: vec![],
            at_ns: world.now_ns,
            expires_at_ns: world.now_ns + 1,
            symbol: "S".to_owned(),
            liquidation: None,
        };
        if let Err(refused) = world.worker.session.offer(Message::MevOpportunity(opportunity), now) {
            break refused;
        }
    };
    assert_eq!((refused, opportunities), (SignalRefused::Full, MOST_HELD + 1));
    let advance = Message::AdvanceTo(AdvanceTo { to_ns: 1 });
    assert_eq!(world.worker.session.offer(advance, now), Err(SignalRefused::NoSignal));
}
