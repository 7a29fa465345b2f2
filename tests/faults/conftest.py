from pathlib import Path

import pytest

from tests import demo_runs


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that nothing interrupted."""
    return demo_runs.shared_home(tmp_path_factory, "silent", demo_runs.make_silent)


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same demo, killed when its first cycle began."""
    return demo_runs.shared_home(tmp_path_factory, "begun", demo_runs.make_begun)
