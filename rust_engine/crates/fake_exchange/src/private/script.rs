//! What goes wrong with requests and with the user stream.

use std::collections::BTreeMap;
use std::time::Duration;

/// One thing that goes wrong with one request about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFault {
    /// It is carried out and never answered.
    SilentAfter,
    /// It is lost on its way.
    SilentBefore,
    /// It is carried out, and a gateway answers 504.
    GatewayAfter,
    /// A gateway answers 504, and it is lost.
    GatewayBefore,
    /// It is carried out, and the connection breaks in the middle of the answer.
    CutAnswer,
    /// It arrives that much later.
    Delayed(Duration),
    /// Refused with 429 and this many seconds to wait.
    TooMany(u32),
    /// Refused with 418 and this many seconds to wait.
    Banned(u32),
    /// Refused for its time.
    BadTime,
    /// A question is answered as if the order did not exist yet; anything else is carried out.
    NotVisible,
}

/// One thing that goes wrong with one event of the user stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// It is sent twice.
    Twice,
    /// It is sent that much later, after what follows it.
    Late(Duration),
    /// The connection ends before it, so that it is never sent.
    CloseBefore,
    /// The connection ends after it.
    CloseAfter,
    /// A text that is no message is sent before it.
    Garbage,
}

/// All that goes wrong, by number of the request and of the event, both from zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// Requests about single orders.
    pub requests: BTreeMap<usize, RequestFault>,
    /// Events.
    pub events: BTreeMap<usize, StreamFault>,
    /// The exchange's clock minus the world's, in milliseconds.
    pub skew_ms: i64,
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same faults from the same seed on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }
}

impl Script {
    /// Faults with a quarter of the first `n` requests and a seventh of the first `n` events, and a clock that is wrong by up to
    /// a minute.
    #[must_use]
    pub fn random(seed: u64, n: usize) -> Self {
        let mut random = Random(seed);
        let mut script = Self { skew_ms: random.below(120_001) as i64 - 60_000, ..Self::default() };
        for number in 0..n {
            if random.below(4) == 0 {
                let fault = match random.below(10) {
                    0 => RequestFault::SilentAfter,
                    1 => RequestFault::SilentBefore,
                    2 => RequestFault::GatewayAfter,
                    3 => RequestFault::GatewayBefore,
                    4 => RequestFault::CutAnswer,
                    5 => RequestFault::Delayed(Duration::from_millis(random.below(8_000))),
                    6 => RequestFault::TooMany(1 + random.below(3) as u32),
                    7 => RequestFault::Banned(1 + random.below(5) as u32),
                    8 => RequestFault::BadTime,
                    _ => RequestFault::NotVisible,
                };
                script.requests.insert(number, fault);
            }
            if random.below(7) == 0 {
                let fault = match random.below(6) {
                    0 | 1 => StreamFault::Twice,
                    2 => StreamFault::Late(Duration::from_millis(random.below(3_000))),
                    3 => StreamFault::CloseBefore,
                    4 => StreamFault::CloseAfter,
                    _ => StreamFault::Garbage,
                };
                script.events.insert(number, fault);
            }
        }
        script
    }
}
