//! Binance spot and USD-M: combined streams, and the REST answers that complete them.

use super::decimal::{Decimal, Ladder};
use super::{
    Best, Body, BookUpdate, Candle, Dropped, Mark, Message, Print, sound_best, sound_book, sound_candle, sound_print,
    stamp,
};
use model::Side;
use serde::Deserialize;
use serde::de::IgnoredAny as Unread;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `{"stream": ..., "data": {...}}`, or the answer to a request: `{"result": null, "id": 1}`, `{"error": {...}, "id": 1}`.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default)]
    stream: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct TradeData<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    t: u64,
    p: Decimal,
    q: Decimal,
    #[serde(rename = "T")]
    traded_at_ms: i64,
    m: bool,
}

#[derive(Deserialize)]
struct TickerData<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    u: u64,
    b: Decimal,
    #[serde(rename = "B")]
    bid_qty: Decimal,
    a: Decimal,
    #[serde(rename = "A")]
    ask_qty: Decimal,
    #[serde(rename = "T", default)]
    traded_at_ms: Option<i64>,
}

#[derive(Deserialize)]
struct DepthData<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    #[serde(rename = "U")]
    first_id: u64,
    u: u64,
    #[serde(default)]
    pu: Option<u64>,
    b: Ladder,
    a: Ladder,
    #[serde(rename = "E")]
    event_at_ms: i64,
    #[serde(rename = "T", default)]
    traded_at_ms: Option<i64>,
}

#[derive(Deserialize)]
struct KlineData<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    k: Kline,
}

#[derive(Deserialize)]
struct Kline {
    #[serde(rename = "t")]
    opened_at_ms: i64,
    o: Decimal,
    h: Decimal,
    l: Decimal,
    c: Decimal,
    v: Decimal,
    x: bool,
}

#[derive(Deserialize)]
struct MarkData<'a> {
    #[serde(borrow)]
    s: Cow<'a, str>,
    p: Decimal,
    r: Decimal,
    #[serde(rename = "T")]
    next_at_ms: i64,
}

#[derive(Deserialize)]
struct SnapshotData {
    #[serde(rename = "lastUpdateId")]
    last_update_id: u64,
    bids: Ladder,
    asks: Ladder,
    #[serde(rename = "T", default)]
    traded_at_ms: Option<i64>,
}

fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Dropped> {
    serde_json::from_str(raw.get()).map_err(|_| Dropped::Malformed)
}

/// Reads one frame of a combined stream.
///
/// # Errors
/// [`Dropped`].
pub fn parse(text: &str) -> Result<Message<'_>, Dropped> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| Dropped::Malformed)?;
    if let (Some(stream), Some(data)) = (&frame.stream, frame.data) {
        return parse_data(stream, data);
    }
    if frame.error.is_some() || frame.code.is_some() {
        return Ok(Message::Refused(text.chars().take(200).collect()));
    }
    if frame.id.is_some() { Ok(Message::Accepted) } else { Err(Dropped::Unknown) }
}

fn parse_data<'a>(stream: &str, data: &'a RawValue) -> Result<Message<'a>, Dropped> {
    let kind = stream.split_once('@').ok_or(Dropped::Unknown)?.1;
    let (symbol, body) = if kind == "trade" {
        trade(read(data)?)?
    } else if kind == "bookTicker" {
        ticker(read(data)?)?
    } else if kind == "depth" || kind.starts_with("depth@") {
        depth(read(data)?)?
    } else if kind.starts_with("kline_") {
        kline(read(data)?)?
    } else if kind.starts_with("markPrice") {
        mark(read(data)?)?
    } else {
        return Err(Dropped::Unknown);
    };
    Ok(Message::Data { symbol, body })
}

fn trade(data: TradeData<'_>) -> Result<(Cow<'_, str>, Body), Dropped> {
    let print = Print {
        id: data.t,
        price: data.p.price(),
        qty: data.q.qty(),
        aggressor: if data.m { Side::Sell } else { Side::Buy },
        exch_at: stamp(data.traded_at_ms)?,
    };
    Ok((data.s, Body::Prints(vec![sound_print(print)?])))
}

fn ticker(data: TickerData<'_>) -> Result<(Cow<'_, str>, Body), Dropped> {
    let best = Best {
        update_id: data.u,
        bid: data.b.price(),
        bid_qty: data.bid_qty.qty(),
        ask: data.a.price(),
        ask_qty: data.ask_qty.qty(),
        exch_at: data.traded_at_ms.map(stamp).transpose()?,
    };
    Ok((data.s, Body::Best(sound_best(best)?)))
}

fn depth(data: DepthData<'_>) -> Result<(Cow<'_, str>, Body), Dropped> {
    let update = BookUpdate {
        is_snapshot: false,
        first_id: data.first_id,
        last_id: data.u,
        previous_id: data.pu,
        levels: both_sides(&data.b, &data.a),
        exch_at: Some(stamp(data.traded_at_ms.unwrap_or(data.event_at_ms))?),
    };
    Ok((data.s, Body::Book(sound_book(update)?)))
}

fn kline(data: KlineData<'_>) -> Result<(Cow<'_, str>, Body), Dropped> {
    let k = &data.k;
    let candle = Candle {
        opened_at: stamp(k.opened_at_ms)?,
        open: k.o.price(),
        high: k.h.price(),
        low: k.l.price(),
        close: k.c.price(),
        volume: k.v.qty(),
        is_closed: k.x,
    };
    Ok((data.s, Body::Candles(vec![sound_candle(candle)?])))
}

fn mark(data: MarkData<'_>) -> Result<(Cow<'_, str>, Body), Dropped> {
    if data.p.0 <= 0 {
        return Err(Dropped::Unsound);
    }
    let next_at = if data.next_at_ms == 0 { None } else { Some(stamp(data.next_at_ms)?) };
    Ok((data.s, Body::Mark(Mark { mark: Some(data.p.price()), rate_e8: Some(data.r.0), next_at })))
}

fn both_sides(bids: &Ladder, asks: &Ladder) -> Vec<model::Level> {
    let mut levels = Vec::with_capacity(bids.0.len() + asks.0.len());
    bids.append_to(Side::Buy, &mut levels);
    asks.append_to(Side::Sell, &mut levels);
    levels
}

/// Reads the REST answer to `GET /depth`.
///
/// # Errors
/// [`Dropped`].
pub fn parse_snapshot(text: &str) -> Result<BookUpdate, Dropped> {
    let data: SnapshotData = serde_json::from_str(text).map_err(|_| Dropped::Malformed)?;
    sound_book(BookUpdate {
        is_snapshot: true,
        first_id: data.last_update_id,
        last_id: data.last_update_id,
        previous_id: None,
        levels: both_sides(&data.bids, &data.asks),
        exch_at: data.traded_at_ms.map(stamp).transpose()?,
    })
}

/// `[open time, open, high, low, close, volume, close time, ...]`, twelve cells in all.
type KlineRow = (i64, Decimal, Decimal, Decimal, Decimal, Decimal, Unread, Unread, Unread, Unread, Unread, Unread);

/// Reads the REST answer to `GET /klines`, oldest first. The last row may still be forming: the caller cuts by time.
///
/// # Errors
/// [`Dropped`].
pub fn parse_klines(text: &str) -> Result<Vec<Candle>, Dropped> {
    let rows: Vec<KlineRow> = serde_json::from_str(text).map_err(|_| Dropped::Malformed)?;
    rows.into_iter()
        .map(|(opened_at_ms, o, h, l, c, v, ..)| {
            sound_candle(Candle {
                opened_at: stamp(opened_at_ms)?,
                open: o.price(),
                high: h.price(),
                low: l.price(),
                close: c.price(),
                volume: v.qty(),
                is_closed: true,
            })
        })
        .collect()
}
