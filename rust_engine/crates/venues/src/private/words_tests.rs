use super::*;
use proptest::prelude::*;

/// As the exchange's own documentation shows them.
const SPOT_REPORT: &str = r#"{"subscriptionId":0,"event":{"e":"executionReport","E":1499405658658,"s":"ETHBTC",
    "c":"mUvoqJxFIILMdfAW5iGSOW","S":"BUY","o":"LIMIT","f":"GTC","q":"1.00000000","p":"0.10264410","P":"0.00000000",
    "F":"0.00000000","g":-1,"C":"","x":"NEW","X":"NEW","r":"NONE","i":4293153,"l":"0.00000000","z":"0.00000000",
    "L":"0.00000000","n":"0","N":null,"T":1499405658657,"t":-1,"v":3,"I":8641984,"w":true,"m":false,"M":false,
    "O":1499405658657,"Z":"0.00000000","Y":"0.00000000","Q":"0.00000000","W":1499405658657,"V":"NONE"}}"#;
const USDM_REPORT: &str = r#"{"e":"ORDER_TRADE_UPDATE","E":1568879465651,"T":1568879465650,"o":{"s":"BTCUSDT","c":"TEST",
    "S":"SELL","o":"STOP_MARKET","f":"GTC","q":"0.003","p":"0","ap":"0","sp":"7103.04","x":"TRADE","X":"PARTIALLY_FILLED",
    "i":8886774,"l":"0.001","z":"0.002","L":"7100.5","N":"USDT","n":"0.00355","T":1568879465650,"t":17,"b":"0","a":"9.91",
    "m":true,"R":false,"wt":"CONTRACT_PRICE","ot":"STOP_MARKET","ps":"BOTH","cp":false,"rp":"0","pP":false,"si":0,"ss":0,
    "V":"EXPIRE_TAKER","pm":"OPPONENT","gtd":0}}"#;
const SPOT_CANCEL: &str = r#"{"symbol":"LTCBTC","origClientOrderId":"myOrder1","orderId":4,"orderListId":-1,
    "clientOrderId":"cancelMyOrder1","transactTime":1684804350068,"price":"2.00000000","origQty":"1.00000000",
    "executedQty":"0.00000000","origQuoteOrderQty":"0.000000","cummulativeQuoteQty":"0.00000000","status":"CANCELED",
    "timeInForce":"GTC","type":"LIMIT","side":"BUY","selfTradePreventionMode":"NONE"}"#;
const SPOT_TRADES: &str = r#"[{"symbol":"BNBBTC","id":28457,"orderId":100234,"orderListId":-1,"price":"4.00000100",
    "qty":"12.00000000","quoteQty":"48.000012","commission":"10.10000000","commissionAsset":"BNB","time":1499865549590,
    "isBuyer":true,"isMaker":false,"isBestMatch":true}]"#;
const USDM_TRADES: &str = r#"[{"buyer":false,"commission":"-0.07819010","commissionAsset":"USDT","id":698759,"maker":true,
    "orderId":25851813,"price":"7819.01","qty":"0.002","quoteQty":"15.63802","realizedPnl":"-0.91539999","side":"SELL",
    "positionSide":"SHORT","symbol":"BTCUSDT","time":1569514978020}]"#;

fn execution(market: Market, text: &str) -> Execution {
    match parse_pushed(market, text).unwrap() {
        Pushed::Execution(execution) => execution,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reports_of_both_markets_become_the_same_words() {
    let Execution { state, trade } = execution(Market::Spot, SPOT_REPORT);
    assert_eq!(
        (state.client.as_str(), state.venue_id, state.status),
        ("mUvoqJxFIILMdfAW5iGSOW", 4_293_153, Status::Open)
    );
    assert_eq!((state.price, trade), (Some("0.1026441".parse().unwrap()), None));
    let Execution { state, trade } = execution(Market::Usdm, USDM_REPORT);
    assert_eq!(
        (state.side, state.executed, state.price),
        (Side::Sell, "0.002".parse().unwrap(), Some("7103.04".parse().unwrap()))
    );
    let trade = trade.unwrap();
    assert_eq!((trade.id, trade.price, trade.liquidity), (17, "7100.5".parse().unwrap(), Liquidity::Maker));
    assert_eq!((trade.commission, trade.commission_asset.as_str()), ("0.00355".parse().unwrap(), "USDT"));
}

#[test]
fn a_cancel_on_spot_is_about_the_order_and_not_about_itself() {
    let state = parse_order(SPOT_CANCEL).unwrap();
    assert_eq!((state.client.as_str(), state.status), ("myOrder1", Status::Cancelled));
    let pushed = SPOT_REPORT.replace(r#""C":"""#, r#""C":"myOrder1""#).replace(r#""X":"NEW""#, r#""X":"CANCELED""#);
    assert_eq!(execution(Market::Spot, &pushed).state.client, "myOrder1");
}

#[test]
fn trades_keep_rebates_and_the_currency_of_the_fee() {
    let [spot] = &parse_trades(SPOT_TRADES).unwrap()[..] else { panic!() };
    assert_eq!((spot.commission, spot.commission_asset.as_str()), ("10.1".parse().unwrap(), "BNB"));
    let [usdm] = &parse_trades(USDM_TRADES).unwrap()[..] else { panic!() };
    assert_eq!((usdm.commission, usdm.liquidity), ("-0.0781901".parse().unwrap(), Liquidity::Maker));
}

#[test]
fn what_cannot_be_understood_is_an_error_and_never_a_guess() {
    assert!(parse_order(&SPOT_CANCEL.replace("CANCELED", "PAUSED")).is_err());
    assert!(parse_order(&SPOT_CANCEL.replace("\"2.00000000\"", "\"2.000000001\"")).is_err());
    assert!(parse_pushed(Market::Usdm, &USDM_REPORT.replace("\"t\":17", "\"t\":-1")).is_err());
    let hedged = r#"[{"symbol":"BTCUSDT","positionSide":"LONG","positionAmt":"1"}]"#;
    assert!(parse_holdings(Market::Usdm, hedged).unwrap_err().to_string().contains("hedge mode"));
    assert!(parse_listen_key(r#"{"listenKey":"a/../b"}"#).is_err());
}

#[test]
fn what_is_no_order_is_told_apart() {
    let spot = |text| parse_pushed(Market::Spot, text).unwrap();
    assert_eq!(spot(r#"{"id":1,"status":200,"result":{"subscriptionId":0}}"#), Pushed::Subscribed);
    assert!(
        matches!(spot(r#"{"id":1,"status":400,"error":{"code":-1022,"msg":"x"}}"#), Pushed::Ended(why) if why.contains("-1022"))
    );
    let ended = r#"{"subscriptionId":0,"event":{"e":"eventStreamTerminated","E":1728973001334}}"#;
    assert_eq!(spot(ended), Pushed::Ended("eventStreamTerminated".into()));
    let balance = r#"{"subscriptionId":0,"event":{"e":"balanceUpdate","E":1,"a":"BTC","d":"100.00000000","T":1}}"#;
    assert_eq!(spot(balance), Pushed::Other);
    let expired = r#"{"e":"listenKeyExpired","E":1699596037418,"listenKey":"OfYGbUzi3P"}"#;
    assert_eq!(parse_pushed(Market::Usdm, expired).unwrap(), Pushed::Ended("listenKeyExpired".into()));
}

proptest! {
    #[test]
    fn no_text_ends_the_program(text in ".{0,200}", cut in 0_usize..700) {
        for market in [Market::Spot, Market::Usdm] {
            for whole in [SPOT_REPORT, USDM_REPORT] {
                parse_pushed(market, &whole[..cut.min(whole.len())]).ok();
            }
            parse_pushed(market, &text).ok();
            parse_holdings(market, &text).ok();
        }
        parse_order(&text).ok();
        parse_orders(&text).ok();
        parse_trades(&text).ok();
    }
}

/// As the exchange's own documentation and its connectors show them.
const ALGO_ORDER: &str = r#"{"algoId":2146760,"clientAlgoId":"6B2I9XVcJpCjqPAJ4YoFX7","algoType":"CONDITIONAL",
    "orderType":"STOP_MARKET","symbol":"BNBUSDT","side":"SELL","positionSide":"BOTH","timeInForce":"GTC","quantity":"0.01",
    "algoStatus":"CANCELED","actualOrderId":"","actualPrice":"0.00000","actualType":"LIMIT","actualQty":"0.01",
    "triggerPrice":"750.000","price":"750.000","icebergQuantity":null,"workingType":"CONTRACT_PRICE","reduceOnly":false,
    "createTime":1750485492076,"updateTime":1750514545091,"triggerTime":0,"goodTillDate":0}"#;
const ALGO_UPDATE: &str = r#"{"e":"ALGO_UPDATE","T":1750515742297,"E":1750515742303,"o":{"caid":"Q5xaq5EGKgXXa0fD7fs0Ip",
    "aid":2148719,"at":"CONDITIONAL","o":"STOP_MARKET","s":"BNBUSDT","S":"SELL","ps":"BOTH","f":"GTC","q":"0.01",
    "X":"TRIGGERED","ai":"8886774","ap":"0.00000","aq":"0.00000","act":"0","tp":"750","p":"0","V":"EXPIRE_MAKER",
    "wt":"CONTRACT_PRICE","pm":"NONE","cp":false,"pP":false,"R":false,"tt":0,"gtd":0,"rm":"Reduce Only reject"}}"#;

#[test]
fn stops_at_the_algo_service_become_orders_of_ours() {
    let asked = parse_algo(ALGO_ORDER).unwrap();
    assert_eq!((asked.algo_id, asked.status, asked.became), (2_146_760, AlgoStatus::Cancelled, None));
    let state = asked.state().unwrap();
    assert_eq!((state.client.as_str(), state.status), ("6B2I9XVcJpCjqPAJ4YoFX7", Status::Cancelled));
    assert_eq!((state.executed, state.trades_as, state.price), (Qty::ZERO, None, Some("750".parse().unwrap())));
    let Pushed::Algo(pushed) = parse_pushed(Market::Usdm, ALGO_UPDATE).unwrap() else { panic!() };
    assert_eq!((pushed.status, pushed.became), (AlgoStatus::Triggered, Some(8_886_774)));
    let state = pushed.state().unwrap();
    assert_eq!((state.venue_id, state.trades_as, state.status), (8_886_774, Some(8_886_774), Status::Open));
    let finished = parse_algo(&ALGO_ORDER.replace("CANCELED", "FINISHED")).unwrap();
    assert_eq!(finished.state(), None, "what it traded only its order says");
    assert_eq!(parse_algos(&format!("[{ALGO_ORDER}]")).unwrap(), [asked]);
    assert!(parse_algo_end(r#"{"algoId":2146760,"clientAlgoId":"6B2","code":"200","msg":"success"}"#).is_ok());
    for bad in [ALGO_ORDER.replace("CANCELED", "PAUSED"), ALGO_ORDER.replace("\"750.000\"", "\"\"")] {
        assert!(parse_algo(&bad).is_err(), "{bad}");
    }
    assert!(parse_algo(&ALGO_ORDER.replace("\"actualOrderId\":\"\"", "\"actualOrderId\":\"x\"")).is_err());
    assert!(parse_algo_end(r#"{"algoId":2146760,"code":"400","msg":"x"}"#).is_err());
    let trailing = ALGO_ORDER.replace("STOP_MARKET", "TRAILING_STOP_MARKET").replace("\"750.000\"", "\"\"");
    assert_eq!(parse_algo(&trailing).unwrap().trigger, None, "somebody else's may have none");
}
