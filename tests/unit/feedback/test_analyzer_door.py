"""The door: shapes, numbers and texts of a language model."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from feedback.analyzer.answers import (
    AdjustmentsAnswer,
    DailyAnswer,
    InvalidAnswer,
    answer_schema,
    clean_text,
    parse_answer,
)
from feedback.analyzer.edits import EditRules
from feedback.analyzer.grounding import check_numbers, names_in, numbers_in
from feedback.analyzer.llm_edits import admit_edits
from strategies.schema import load_param_specs
from tests.analyzer_days import daily_answer, edit, edits_answer, refuted, running

RULES = EditRules(0.25, lambda strategy, params: "a" * 64)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no JSON object"),
        ("no", "no JSON object"),
        (daily_answer()[:-40], "broken or cut short"),
        ("[1, 2]", "no JSON object"),
        (daily_answer(summary=3), "summary: string_type"),
        (daily_answer(leverage=100), "leverage: extra_forbidden"),
        (json.dumps({**json.loads(daily_answer()), "set it <b>now</b>": 1}), "(key): extra_forbidden"),
        (edits_answer(), "summary: missing"),
        ("{" * 100_000, "broken or cut short"),
        ("x" * 400_001, "longer than"),
        ('{"a":' + "1" * 5_000 + "}", "broken or cut short"),
    ],
)
def test_a_wrong_shape_is_named_by_place_and_rule(text: str, fault: str) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        parse_answer(text, DailyAnswer)
    assert fault in str(refused.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", '"70"', "true", "null"])
def test_only_a_finite_number_is_a_value(number: str) -> None:
    text = edits_answer(edit()).replace('"value": 70', f'"value": {number}')
    with pytest.raises(InvalidAnswer, match="value"):
        parse_answer(text, AdjustmentsAnswer)


@settings(max_examples=150, deadline=None)
@given(
    value=st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 1_600).map(lambda n: n / 20)),
    param=st.sampled_from(["spread_threshold", "inventory_skew", "order_size", "leverage"]),
    instance=st.sampled_from(["mm-1", "mm-2"]),
)
def test_whatever_number_a_model_writes_only_a_legal_step_gets_through(value: float, param: str, instance: str) -> None:
    answer = parse_answer(edits_answer(edit(value=value, param=param, instance_id=instance)), AdjustmentsAnswer)
    version = running()
    admitted = admit_edits(answer, {"mm-1": version}, [], RULES)
    assert len(admitted.edits) + len(admitted.refused) == 1
    for kept in admitted.edits:
        spec, current = load_param_specs("market_making")[kept.param], version.params[kept.param]
        assert kept.instance_id == "mm-1" and spec.minimum <= kept.value <= spec.maximum and spec.is_on_grid(kept.value)
        assert 0 < abs(kept.value - current) <= max(0.25 * current, spec.step) + 1e-6


def test_a_refuted_move_a_second_edit_and_a_third_parameter_are_refused() -> None:
    edits = [
        edit(),
        edit(value=75),
        edit(param="inventory_skew", value=0.6),
        edit(param="order_size", value=4.5),
    ]
    answer = parse_answer(edits_answer(*edits), AdjustmentsAnswer)
    admitted = admit_edits(answer, {"mm-1": running()}, [], RULES)
    assert [e.param for e in admitted.edits] == ["spread_threshold", "inventory_skew"]
    assert [r.split(":")[0] + r.split(":")[1] for r in admitted.refused] == ["edits.1 duplicate", "edits.3 too_many"]
    again = admit_edits(answer, {"mm-1": running()}, [refuted("spread_threshold", 60.0, 75.0)], RULES)
    assert again.refused[:2] == tuple(
        f"edits.{n}: refuted: this move failed before from the same value" for n in (0, 1)
    )


def test_what_the_engine_would_refuse_as_a_whole_is_refused_here() -> None:
    def validate(strategy: str, params: object) -> str:
        raise BadInput("fast must be below slow")

    answer = parse_answer(edits_answer(edit()), AdjustmentsAnswer)
    admitted = admit_edits(answer, {"mm-1": running()}, [], EditRules(0.25, validate))
    assert admitted.edits == () and "contradiction: fast must be below slow" in admitted.refused[0]


def test_the_schema_closes_instances_and_parameters() -> None:
    schema = answer_schema("adjustments", {"instance_id": ["mm-1"], "param": ["spread_threshold"]})
    shape = schema["$defs"]["EditShape"]
    assert shape["properties"]["instance_id"]["enum"] == ["mm-1"]
    assert shape["properties"]["param"]["enum"] == ["spread_threshold"]
    assert shape["additionalProperties"] is False


@pytest.mark.parametrize(
    ("text", "expected", "struck"),
    [
        ("40 trades lost 1.25 USD", "40 trades lost 1.25 USD", 0),
        ("a win rate of 43 % and -1.3 USD", "a win rate of 43 % and -1.3 USD", 0),
        ("거래 40건에서 1.25달러 손실", "거래 40건에서 1.25달러 손실", 0),
        ("profit of 9,999 USD", "profit of [unverified] USD", 1),
        ("승률 87%였다", "승률 [unverified]%였다", 1),
        ("12,345.6 is known", "12,345.6 is known", 0),
        ("mm-1 and ema20 and S2 are names", "mm-1 and ema20 and S2 are names", 0),
        ("from 3.9 to 71.0", "from [unverified] to 71.0", 1),
        ("0.4 % is 40 bps, 12.3k is known and so is 1.23만", "0.4 % is 40 bps, 12.3k is known and so is 1.23만", 0),
        ("40k and 71만 are made up", "[unverified]k and [unverified]만 are made up", 2),
        ("mm-10, mm-1.5 and S3", "mm-[unverified], mm-[unverified] and S[unverified]", 3),
        ("ema20, xema20", "ema20, xema[unverified]", 1),
        ("mm-1은 40건, S2-71", "mm-1은 40건, S2-71", 0),
        ("40-99 bps", "40-[unverified] bps", 1),
        ("40-71 bps", "40-71 bps", 0),
        ("a rate of .87, not .43", "a rate of [unverified], not .43", 1),
        ("1e6 and 4e1", "[unverified] and 4e1", 1),
        ("1.23456e4, 1E999, 40e-400", "1.23456e4, [unverified], [unverified]", 2),
        ("40^6, 40**2, 40²", "[unverified], [unverified], 40[unverified]", 3),
        ("x500 and x40", "x[unverified] and x40", 1),
        ("USD9999 of USD40", "USD[unverified] of USD40", 1),
        ("BTC-9999", "BTC-[unverified]", 1),
        ("1_000_000, 9'999 and 40 000", "[unverified], [unverified] and [unverified]", 3),
        ("12_345.6 and 1.25.99", "12_345.6 and 1.25[unverified]", 1),
        ("99h5, v9, 7x40", "[unverified]h[unverified], v[unverified], [unverified]x40", 4),
        (
            "40B, 40 billion, 40 hundred, 40T",
            "[unverified]B, [unverified] billion, [unverified] hundred, [unverified]T",
            4,
        ),
        ("40억, 40천만, 40 만 원, 71조", "[unverified]억, [unverified]천만, [unverified] 만 원, [unverified]조", 4),
        ("40만큼, 71 조건, 40 백테스트, 71 만기", "40만큼, 71 조건, 40 백테스트, 71 만기", 0),
        (
            "９９ and ４０ in full width, ½ and ⑨",
            "[unverified] and ４０ in full width, [unverified] and [unverified]",
            3,
        ),
        ("40%p, 43 percent, 43％, 87％", "40%p, 43 percent, 43％, [unverified]％", 1),
        ("on 2031-99-98 at 97:96", "on [unverified]-[unverified]-[unverified] at [unverified]:[unverified]", 5),
    ],
)
def test_a_number_without_a_fact_is_struck_and_counted(text: str, expected: str, struck: int) -> None:
    checked = check_numbers(text, [40.0, -1.25, 0.43, 12345.6, 71.0], ["mm-1", "ema20", "S2"])
    assert (checked.text, checked.n_struck) == (expected, struck)


@pytest.mark.parametrize(
    "text", ["10-99 bps", ".87", "1e6", "x500", "USD9999", "BTC-9999", "5^10", "10e5", "10B", "5 조"]
)
def test_no_way_of_writing_hides_a_number(text: str) -> None:
    checked = check_numbers(text, [10.0, 5.0])
    assert checked.n_struck == 1 and checked.n_numbers >= 1


@given(st.text(alphabet="0123456789٣９½.,-_'eE^ kMB%만천 xUSD", max_size=30))
def test_every_digit_belongs_to_a_number_that_is_counted(text: str) -> None:
    checked = check_numbers(text, [])
    assert not any(c.isnumeric() for c in checked.text)
    assert checked.n_struck == checked.n_numbers


def test_names_are_those_of_the_facts() -> None:
    facts = {"ema20": 3, "rows": [{"id": "mm-1", "n": "12"}, {"id": "plain", "volatility_24h_bps:S1": 4.5}]}
    assert names_in(facts) == ("S1", "ema20", "mm-1", "volatility_24h_bps", "volatility_24h_bps:S1")
    assert numbers_in(facts) == (3.0, 4.5, 12.0)


def test_model_text_loses_what_could_open_markup() -> None:
    hostile = "Look ![x](http://evil.test/?k=1) <script>`x`</script>\u202e\u200b\U000e0041\nnow"
    cleaned = clean_text(hostile)
    assert not any(part in cleaned for part in ("](", "http", "<", "`", "\u202e", "\u200b", "\U000e0041", "\n"))
    assert cleaned.endswith("now")
