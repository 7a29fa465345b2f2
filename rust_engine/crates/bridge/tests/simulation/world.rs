//! Two sides, their disks, and the wire between them.

use crate::side::Side;
use bridge::session::{Event, MOST_HELD};
use bridge::{About, Counts, FrameError, Now, Pulse, Secret, Session, SessionError, Style};
use model::TradingState;
use model::config::{BridgeCompression, BridgeEncoding};
use model::message::{Message, Prediction};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashSet};

const PULSE: Pulse = Pulse { reached_ns: 0, state: TradingState::Active };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    Engine,
    Worker,
}

pub struct World {
    pub rng: ChaCha8Rng,
    kills: bool,
    pub now_ns: i64,
    pub engine: Side,
    pub worker: Side,
    style: Style,
    pub n_links: u64,
    n_epochs: u64,
    n_signals: u64,
    /// Signals that took effect in the engine's present life.
    taken: HashSet<String>,
    last_taken: BTreeMap<u64, u64>,
    pub counts: Counts,
}

fn secret() -> Secret {
    Secret::new(b"0123456789abcdef0123456789abcdef").unwrap()
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let encoding = if rng.random() { BridgeEncoding::Json } else { BridgeEncoding::Msgpack };
        let compression = if rng.random() { BridgeCompression::None } else { BridgeCompression::Zlib };
        let style = Style { encoding, compression };
        let (engine, worker) = (Session::engine(secret(), style), Session::worker(secret(), "epoch-0".to_owned()));
        // Every other engine keeps its messages elsewhere, and few in its session.
        let most_kept = (!seed.is_multiple_of(2)).then_some(1 + seed as usize % 7);
        Self {
            rng,
            kills: !seed.is_multiple_of(4),
            now_ns: 1_000_000_000_000,
            engine: Side::new(engine).keeping(most_kept),
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

    pub fn now(&self) -> Now {
        Now { at_ns: self.now_ns, shared_ns: None }
    }

    pub fn side(&mut self, who: Who) -> &mut Side {
        match who {
            Who::Engine => &mut self.engine,
            Who::Worker => &mut self.worker,
        }
    }

    pub fn other(who: Who) -> Who {
        if who == Who::Engine { Who::Worker } else { Who::Engine }
    }

    pub fn connect(&mut self) {
        self.cut();
        self.n_links += 1;
        let n = self.n_links;
        self.engine.session.open(format!("engine-{n}")).unwrap();
        let challenge = self.worker.session.open(format!("worker-{n}")).unwrap().unwrap();
        self.engine.inbound.push_back(challenge);
    }

    pub fn cut(&mut self) {
        for side in [&mut self.engine, &mut self.worker] {
            side.session.close();
            side.inbound.clear();
        }
    }

    pub fn transmit(&mut self, who: Who) {
        let now = self.now();
        self.side(who).hand_back();
        while let Some(frame) = self.side(who).session.transmit(now, PULSE).unwrap() {
            self.side(Self::other(who)).inbound.push_back(frame);
            self.side(who).hand_back();
        }
    }

    /// Lets one frame arrive; a refused one ends the link.
    pub fn deliver(&mut self, who: Who) {
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
    pub fn refusal_is_the_wires(&self, received: &Result<(), SessionError>) -> bool {
        match received {
            Ok(()) => true,
            Err(SessionError::Frame(FrameError::Signature(_) | FrameError::TooShort(_))) => false,
            Err(SessionError::Down | SessionError::Unexpected(_)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn apply(&mut self, who: Who, event: Event) -> bool {
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

    pub fn take_signal(&mut self, p: &Prediction) {
        assert!(self.taken.insert(p.prediction_id.clone()), "{} took effect twice", p.prediction_id);
        let (epoch, n) = p.prediction_id.split_once('/').unwrap();
        let (epoch, n) = (epoch.parse::<u64>().unwrap(), n.parse::<u64>().unwrap());
        let last = self.last_taken.insert(epoch, n).unwrap_or(0);
        assert!(last < n, "signal {n} after {last}");
        assert!(self.now_ns <= p.expires_at_ns && self.now_ns - p.at_ns <= 30_000_000_000);
    }

    pub fn offer(&mut self) {
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

    pub fn kill(&mut self, who: Who) {
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
    pub fn garble(&mut self, who: Who) {
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

    pub fn step(&mut self, n: usize) {
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
    pub fn settle(&mut self) {
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

    pub fn check(&self, seed: u64) {
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
