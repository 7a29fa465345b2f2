//! What a trade cost.

use super::super::config::{Checked, Listed};
use super::super::words::Trade;
use model::{Costs, Liquidity, Money, Price, Qty, SymbolId};

/// The fee in quote currency, and what of it was taken in base currency. A fee in a third currency is estimated by the
/// configured rates.
pub(super) fn fee_of(config: &Checked, costs: &Costs, symbol: SymbolId, trade: &Trade) -> (Money, Qty) {
    let Some(Listed { base, quote, .. }) = config.listed.get(symbol.index()) else {
        return (Money::ZERO, Qty::ZERO);
    };
    let paid = &trade.commission_asset;
    if trade.commission == Money::ZERO || paid == quote {
        return (trade.commission, Qty::ZERO);
    }
    if paid == base {
        let units = Qty((trade.commission.0 / i128::from(model::fixed::SCALE)) as i64);
        return (trade.price * units, units);
    }
    let bps = match trade.liquidity {
        Liquidity::Maker => costs.maker_fee_bps,
        Liquidity::Taker => costs.taker_fee_bps,
    };
    let rate = Price::from_f64(bps * 1e-4).map_or(0, |rate| rate.0);
    ((trade.price * trade.qty).times_rate(rate), Qty::ZERO)
}
