//! All orders of a run at an exchange, without I/O: news and answers in, reports and the next requests out.
//!
//! An order is placed once. Whatever is unclear afterwards is asked for under our own name of the order until it is known;
//! its end is reported after its last trade, so that no trade comes too late to be booked.

use super::budget::Use;
use super::client::Fault;
use super::config::{Checked, Listed};
use super::order::{RunName, Target, is_stop_there, placing};
use super::tracked::{Fate, Stage, Step, Tracked};
use super::words::{Execution, OrderState, Trade};
use engine::external::{Outstanding, Reported, VenueReport, VenueRequest};
use model::{Costs, OrderId, Ts};
use risk::reconcile::VenueView;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod answers;
mod fees;
mod jobs;
mod looks;
mod stops;

pub(super) use jobs::{Done, Job};
use looks::Looks;

/// Ended orders whose trades are remembered, so that a late repeat is known as one.
const REMEMBERED: usize = 10_000;
/// While the stream is down, an open order is asked for this often.
const POLL_NS: i64 = 5_000 * Ts::MS;

/// What the engine or its operator is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// An order has news.
    Report(VenueReport),
    /// What the account holds is not known for certain: nothing may open until a view agrees.
    Unready(String),
    /// What the account holds, with every report before it already said.
    View {
        /// It.
        view: VenueView,
        /// Whether orders were on their way while it was read, so that a difference may be one of time.
        is_moving: bool,
    },
    /// A person should know.
    Problem(String),
}

/// What is kept of an order that has ended.
#[derive(Debug)]
struct Ended {
    trades_as: Option<u64>,
    trades: BTreeSet<u64>,
}

/// The orders of one run.
pub(super) struct Desk {
    config: Checked,
    costs: Costs,
    run: RunName,
    orders: BTreeMap<OrderId, Tracked>,
    ended: BTreeMap<OrderId, Ended>,
    ended_in_order: VecDeque<OrderId>,
    /// By our name of them: symbol, and how the exchange is told.
    forgotten: BTreeMap<String, (String, Target)>,
    forgotten_busy: bool,
    is_stream_up: bool,
    looks: Looks,
    /// Counts everything that could make a view differ.
    revision: u64,
    said: Vec<Said>,
    /// From a placing that was lost to the time when it cannot arrive any more.
    validity_ns: i64,
}

impl Desk {
    pub(super) fn new(config: Checked, costs: Costs, run: RunName, validity_ns: i64) -> Self {
        Self {
            looks: Looks::new(config.reconcile_every_ns),
            config,
            costs,
            run,
            orders: BTreeMap::new(),
            ended: BTreeMap::new(),
            ended_in_order: VecDeque::new(),
            forgotten: BTreeMap::new(),
            forgotten_busy: false,
            is_stream_up: false,
            revision: 0,
            said: Vec::new(),
            validity_ns,
        }
    }

    /// Takes up orders that an earlier process may have placed.
    pub(super) fn adopt(&mut self, outstanding: &[Outstanding], now: Ts) {
        let gone_after = now.plus_ns(self.validity_ns);
        for one in outstanding {
            self.orders.insert(one.order.id, Tracked::adopted(one, now, gone_after));
        }
    }

    /// What the engine asks for.
    pub(super) fn on_request(&mut self, request: VenueRequest, now: Ts) {
        self.revision += 1;
        match request {
            VenueRequest::Place(approved) => {
                let order = *approved.get();
                if self.orders.contains_key(&order.id) || self.ended.contains_key(&order.id) {
                    return self.problem(format!("order {} was asked for twice; it is placed once", order.id.0));
                }
                self.orders.insert(order.id, Tracked::new(order, now));
            }
            VenueRequest::Cancel { id, .. } => {
                if let Some(tracked) = self.orders.get_mut(&id) {
                    tracked.cancel_wanted = true;
                }
            }
        }
    }

    /// The stream is open: what happened before is asked for.
    pub(super) fn on_stream_up(&mut self, now: Ts) {
        self.is_stream_up = true;
        self.revision += 1;
        let gone_after = now.plus_ns(self.validity_ns);
        self.orders.values_mut().filter(|t| !t.busy).for_each(|tracked| tracked.doubt(now, gone_after));
        self.looks.set(now);
    }

    /// The stream ended: from now on something may be missed.
    pub(super) fn on_stream_down(&mut self, reason: &str) {
        self.is_stream_up = false;
        self.looks.stop();
        self.said.push(Said::Unready(format!("no_answer: the user stream is down: {reason}")));
    }

    /// Looks at the account again soon, because the last view did not agree.
    pub(super) fn recheck(&mut self, now: Ts) {
        self.looks.again(now);
    }

    /// Looks once more after a while: a difference counts when it lasts.
    pub(super) fn look_once_more(&mut self, now: Ts) {
        self.looks.once_more(now);
    }

    /// A message about an order.
    pub(super) fn on_execution(&mut self, execution: &Execution, now: Ts) {
        let Execution { state, trade } = execution;
        let id = self.id_of(state);
        if let Some(id) = id.filter(|id| self.orders.contains_key(id)) {
            if let Some(trade) = trade {
                self.book(id, trade, now);
            }
            self.hear(id, state, now);
        } else if let Some(trade) = trade
            && self.listed(&state.symbol).is_some()
            && !self.is_late(id, state, trade)
            && !self.may_be_a_stop(execution, now)
        {
            let (symbol, client) = (&state.symbol, &state.client);
            self.distrust(format!("{symbol} traded by order '{client}', which is not open here"), now);
        }
    }

    /// Whether a trade of an order that has ended is said again.
    fn is_late(&self, id: Option<OrderId>, state: &OrderState, trade: &Trade) -> bool {
        let by_number = || self.ended.values().find(|ended| ended.trades_as == Some(state.venue_id));
        let ended = id.and_then(|id| self.ended.get(&id)).or_else(by_number);
        ended.is_some_and(|ended| ended.trades.contains(&trade.id))
    }

    /// Text of the stream that was not understood: something may have been missed.
    pub(super) fn on_unread(&mut self, problem: String, now: Ts) {
        let gone_after = now.plus_ns(self.validity_ns);
        self.orders.values_mut().filter(|t| !t.busy).for_each(|tracked| tracked.doubt(now, gone_after));
        self.distrust(problem, now);
    }

    /// The requests that are due. Each must be answered by [`Desk::on_done`].
    pub(super) fn next_jobs(&mut self, now: Ts) -> Vec<Job> {
        let mut jobs = Vec::new();
        let ids: Vec<OrderId> = self.orders.keys().copied().collect();
        for id in ids {
            self.poll(id, now);
            let Some(step) = self.orders.get(&id).and_then(|tracked| tracked.step(now)) else { continue };
            jobs.extend(self.job(id, step));
        }
        if let Some((client, (symbol, target))) = self.forgotten.first_key_value().filter(|_| !self.forgotten_busy) {
            jobs.push(Job::Forgotten { client: client.clone(), symbol: symbol.clone(), target: target.clone() });
            self.forgotten_busy = true;
        }
        if self.looks.may_begin(self.is_quiet(), now) {
            self.looks.begin();
            jobs.push(Job::View { revision: self.revision });
        }
        jobs
    }

    /// When a request falls due.
    pub(super) fn next_due(&self) -> Option<Ts> {
        let by_orders = self.orders.values().filter_map(Tracked::next_due);
        let by_view = self.looks.next_due(self.is_quiet());
        let polled = |t: &&Tracked| !self.is_stream_up && !t.busy;
        let by_poll = self.orders.values().filter(polled).map(|t| t.checked_at.plus_ns(POLL_NS));
        by_orders.chain(by_view).chain(by_poll).min()
    }

    /// Takes what is to be said, in order.
    pub(super) fn drain(&mut self) -> Vec<Said> {
        std::mem::take(&mut self.said)
    }

    /// Takes the answer to a request.
    pub(super) fn on_done(&mut self, done: Done, now: Ts) {
        self.take_answer(done, now);
        self.ask_again(now);
    }

    fn take_answer(&mut self, done: Done, now: Ts) {
        match done {
            Done::Place(id, answer) => self.on_placed(id, answer, now),
            Done::Cancel(id, answer) => self.on_cancelled(id, answer, now),
            Done::Query(id, answer) => self.on_queried(id, answer, now),
            Done::Trades(id, Ok(trades)) => {
                self.free(id);
                trades.iter().for_each(|trade| self.book(id, trade, now));
                self.with(id, |tracked| tracked.back_off(now));
                self.settle(id, now);
            }
            Done::Trades(id, Err(fault)) => self.retry(id, &fault, now),
            Done::Forgotten(client, answer) => {
                self.forgotten_busy = false;
                self.forgotten.remove(&client);
                self.revision += 1;
                let outcome = answer.map_or_else(|fault| fault.to_string(), |_| "it is cancelled".to_owned());
                self.problem(format!("the exchange had our order '{client}', which the engine forgot: {outcome}"));
            }
            Done::View(revision, answer) => self.on_viewed(revision, answer, now),
        }
    }

    fn is_quiet(&self) -> bool {
        self.forgotten.is_empty() && self.orders.values().all(Tracked::is_settled)
    }

    /// While nothing is pushed, open orders are asked for.
    fn poll(&mut self, id: OrderId, now: Ts) {
        let gone_after = now.plus_ns(self.validity_ns);
        if !self.is_stream_up
            && let Some(tracked) = self.orders.get_mut(&id)
            && !tracked.busy
            && now >= tracked.checked_at.plus_ns(POLL_NS)
        {
            tracked.checked_at = now;
            tracked.doubt(now, gone_after);
        }
    }

    fn job(&mut self, id: OrderId, step: Step) -> Option<Job> {
        let order = self.orders.get(&id)?.order;
        let listed = self.config.listed.get(order.symbol.index())?.clone();
        let symbol = listed.name.clone();
        let job = match step {
            Step::Place => {
                let market = self.config.market;
                let params = placing(market, &listed, &order, &self.run.client_id(id));
                self.with(id, |tracked| tracked.stage = Stage::Placing);
                let what = if order.reduce_only { Use::Reduce } else { Use::Open };
                Job::Place { id, params, is_stop: is_stop_there(market, order.kind), what }
            }
            Step::Query => Job::Query { id, symbol, target: self.target(id, false) },
            Step::Trades(venue_id) => Job::Trades { id, symbol, venue_id },
            Step::Cancel => Job::Cancel { id, symbol, target: self.target(id, true) },
        };
        self.with(id, |tracked| tracked.busy = true);
        Some(job)
    }

    fn with(&mut self, id: OrderId, change: impl FnOnce(&mut Tracked)) {
        if let Some(tracked) = self.orders.get_mut(&id) {
            change(tracked);
        }
    }

    fn free(&mut self, id: OrderId) {
        self.revision += 1;
        self.with(id, |tracked| tracked.busy = false);
    }

    fn retry(&mut self, id: OrderId, fault: &Fault, now: Ts) {
        self.free(id);
        self.with(id, |tracked| {
            tracked.back_off(now);
            if let Fault::Limited { wait } = fault {
                let wait_ns = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
                tracked.wait_until(Ts(now.0.saturating_add(wait_ns)));
            }
        });
    }

    fn hear(&mut self, id: OrderId, state: &OrderState, now: Ts) {
        let Some(tracked) = self.orders.get_mut(&id) else { return };
        let before = tracked.is_settled();
        tracked.on_state(state, now);
        if !tracked.was_accepted {
            tracked.was_accepted = true;
            self.said.push(Said::Report(VenueReport { id, at: now, what: Reported::Accepted }));
        }
        self.revision += u64::from(!before || !tracked.is_settled());
        self.settle(id, now);
    }

    fn book(&mut self, id: OrderId, trade: &Trade, now: Ts) {
        let Some(tracked) = self.orders.get_mut(&id) else { return };
        if !tracked.on_trade(trade) {
            return;
        }
        let (symbol, is_over) = (tracked.order.symbol, tracked.is_overfilled());
        self.revision += 1;
        let (fee, base_fee) = fees::fee_of(&self.config, &self.costs, symbol, trade);
        let Trade { id: trade_id, price, qty, liquidity, .. } = *trade;
        let what = Reported::Filled { trade_id, price, qty, fee, base_fee, liquidity };
        self.said.push(Said::Report(VenueReport { id, at: now, what }));
        if is_over {
            self.problem(format!("order {} traded more than was ordered", id.0));
        }
        self.settle(id, now);
    }

    /// Lets an order go once nothing more can come of it.
    fn settle(&mut self, id: OrderId, now: Ts) {
        let Some(tracked) = self.orders.get(&id) else { return };
        let (fate, trades_as) = (tracked.fate(), tracked.trades_as());
        // A request under way may still bring trades.
        if fate == Fate::Lives || tracked.busy {
            return;
        }
        if let Fate::Ended(reason) = fate {
            self.said.push(Said::Report(VenueReport { id, at: now, what: Reported::Ended { reason } }));
        }
        let Some(Tracked { trades, .. }) = self.orders.remove(&id) else { return };
        self.revision += 1;
        self.ended.insert(id, Ended { trades_as, trades });
        self.ended_in_order.push_back(id);
        if self.ended_in_order.len() > REMEMBERED
            && let Some(oldest) = self.ended_in_order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }

    fn listed(&self, name: &str) -> Option<&Listed> {
        self.config.listed.iter().find(|listed| listed.name == name)
    }

    fn distrust(&mut self, reason: String, now: Ts) {
        self.said.push(Said::Unready(reason));
        self.revision += 1;
        if self.is_stream_up {
            self.looks.set(now);
        }
    }

    fn problem(&mut self, what: String) {
        self.said.push(Said::Problem(what));
    }
}
