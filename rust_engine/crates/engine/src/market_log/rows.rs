//! The rows of the market log: 64 bytes each, little-endian, the same layout for every kind.
//!
//! One NumPy dtype reads a whole segment, header and seals included:
//!
//! ```python
//! numpy.dtype([("kind", "u1"), ("flags", "u1"), ("symbol", "<u2"), ("crc", "<u4"), ("v", "<i8", (7,))])
//! ```
//!
//! `crc` is the CRC-32 (IEEE) of the row with `crc` set to zero. Times are nanoseconds, prices and quantities units of 1e-8.
//!
//! | kind | row | v[0] | v[1] | v[2] | v[3] | v[4] | v[5] | v[6] | flags |
//! |---|---|---|---|---|---|---|---|---|---|
//! | 0 | header | magic | segment, from 1 | number of its first event row | SHA-256 of the segment before | … | … | … | |
//! | 1 | bar | opened_at | closed_at | open | high | low | close | volume | `MISSED` |
//! | 2 | trade | at | exch_at | price | qty | id | | | `SELL` |
//! | 3 | quote | at | exch_at | bid | bid_qty | ask | ask_qty | | |
//! | 4 | depth, one level | at | exch_at | first_id | last_id | price | qty | | `FIRST`, `LAST`, `SNAPSHOT`, `SELL`, `EMPTY` |
//! | 5 | funding | at | rate_e8 | mark | | | | | |
//! | 6 | staleness | at | | | | | | | `STALE` |
//! | 255 | seal | number of the last event row | SHA-256 of the segment up to here | … | … | … | | | `FINAL` |
//!
//! Header and seals carry no event and have no row number. A hash fills four values byte by byte.

use model::{Bar, Depth, Funding, Level, MarketEvent, MarketTrade, Price, Qty, Quote, Side, Staleness, SymbolId, Ts};

/// Bytes of one row.
pub const ROW_BYTES: usize = 64;
/// First of an event's levels.
pub const FIRST: u8 = 1;
/// Last of an event's levels.
pub const LAST: u8 = 2;
/// The levels replace the book.
pub const SNAPSHOT: u8 = 4;
/// An ask, or a print whose aggressor sold.
pub const SELL: u8 = 8;
/// A change of the book that names no level.
pub const EMPTY: u8 = 16;
/// The data are too old to trade on.
pub const STALE: u8 = 32;
/// The last seal of a segment that another one follows.
pub const FINAL: u8 = 64;
/// The candle closed while nobody listened, and was fetched later.
pub const MISSED: u8 = 128;

/// Kind of a header.
pub const HEADER: u8 = 0;
/// Kind of a seal.
pub const SEAL: u8 = 255;
const BAR: u8 = 1;
const TRADE: u8 = 2;
const QUOTE: u8 = 3;
const DEPTH: u8 = 4;
const FUNDING: u8 = 5;
const STALENESS: u8 = 6;

/// `xcmrket`, and the version of this layout in the last byte.
pub const MAGIC: i64 = i64::from_le_bytes(*b"xcmrket\x01");

/// One row, decoded as far as its layout goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub kind: u8,
    /// Marks that its kind knows.
    pub flags: u8,
    /// Index into the configured symbols.
    pub symbol: u16,
    /// Its values.
    pub v: [i64; 7],
}

impl Row {
    fn of(kind: u8, flags: u8, symbol: SymbolId, values: &[i64]) -> Self {
        let mut v = [0; 7];
        v[..values.len()].copy_from_slice(values);
        Self { kind, flags, symbol: symbol.0, v }
    }

    /// The header of segment `segment`, whose first event row is number `first_row`.
    #[must_use]
    pub fn header(segment: u64, first_row: u64, previous: &[u8; 32]) -> Self {
        let mut row = Self::of(HEADER, 0, SymbolId(0), &[MAGIC, segment.cast_signed(), first_row.cast_signed()]);
        row.put_hash(3, previous);
        row
    }

    /// The seal after `rows` event rows.
    #[must_use]
    pub fn seal(rows: u64, sha256: &[u8; 32], is_final: bool) -> Self {
        let mut row = Self::of(SEAL, if is_final { FINAL } else { 0 }, SymbolId(0), &[rows.cast_signed()]);
        row.put_hash(1, sha256);
        row
    }

    fn put_hash(&mut self, from: usize, hash: &[u8; 32]) {
        for (value, bytes) in self.v[from..from + 4].iter_mut().zip(hash.as_chunks::<8>().0) {
            *value = i64::from_le_bytes(*bytes);
        }
    }

    /// The hash that starts at value `from`.
    #[must_use]
    pub fn hash(&self, from: usize) -> [u8; 32] {
        let mut hash = [0; 32];
        for (value, bytes) in self.v[from..from + 4].iter().zip(hash.as_chunks_mut::<8>().0) {
            *bytes = value.to_le_bytes();
        }
        hash
    }

    /// A number that counts, which is never negative on disk.
    #[must_use]
    pub fn count(&self, index: usize) -> u64 {
        self.v[index].cast_unsigned()
    }

    /// The row as it is written.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ROW_BYTES] {
        let mut bytes = [0; ROW_BYTES];
        bytes[0] = self.kind;
        bytes[1] = self.flags;
        bytes[2..4].copy_from_slice(&self.symbol.to_le_bytes());
        for (value, place) in self.v.iter().zip(bytes[8..].as_chunks_mut::<8>().0) {
            *place = value.to_le_bytes();
        }
        let crc = crc32fast::hash(&bytes);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a row; `None` if its checksum does not hold.
    #[must_use]
    pub fn parse(bytes: &[u8; ROW_BYTES]) -> Option<Self> {
        let mut plain = *bytes;
        plain[4..8].fill(0);
        if crc32fast::hash(&plain).to_le_bytes() != bytes[4..8] {
            return None;
        }
        let mut v = [0; 7];
        for (value, place) in v.iter_mut().zip(bytes[8..].as_chunks::<8>().0) {
            *value = i64::from_le_bytes(*place);
        }
        Some(Self { kind: bytes[0], flags: bytes[1], symbol: u16::from_le_bytes([bytes[2], bytes[3]]), v })
    }
}

const fn side_flag(side: Side) -> u8 {
    match side {
        Side::Buy => 0,
        Side::Sell => SELL,
    }
}

const fn side_of(flags: u8) -> Side {
    if flags & SELL == 0 { Side::Buy } else { Side::Sell }
}

/// Gives `out` the rows of one event, in order.
pub fn encode(event: &MarketEvent, mut out: impl FnMut(Row)) {
    match event {
        MarketEvent::Bar(x) => out(bar_row(x, 0)),
        MarketEvent::Missed(x) => out(bar_row(x, MISSED)),
        MarketEvent::Trade(x) => {
            let values = [x.at.0, x.exch_at.0, x.price.0, x.qty.0, x.id.cast_signed()];
            out(Row::of(TRADE, side_flag(x.aggressor), x.symbol, &values));
        }
        MarketEvent::Quote(x) => {
            let values = [x.at.0, x.exch_at.0, x.bid.0, x.bid_qty.0, x.ask.0, x.ask_qty.0];
            out(Row::of(QUOTE, 0, x.symbol, &values));
        }
        MarketEvent::Depth(x) => encode_depth(x, out),
        MarketEvent::Funding(x) => out(Row::of(FUNDING, 0, x.symbol, &[x.at.0, x.rate_e8, x.mark.0])),
        MarketEvent::Staleness(x) => {
            out(Row::of(STALENESS, if x.is_stale { STALE } else { 0 }, x.symbol, &[x.at.0]));
        }
    }
}

fn bar_row(x: &Bar, flags: u8) -> Row {
    let values = [x.opened_at.0, x.closed_at.0, x.open.0, x.high.0, x.low.0, x.close.0, x.volume.0];
    Row::of(BAR, flags, x.symbol, &values)
}

fn encode_depth(depth: &Depth, mut out: impl FnMut(Row)) {
    let common = [depth.at.0, depth.exch_at.0, depth.first_id.cast_signed(), depth.last_id.cast_signed()];
    let snapshot = if depth.is_snapshot { SNAPSHOT } else { 0 };
    if depth.levels.is_empty() {
        out(Row::of(DEPTH, snapshot | FIRST | LAST | EMPTY, depth.symbol, &common));
        return;
    }
    let [at, exch_at, first_id, last_id] = common;
    for (i, level) in depth.levels.iter().enumerate() {
        let first = if i == 0 { FIRST } else { 0 };
        let last = if i + 1 == depth.levels.len() { LAST } else { 0 };
        let flags = snapshot | first | last | side_flag(level.side);
        out(Row::of(DEPTH, flags, depth.symbol, &[at, exch_at, first_id, last_id, level.price.0, level.qty.0]));
    }
}

/// Puts rows together to events again.
#[derive(Debug, Default)]
pub struct Decoder {
    depth: Option<Depth>,
}

impl Decoder {
    /// Whether the levels of an event are still to come.
    #[must_use]
    pub fn is_between_events(&self) -> bool {
        self.depth.is_none()
    }

    /// Takes the next row and gives the event that it completes.
    ///
    /// # Errors
    /// In words, why it cannot follow the rows before it.
    pub fn push(&mut self, row: &Row) -> Result<Option<MarketEvent>, &'static str> {
        if self.depth.is_some() && row.kind != DEPTH {
            return Err("another event begins before the last level of a book");
        }
        let symbol = SymbolId(row.symbol);
        let [a, b, c, d, e, f, g] = row.v;
        Ok(Some(match row.kind {
            BAR => {
                let bar = Bar {
                    symbol,
                    opened_at: Ts(a),
                    closed_at: Ts(b),
                    open: Price(c),
                    high: Price(d),
                    low: Price(e),
                    close: Price(f),
                    volume: Qty(g),
                };
                if row.flags & MISSED == 0 { MarketEvent::Bar(bar) } else { MarketEvent::Missed(bar) }
            }
            TRADE => MarketEvent::Trade(MarketTrade {
                symbol,
                at: Ts(a),
                exch_at: Ts(b),
                price: Price(c),
                qty: Qty(d),
                aggressor: side_of(row.flags),
                id: e.cast_unsigned(),
            }),
            QUOTE => MarketEvent::Quote(Quote {
                symbol,
                at: Ts(a),
                exch_at: Ts(b),
                bid: Price(c),
                bid_qty: Qty(d),
                ask: Price(e),
                ask_qty: Qty(f),
            }),
            DEPTH => return self.push_level(row),
            FUNDING => MarketEvent::Funding(Funding { symbol, at: Ts(a), rate_e8: b, mark: Price(c) }),
            STALENESS => MarketEvent::Staleness(Staleness { symbol, at: Ts(a), is_stale: row.flags & STALE != 0 }),
            _ => return Err("its kind is unknown"),
        }))
    }

    fn push_level(&mut self, row: &Row) -> Result<Option<MarketEvent>, &'static str> {
        let is_first = row.flags & FIRST != 0;
        if is_first != self.depth.is_none() {
            return Err("the levels of a book are out of order");
        }
        let [at, exch_at, _, _, price, qty, _] = row.v;
        let depth = self.depth.get_or_insert_with(|| Depth {
            symbol: SymbolId(row.symbol),
            at: Ts(at),
            exch_at: Ts(exch_at),
            first_id: row.count(2),
            last_id: row.count(3),
            is_snapshot: row.flags & SNAPSHOT != 0,
            levels: Vec::new(),
        });
        if row.flags & EMPTY == 0 {
            depth.levels.push(Level { side: side_of(row.flags), price: Price(price), qty: Qty(qty) });
        }
        Ok(if row.flags & LAST == 0 { None } else { self.depth.take().map(MarketEvent::Depth) })
    }
}
