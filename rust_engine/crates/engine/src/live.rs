//! The recorder of runs that somebody watches: indicators at each decision, messages, and a hash chain over all actions.

use crate::ledger::Closed;
use crate::recorder::{Ask, Identity, Recorder, Wish};
use execution::ShortfallMeter;
use indicators::SymbolIndicators;
use model::message::{
    AdviceRequest, BookSnapshot, Execution, IndicatorSnapshot, MarketConditions, Message, Shortfall, SignalEvent,
    TradeEvent,
};
use model::{Bar, BookTop, Fill, Money, OrderRequest, Price, Qty, SymbolId, SymbolSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use strategies::state::{StateError, from_bytes, to_bytes};

/// What was known when an order was decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    version: u64,
    params_sha256: Arc<str>,
    indicators: Arc<(IndicatorSnapshot, MarketConditions)>,
    book: Option<BookTop>,
    advice_id: Option<Arc<str>>,
}

/// Turns what happens into messages.
#[derive(Debug)]
pub struct LiveRecorder {
    names: Vec<String>,
    indicators: Vec<SymbolIndicators>,
    // Many quotes are decided on one bar; they share one snapshot of it.
    snapshots: Vec<Option<Arc<(IndicatorSnapshot, MarketConditions)>>>,
    n_signals: BTreeMap<String, u64>,
    messages: Vec<Message>,
    chain: [u8; 32],
}

impl LiveRecorder {
    /// A recorder for these symbols.
    #[must_use]
    pub fn new(symbols: &[SymbolSpec]) -> Self {
        Self {
            names: symbols.iter().map(|s| s.name.clone()).collect(),
            indicators: vec![SymbolIndicators::default(); symbols.len()],
            snapshots: vec![None; symbols.len()],
            n_signals: BTreeMap::new(),
            messages: Vec::new(),
            chain: [0; 32],
        }
    }

    /// What it knows beside messages that were not drained.
    pub(crate) fn save(&self) -> Result<Vec<u8>, StateError> {
        let Self { names: _, indicators, snapshots: _, n_signals, messages: _, chain } = self;
        to_bytes(&(indicators, n_signals, chain))
    }

    /// Goes on from what [`LiveRecorder::save`] wrote.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        (self.indicators, self.n_signals, self.chain) = from_bytes(bytes)?;
        self.snapshots.fill(None);
        self.messages.clear();
        Ok(())
    }

    fn snapshot(&mut self, symbol: SymbolId) -> Arc<(IndicatorSnapshot, MarketConditions)> {
        let i = symbol.index();
        let indicators = &self.indicators[i];
        let make = || Arc::new((indicators.snapshot(), indicators.conditions()));
        Arc::clone(self.snapshots[i].get_or_insert_with(make))
    }

    fn name(&self, symbol: SymbolId) -> String {
        self.names[symbol.index()].clone()
    }

    fn extend_chain(&mut self, kind: &str, value: &impl Serialize) {
        let mut hash = Sha256::new();
        hash.update(self.chain);
        hash.update(kind.as_bytes());
        // Orders and fills are plain numbers and always serialise; a failure must still change the chain.
        hash.update(serde_json::to_vec(value).unwrap_or_else(|e| e.to_string().into_bytes()));
        self.chain = hash.finalize().into();
    }
}

fn execution(fill: &Fill, fee: Money, slippage: Money) -> Execution {
    Execution {
        decision_price: fill.order.decision_price,
        arrival_price: fill.arrival_price,
        fill_price: fill.price,
        decided_at_ns: fill.order.decided_at.0,
        filled_at_ns: fill.at.0,
        liquidity: fill.liquidity,
        fee,
        slippage,
    }
}

fn book_snapshot(top: &BookTop) -> BookSnapshot {
    let standing = |levels: &[(Price, Qty)]| levels.iter().copied().filter(|(_, qty)| *qty > Qty::ZERO).collect();
    BookSnapshot { bids: standing(&top.bids), asks: standing(&top.asks) }
}

/// Both ends together. The venue's modelled slippage is impact by another name.
fn shortfall_of<T>(trade: &Closed<'_, T>) -> Shortfall {
    let split = |fill: &Fill| {
        let mut meter = ShortfallMeter::new(fill.order.side, fill.order.decision_price);
        meter.add(fill, trade.qty);
        meter.split(trade.qty, fill.price)
    };
    let (entry, exit) = (split(trade.entry), split(trade.exit));
    Shortfall {
        delay: entry.delay + exit.delay,
        spread: entry.spread + exit.spread,
        impact: entry.impact + exit.impact + trade.entry_slippage + trade.exit_slippage,
        opportunity: entry.opportunity + exit.opportunity,
    }
}

impl Recorder for LiveRecorder {
    type Tag = Decision;

    fn observed(&mut self, bar: &Bar) {
        self.indicators[bar.symbol.index()].update(bar);
        self.snapshots[bar.symbol.index()] = None;
    }

    fn tag(&mut self, who: &Identity, order: &OrderRequest, top: Option<BookTop>) -> Decision {
        Decision {
            version: who.version,
            params_sha256: Arc::clone(&who.params_sha256),
            indicators: self.snapshot(order.symbol),
            book: top,
            advice_id: None,
        }
    }

    fn advised(&mut self, tag: &mut Decision, advice_id: &str) {
        tag.advice_id = Some(advice_id.into());
    }

    fn sent(&mut self, order: &OrderRequest) {
        self.extend_chain("order", order);
    }

    fn filled(&mut self, fill: &Fill) {
        self.extend_chain("fill", fill);
    }

    fn closed(&mut self, who: &Identity, trade: &Closed<'_, Decision>) {
        let (entry, tag) = (trade.entry, trade.tag);
        let event = TradeEvent {
            trade_id: format!("{}-{}", who.origin, trade.n),
            instance_id: who.instance_id.clone(),
            strategy: who.strategy.to_owned(),
            mode: who.mode,
            params_version: tag.version,
            params_sha256: tag.params_sha256.to_string(),
            symbol: self.name(entry.order.symbol),
            side: entry.order.side,
            qty: trade.qty,
            signal_strength: entry.order.strength,
            entry: execution(entry, trade.entry_fee, trade.entry_slippage),
            exit: execution(trade.exit, trade.exit_fee, trade.exit_slippage),
            exit_reason: trade.exit.order.purpose,
            gross_pnl: trade.gross_pnl(),
            net_pnl: trade.net_pnl(),
            indicators: tag.indicators.0.clone(),
            conditions: tag.indicators.1.clone(),
            book: tag.book.as_ref().map(book_snapshot),
            advice_id: tag.advice_id.as_deref().map(str::to_owned),
            shortfall: shortfall_of(trade),
        };
        self.messages.push(Message::TradeEvent(event));
    }

    fn wished(&mut self, who: &Identity, wish: &Wish, outcome: &str) {
        // What a simulated companion wished would only repeat the market to those who study the account's wishes.
        if !who.mode.is_funded() {
            return;
        }
        let n = self.n_signals.entry(who.instance_id.clone()).or_default();
        *n += 1;
        let signal_id = format!("{}-s{n}", who.origin);
        let snapshot = self.snapshot(wish.symbol);
        let event = SignalEvent {
            signal_id,
            instance_id: who.instance_id.clone(),
            strategy: who.strategy.to_owned(),
            symbol: self.name(wish.symbol),
            side: wish.side,
            strength: wish.strength,
            at_ns: wish.at.0,
            price: wish.price,
            qty: wish.qty,
            params_version: who.version,
            outcome: outcome.to_owned(),
            indicators: snapshot.0.clone(),
            conditions: snapshot.1.clone(),
        };
        self.messages.push(Message::SignalEvent(event));
    }

    fn asked(&mut self, who: &Identity, ask: &Ask) {
        let order = &ask.order;
        let snapshot = self.snapshot(order.symbol);
        let request = AdviceRequest {
            advice_id: ask.advice_id.clone(),
            instance_id: who.instance_id.clone(),
            strategy: who.strategy.to_owned(),
            symbol: self.name(order.symbol),
            side: order.side,
            qty: order.qty,
            price: order.decision_price,
            notional: order.decision_price * Qty(order.qty.0),
            strength: order.strength,
            at_ns: order.decided_at.0,
            deadline_ns: ask.deadline.0,
            krw_per_quote: ask.krw_per_quote,
            equity: ask.equity,
            position: ask.position,
            indicators: snapshot.0.clone(),
            conditions: snapshot.1.clone(),
        };
        self.messages.push(Message::AdviceRequest(request));
    }

    fn said(&mut self, message: Message) {
        self.messages.push(message);
    }

    fn drain(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.messages)
    }

    fn actions_sha256(&self) -> String {
        hex::encode(self.chain)
    }
}
