//! Prints and levels as columns, one row each, and the messages of the exchange that they make up.

use model::{Depth, Level, MarketEvent, MarketTrade, Price, Qty, Side, SymbolId, Ts};

/// `kind` of a row: a level of a difference of the book.
pub const LEVEL: u8 = 0;
/// `kind` of a row: a level of a snapshot, which replaces the book.
pub const SNAPSHOT: u8 = 1;
/// `kind` of a row: a print.
pub const TRADE: u8 = 2;

/// Why columns were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// Columns differ in length.
    #[error("events: column '{0}' is not as long as 'at_ns'")]
    Length(&'static str),
    /// Times go back.
    #[error("events: row {0}: 'at_ns' is before the row above")]
    Order(usize),
    /// An unknown kind.
    #[error("events: row {row}: kind {kind} is none of 0 (level), 1 (level of a snapshot) and 2 (print)")]
    Kind {
        /// Where.
        row: usize,
        /// What.
        kind: u8,
    },
    /// A side that is none.
    #[error("events: row {row}: side {side} is neither 1 nor -1")]
    Side {
        /// Where.
        row: usize,
        /// What.
        side: i8,
    },
    /// A number that cannot be a price or a quantity.
    #[error("events: row {0}: the price must be above zero; a level's quantity at least zero, a print's above it")]
    Value(usize),
}

/// Rows in the order of receipt. Rows of one kind, other than prints, with equal `at_ns` are one message.
#[derive(Clone, Copy, Debug)]
pub struct BookColumns<'a> {
    /// Received, nanoseconds since 1970, UTC.
    pub at_ns: &'a [i64],
    /// Made by the exchange.
    pub exch_at_ns: &'a [i64],
    /// [`LEVEL`], [`SNAPSHOT`] or [`TRADE`].
    pub kind: &'a [u8],
    /// 1 for a bid or a buyer who crossed the spread, -1 for an ask or a seller.
    pub side: &'a [i8],
    /// Price in 1e-8.
    pub price_e8: &'a [i64],
    /// Quantity in 1e-8: what rests at a level now, what a print traded.
    pub qty_e8: &'a [i64],
}

/// Columns in which every row can be read.
#[derive(Clone, Copy, Debug)]
pub struct CheckedColumns<'a>(BookColumns<'a>);

impl<'a> BookColumns<'a> {
    /// Checks every row once.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn checked(self) -> Result<CheckedColumns<'a>, ColumnError> {
        let n = self.at_ns.len();
        let lengths = [
            ("exch_at_ns", self.exch_at_ns.len()),
            ("kind", self.kind.len()),
            ("side", self.side.len()),
            ("price_e8", self.price_e8.len()),
            ("qty_e8", self.qty_e8.len()),
        ];
        if let Some((name, _)) = lengths.iter().find(|(_, length)| *length != n) {
            return Err(ColumnError::Length(name));
        }
        if let Some(row) = self.at_ns.windows(2).position(|pair| pair[0] > pair[1]) {
            return Err(ColumnError::Order(row + 1));
        }
        for row in 0..n {
            let (kind, side) = (self.kind[row], self.side[row]);
            if kind > TRADE {
                return Err(ColumnError::Kind { row, kind });
            }
            if side != 1 && side != -1 {
                return Err(ColumnError::Side { row, side });
            }
            if self.price_e8[row] <= 0 || self.qty_e8[row] < i64::from(kind == TRADE) {
                return Err(ColumnError::Value(row));
            }
        }
        Ok(CheckedColumns(self))
    }
}

impl<'a> CheckedColumns<'a> {
    /// The messages, one at a time in the same memory.
    #[must_use]
    pub fn messages(&self) -> Messages<'a> {
        let depth = Depth {
            symbol: SymbolId(0),
            at: Ts(0),
            exch_at: Ts(0),
            first_id: 0,
            last_id: 0,
            is_snapshot: false,
            levels: Vec::new(),
        };
        Messages { columns: self.0, row: 0, n_messages: 0, depth: MarketEvent::Depth(depth), trade: None }
    }
}

/// Reads messages off columns.
#[derive(Debug)]
pub struct Messages<'a> {
    columns: BookColumns<'a>,
    row: usize,
    n_messages: u64,
    depth: MarketEvent,
    trade: Option<MarketEvent>,
}

impl Messages<'_> {
    /// The next message; it lives until the one after it.
    #[inline]
    pub fn next_message(&mut self) -> Option<&MarketEvent> {
        let kind = *self.columns.kind.get(self.row)?;
        self.n_messages += 1;
        if kind == TRADE { Some(self.read_trade()) } else { Some(self.read_depth(kind)) }
    }

    fn stamps(&self) -> (Ts, Ts) {
        (Ts(self.columns.at_ns[self.row]), Ts(self.columns.exch_at_ns[self.row]))
    }

    fn side(&self) -> Side {
        if self.columns.side[self.row] > 0 { Side::Buy } else { Side::Sell }
    }

    fn read_trade(&mut self) -> &MarketEvent {
        let (at, exch_at) = self.stamps();
        let trade = MarketTrade {
            symbol: SymbolId(0),
            at,
            exch_at,
            price: Price(self.columns.price_e8[self.row]),
            qty: Qty(self.columns.qty_e8[self.row]),
            aggressor: self.side(),
            id: self.n_messages,
        };
        self.row += 1;
        self.trade.insert(MarketEvent::Trade(trade))
    }

    fn read_depth(&mut self, kind: u8) -> &MarketEvent {
        let (at, exch_at) = self.stamps();
        let columns = self.columns;
        if let MarketEvent::Depth(depth) = &mut self.depth {
            (depth.at, depth.exch_at, depth.is_snapshot) = (at, exch_at, kind == SNAPSHOT);
            (depth.first_id, depth.last_id) = (self.n_messages, self.n_messages);
            depth.levels.clear();
            while self.row < columns.kind.len() && columns.kind[self.row] == kind && columns.at_ns[self.row] == at.0 {
                depth.levels.push(Level {
                    side: if columns.side[self.row] > 0 { Side::Buy } else { Side::Sell },
                    price: Price(columns.price_e8[self.row]),
                    qty: Qty(columns.qty_e8[self.row]),
                });
                self.row += 1;
            }
        }
        &self.depth
    }
}
