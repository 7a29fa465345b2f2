//! What comes from outside between two bars: advice, rates, parameters and commands; and what can be asked.

use crate::advice::{Held, Word, is_rate};
use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use crate::texts;
use model::message::{
    AdviceAnswer, Command, CommandAck, CommandAction, EquityMark, InstanceState, Message, ParamsAck, ParamsUpdate,
    RateUpdate, StateChanged,
};
use model::rules::MAX_TEXT_BYTES;
use model::{
    CancelReason, InstanceId, Money, OrderRequest, OrderUpdate, ParentOrder, Purpose, Qty, RuleSet, StrategyParams,
    SymbolId, TradingState, Ts,
};
use risk::Halt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most characters of what is told about a refused rule set: its words may be those of the text.
const MOST_TOLD: usize = 400;

impl<R: Recorder> Core<R> {
    /// Releases, shrinks or stops the order that the answer is about. `false` when no such order waits: too late or a repeat.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn answer_advice(&mut self, answer: &AdviceAnswer) -> Result<bool, CoreError> {
        let found = self.desk.take(|held| held.pending.advice_id == answer.advice_id);
        let known = !found.is_empty();
        for held in found {
            self.settle(held, &Word::from(answer));
        }
        self.settle_all(self.market.now)?;
        Ok(known)
    }

    /// Stops every order that waits, because its time is up or no advisor is connected, and says how many.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn veto_advice(&mut self, outcome: &'static str) -> Result<usize, CoreError> {
        let stopped = self.desk.take(|_| true);
        let n = stopped.len();
        for held in stopped {
            self.settle(held, &Word::Veto(outcome));
        }
        self.settle_all(self.market.now)?;
        Ok(n)
    }

    fn settle(&mut self, held: Held<R::Tag>, word: &Word) {
        let Held { pending, mut order, work, mut tag } = held;
        let factor = match word {
            Word::Veto(outcome) => return self.end_unsent(&order, CancelReason::Vetoed, outcome),
            Word::Keep(factor) => *factor,
        };
        if factor < 1.0 {
            let lot = self.symbols[order.symbol.index()].lot;
            order.qty = Qty((order.qty.0 as f64 * factor) as i64).round_down(lot);
        }
        if order.qty <= Qty::ZERO {
            return self.end_unsent(&order, CancelReason::Vetoed, "advisor_veto");
        }
        if let Some(parent) = work {
            self.recorder.advised(&mut tag, &pending.advice_id);
            return self.start_working(ParentOrder { order, ..parent }, tag, self.market.now);
        }
        // The account may have changed while the order waited.
        if let Some(approved) = self.approve(order) {
            self.recorder.advised(&mut tag, &pending.advice_id);
            self.place(approved, tag);
        }
    }

    /// Takes a new KRW rate.
    ///
    /// # Errors
    /// [`CoreError::Rate`] if it is not a number above zero; the old rate stays.
    pub fn update_rate(&mut self, update: &RateUpdate) -> Result<(), CoreError> {
        if !is_rate(update.krw_per_quote) {
            return Err(CoreError::Rate(update.krw_per_quote));
        }
        self.desk.set_rate(update.krw_per_quote, Ts(update.observed_at_ns));
        Ok(())
    }

    /// Changes the parameters of one instance, its rule set, its share of the capital or all of them, if the base still holds.
    /// Positions and indicator history stay, resting orders are cancelled; at share 0 the position is closed as well. With another
    /// rule set the strategy is built anew on the bars that are kept, and leaves what the old one opened at the next bar. An
    /// update that was already applied is answered again and has no second effect.
    ///
    /// # Errors
    /// [`CoreError::Runaway`]; a refused update is an answer, not an error.
    pub fn apply_params(&mut self, update: &ParamsUpdate, now: Ts) -> Result<ParamsAck, CoreError> {
        if let Some(excess) = texts::excess_of_update(update) {
            return Ok(self.ack(update, None, excess));
        }
        let Some(i) = self.instances.iter().position(|x| x.identity.instance_id == update.instance_id) else {
            let known: Vec<&str> = self.instances.iter().map(|x| x.identity.instance_id.as_str()).collect();
            let reason = format!("no instance '{}'; running: {}", update.instance_id, known.join(", "));
            return Ok(self.ack(update, None, reason));
        };
        if let Some(before) = self.instances[i].applied.get(&update.deployment_id) {
            return Ok(before.clone());
        }
        let taken = self.check_update(i, update, now).and_then(|(params, rules)| {
            rules.map_or(Ok(()), |rules| self.instances[i].follow(rules, &self.kept))?;
            Ok(params)
        });
        let params = match taken {
            Ok(params) => params,
            Err(reason) => return Ok(self.ack(update, Some(i), reason)),
        };
        let instance = &mut self.instances[i];
        instance.strategy.set_params(&params);
        instance.identity.version = update.version;
        instance.identity.params_sha256 = Arc::from(update.params_sha256.as_str());
        instance.params = params;
        // First, so that no strategy of an idle instance puts up again what is cancelled here.
        instance.set_share(update.capital_share);
        self.flattening.hurry(InstanceId(i as u16));
        self.cancel_resting(i, |_| true, CancelReason::Requested, "params_changed");
        self.settle_all(self.market.now)?;
        self.keep_flat(self.market.now)?;
        let ack = ParamsAck { applied: true, ..self.ack(update, Some(i), String::new()) };
        self.instances[i].applied.insert(update.deployment_id.clone(), ack.clone());
        Ok(ack)
    }

    /// The new parameters, and the new rule set where it is not the one that runs; or why the update is refused.
    fn check_update(
        &self,
        i: usize,
        update: &ParamsUpdate,
        now: Ts,
    ) -> Result<(StrategyParams, Option<RuleSet>), String> {
        let identity = &self.instances[i].identity;
        if now.0 >= update.expires_at_ns {
            return Err(format!("expired at {} ns, now is {} ns", update.expires_at_ns, now.0));
        }
        if update.base_version != identity.version || update.base_sha256 != *identity.params_sha256 {
            let (version, sha256) = (identity.version, &identity.params_sha256);
            let base = (update.base_version, &update.base_sha256);
            return Err(format!("base is version {} {}, running is version {version} {sha256}", base.0, base.1));
        }
        if update.version <= update.base_version {
            return Err(format!("version {} is not above base {}", update.version, update.base_version));
        }
        self.check_share(i, update.capital_share)?;
        let params = StrategyParams::validate(identity.strategy, &update.params).map_err(|e| e.to_string())?;
        let rules = update.rules.as_deref().map(|text| read_rules(identity.strategy, text)).transpose()?;
        let sha256 = self.instances[i].sha256_of(&params, rules.as_ref())?;
        if sha256 != update.params_sha256 {
            return Err(format!("parameters hash to {sha256}, the update says {}", update.params_sha256));
        }
        Ok((params, rules.filter(|rules| !self.instances[i].follows(rules))))
    }

    fn ack(&self, update: &ParamsUpdate, i: Option<usize>, reason: String) -> ParamsAck {
        let identity = i.map(|i| &self.instances[i].identity);
        ParamsAck {
            deployment_id: texts::kept_id(&update.deployment_id),
            instance_id: texts::kept_id(&update.instance_id),
            applied: false,
            version: identity.map_or(0, |x| x.version),
            params_sha256: identity.map_or(String::new(), |x| x.params_sha256.to_string()),
            capital_share: i.map_or(0.0, |i| self.instances[i].capital_share),
            at_ns: self.market.now.0,
            reason: texts::kept_answer(&reason),
        }
    }

    /// Ends what instance `i` has at rest or waiting for advice, but for what an operator's flatten sent.
    pub(crate) fn cancel_resting(
        &mut self,
        i: usize,
        wanted: impl Fn(&OrderRequest) -> bool,
        reason: CancelReason,
        outcome: &'static str,
    ) {
        let id = InstanceId(i as u16);
        let rests = |order: &OrderRequest| order.purpose != Purpose::Flatten && wanted(order);
        for symbol in 0..self.symbols.len() {
            let notices = &mut self.notices;
            let ended = |order| notices.push_back(OrderUpdate { order, reason });
            let n = self.exchange.cancel_where(id, SymbolId(symbol as u16), rests, self.market.now, ended);
            self.gate.cancels_sent(id, n, self.market.now);
        }
        self.stop_working(i, &wanted, self.market.now);
        for held in self.desk.take(|held| held.order.instance == id) {
            self.end_unsent(&held.order, reason, outcome);
        }
    }

    /// Obeys an operator. The state is latched until a named operator resumes; a repeated `command_id` is answered again without
    /// effect. A stop acts however long its words are; a resume whose words are too long is refused.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn command(&mut self, command: &Command, at: Ts) -> Result<CommandAck, CoreError> {
        let excess = texts::excess_of_command(command).filter(|_| command.action == CommandAction::Resume);
        let command = &texts::kept_command(command);
        if let Some(before) = self.commands.get(&command.command_id) {
            return Ok(before.clone());
        }
        let Command { command_id, by, mut reason, .. } = command.clone();
        if let Some(reason) = excess {
            let ack = CommandAck { command_id, state: self.gate.state(), at_ns: at.0, by, reason };
            self.commands.insert(ack.command_id.clone(), ack.clone());
            return Ok(ack);
        }
        let stop = |state| Halt::until_resume(state, &command.reason, &command.by, at);
        let changed = match command.action {
            CommandAction::Reduce => self.gate.tighten(stop(TradingState::Reducing)),
            CommandAction::Halt | CommandAction::Flatten => self.gate.tighten(stop(TradingState::Halted)),
            CommandAction::Resume => self.gate.resume(&by).unwrap_or_else(|unnamed| {
                reason = unnamed.to_string();
                false
            }),
        };
        let state = self.gate.state();
        match command.action {
            // An unnamed one released nothing.
            CommandAction::Resume if self.gate.latched().is_none() => self.flattening.end(),
            CommandAction::Resume => {}
            CommandAction::Reduce => self.cancel_for(TradingState::Reducing),
            CommandAction::Halt => self.cancel_for(TradingState::Halted),
            CommandAction::Flatten => {
                // First, so that no strategy puts up again what is cancelled here.
                self.flattening.begin();
                self.cancel_for(TradingState::Halted);
            }
        }
        self.settle_all(at)?;
        self.keep_flat(at)?;
        if changed {
            let told = StateChanged { state, at_ns: at.0, by: by.clone(), reason: self.with_release(&reason) };
            self.recorder.said(Message::StateChanged(told));
        }
        let ack = CommandAck { command_id, state, at_ns: at.0, by, reason };
        self.commands.insert(ack.command_id.clone(), ack.clone());
        Ok(ack)
    }

    /// The reason, and what releases the stop in force if there is one.
    pub(crate) fn with_release(&self, reason: &str) -> String {
        released_by(reason, self.gate.stop())
    }

    /// Equity of every instance at the last prices, stamped `at`.
    #[must_use]
    pub fn marks(&self, at: Ts) -> Vec<EquityMark> {
        let last = &self.market.last;
        let mark = |i: usize| {
            let x = &self.instances[i];
            let (fees, slippage) = x.ledger.costs();
            EquityMark {
                instance_id: x.identity.instance_id.clone(),
                strategy: x.identity.strategy.to_owned(),
                mode: x.identity.mode,
                at_ns: at.0,
                capital: x.traded_capital(),
                equity: x.traded_capital() + x.ledger.profit(last),
                gross_notional: x.ledger.gross_notional(last),
                costs: fees + slippage,
                params_version: x.identity.version,
                positions: self.positions(i),
                prices: x.symbols.iter().map(|s| (self.symbols[s.index()].name.clone(), last[s.index()])).collect(),
            }
        };
        (0..self.instances.len()).map(mark).collect()
    }

    /// What runs, with versions, hashes, positions and equity.
    #[must_use]
    pub fn instance_states(&self) -> Vec<InstanceState> {
        let state = |i: usize| {
            let x = &self.instances[i];
            InstanceState {
                instance_id: x.identity.instance_id.clone(),
                strategy: x.identity.strategy.to_owned(),
                symbols: x.symbols.iter().map(|s| self.symbols[s.index()].name.clone()).collect(),
                mode: x.identity.mode,
                params_version: x.identity.version,
                params_sha256: x.identity.params_sha256.to_string(),
                params: x.params.values(),
                positions: self.positions(i),
                equity: x.traded_capital() + x.ledger.profit(&self.market.last),
                capital: x.traded_capital(),
                capital_share: x.capital_share,
            }
        };
        (0..self.instances.len()).map(state).collect()
    }

    fn positions(&self, i: usize) -> BTreeMap<String, Qty> {
        let x = &self.instances[i];
        x.symbols.iter().map(|s| (self.symbols[s.index()].name.clone(), x.ledger.position(s.index()))).collect()
    }

    /// Hash of the parameters that instance `instance` runs on.
    #[must_use]
    pub fn params_sha256(&self, instance: usize) -> String {
        self.instances[instance].identity.params_sha256.to_string()
    }

    /// Fees and slippage that one instance has paid.
    #[must_use]
    pub fn costs_paid(&self, instance: usize) -> (Money, Money) {
        self.instances[instance].ledger.costs()
    }

    /// Takes the messages made so far, in the order in which things happened.
    pub fn drain_outbox(&mut self) -> Vec<Message> {
        self.recorder.drain()
    }

    /// Hash chain over every order sent and every fill, as hex; empty if the recorder keeps none.
    #[must_use]
    pub fn actions_sha256(&self) -> String {
        self.recorder.actions_sha256()
    }
}

/// The rule set of an update for an instance of `strategy`. Its size is looked at first, because nobody vouches for the text.
fn read_rules(strategy: &str, text: &str) -> Result<RuleSet, String> {
    if strategy != "rules" {
        return Err(format!("'{strategy}' takes no rules; remove them"));
    }
    if text.len() > MAX_TEXT_BYTES {
        return Err(format!("the rules have {} bytes, and at most {MAX_TEXT_BYTES} are read", text.len()));
    }
    RuleSet::parse(text).map_err(|e| e.to_string().chars().take(MOST_TOLD).collect())
}

/// The reason, and what releases `stop`.
pub(crate) fn released_by(reason: &str, stop: Option<&Halt>) -> String {
    match stop {
        None => reason.to_owned(),
        Some(stop) => format!("{reason}; released by: {}", stop.release),
    }
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "program_tests.rs"]
mod program_tests;
