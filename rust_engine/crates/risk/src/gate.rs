//! The gate itself.

use crate::exposure::{Exposure, WithEarlier, notional, worst};
use crate::latch::{Halt, Latch, Unnamed};
use crate::limits::{LimitError, OrderLimits};
use crate::loss::{Breach, LossWatch};
use crate::rule::{RiskRefused, Rule};
use crate::throttle::{Counts, Throttle};
use model::{InstanceId, Mode, Money, OrderRequest, Price, Qty, RiskLimits, Side, SymbolSpec, TradingState, Ts};
use serde::{Deserialize, Serialize};

/// A value that passed the gate. The field is private: nothing outside this file can make one.
#[derive(Debug, PartialEq)]
pub struct RiskApproved<T>(T);

impl<T> RiskApproved<T> {
    /// What was approved.
    #[must_use]
    pub fn get(&self) -> &T {
        &self.0
    }

    /// Gives the value back; it needs another approval before it can be sent again.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// Everything that the gate remembers between two orders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    latch: Latch,
    loss: LossWatch,
    throttle: Throttle,
    counts: Counts,
}

/// A snapshot that belongs to another configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the risk gate's memory has {accounts} accounts and {instances} instances, this run has {known}")]
pub struct RestoreError {
    accounts: usize,
    instances: usize,
    known: usize,
}

/// Checks every order against the trading state, the symbol's grid and the hard limits.
#[derive(Debug)]
pub struct RiskGate {
    limits: Option<OrderLimits>,
    grid: Vec<(Price, Qty)>,
    accounts: Vec<usize>,
    memory: Memory,
}

impl RiskGate {
    /// A gate in state `Active`, for one account that every instance shares. Without limits (backtests) the grid and the trading
    /// state are still checked.
    ///
    /// # Errors
    /// A limit that is none, or one of a symbol that is not among `symbols`.
    pub fn new(limits: Option<RiskLimits>, symbols: &[SymbolSpec]) -> Result<Self, LimitError> {
        Ok(Self {
            limits: limits.map(|l| OrderLimits::new(&l, symbols)).transpose()?,
            grid: symbols.iter().map(|s| (s.tick, s.lot)).collect(),
            accounts: Vec::new(),
            memory: Memory::default(),
        })
    }

    /// The same for these instances: live and canary share the account, each shadow and twin has one of its own, so that what
    /// does not trade cannot use up what trades.
    #[must_use]
    pub fn with_modes(mut self, modes: &[Mode]) -> Self {
        let account = |(i, mode): (usize, &Mode)| if mode.is_funded() { 0 } else { i + 1 };
        self.accounts = modes.iter().enumerate().map(account).collect();
        self
    }

    /// Passes the order on and counts it against the limits, or says which rule it breaks; a refused order uses up nothing. A
    /// reduction that is on the grid and sells what is there passes in every state and under every limit. `at` is the event's time and never goes back.
    ///
    /// # Errors
    /// [`RiskRefused`] with the first broken rule.
    pub fn approve(
        &mut self,
        order: OrderRequest,
        at: Ts,
        exposure: &impl Exposure,
    ) -> Result<RiskApproved<OrderRequest>, RiskRefused> {
        match self.broken_rule(&order, at, exposure, &[]) {
            None => Ok(self.pass(order, at)),
            Some(rule) => Err(self.refuse(order, rule)),
        }
    }

    /// Passes all of these orders on or none, each checked as if those before it were sent. `Err` has the index of the first
    /// that breaks a rule; none of them then uses up anything.
    ///
    /// # Errors
    /// The index of an order, and [`RiskRefused`] with the rule that it broke.
    pub fn approve_all(
        &mut self,
        orders: &[OrderRequest],
        at: Ts,
        exposure: &impl Exposure,
    ) -> Result<Vec<RiskApproved<OrderRequest>>, (usize, RiskRefused)> {
        for (i, order) in orders.iter().enumerate() {
            if let Some(rule) = self.broken_rule(order, at, exposure, &orders[..i]) {
                return Err((i, self.refuse(*order, rule)));
            }
        }
        Ok(orders.iter().map(|order| self.pass(*order, at)).collect())
    }

    /// Says which rule the order would break now, and counts nothing: for an order that waits before it is sent.
    ///
    /// # Errors
    /// [`RiskRefused`] with the first broken rule.
    pub fn check(&self, order: &OrderRequest, at: Ts, exposure: &impl Exposure) -> Result<(), RiskRefused> {
        match self.broken_rule(order, at, exposure, &[]) {
            None => Ok(()),
            Some(rule) => Err(RiskRefused { order: *order, rule }),
        }
    }

    /// Counts `n` cancels that go out. Cancels are never refused, but they use up the account's messages.
    pub fn cancels_sent(&mut self, instance: InstanceId, n: usize, at: Ts) {
        let account = self.account(instance);
        self.memory.counts.cancels += n as u64;
        if let Some(limits) = &self.limits {
            (0..n).for_each(|_| self.memory.throttle.message_sent(limits, account, at));
        }
    }

    /// Counts an order that was stopped by this rule before it came here.
    pub fn stopped_before(&mut self, rule: Rule) {
        self.memory.counts.refuse(rule);
    }

    /// Takes the equity of the funded account, which its live and canary instances made of its capital, and the capital. A loss that
    /// reaches a limit latches the state; `Some` when it did, so that the caller cancels what rests. The state in force may
    /// have been as strong before, because the gate was unready: that cancels nothing.
    pub fn on_equity(&mut self, at: Ts, equity: Money, capital: Money) -> Option<Breach> {
        let limits = &self.limits.as_ref()?.loss;
        self.memory.loss.observe(at, equity, capital);
        let (state, rule) = self.memory.loss.reached(limits)?;
        if !self.memory.latch.is_weaker_than(state) {
            return None;
        }
        let text = self.memory.loss.text(rule, limits);
        self.memory.latch.tighten(Halt::until_resume(state, &text, "risk", at));
        Some(Breach { state, rule, text })
    }

    /// Whether new exposure may be opened.
    #[must_use]
    pub fn state(&self) -> TradingState {
        self.memory.latch.state()
    }

    /// Why not, since when, and what releases it; `None` when active.
    #[must_use]
    pub fn stop(&self) -> Option<&Halt> {
        self.memory.latch.stop()
    }

    /// What is latched, whatever an unready gate adds to it; `None` when nothing is.
    #[must_use]
    pub fn latched(&self) -> Option<&Halt> {
        self.memory.latch.latched()
    }

    /// Latches `halt` if it is stronger than what is latched; `true` when the state in force changed.
    pub fn tighten(&mut self, halt: Halt) -> bool {
        self.memory.latch.tighten(halt)
    }

    /// Lets trading go on, from whatever stopped it; `true` when the state in force changed. Losses are measured from the present
    /// equity on: the operator has accepted what was lost.
    ///
    /// # Errors
    /// [`Unnamed`] unless `by` names a person; nothing has changed then.
    pub fn resume(&mut self, by: &str) -> Result<bool, Unnamed> {
        let changed = self.memory.latch.resume(by)?;
        self.memory.loss.start_anew();
        Ok(changed)
    }

    /// Halts until [`RiskGate::make_ready`] or an operator's resume; what is latched stays latched beside it. `true` when the
    /// state in force changed.
    pub fn make_unready(&mut self, reason: &str, at: Ts) -> bool {
        self.memory.latch.make_unready(reason, at)
    }

    /// Ends [`RiskGate::make_unready`] because its reason is gone; `true` when the state in force changed.
    pub fn make_ready(&mut self) -> bool {
        self.memory.latch.make_ready()
    }

    /// How many orders passed and were refused.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.memory.counts
    }

    /// What must survive a restart.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes back what [`RiskGate::memory`] gave.
    ///
    /// # Errors
    /// [`RestoreError`] when it knows more accounts or instances than this run has.
    pub fn restore(&mut self, memory: Memory) -> Result<(), RestoreError> {
        let (accounts, instances, known) =
            (memory.throttle.n_accounts(), memory.throttle.n_instances(), self.accounts.len());
        if accounts > known + 1 || instances > known {
            return Err(RestoreError { accounts, instances, known });
        }
        self.memory = memory;
        Ok(())
    }

    fn account(&self, instance: InstanceId) -> usize {
        self.accounts.get(instance.index()).copied().unwrap_or(0)
    }

    fn pass(&mut self, order: OrderRequest, at: Ts) -> RiskApproved<OrderRequest> {
        let account = self.account(order.instance);
        self.memory.counts.approved += 1;
        if let Some(limits) = &self.limits {
            self.memory.throttle.order_sent(limits, account, &order, at);
        }
        RiskApproved(order)
    }

    fn refuse(&mut self, order: OrderRequest, rule: Rule) -> RiskRefused {
        self.memory.counts.refuse(rule);
        RiskRefused { order, rule }
    }

    fn broken_rule(
        &self,
        order: &OrderRequest,
        at: Ts,
        exposure: &impl Exposure,
        earlier: &[OrderRequest],
    ) -> Option<Rule> {
        let Some((tick, lot)) = self.grid.get(order.symbol.index()) else { return Some(Rule::UnknownSymbol) };
        if order.qty.0 <= 0 || order.qty.0 % lot.0 != 0 {
            return Some(Rule::LotSize);
        }
        if order.named_price().is_some_and(|p| p.0 <= 0 || p.0 % tick.0 != 0) {
            return Some(Rule::TickSize);
        }
        let sent = WithEarlier { base: exposure, earlier, accounts: &self.accounts };
        if order.side == Side::Sell && sent.sellable(order.instance, order.symbol).is_some_and(|most| order.qty > most)
        {
            return Some(Rule::ShortSale);
        }
        if order.reduce_only {
            return None;
        }
        match self.memory.latch.state() {
            TradingState::Halted => return Some(Rule::Halted),
            TradingState::Reducing => return Some(Rule::Reducing),
            TradingState::Active => {}
        }
        let limits = self.limits.as_ref()?;
        broken_size(limits, order, &sent)
            .or_else(|| self.memory.throttle.broken_rule(limits, self.account(order.instance), order, at, earlier))
    }
}

/// The first rule on price and size that an opening breaks.
fn broken_size(limits: &OrderLimits, order: &OrderRequest, exposure: &impl Exposure) -> Option<Rule> {
    let last = exposure.last_price(order.symbol);
    if last.0 <= 0 {
        return Some(Rule::NoPrice);
    }
    // A market order names no price: it is assumed to trade at the last one.
    let named = order.named_price().unwrap_or(last);
    if limits.is_outside_collar(named, last) {
        return Some(Rule::PriceCollar);
    }
    if limits.order_qty[order.symbol.index()].is_some_and(|most| order.qty > most) {
        return Some(Rule::MaxOrderQty);
    }
    if last.max(named) * order.qty > limits.order_notional {
        return Some(Rule::MaxOrderNotional);
    }
    let position = exposure.position(order.instance, order.symbol);
    let resting = exposure.resting(order.instance, order.symbol);
    let before = worst(position, resting, 0, 0);
    let added = i128::from(order.qty.0);
    let (buys, sells) = if order.side == Side::Buy { (added, 0) } else { (0, added) };
    let after = worst(position, resting, buys, sells);
    // An order on the other side of a position leaves the worst case as it is, even where prices took it over a limit.
    if after <= before {
        return None;
    }
    let here = notional(last, after);
    if here > limits.position_notional {
        return Some(Rule::MaxPositionNotional);
    }
    let elsewhere = exposure.gross_elsewhere(order.instance, order.symbol);
    (here.0.saturating_add(elsewhere.0) > limits.gross_notional.0).then_some(Rule::MaxGrossNotional)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
