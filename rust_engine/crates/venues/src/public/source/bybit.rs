//! Bybit v5, spot and linear: public topics, and the REST answers that complete them.

use super::decimal::{Decimal, Ladder};
use super::{
    Best, Body, BookUpdate, Candle, Dropped, Mark, Message, Print, sound_best, sound_book, sound_candle, sound_print,
    stamp,
};
use model::{Price, Qty, Side, Ts};
use serde::Deserialize;
use serde::de::IgnoredAny as Unread;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// A push of a topic, or the answer to a request (`success`, `op`).
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    ts: Option<i64>,
    #[serde(default)]
    cts: Option<i64>,
    #[serde(default)]
    success: Option<bool>,
    #[serde(borrow, default)]
    op: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct BookData {
    b: Ladder,
    a: Ladder,
    u: u64,
}

#[derive(Deserialize)]
struct TradeData<'a> {
    #[serde(rename = "T")]
    traded_at_ms: i64,
    #[serde(borrow, rename = "S")]
    side: Cow<'a, str>,
    v: Decimal,
    p: Decimal,
    #[serde(borrow)]
    i: Cow<'a, str>,
}

#[derive(Deserialize)]
struct KlineData {
    start: i64,
    open: Decimal,
    high: Decimal,
    low: Decimal,
    close: Decimal,
    volume: Decimal,
    confirm: bool,
}

#[derive(Deserialize)]
struct TickerData<'a> {
    #[serde(rename = "markPrice", default)]
    mark_price: Option<Decimal>,
    #[serde(borrow, rename = "fundingRate", default)]
    funding_rate: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "nextFundingTime", default)]
    next_funding_time: Option<Cow<'a, str>>,
}

/// Reads one frame.
///
/// # Errors
/// [`Dropped`].
pub fn parse(text: &str) -> Result<Message<'_>, Dropped> {
    let frame: Frame<'_> = serde_json::from_str(text).map_err(|_| Dropped::Malformed)?;
    let Some(topic) = &frame.topic else {
        return match (frame.success, &frame.op) {
            (Some(false), _) => Ok(Message::Refused(text.chars().take(200).collect())),
            (Some(true), _) | (None, Some(_)) => Ok(Message::Accepted),
            (None, None) => Err(Dropped::Unknown),
        };
    };
    let data = frame.data.ok_or(Dropped::Malformed)?.get();
    let (kind, rest) = topic.split_once('.').ok_or(Dropped::Unknown)?;
    let (argument, symbol) = match rest.split_once('.') {
        Some((argument, symbol)) => (argument, symbol),
        None => ("", rest),
    };
    let body = match kind {
        "orderbook" => book(&frame, argument == "1", data)?,
        "publicTrade" => trades(data)?,
        "kline" => klines(data)?,
        "tickers" => ticker(data)?,
        _ => return Err(Dropped::Unknown),
    };
    Ok(Message::Data { symbol: Cow::Owned(symbol.to_owned()), body })
}

fn read<'a, T: Deserialize<'a>>(data: &'a str) -> Result<T, Dropped> {
    serde_json::from_str(data).map_err(|_| Dropped::Malformed)
}

fn book(frame: &Frame<'_>, is_best: bool, data: &str) -> Result<Body, Dropped> {
    let data: BookData = read(data)?;
    let is_snapshot = match frame.kind.as_deref() {
        Some("snapshot") => true,
        Some("delta") => false,
        _ => return Err(Dropped::Malformed),
    };
    let exch_at = frame.cts.or(frame.ts).map(stamp).transpose()?;
    if is_best {
        return best(&data, is_snapshot, exch_at);
    }
    let mut levels = Vec::with_capacity(data.b.0.len() + data.a.0.len());
    data.b.append_to(Side::Buy, &mut levels);
    data.a.append_to(Side::Sell, &mut levels);
    // A service that restarts numbers from 1; its first message is a whole book even where its type says otherwise.
    let is_snapshot = is_snapshot || data.u == 1;
    let update = BookUpdate {
        is_snapshot,
        first_id: data.u,
        last_id: data.u,
        previous_id: if is_snapshot { None } else { data.u.checked_sub(1) },
        levels,
        exch_at,
    };
    sound_book(update).map(Body::Book)
}

/// `orderbook.1`: a snapshot holds both sides; a delta only those that changed, deletions among them.
fn best(data: &BookData, is_snapshot: bool, exch_at: Option<Ts>) -> Result<Body, Dropped> {
    let top = |ladder: &Ladder| {
        if ladder.0.iter().any(|(price, qty)| price.0 <= 0 || qty.0 < 0) {
            return Err(Dropped::Unsound);
        }
        let standing = ladder.0.iter().find(|(_, qty)| qty.0 > 0).copied();
        Ok((!ladder.0.is_empty()).then(|| standing.unwrap_or((Price::ZERO, Qty::ZERO))))
    };
    let (bid, ask) = (top(&data.b)?, top(&data.a)?);
    if !is_snapshot {
        return Ok(Body::BestDelta(data.u, bid, ask, exch_at));
    }
    let ((bid, bid_qty), (ask, ask_qty)) = (bid.unwrap_or_default(), ask.unwrap_or_default());
    sound_best(Best { update_id: data.u, bid, bid_qty, ask, ask_qty, exch_at }).map(Body::Best)
}

fn trades(data: &str) -> Result<Body, Dropped> {
    let rows: Vec<TradeData<'_>> = read(data)?;
    let print = |row: &TradeData<'_>| {
        let aggressor = match row.side.as_ref() {
            "Buy" => Side::Buy,
            "Sell" => Side::Sell,
            _ => return Err(Dropped::Malformed),
        };
        let exch_at = stamp(row.traded_at_ms)?;
        sound_print(Print { id: trade_id(&row.i)?, price: row.p.price(), qty: row.v.qty(), aggressor, exch_at })
    };
    rows.iter().map(print).collect::<Result<_, _>>().map(Body::Prints)
}

/// Spot numbers its trades; linear names them by UUID, whose halves are folded into 64 bits.
fn trade_id(text: &str) -> Result<u64, Dropped> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let mut digits = 0_u32;
    let mut folded = 0_u128;
    for byte in text.bytes().filter(|b| *b != b'-') {
        let digit = char::from(byte).to_digit(16).ok_or(Dropped::Malformed)?;
        folded = (folded << 4) | u128::from(digit);
        digits += 1;
    }
    let [high, low] = [(folded >> 64) as u64, folded as u64];
    if digits == 32 { Ok(high ^ low) } else { Err(Dropped::Malformed) }
}

fn klines(data: &str) -> Result<Body, Dropped> {
    let rows: Vec<KlineData> = read(data)?;
    let candle = |row: &KlineData| {
        sound_candle(Candle {
            opened_at: stamp(row.start)?,
            open: row.open.price(),
            high: row.high.price(),
            low: row.low.price(),
            close: row.close.price(),
            volume: row.volume.qty(),
            is_closed: row.confirm,
        })
    };
    rows.iter().map(candle).collect::<Result<_, _>>().map(Body::Candles)
}

fn ticker(data: &str) -> Result<Body, Dropped> {
    let data: TickerData<'_> = read(data)?;
    let mark = data.mark_price.map(Decimal::price);
    if mark.is_some_and(|price| price.0 <= 0) {
        return Err(Dropped::Unsound);
    }
    // Symbols without funding carry empty text here.
    let rate = data.funding_rate.filter(|text| !text.is_empty());
    let next = data.next_funding_time.filter(|text| !text.is_empty() && text.as_ref() != "0");
    let rate_e8 =
        rate.map(|text| super::parse_price(&text).map(|p| p.0)).transpose().map_err(|_| Dropped::Malformed)?;
    let next_ms = next.map(|text| text.parse()).transpose().map_err(|_| Dropped::Malformed)?;
    Ok(Body::Mark(Mark { mark, rate_e8, next_at: next_ms.map(stamp).transpose()? }))
}

/// Every REST answer: `retCode` 0 and a result, or a code with its reason.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(rename = "retCode")]
    code: i64,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct KlineResult {
    list: Vec<KlineRow>,
}

/// `[start, open, high, low, close, volume, turnover]`, the start as text.
type KlineRow = (String, Decimal, Decimal, Decimal, Decimal, Decimal, Unread);

/// The result inside a REST answer.
///
/// # Errors
/// [`Dropped::Malformed`] where there is none; [`Dropped::Unknown`] where the exchange reports an error code.
pub fn parse_answer(text: &str) -> Result<&str, Dropped> {
    let answer: Answer<'_> = read(text)?;
    if answer.code != 0 {
        return Err(Dropped::Unknown);
    }
    answer.result.map(RawValue::get).ok_or(Dropped::Malformed)
}

/// Reads the REST answer to `GET /v5/market/kline`; the exchange sends the newest first, this gives the oldest first.
///
/// # Errors
/// [`Dropped`].
pub fn parse_klines(text: &str) -> Result<Vec<Candle>, Dropped> {
    let result: KlineResult = read(parse_answer(text)?)?;
    let candle = |(start, o, h, l, c, v, _): &KlineRow| {
        sound_candle(Candle {
            opened_at: stamp(start.parse().map_err(|_| Dropped::Malformed)?)?,
            open: o.price(),
            high: h.price(),
            low: l.price(),
            close: c.price(),
            volume: v.qty(),
            is_closed: true,
        })
    };
    result.list.iter().rev().map(candle).collect()
}
