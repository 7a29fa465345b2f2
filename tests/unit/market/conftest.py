import os
from datetime import timedelta
from pathlib import Path

import pytest

from core.clock import VirtualClock
from market.bars import BarArchive
from tests.candle_factory import START


@pytest.fixture
def after() -> VirtualClock:
    """A clock that stands a year after the first test candle."""
    return VirtualClock(START + timedelta(days=365))


@pytest.fixture
def archive(tmp_path: Path, after: VirtualClock) -> BarArchive:
    return BarArchive(tmp_path / "bars", after)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The recorded development data; its own place is named by XCRACK_DATA_DIR."""
    named = os.environ.get("XCRACK_DATA_DIR", "")
    if named:
        return Path(named)
    if os.environ.get("CI") == "true":
        pytest.fail("XCRACK_DATA_DIR names no folder of recorded data")
    pytest.skip("XCRACK_DATA_DIR is not set: no recorded data to test with")
