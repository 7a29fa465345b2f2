"""What the advisor's model is shown: little, mostly fixed, numbers and closed words, nothing that names a market."""

import json
import re
from decimal import Decimal
from typing import Any

import pytest

from core.model.generated import AdviceRequest
from feedback.advisor.facts import RecentTrades, summarise_recent, write_facts
from feedback.advisor.rules import Surroundings
from feedback.analyzer.answers import AdviceReason, parse_answer
from feedback.analyzer.render import PROMPT_DIR, load_template, render
from tests import factories
from tests.factories import NOON

CALM = Surroundings(Decimal("10100"), 20.0)
RECENT = RecentTrades(20, 0.6, 3.14159)
INDICATORS = {
    "rsi": 61.4, "macd": 2.0, "macd_signal": 1.0, "bollinger_upper": 102.0, "bollinger_lower": 97.0,
    "ema_fast": 100.0, "ema_slow": 99.0, "atr": 1.0,
}  # fmt: skip
CONDITIONS = {"volatility_bps": 22.0, "volume_ratio": 1.6, "trend_bps": 28.0}


def asked(**over: Any) -> AdviceRequest:
    return factories.advice_request(**{"indicators": INDICATORS, "conditions": CONDITIONS, **over})


def facts(**over: Any) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(write_facts(asked(**over), "large", CALM, RECENT))
    return read


def test_the_facts_of_a_purchase() -> None:
    assert facts() == {
        "strategy": "momentum_scalping", "side": "buy", "strength": 0.8, "size": "large", "order_share": 0.1,
        "position_share": 0.0, "drawdown_pct": 1.0, "volatility_ratio": 1.1, "trend_for_us": 1.27,
        "volume_ratio": 1.6, "rsi_for_us": 61.0, "macd_for_us": 1, "band_for_us": 0.2,
        "recent": {"n": 20, "win_share": 0.6, "mean_bps": 3.1}, "hour_kst": 12,
    }  # fmt: skip


def test_of_a_sale_everything_with_a_direction_is_turned_round() -> None:
    sold = facts(side="sell")
    assert (sold["trend_for_us"], sold["rsi_for_us"], sold["macd_for_us"], sold["band_for_us"]) == (-1.27, 39, -1, -0.2)


def test_what_is_not_known_is_null() -> None:
    nothing = dict.fromkeys(INDICATORS)
    written = write_facts(
        asked(indicators=nothing, conditions=dict.fromkeys(CONDITIONS)),
        "medium",
        Surroundings(None, None),
        summarise_recent([]),
    )
    found = json.loads(written)
    unknown = {name for name, value in found.items() if value is None}
    assert unknown == {
        "drawdown_pct", "volatility_ratio", "trend_for_us", "volume_ratio", "rsi_for_us", "macd_for_us", "band_for_us",
    }  # fmt: skip
    assert found["recent"] == {"n": 0, "win_share": None, "mean_bps": None}


def test_recent_trades_are_summed_up_after_costs() -> None:
    recent = summarise_recent([factories.trade("a", NOON, "1.00"), factories.trade("b", NOON, "-3.00")])
    assert (recent.n, recent.win_share, recent.mean_bps) == (2, 0.5, pytest.approx(-100))


def test_nothing_names_the_market_the_price_or_the_day() -> None:
    request = asked(symbol="BTCUSDT", price="97531.25", notional="1000")
    prompt = render("realtime/advice", {"facts": write_facts(request, "large", CALM, RECENT)}, "en")
    whole = prompt.prefix + prompt.body
    for word in ("BTC", "USDT", "97531", "2026", request.instance_id, request.advice_id):
        assert word not in whole


def test_the_prompt_is_short_and_nine_tenths_of_it_never_change() -> None:
    prompt = render("realtime/advice", {"facts": write_facts(asked(), "large", CALM, RECENT)}, "en")
    other = render("realtime/advice", {"facts": write_facts(asked(side="sell"), "medium", CALM, RECENT)}, "ko")
    assert prompt.prefix == other.prefix
    share = len(prompt.prefix) / len(prompt.prefix + prompt.body)
    assert share >= 0.85
    # No tokenizer in use makes more than a token of every second character of English text and JSON.
    assert len(prompt.prefix + prompt.body) / 2.2 <= 2_000


def test_every_fact_is_explained_and_the_examples_have_the_same_keys() -> None:
    prefix = render("realtime/advice", {"facts": "{}"}, "en").prefix
    shown = facts()
    for name in [*shown, *shown["recent"]]:
        assert re.search(rf"\b{name}\b", prefix), name
    examples = [json.loads(line) for line in prefix.splitlines() if line.startswith("{")]
    assert len(examples) == 2
    assert all(list(example) == list(shown) or set(example) == set(shown) for example in examples)


def test_the_template_asks_for_no_thinking_and_few_tokens() -> None:
    front = load_template("realtime/advice").front
    assert (front.thinking, front.max_tokens) == (False, 3)
    assert load_template("realtime/reason").front.thinking is False


def test_the_example_of_a_reason_is_a_valid_answer() -> None:
    text = (PROMPT_DIR / "realtime" / "reason.v1.j2").read_text(encoding="utf-8")
    [example] = [line for line in text.splitlines() if line.startswith('{"reason"')]
    assert parse_answer(example, AdviceReason).reason
