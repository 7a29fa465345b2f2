//! What models and searchers say, handed to the strategies; and what became of it, handed back.

use crate::core::Core;
use crate::error::CoreError;
use crate::recorder::Recorder;
use crate::texts;
use model::message::{Message, MevOpportunity, PerformanceFeedback, Prediction};
use model::{Event, FeedbackView, InstanceId, Mode, OpportunityView, PredictionView, Qty, SymbolId, Ts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many predictions can be reported on; an older one has lost its name.
const REMEMBERED: usize = 8192;

/// Predictions by the engine's own number, as long as somebody may report on them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PredictionBook {
    names: BTreeMap<u64, String>,
    received: u64,
    /// Reports made, by instance.
    reports: BTreeMap<usize, u64>,
}

impl PredictionBook {
    fn admit(&mut self, prediction_id: &str) -> u64 {
        self.received += 1;
        self.names.insert(self.received, prediction_id.to_owned());
        if self.names.len() > REMEMBERED {
            self.names.pop_first();
        }
        self.received
    }
}

impl<R: Recorder> Core<R> {
    /// Hands a prediction to every instance that trades its symbol. `Some` says in words why nobody got it.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn on_prediction(&mut self, prediction: &Prediction, at: Ts) -> Result<Option<String>, CoreError> {
        let Some(symbol) = self.symbol_named(&prediction.symbol) else {
            return Ok(Some(format!("prediction {}: no symbol '{}'", prediction.prediction_id, prediction.symbol)));
        };
        // Feedback must be able to name it.
        if let Some(excess) = texts::excess_of_id("prediction_id", &prediction.prediction_id) {
            return Ok(Some(format!("prediction: {excess}")));
        }
        let number = self.predictions.admit(&prediction.prediction_id);
        let view = PredictionView { symbol, at: at.max(self.market.now), number, prediction };
        self.broadcast(symbol, Event::Prediction(view), view.at)?;
        Ok(None)
    }

    /// Hands a chance on a chain to every instance that trades the symbol in which it pays.
    ///
    /// # Errors
    /// [`CoreError::Runaway`].
    pub fn on_opportunity(&mut self, opportunity: &MevOpportunity, at: Ts) -> Result<Option<String>, CoreError> {
        let Some(symbol) = self.symbol_named(&opportunity.symbol) else {
            let (id, symbol) = (&opportunity.opportunity_id, &opportunity.symbol);
            return Ok(Some(format!("opportunity {id}: no symbol '{symbol}'")));
        };
        let at = at.max(self.market.now);
        self.broadcast(symbol, Event::Opportunity(OpportunityView { symbol, at, opportunity }), at)?;
        Ok(None)
    }

    fn symbol_named(&self, name: &str) -> Option<SymbolId> {
        self.symbols.iter().position(|s| s.name == name).map(|i| SymbolId(i as u16))
    }

    pub(crate) fn report_back(&mut self, i: usize, view: &FeedbackView, at: Ts) {
        let instance = &self.instances[i];
        // A model is scored by what the account made of it, once.
        if !instance.identity.mode.is_funded() || (instance.is_idle() && instance.identity.mode == Mode::Canary) {
            return;
        }
        let Some(prediction_id) = self.predictions.names.get(&view.number).cloned() else { return };
        let reports = self.predictions.reports.entry(i).or_default();
        *reports += 1;
        let identity = &self.instances[i].identity;
        let simulated = !self.exchange.is_external_for(InstanceId(i as u16));
        let feedback = PerformanceFeedback {
            feedback_id: format!("{}-p{reports}", identity.origin),
            prediction_id,
            instance_id: identity.instance_id.clone(),
            symbol: self.symbols[view.symbol.index()].name.clone(),
            outcome: view.outcome.to_owned(),
            received_at_ns: view.received_at.0,
            at_ns: at.0,
            side: view.side,
            qty: view.qty.max(Qty::ZERO),
            decision_price: view.decision_price,
            mean_fill_price: view.mean_fill_price,
            shortfall: view.shortfall,
            realised_move_bps: view.realised_move_bps,
            params_version: identity.version,
            simulated,
        };
        self.recorder.said(Message::PerformanceFeedback(feedback));
    }
}
