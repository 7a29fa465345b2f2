//! A worker in the test's own process, on `tcp://`: it listens, takes what comes and says what it is told to.

mod backlog;
mod repeats;

use bridge::{Event, Now, Pulse, Secret, Session};
use model::TradingState;
use model::message::Message;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Silence after which a test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Worker {
    listener: TcpListener,
    stream: Option<TcpStream>,
    session: Session,
    n_links: u64,
    /// Messages of the engine by number, in the order in which they were delivered.
    pub heard: Vec<(u64, Message)>,
}

pub fn now_ns() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

fn now() -> Now {
    Now { at_ns: now_ns(), shared_ns: None }
}

impl Worker {
    /// One that knows the secret of [`crate::engine_process::Home`] and has no link yet.
    pub fn listen() -> Self {
        let secret = Secret::new(crate::engine_process::SECRET.as_bytes()).unwrap();
        Self {
            listener: TcpListener::bind(("127.0.0.1", 0)).unwrap(),
            stream: None,
            session: Session::worker(secret, "epoch-1".to_owned()),
            n_links: 0,
            heard: Vec::new(),
        }
    }

    pub fn url(&self) -> String {
        format!("tcp://{}", self.listener.local_addr().unwrap())
    }

    pub fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Forgets the link it had and takes the engine's dials, until a link is up: the first ones may be of one that was killed.
    pub fn take_link(&mut self) {
        self.session.close();
        while !self.session.is_up() {
            let (stream, _) = self.listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            self.stream = Some(stream);
            self.n_links += 1;
            let challenge = self.session.open(format!("{:032x}", self.n_links)).unwrap().unwrap();
            let mut greeted = self.write(&challenge);
            while greeted.is_ok() && !self.session.is_up() {
                greeted = self.hear();
            }
        }
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let stream = self.stream.as_mut().unwrap();
        stream.write_all(&u32::try_from(frame.len()).unwrap().to_be_bytes())?;
        stream.write_all(frame)
    }

    /// Reads one frame and takes what it brings.
    fn hear(&mut self) -> io::Result<()> {
        let stream = self.stream.as_mut().unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame)?;
        let mut events = Vec::new();
        self.session.receive(&frame, now(), &mut events).unwrap();
        for event in events {
            match event {
                Event::Greeted(_) => {
                    let welcome = self.session.welcome().unwrap();
                    self.write(&welcome)?;
                }
                Event::Message { seq, message } => self.heard.push((seq, message)),
                other => panic!("{other:?}"),
            }
        }
        // What was heard is as durable as this process.
        let last = self.heard.last().map_or(0, |(seq, _)| *seq);
        self.session.confirm(last);
        Ok(())
    }

    /// Sends whatever is due.
    pub fn say(&mut self) {
        let pulse = Pulse { reached_ns: 0, state: TradingState::Active };
        while let Some(frame) = self.session.transmit(now(), pulse).unwrap() {
            self.write(&frame).unwrap();
        }
    }

    /// Talks with the engine until `is_done`.
    pub fn talk_until(&mut self, is_done: impl Fn(&mut Self) -> bool) {
        self.say();
        while !is_done(self) {
            self.hear().unwrap();
            self.say();
        }
    }
}
