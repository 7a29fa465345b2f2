//! The task around the desk: carries its requests out and brings it the news.

use super::client::Client;
use super::desk::{Desk, Done, Job, Said};
use super::stream::Heard;
use crate::public::Clock;
use engine::external::VenueRequest;
use model::Ts;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What the engine asks of the task.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Say this to the exchange.
    Request(VenueRequest),
    /// Look at the account again.
    Recheck,
    /// Look at it once more after a while.
    OnceMore,
}

/// The task.
pub(super) struct Shell {
    pub(super) desk: Desk,
    pub(super) client: Arc<Client>,
    pub(super) wanted: mpsc::UnboundedReceiver<Wanted>,
    pub(super) heard: mpsc::Receiver<Heard>,
    pub(super) said: mpsc::UnboundedSender<Said>,
    pub(super) clock: Clock,
    pub(super) jobs: JoinSet<Done>,
    /// Ends with this task.
    pub(super) _stream: JoinSet<()>,
}

impl Shell {
    /// Runs until the engine lets go of it, or a part of it dies by a defect.
    pub(super) async fn run(mut self) {
        loop {
            for job in self.desk.next_jobs(self.now()) {
                self.jobs.spawn(carry_out(Arc::clone(&self.client), job));
            }
            for said in self.desk.drain() {
                if self.said.send(said).is_err() {
                    return;
                }
            }
            let wake = until(self.desk.next_due(), self.now());
            tokio::select! {
                biased;
                wanted = self.wanted.recv() => match wanted {
                    Some(Wanted::Request(request)) => self.desk.on_request(request, self.now()),
                    Some(Wanted::Recheck) => self.desk.recheck(self.now()),
                    Some(Wanted::OnceMore) => self.desk.look_once_more(self.now()),
                    None => return,
                },
                heard = self.heard.recv() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return self.despair("the task that reads the user stream died"),
                },
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => match done {
                    Ok(done) => self.desk.on_done(done, self.now()),
                    Err(error) => return self.despair(&format!("a request of the account died: {error}")),
                },
                () = wake => {}
            }
        }
    }

    /// The last word: what became of an order is not known any more, and only a new start asks about all of them.
    fn despair(&self, problem: &str) {
        self.said.send(Said::Problem(problem.to_owned())).ok();
    }

    fn now(&self) -> Ts {
        (self.clock)()
    }

    fn hear(&mut self, heard: Heard) {
        let now = self.now();
        match heard {
            Heard::Up => self.desk.on_stream_up(now),
            Heard::Execution(execution) => self.desk.on_execution(&execution, now),
            Heard::Algo(algo) => self.desk.on_algo(&algo, now),
            Heard::Unread(problem) => self.desk.on_unread(problem, now),
            Heard::Down(reason) => self.desk.on_stream_down(&reason),
        }
    }
}

async fn until(due: Option<Ts>, now: Ts) {
    match due {
        None => pending().await,
        // At least a little, so that a step that is due but waits for another cannot spin.
        Some(due) => sleep(Duration::from_nanos((due.0 - now.0).max(1_000_000).unsigned_abs())).await,
    }
}

async fn carry_out(client: Arc<Client>, job: Job) -> Done {
    match job {
        Job::Place { id, params, is_stop, what } => Done::Place(id, client.place(params, is_stop, what).await),
        Job::Cancel { id, symbol, target } => Done::Cancel(id, client.cancel(&symbol, &target).await),
        Job::Query { id, symbol, target } => Done::Query(id, client.query(&symbol, &target).await),
        Job::Trades { id, symbol, venue_id } => Done::Trades(id, client.trades(&symbol, venue_id).await),
        Job::Forgotten { client: name, symbol, target } => {
            let answer = client.cancel(&symbol, &target).await;
            Done::Forgotten(name, answer)
        }
        Job::View { revision } => Done::View(revision, client.view().await),
    }
}
