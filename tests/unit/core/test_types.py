from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from core.store.types import DayText, DecimalText, JsonText, UtcTime

DIALECT = sqlite.dialect()
AWARE = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-5))]),
)


def through(kind, value):
    stored = kind.process_bind_param(value, DIALECT)
    assert stored is None or isinstance(stored, str)
    return kind.process_result_value(stored, DIALECT)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18))
def test_a_decimal_comes_back_exact(value):
    assert through(DecimalText(), value) == value


@pytest.mark.parametrize(("value", "text"), [("1E+3", "1000"), ("1E-8", "0.00000001"), ("1.10", "1.10")])
def test_a_decimal_is_stored_as_plain_text(value, text):
    assert DecimalText().process_bind_param(Decimal(value), DIALECT) == text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_not_stored(value):
    with pytest.raises(ValueError, match="is not an amount"):
        DecimalText().process_bind_param(Decimal(value), DIALECT)


@given(AWARE)
def test_a_time_comes_back_as_the_same_instant_in_utc(at):
    back = through(UtcTime(), at)
    assert back == at
    assert back.tzinfo is UTC


@given(AWARE, AWARE)
def test_stored_times_sort_as_text(one, other):
    texts = [UtcTime().process_bind_param(at, DIALECT) for at in (one, other)]
    assert (texts[0] < texts[1]) == (one < other)
    assert {len(text) for text in texts} == {27}


def test_a_naive_time_is_not_stored():
    with pytest.raises(ValueError, match="no time zone"):
        UtcTime().process_bind_param(datetime(2026, 3, 2), DIALECT)  # noqa: DTZ001


def test_a_day_and_a_json_value_come_back():
    assert through(DayText(), date(2026, 3, 2)) == date(2026, 3, 2)
    assert through(JsonText(), {"b": [1, None], "a": Decimal("1.10")}) == {"a": "1.10", "b": [1, None]}


@pytest.mark.parametrize("kind", [DecimalText(), UtcTime(), DayText(), JsonText()])
def test_nothing_stays_nothing(kind):
    assert through(kind, None) is None
