use super::*;
use model::config::TradingState;
use model::message::AdvanceTo;
use proptest::prelude::*;

fn session() -> Session {
    Session::new(Secret::new(b"0123456789abcdef0123456789abcdef").unwrap())
}

fn message(n: i64) -> Message {
    Message::AdvanceTo(AdvanceTo { to_ns: n })
}

fn heartbeat() -> Heartbeat {
    Heartbeat { at_ns: 1, reached_ns: 0, state: TradingState::Active }
}

/// One side: a session in memory and what its disk holds.
struct Side {
    session: Session,
    made: Vec<i64>,
    received: Vec<i64>,
}

impl Side {
    fn new() -> Self {
        Self { session: session(), made: Vec::new(), received: Vec::new() }
    }

    fn make(&mut self, n: i64) {
        self.made.push(n);
        self.session.enqueue(&message(n)).unwrap();
    }

    /// A kill -9: memory is gone, the disk makes the messages again that it does not know to be acknowledged.
    fn restart(&mut self) {
        let acked = self.session.acked_seq();
        self.session = session();
        self.session.restore(self.received.len() as u64, acked / 2);
        for n in &self.made[(acked / 2) as usize..] {
            self.session.enqueue(&message(*n)).unwrap();
        }
    }

    /// Reads a frame; `false` when the link must be dropped.
    fn read(&mut self, text: &str) -> bool {
        match self.session.receive(text) {
            Ok(Received::Message { seq, message: Message::AdvanceTo(m) }) => {
                self.received.push(m.to_ns);
                self.session.confirm(seq);
                true
            }
            Ok(Received::Duplicate | Received::Heartbeat(_)) => true,
            Ok(other) => panic!("{other:?}"),
            Err(_) => false,
        }
    }

    fn write(&mut self) -> Option<String> {
        match self.session.transmit().unwrap() {
            Some(text) => Some(text),
            None if self.session.owes_ack() => Some(self.session.heartbeat(&heartbeat()).unwrap()),
            None => None,
        }
    }
}

fn connect(a: &mut Side, b: &mut Side) {
    a.session.link_up(b.session.durable_seq(), b.session.acked_seq() + 1).unwrap();
    b.session.link_up(a.session.durable_seq(), a.session.acked_seq() + 1).unwrap();
}

#[derive(Clone, Debug)]
enum Step {
    Make(bool),
    Deliver(bool),
    Drop(bool),
    Repeat(bool),
    Disconnect,
    Kill(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let side = any::<bool>();
    let step = prop_oneof![
        4 => side.prop_map(Step::Make),
        8 => side.prop_map(Step::Deliver),
        1 => side.prop_map(Step::Drop),
        1 => side.prop_map(Step::Repeat),
        1 => Just(Step::Disconnect),
        1 => side.prop_map(Step::Kill),
    ];
    proptest::collection::vec(step, 1..300)
}

fn play(steps: &[Step]) -> (Side, Side) {
    let (mut a, mut b) = (Side::new(), Side::new());
    connect(&mut a, &mut b);
    for (n, step) in steps.iter().enumerate() {
        let up = match step {
            Step::Make(first) => {
                if *first { &mut a } else { &mut b }.make(n as i64);
                true
            }
            Step::Deliver(first) | Step::Drop(first) | Step::Repeat(first) => {
                let (from, to) = if *first { (&mut a, &mut b) } else { (&mut b, &mut a) };
                from.write().is_none_or(|text| match step {
                    Step::Drop(_) => true,
                    Step::Repeat(_) => to.read(&text) && to.read(&text),
                    _ => to.read(&text),
                })
            }
            Step::Kill(first) => {
                if *first { &mut a } else { &mut b }.restart();
                false
            }
            Step::Disconnect => false,
        };
        if !up {
            a.session.link_down();
            b.session.link_down();
            connect(&mut a, &mut b);
        }
    }
    (a, b)
}

fn settle(a: &mut Side, b: &mut Side) {
    a.session.link_down();
    b.session.link_down();
    connect(a, b);
    loop {
        let (left, right) = (a.write(), b.write());
        if left.is_none() && right.is_none() {
            return;
        }
        assert!(left.is_none_or(|text| b.read(&text)) && right.is_none_or(|text| a.read(&text)));
    }
}

proptest! {
    #[test]
    fn a_lossy_link_and_dying_sides_deliver_everything_once_and_in_order(steps in steps()) {
        let (mut a, mut b) = play(&steps);
        settle(&mut a, &mut b);
        prop_assert_eq!(&a.received, &b.made);
        prop_assert_eq!(&b.received, &a.made);
        prop_assert_eq!(a.session.acked_seq(), a.made.len() as u64);
        prop_assert!(a.session.unacked.is_empty() && b.session.unacked.is_empty());
    }
}

#[test]
fn nothing_is_acknowledged_before_its_effect_is_durable() {
    let (mut a, mut b) = (session(), session());
    a.link_up(0, 1).unwrap();
    b.link_up(0, 1).unwrap();
    a.enqueue(&message(1)).unwrap();
    let text = a.transmit().unwrap().unwrap();
    b.receive(&text).unwrap();
    assert!(!b.owes_ack());
    a.receive(&b.heartbeat(&heartbeat()).unwrap()).unwrap();
    assert_eq!(a.acked_seq(), 0);
    b.confirm(1);
    assert!(b.owes_ack());
    a.receive(&b.heartbeat(&heartbeat()).unwrap()).unwrap();
    assert_eq!(a.acked_seq(), 1);
}

#[test]
fn a_peer_that_knows_more_than_was_ever_made_is_refused() {
    let error = session().link_up(1, 1).unwrap_err().to_string();
    assert!(error.contains("state was lost or swapped"), "{error}");
}

#[test]
fn a_peer_that_lost_what_it_acknowledged_is_refused() {
    let mut a = session();
    a.restore(0, 3);
    for n in 3..5 {
        a.enqueue(&message(n)).unwrap();
    }
    assert!(matches!(a.link_up(2, 1), Err(SessionError::PeerBehind { peer: 2, acked: 3 })));
    a.link_up(3, 1).unwrap();
    assert_eq!(a.unacked.front().map(|m| m.seq), Some(4));
}

#[test]
fn an_unreadable_message_is_named_and_does_not_block_the_next() {
    let mut a = session();
    a.link_up(0, 1).unwrap();
    let secret = Secret::new(b"0123456789abcdef0123456789abcdef").unwrap();
    let odd = secret.seal("advance_to", 1, 0, "{\"to_ns\":1,\"extra\":2}").unwrap();
    assert!(matches!(a.receive(&odd).unwrap(), Received::Unreadable { seq: 1, .. }));
    let unknown = secret.seal("dance", 2, 0, "{}").unwrap();
    assert!(matches!(a.receive(&unknown).unwrap(), Received::Unreadable { seq: 2, .. }));
    let good = secret.seal("advance_to", 3, 0, "{\"to_ns\":1}").unwrap();
    assert!(matches!(a.receive(&good).unwrap(), Received::Message { seq: 3, .. }));
}

#[test]
fn a_side_that_received_nothing_starts_where_the_peer_does_and_any_other_refuses_a_gap() {
    let (mut old, mut fresh) = (session(), session());
    for n in 0..7 {
        old.enqueue(&message(n)).unwrap();
    }
    old.restore(0, 5);
    fresh.link_up(0, old.acked_seq() + 1).unwrap();
    old.link_up(fresh.durable_seq(), 1).unwrap();
    let text = old.transmit().unwrap().unwrap();
    assert_eq!(fresh.receive(&text).unwrap(), Received::Message { seq: 6, message: message(5) });
    fresh.link_down();
    assert!(matches!(fresh.link_up(0, 8), Err(SessionError::Gap { expected: 7, got: 8 })));
}
