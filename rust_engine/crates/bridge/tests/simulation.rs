//! Two sessions over a wire that partitions, reorders, repeats, cuts and garbles, between sides that are killed and come back
//! with what their disks held. A thousand seeds; each must end with every message delivered once and in order, and every signal
//! accounted for.

// The lint's exception for tests covers functions marked as tests, not what they share.
#![allow(clippy::unwrap_used)]

use bridge::session::{Event, MOST_HELD, SignalRefused};
use bridge::{About, Counts, FrameError, Now, Pulse, Secret, Session, SessionError, Style};
use model::TradingState;
use model::config::{BridgeCompression, BridgeEncoding};
use model::message::{AdvanceTo, Message, Prediction};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashSet, VecDeque};

const SEEDS: u64 = 1000;
const STEPS: usize = 220;
const PULSE: Pulse = Pulse { reached_ns: 0, state: TradingState::Active };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Engine,
    Worker,
}

/// One process: a session in memory, and what its disk holds.
struct Side {
    session: Session,
    made: Vec<i64>,
    received: Vec<i64>,
    /// Delivered, on no disk yet.
    pending: Vec<(u64, i64)>,
    /// What the disk knows of the peer's acknowledgements, which may be old.
    noted_acked: usize,
    inbound: VecDeque<Vec<u8>>,
}

impl Side {
    fn new(session: Session) -> Self {
        let (made, received, pending) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, made, received, pending, noted_acked: 0, inbound: VecDeque::new() }
    }

    fn make(&mut self, n: i64) {
        self.made.push(n);
        self.session.enqueue(Message::AdvanceTo(AdvanceTo { to_ns: n }));
    }

    fn commit(&mut self) {
        for (seq, n) in self.pending.drain(..) {
            assert_eq!(seq, self.received.len() as u64 + 1);
            self.received.push(n);
        }
        self.session.confirm(self.received.len() as u64);
    }

    /// kill -9 and a new start: memory is gone, the disk makes the messages again that it does not know to be acknowledged.
    fn restart(&mut self, session: Session) {
        self.session = session;
        self.pending.clear();
        self.session.restore(self.received.len() as u64, self.noted_acked as u64);
        for n in &self.made[self.noted_acked..] {
            self.session.enqueue(Message::AdvanceTo(AdvanceTo { to_ns: *n }));
        }
    }
}

struct World {
    rng: ChaCha8Rng,
    kills: bool,
    now_ns: i64,
    engine: Side,
    worker: Side,
    style: Style,
    n_links: u64,
    n_epochs: u64,
    n_signals: u64,
    /// Signals that took effect in the engine's present life.
    taken: HashSet<String>,
    last_taken: BTreeMap<u64, u64>,
    counts: Counts,
}

fn secret() -> Secret {
    Secret::new(b"0123456789abcdef0123456789abcdef").unwrap()
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let encoding = if rng.random() { BridgeEncoding::Json } else { BridgeEncoding::Msgpack };
        let compression = if rng.random() { BridgeCompression::None } else { BridgeCompression::Zlib };
        let style = Style { encoding, compression };
        let (engine, worker) = (Session::engine(secret(), style), Session::worker(secret(), "epoch-0".to_owned()));
        Self {
            rng,
            kills: !seed.is_multiple_of(4),
            now_ns: 1_000_000_000_000,
            engine: Side::new(engine),
            worker: Side::new(worker),
            style,
            n_links: 0,
            n_epochs: 0,
            n_signals: 0,
            taken: HashSet::new(),
            last_taken: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    fn now(&self) -> Now {
        Now { at_ns: self.now_ns, shared_ns: None }
    }

    fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Engine => &mut self.engine,
            Who::Worker => &mut self.worker,
        }
    }

    fn other(who: Who) -> Who {
        if who == Who::Engine { Who::Worker } else { Who::Engine }
    }

    fn connect(&mut self) {
        self.cut();
        self.n_links += 1;
        let n = self.n_links;
        self.engine.session.open(format!("engine-{n}")).unwrap();
        let challenge = self.worker.session.open(format!("worker-{n}")).unwrap().unwrap();
        self.engine.inbound.push_back(challenge);
    }

    fn cut(&mut self) {
        for side in [&mut self.engine, &mut self.worker] {
            side.session.close();
            side.inbound.clear();
        }
    }

    fn transmit(&mut self, who: Who) {
        let now = self.now();
        while let Some(frame) = self.side(who).session.transmit(now, PULSE).unwrap() {
            self.side(Self::other(who)).inbound.push_back(frame);
        }
    }

    /// Lets one frame arrive; a refused one ends the link.
    fn deliver(&mut self, who: Who) {
        let now = self.now();
        let Some(frame) = self.side(who).inbound.pop_front() else { return };
        let mut events = Vec::new();
        let received = self.side(who).session.receive(&frame, now, &mut events);
        let mut is_sound = self.refusal_is_the_wires(&received);
        for event in events {
            is_sound &= self.apply(who, event);
        }
        if !is_sound {
            self.cut();
        }
    }

    /// Only what the wire did may end a link: two sound sides never break a rule against each other.
    fn refusal_is_the_wires(&self, received: &Result<(), SessionError>) -> bool {
        match received {
            Ok(()) => true,
            Err(SessionError::Frame(FrameError::Signature(_) | FrameError::TooShort(_))) => false,
            Err(SessionError::Down | SessionError::Unexpected(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    fn apply(&mut self, who: Who, event: Event) -> bool {
        let answer = match event {
            Event::Challenged => {
                let about = About { engine_id: "e".to_owned(), build: "b".to_owned(), instances: vec![], pulse: PULSE };
                self.engine.session.greet(&about)
            }
            Event::Greeted(_) => self.worker.session.welcome(),
            Event::Opened => return true,
            Event::Message { seq, message: Message::AdvanceTo(m) } => {
                self.side(who).pending.push((seq, m.to_ns));
                return true;
            }
            Event::Signal(Message::Prediction(p)) => {
                self.take_signal(&p);
                return true;
            }
            other => panic!("{other:?}"),
        };
        self.side(Self::other(who)).inbound.push_back(answer.unwrap());
        true
    }

    fn take_signal(&mut self, p: &Prediction) {
        assert!(self.taken.insert(p.prediction_id.clone()), "{} took effect twice", p.prediction_id);
        let (epoch, n) = p.prediction_id.split_once('/').unwrap();
        let (epoch, n) = (epoch.parse::<u64>().unwrap(), n.parse::<u64>().unwrap());
        let last = self.last_taken.insert(epoch, n).unwrap_or(0);
        assert!(last < n, "signal {n} after {last}");
        assert!(self.now_ns <= p.expires_at_ns && self.now_ns - p.at_ns <= 30_000_000_000);
    }

    fn offer(&mut self) {
        self.n_signals += 1;
        let ttl_ms: i64 = self.rng.random_range(1..4000);
        let prediction = Prediction {
            prediction_id: format!("{}/{}", self.n_epochs, self.n_signals),
            at_ns: self.now_ns,
            symbol: format!("S{}", self.rng.random_range(0..6)),
            direction: 0.5,
            confidence: 0.6,
            expected_move_bps: 1.0,
            horizon_ms: 60_000,
            expected_volatility_bps: None,
            regime: None,
            recommended_strategy: Default::default(),
            strategy_params: BTreeMap::new(),
            expires_at_ns: self.now_ns + ttl_ms * 1_000_000,
            model: "m".to_owned(),
            model_sha256: String::new(),
            feature_schema: String::new(),
            reasons: Vec::new(),
        };
        let now = self.now();
        self.worker.session.offer(Message::Prediction(prediction), now).unwrap();
        let out = self.worker.session.signals_out();
        assert!(out.held <= MOST_HELD && out.slots <= 2 * out.held + 4 + (out.made - out.acked) as usize);
    }

    fn kill(&mut self, who: Who) {
        self.cut();
        match who {
            Who::Engine => {
                self.taken.clear();
                self.last_taken.clear();
                self.engine.restart(Session::engine(secret(), self.style));
            }
            Who::Worker => {
                self.n_epochs += 1;
                self.worker.restart(Session::worker(secret(), format!("epoch-{}", self.n_epochs)));
            }
        }
    }

    /// One thing that a wire does to frames under way.
    fn garble(&mut self, who: Who) {
        let (what, at, bit) =
            (self.rng.random_range(0..5), self.rng.random_range(0..1 << 20), self.rng.random_range(0..8));
        let queue = &mut self.side(who).inbound;
        let n = queue.len();
        if n == 0 {
            return;
        }
        let (i, j) = (at % n, (at / 7) % n);
        match what {
            0 => drop(queue.remove(i)),
            1 => queue.swap(i, j),
            2 => queue.push_back(queue[i].clone()),
            3 => {
                let length = queue[i].len();
                queue[i].truncate(at % length);
            }
            _ => {
                let length = queue[i].len();
                queue[i][at % length] ^= 1 << bit;
            }
        }
    }

    fn step(&mut self, n: usize) {
        self.now_ns += self.rng.random_range(0..200_000_000);
        let who = if self.rng.random() { Who::Engine } else { Who::Worker };
        match self.rng.next_u32() % 100 {
            0..20 => self.side(who).make(n as i64),
            20..38 => self.offer(),
            38..58 => self.transmit(who),
            58..86 => self.deliver(who),
            86..92 => self.side(who).commit(),
            92..94 => {
                let acked = self.side(who).session.acked_seq() as usize;
                self.side(who).noted_acked = acked;
            }
            94..96 => self.garble(who),
            96 => self.cut(),
            97..99 => self.connect(),
            _ if self.kills => self.kill(who),
            _ => self.connect(),
        }
    }

    /// The wire is sound again and nobody dies: everything must arrive.
    fn settle(&mut self) {
        self.connect();
        for _ in 0..40 {
            self.now_ns += 1_000_000;
            for who in [Who::Engine, Who::Worker] {
                while !self.side(who).inbound.is_empty() {
                    self.deliver(who);
                }
                self.side(who).commit();
                self.transmit(who);
            }
        }
        self.counts = self.engine.session.monitor().counts;
    }

    fn check(&self, seed: u64) {
        assert_eq!(self.engine.received, self.worker.made, "seed {seed}: to the engine");
        assert_eq!(self.worker.received, self.engine.made, "seed {seed}: to the worker");
        assert_eq!(self.engine.session.acked_seq(), self.engine.made.len() as u64);
        assert_eq!(self.worker.session.n_waiting(), 0);
        let (out, c) = (self.worker.session.signals_out(), &self.counts);
        assert_eq!((out.held, out.slots, out.acked), (0, 0, out.made), "seed {seed}");
        assert_eq!(self.engine.session.signals_received(), out.made);
        assert_eq!(c.signals_stale + c.signals_future + c.signals_unreadable + c.messages_unreadable, 0);
        assert_eq!(c.signals_received, c.signals_delivered + c.signals_expired, "seed {seed}");
        if !self.kills {
            let accounted = c.signals_received + c.signals_expired_at_peer + c.signals_conflated_at_peer;
            assert_eq!(accounted, self.n_signals, "seed {seed}");
        }
    }
}

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
