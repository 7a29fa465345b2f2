"""What two machines must have in common: what differs is named, and the sample of arithmetic notices other digits."""

import numpy as np
import pytest

from strategies import installed
from strategies.installed import Installed, difference, read_installed

OURS = Installed("c", "numpy 2", "a")


@pytest.mark.parametrize(
    ("theirs", "what"),
    [
        (Installed("d", "numpy 3", "b"), "other code"),
        (Installed("c", "numpy 3", "b"), "numpy 3, here it is numpy 2"),
        (Installed("c", "numpy 2", "b"), "rounds another way"),
    ],
)
def test_what_differs_first_is_named_with_a_remedy(theirs: Installed, what: str):
    differs, remedy = difference(OURS, theirs)
    assert what in differs and remedy


def test_equal_machines_differ_in_nothing():
    assert difference(read_installed(), Installed(*read_installed())) == ("", "")
    assert read_installed().libraries.startswith("Python 3.")


def test_another_last_digit_of_one_function_is_noticed(monkeypatch: pytest.MonkeyPatch):
    before = installed._arithmetic_sha256()
    exact = np.exp
    monkeypatch.setattr(np, "exp", lambda x: np.nextafter(exact(x), np.inf))
    assert installed._arithmetic_sha256() != before
