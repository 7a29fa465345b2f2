//! What a backtest notes of what happened.

use super::{FillRow, TradeRow};
use crate::ledger::Closed;
use crate::recorder::{Ask, Identity, Recorder, Wish};
use model::message::Message;
use model::{Bar, BookTop, Fill, Money, OrderRequest};

/// Counts, and keeps rows where they are asked for.
#[derive(Debug, Default)]
pub(super) struct Counter {
    keep_rows: bool,
    pub(super) fills: Vec<FillRow>,
    pub(super) trades: Vec<TradeRow>,
    pub(super) n_fills: u64,
    pub(super) n_trades: u64,
    pub(super) n_wins: u64,
}

impl Counter {
    /// Keeps rows, with room for a fill in every 32 bars: moving them as they grow costs more than room that stays untouched.
    pub(super) fn keeping(n_bars: usize) -> Self {
        let (fills, trades) = (Vec::with_capacity(n_bars / 32), Vec::with_capacity(n_bars / 64));
        Self { keep_rows: true, fills, trades, ..Self::default() }
    }
}

impl Recorder for Counter {
    type Tag = ();

    fn observed(&mut self, _: &Bar) {}
    fn tag(&mut self, _: &Identity, _: &OrderRequest, _: Option<BookTop>) {}
    fn advised(&mut self, (): &mut (), _: &str) {}
    fn sent(&mut self, _: &OrderRequest) {}
    fn wished(&mut self, _: &Identity, _: &Wish, _: &str) {}
    fn asked(&mut self, _: &Identity, _: &Ask) {}
    fn said(&mut self, _: Message) {}

    fn filled(&mut self, fill: &Fill) {
        self.n_fills += 1;
        if self.keep_rows {
            self.fills.push(fill.into());
        }
    }

    fn closed(&mut self, _: &Identity, trade: &Closed<'_, ()>) {
        let net = trade.net_pnl();
        self.n_trades += 1;
        self.n_wins += u64::from(net > Money::ZERO);
        if self.keep_rows {
            self.trades.push(TradeRow {
                at: (trade.entry.at, trade.exit.at),
                symbol: trade.entry.order.symbol.0,
                side: trade.entry.order.side,
                exit_reason: trade.exit.order.purpose,
                qty: trade.qty.to_f64(),
                price: (trade.entry.price.to_f64(), trade.exit.price.to_f64()),
                gross_pnl: trade.gross_pnl().to_f64(),
                net_pnl: net.to_f64(),
            });
        }
    }

    fn drain(&mut self) -> Vec<Message> {
        Vec::new()
    }

    fn actions_sha256(&self) -> String {
        String::new()
    }
}
