//! The price to decide on, whatever kind of event an instance decides on.

use model::{BookTop, Driver, Event, Price, Qty, SymbolId, Ts};
use serde::{Deserialize, Serialize};

/// One moment at which an instance decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Moment {
    pub(crate) symbol: SymbolId,
    pub(crate) at: Ts,
    /// Close of a candle, price of a print, middle of a quote or book.
    pub(crate) price: Price,
}

/// The moment, if `event` is of the kind that `driver` decides on and proves a price: quotes and books with a missing side, or
/// crossed, prove none.
pub(crate) fn moment(driver: Driver, event: &Event<'_>) -> Option<Moment> {
    match (driver, event) {
        (Driver::Bars, Event::Bar(_))
        | (Driver::Trades, Event::Trade(_))
        | (Driver::Quotes, Event::Quote(_))
        | (Driver::Book, Event::Book(_)) => proven(event),
        _ => None,
    }
}

/// The price that any event of the market proves.
pub(crate) fn proven(event: &Event<'_>) -> Option<Moment> {
    match event {
        Event::Bar(bar) => Some(Moment { symbol: bar.symbol, at: bar.closed_at, price: bar.close }),
        Event::Trade(trade) => Some(Moment { symbol: trade.symbol, at: trade.at, price: trade.price }),
        Event::Quote(quote) if quote.is_sound() => {
            Some(Moment { symbol: quote.symbol, at: quote.at, price: quote.mid() })
        }
        Event::Book(book) => middle(book).map(|price| Moment { symbol: book.symbol, at: book.at, price }),
        _ => None,
    }
}

fn middle(book: &BookTop) -> Option<Price> {
    let ((bid, bid_qty), (ask, ask_qty)) = (book.bids[0], book.asks[0]);
    let is_sound = bid_qty > Qty::ZERO && ask_qty > Qty::ZERO && bid > Price::ZERO && bid < ask;
    is_sound.then(|| Price(bid.0 + (ask.0 - bid.0) / 2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_market::bar;
    use model::{Quote, TOP_LEVELS};

    fn quote(bid: i64, ask: i64) -> Quote {
        let qty = Qty(1);
        Quote {
            symbol: SymbolId(0),
            at: Ts(5),
            exch_at: Ts(4),
            bid: Price(bid),
            bid_qty: qty,
            ask: Price(ask),
            ask_qty: qty,
        }
    }

    #[test]
    fn an_instance_decides_on_its_own_kind_of_event_only() {
        let (bar, quote) = (bar(0, 100.0), quote(10, 12));
        assert_eq!(moment(Driver::Bars, &Event::Bar(&bar)).map(|m| m.price), Some(bar.close));
        assert_eq!(moment(Driver::Quotes, &Event::Bar(&bar)), None);
        let expected = Moment { symbol: SymbolId(0), at: Ts(5), price: Price(11) };
        assert_eq!(moment(Driver::Quotes, &Event::Quote(&quote)), Some(expected));
        assert_eq!(moment(Driver::Bars, &Event::Quote(&quote)), None);
    }

    #[test]
    fn a_crossed_or_one_sided_market_proves_no_price() {
        assert_eq!(moment(Driver::Quotes, &Event::Quote(&quote(12, 12))), None);
        let mut book = BookTop {
            symbol: SymbolId(0),
            at: Ts(5),
            bids: [(Price(10), Qty(1)); TOP_LEVELS],
            asks: [(Price(20), Qty(1)); TOP_LEVELS],
        };
        assert_eq!(moment(Driver::Book, &Event::Book(&book)).map(|m| m.price), Some(Price(15)));
        book.asks[0].1 = Qty::ZERO;
        assert_eq!(moment(Driver::Book, &Event::Book(&book)), None);
    }
}
