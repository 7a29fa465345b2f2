from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.model.canonical import canonical_json, from_json, sha256_of, short_id


@dataclass(frozen=True, slots=True)
class Sample:
    b: Decimal
    a: datetime
    on: date
    tags: tuple[str, ...]


SAMPLE = Sample(Decimal("1.10"), datetime(2026, 3, 2, 3, tzinfo=UTC), date(2026, 3, 2), ("x", "한국"))


def test_the_text_has_sorted_keys_and_no_spaces():
    expected = '{"a":"2026-03-02T03:00:00Z","b":"1.10","on":"2026-03-02","tags":["x","한국"]}'
    assert canonical_json(SAMPLE) == expected


def test_a_value_comes_back_with_its_types_and_exact_decimals():
    back = from_json(canonical_json(SAMPLE), Sample)
    assert back == SAMPLE
    assert str(back.b) == "1.10"


def test_another_kind_of_value_is_refused():
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        from_json("{}", Sample)


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none(), max_size=6))
def test_the_order_of_insertion_does_not_matter(values):
    backwards = dict(reversed(values.items()))
    assert sha256_of(values) == sha256_of(backwards)


def test_hashes_of_text_are_hashes_of_its_bytes():
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert sha256_of("") == sha256_of(b"") == empty
    assert sha256_of({"a": 1}) == sha256_of('{"a":1}')


def test_an_id_comes_from_its_parts_alone():
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert short_id("trade", "a", 1, at) == short_id("trade", "a", "1", at)
    assert short_id("trade", "a", "b") != short_id("trade", "ab")
    assert short_id("trade", "a", "b") != short_id("trade", "b", "a")
    assert len(short_id("trade", "a")) == len("trade-") + 12


def test_the_same_instant_in_another_zone_is_not_silently_the_same_text():
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)
    assert canonical_json(at) != canonical_json(at.astimezone(timezone(timedelta(hours=9))))
