"""`xcrack demo --serve`: the demo, then its dashboard, then an end without a word of any library."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from core.settings_sections import PROJECT_ROOT
from tests.servers import end_with_tests


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_has_just_run_is_served_until_a_signal(tmp_path: Path, ending: signal.Signals) -> None:
    (tmp_path / "settings.yaml").write_text(json.dumps({"home": str(tmp_path / "var"), "web": {"port": 0}}))
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR"}}
    command = [sys.executable, "-m", "app.cli", "demo", "--days", "1", "--serve"]
    with (tmp_path / "err.log").open("w") as log:
        program = subprocess.Popen(
            command,
            cwd=PROJECT_ROOT,
            env=kept | {"XCRACK_SETTINGS": str(tmp_path / "settings.yaml")},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=end_with_tests,
        )
    assert program.stdout is not None
    with program, program.stdout as said:
        ready = next((line for line in said if line.startswith("ready ")), "")
        assert ready, (tmp_path / "err.log").read_text()
        with urlopen(ready.split()[1] + "signals") as page:
            assert page.status == 200
        program.send_signal(ending)
        assert program.wait(60) == 0
    words = (tmp_path / "err.log").read_text().splitlines()
    assert [line for line in words if "bars" not in line and not line.startswith("demo: ")] == []
