"""Limits that both languages know, and that mean nothing unless they are equal."""

import re
from pathlib import Path

import pytest

from core.settings_sections import PROJECT_ROOT
from strategies.programs import KEPT_BARS, MAX_TEXT_BYTES

CRATES = Path(PROJECT_ROOT) / "rust_engine" / "crates"


@pytest.mark.parametrize(
    ("source", "name", "ours"),
    [
        ("model/src/rules.rs", "MAX_TEXT_BYTES", MAX_TEXT_BYTES),
        ("engine/src/kept.rs", "MOST", KEPT_BARS),
    ],
)
def test_a_limit_is_the_same_in_both_languages(source: str, name: str, ours: int) -> None:
    [found] = re.findall(rf"const {name}: usize = ([\d_]+);", (CRATES / source).read_text())
    assert int(found) == ours
