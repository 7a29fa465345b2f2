from pathlib import Path

import pytest

from tests import demo_runs


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that ran to its end from the command line; what it printed lies beside it."""
    return demo_runs.shared_home(tmp_path_factory, "finished", demo_runs.make_finished)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo of the usual length: long enough for a change to reach the whole capital, or to be taken back."""
    return demo_runs.shared_home(tmp_path_factory, "whole", demo_runs.make_whole)
