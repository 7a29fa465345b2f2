//! Every indicator that a message carries, for one symbol.

use crate::{Atr, Bollinger, LogReturnStd, Macd, Rsi, VolumeRatio};
use model::Bar;
use model::message::{IndicatorSnapshot, MarketConditions};
use serde::{Deserialize, Serialize};

/// The indicators of one symbol, fed with closed bars only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SymbolIndicators {
    rsi: Rsi,
    macd: Macd,
    bollinger: Bollinger,
    atr: Atr,
    volatility: LogReturnStd,
    volume: VolumeRatio,
}

impl Default for SymbolIndicators {
    fn default() -> Self {
        Self {
            rsi: Rsi::new(14),
            macd: Macd::new(12, 26, 9),
            bollinger: Bollinger::new(20, 2.0),
            atr: Atr::new(14),
            volatility: LogReturnStd::new(48),
            volume: VolumeRatio::new(48),
        }
    }
}

impl SymbolIndicators {
    /// Adds a closed bar.
    pub fn update(&mut self, bar: &Bar) {
        let close = bar.close.to_f64();
        self.rsi.update(close);
        self.macd.update(close);
        self.bollinger.update(close);
        self.atr.update(bar.high.to_f64(), bar.low.to_f64(), close);
        self.volatility.update(close);
        self.volume.update(bar.volume.to_f64());
    }

    /// The indicators now.
    #[must_use]
    pub fn snapshot(&self) -> IndicatorSnapshot {
        let (ema_fast, ema_slow) = self.macd.averages();
        let bands = self.bollinger.value();
        IndicatorSnapshot {
            rsi: self.rsi.value(),
            macd: self.macd.value().line,
            macd_signal: self.macd.value().signal,
            bollinger_upper: bands.map(|b| b.1),
            bollinger_lower: bands.map(|b| b.0),
            ema_fast,
            ema_slow,
            atr: self.atr.value(),
        }
    }

    /// The state of the market now.
    #[must_use]
    pub fn conditions(&self) -> MarketConditions {
        let (fast, slow) = self.macd.averages();
        MarketConditions {
            volatility_bps: self.volatility.value().map(|v| v * 1e4),
            volume_ratio: self.volume.value(),
            trend_bps: fast.zip(slow).map(|(f, s)| (f / s - 1.0) * 1e4),
        }
    }
}
