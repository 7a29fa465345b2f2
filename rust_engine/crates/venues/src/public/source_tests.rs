use super::*;
use model::MarketVenue::{BinanceSpot, BinanceUsdm, BybitLinear, BybitSpot};
use proptest::prelude::*;

/// One message of every kind, as the exchanges send them.
const GOOD: [(MarketVenue, &str); 15] = [
    (
        BinanceUsdm,
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256322,"s":"BTCUSDT","t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}"#,
    ),
    (
        BinanceSpot,
        r#"{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}"#,
    ),
    (
        BinanceUsdm,
        r#"{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT","b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256313,"E":1723161256313}}"#,
    ),
    (
        BinanceSpot,
        r#"{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}"#,
    ),
    (
        BinanceUsdm,
        r#"{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256352,"T":1723161256351,"s":"BTCUSDT","U":5123107837801,"u":5123107842679,"pu":5123107837557,"b":[["1000.00","606.675"]],"a":[["61900.10","0.000"]]}}"#,
    ),
    (
        BinanceSpot,
        r#"{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT","U":50093239203,"u":50093239207,"b":[["55653.87000000","0.00000000"]],"a":[]}}"#,
    ),
    (
        BinanceSpot,
        r#"{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1723161360000,"s":"BTCUSDT","k":{"t":1723161300000,"T":1723161359999,"s":"BTCUSDT","i":"1m","f":1,"L":2,"o":"1.0","c":"2.0","h":"3.0","l":"0.5","v":"7","n":2,"x":true,"q":"1","V":"1","Q":"1","B":"0"}}}"#,
    ),
    (
        BinanceUsdm,
        r#"{"stream":"btcusdt@markPrice@1s","data":{"e":"markPriceUpdate","E":1723161255000,"s":"BTCUSDT","p":"61800.15000000","P":"61790","i":"61810.1","r":"-0.00010000","T":1723190400000}}"#,
    ),
    (BinanceSpot, r#"{"result":null,"id":1}"#),
    (
        BybitLinear,
        r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false}]}"#,
    ),
    (
        BybitSpot,
        r#"{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"]],"a":[["16611.00","0.029"]],"u":18521288,"seq":7961638724},"cts":1672304484976}"#,
    ),
    (
        BybitLinear,
        r#"{"topic":"orderbook.200.BTCUSDT","type":"delta","ts":1672304484978,"data":{"s":"BTCUSDT","b":[["16493.50","0.006"],["16490","0"]],"a":[],"u":18521289,"seq":7961638725},"cts":1672304484976}"#,
    ),
    (
        BybitLinear,
        r#"{"topic":"kline.5.BTCUSDT","data":[{"start":1672324800000,"end":1672325099999,"interval":"5","open":"16649.5","close":"16677","high":"16677","low":"16608","volume":"2.081","turnover":"34666.4005","confirm":false,"timestamp":1672324988882}],"ts":1672324988882,"type":"snapshot"}"#,
    ),
    (
        BybitLinear,
        r#"{"topic":"tickers.BTCUSDT","type":"delta","data":{"symbol":"BTCUSDT","markPrice":"17217.33","fundingRate":"-0.000005","nextFundingTime":"1673280000000"},"cs":24987956059,"ts":1673272861686}"#,
    ),
    (BybitSpot, r#"{"success":true,"ret_msg":"pong","conn_id":"x","req_id":"","op":"ping"}"#),
];

fn body(venue: MarketVenue, text: &str) -> Body {
    match parse(venue, text) {
        Ok(Message::Data { symbol, body }) => {
            assert_eq!(symbol, "BTCUSDT");
            body
        }
        other => panic!("no market data: {other:?}"),
    }
}

fn price(text: &str) -> Price {
    text.parse().unwrap()
}

fn qty(text: &str) -> Qty {
    text.parse().unwrap()
}

#[test]
fn every_kind_of_message_is_understood() {
    for (venue, text) in GOOD {
        parse(venue, text).unwrap_or_else(|e| panic!("{e}: {text}"));
    }
}

#[test]
fn prints_name_the_aggressor() {
    let Body::Prints(usdm) = body(GOOD[0].0, GOOD[0].1) else { panic!() };
    let exch_at = Ts(1_723_161_256_322 * Ts::MS);
    let expected =
        Print { id: 5_266_583_935, price: price("61800.3"), qty: qty("0.006"), aggressor: Side::Buy, exch_at };
    assert_eq!(usdm, vec![expected]);
    let Body::Prints(spot) = body(GOOD[1].0, GOOD[1].1) else { panic!() };
    assert_eq!(spot[0].aggressor, Side::Sell, "the buyer rested");
    let Body::Prints(bybit) = body(GOOD[9].0, GOOD[9].1) else { panic!() };
    assert_eq!((bybit[0].aggressor, bybit[0].id), (Side::Buy, 0x20f4_3950_d8dd_5b31 ^ 0x9112_a178_eb60_23af));
}

#[test]
fn best_prices_keep_what_the_exchange_says_of_time() {
    let Body::Best(usdm) = body(GOOD[2].0, GOOD[2].1) else { panic!() };
    assert_eq!(
        (usdm.bid, usdm.bid_qty, usdm.ask, usdm.ask_qty),
        (price("61800.2"), qty("2.507"), price("61800.3"), qty("2.51"))
    );
    assert_eq!(usdm.exch_at, Some(Ts(1_723_161_256_313 * Ts::MS)));
    let Body::Best(spot) = body(GOOD[3].0, GOOD[3].1) else { panic!() };
    assert_eq!(spot.exch_at, None);
}

#[test]
fn book_changes_keep_their_numbers() {
    let Body::Book(usdm) = body(GOOD[4].0, GOOD[4].1) else { panic!() };
    assert_eq!(
        (usdm.first_id, usdm.last_id, usdm.previous_id),
        (5_123_107_837_801, 5_123_107_842_679, Some(5_123_107_837_557))
    );
    let ask = Level { side: Side::Sell, price: price("61900.1"), qty: Qty::ZERO };
    assert_eq!(usdm.levels, vec![Level { side: Side::Buy, price: price("1000"), qty: qty("606.675") }, ask]);
    let Body::Book(bybit) = body(GOOD[11].0, GOOD[11].1) else { panic!() };
    assert_eq!((bybit.first_id, bybit.last_id, bybit.previous_id), (18_521_289, 18_521_289, Some(18_521_288)));
    let Body::Book(restarted) = body(BybitLinear, &GOOD[11].1.replace("18521289", "1")) else { panic!() };
    assert!(restarted.is_snapshot, "number 1 restarts the book");
}

#[test]
fn funding_keeps_its_sign() {
    let Body::Mark(usdm) = body(GOOD[7].0, GOOD[7].1) else { panic!() };
    let next_at = Some(Ts(1_723_190_400_000 * Ts::MS));
    assert_eq!(usdm, Mark { mark: Some(price("61800.15")), rate_e8: Some(-10_000), next_at });
    let Body::Mark(bybit) = body(GOOD[13].0, GOOD[13].1) else { panic!() };
    assert_eq!((bybit.rate_e8, bybit.mark), (Some(-500), Some(price("17217.33"))));
}

#[test]
fn only_a_candle_that_is_said_to_be_closed_is_closed() {
    let Body::Candles(closed) = body(GOOD[6].0, GOOD[6].1) else { panic!() };
    assert!(closed[0].is_closed);
    let Body::Candles(forming) = body(GOOD[12].0, GOOD[12].1) else { panic!() };
    assert!(!forming[0].is_closed);
    assert_eq!(
        (forming[0].open, forming[0].close, forming[0].volume),
        (price("16649.5"), price("16677"), qty("2.081"))
    );
}

#[test]
fn numbers_that_no_market_has_are_refused() {
    let cases = [
        (BinanceUsdm, GOOD[0].1.replace("61800.30", "0")),
        (BinanceUsdm, GOOD[0].1.replace("0.006", "-0.006")),
        (BinanceUsdm, GOOD[0].1.replace("1723161256322", "-1")),
        (BinanceUsdm, GOOD[0].1.replace("1723161256322", "9223372036854775807")),
        (BinanceUsdm, GOOD[2].1.replace("61800.20", "61800.40")),
        (BinanceUsdm, GOOD[4].1.replace("606.675", "-1")),
        (BinanceUsdm, GOOD[4].1.replace("5123107842679", "18446744073709551615")),
        (BinanceUsdm, GOOD[4].1.replace("5123107837557", "5123107842679")),
        (BinanceSpot, GOOD[6].1.replace(r#""h":"3.0""#, r#""h":"1.5""#)),
        (BybitSpot, GOOD[10].1.replace("16611.00", "16400")),
    ];
    for (venue, text) in cases {
        assert_eq!(parse(venue, &text), Err(Dropped::Unsound), "{text}");
    }
}

#[test]
fn text_that_is_no_exact_decimal_is_refused() {
    for number in ["6e4", "NaN", "", "1,0", "0x1", " 1", "1.123456789", "99999999999999999999"] {
        let text = GOOD[0].1.replace("61800.30", number);
        assert_eq!(parse(BinanceUsdm, &text), Err(Dropped::Malformed), "{number}");
    }
    let number = GOOD[0].1.replace("\"61800.30\"", "61800.30");
    assert_eq!(parse(BinanceUsdm, &number), Err(Dropped::Malformed), "a float is no decimal text");
    let padded = GOOD[0].1.replace("61800.30", "61800.3000000000000");
    assert!(parse(BinanceUsdm, &padded).is_ok(), "zeros beyond the eighth decimal say nothing");
}

#[test]
fn refusals_of_the_exchange_are_told_apart() {
    let binance = r#"{"error":{"code":2,"msg":"Invalid request"},"id":3}"#;
    let bybit = r#"{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}"#;
    assert!(matches!(parse(BinanceSpot, binance), Ok(Message::Refused(_))));
    assert!(matches!(parse(BybitLinear, bybit), Ok(Message::Refused(_))));
}

/// Hostile lines, written by hand: whatever they hold, no decoder may do more than refuse.
#[test]
fn the_corpus_is_survived() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut n = 0;
    for entry in std::fs::read_dir(dir).expect("the corpus") {
        let bytes = std::fs::read(entry.expect("a file").path()).expect("a readable file");
        for line in String::from_utf8_lossy(&bytes).lines() {
            n += 1;
            try_all(line);
        }
    }
    assert!(n >= 60, "{n} lines");
}

fn try_all(text: &str) {
    for venue in [BinanceSpot, BinanceUsdm, BybitSpot, BybitLinear] {
        // Either answer is right; only a panic is wrong.
        drop(parse(venue, text));
    }
    drop((
        binance::parse_snapshot(text),
        binance::parse_klines(text),
        bybit::parse_klines(text),
        bybit::parse_answer(text),
    ));
}

fn any_good() -> impl Strategy<Value = String> {
    (0..GOOD.len()).prop_map(|index| GOOD[index].1.to_owned())
}

proptest! {
    #[test]
    fn any_text_is_survived(text in ".{0,300}") {
        try_all(&text);
    }

    #[test]
    fn a_mutilated_message_is_survived(
        text in any_good(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = text.into_bytes();
        for (place, byte) in places {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        try_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_spliced_message_is_survived(
        a in any_good(), b in any_good(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>(),
    ) {
        let text = format!("{}{}", &a[..from.index(a.len())], &b[to.index(b.len())..]);
        try_all(&text);
    }

    #[test]
    fn a_number_survives_its_text(units in 1..i64::MAX, zeros in 0_usize..6) {
        let text = Price(units).to_string();
        let padded = if text.contains('.') { format!("{text}{}", "0".repeat(zeros)) } else { text };
        prop_assert_eq!(parse_price(&padded), Ok(Price(units)));
    }
}

/// Long runs of the same search.
mod soak {
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000_000))]
        #[test]
        #[ignore = "soak: two million mutilated messages"]
        fn mutilated_messages_are_survived(
            text in any_good(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..16),
        ) {
            let mut bytes = text.into_bytes();
            for (place, byte) in places {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            try_all(&String::from_utf8_lossy(&bytes));
        }
    }
}
