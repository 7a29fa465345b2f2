//! The core as bytes, for snapshots. What follows from the configuration is not written: a restored core was built from it.

use crate::core::Core;
use crate::live::LiveRecorder;
use serde_bytes::ByteBuf;
use strategies::state::{StateError, from_bytes, to_bytes};

impl Core<LiveRecorder> {
    /// Everything it knows between two events, as bytes: equal states give equal bytes.
    pub(crate) fn save(&self) -> Result<Vec<u8>, StateError> {
        // Named one by one: a field that is added later must be thought of here.
        let Self {
            symbols: _,
            instances,
            watchers: _,
            gate,
            exchange,
            rates: _,
            fees,
            market,
            desk,
            parents,
            works_orders: _,
            limits_losses: _,
            flattens: _,
            flattening,
            predictions,
            commands,
            kept,
            recorder,
            matched: _,
            outcomes: _,
            actions: _,
            instructions: _,
            notices,
        } = self;
        let instances: Result<Vec<ByteBuf>, StateError> =
            instances.iter().map(|instance| instance.save().map(ByteBuf::from)).collect();
        let recorder = ByteBuf::from(recorder.save()?);
        let talk = (fees, flattening, predictions, commands, notices, kept.rows());
        to_bytes(&(instances?, gate.memory(), exchange, market, desk, parents, talk, recorder))
    }

    /// Goes on from what [`Core::save`] wrote in a core of the same configuration.
    pub(crate) fn restore(&mut self, bytes: &[u8]) -> Result<(), StateError> {
        type Parts<A, B, C, D, E, F> = (Vec<ByteBuf>, A, B, C, D, E, F, ByteBuf);
        let (instances, memory, exchange, market, desk, parents, talk, recorder): Parts<_, _, _, _, _, _> =
            from_bytes(bytes)?;
        if instances.len() != self.instances.len() {
            let problem = format!("{} instances were written, {} run", instances.len(), self.instances.len());
            return Err(StateError::new("core", &problem));
        }
        for (instance, bytes) in self.instances.iter_mut().zip(&instances) {
            instance.restore(bytes)?;
        }
        self.gate.restore(memory).map_err(|e| StateError::new("risk gate", &e))?;
        self.recorder.restore(&recorder)?;
        (self.exchange, self.market, self.desk, self.parents) = (exchange, market, desk, parents);
        let kept;
        (self.fees, self.flattening, self.predictions, self.commands, self.notices, kept) = talk;
        self.kept.restore(kept);
        Ok(())
    }
}
