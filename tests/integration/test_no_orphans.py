"""What a test starts ends with the test's process, also when that is killed."""

import subprocess
import sys
import threading
import time

from app.status import is_running
from core.settings_sections import PROJECT_ROOT

STARTER = """
import signal, subprocess, sys
from tests.servers import end_with_tests
waiting = [sys.executable, "-c", "import signal; signal.pause()"]
print(subprocess.Popen(waiting, preexec_fn=end_with_tests).pid, flush=True)
signal.pause()
"""
WITHIN_S = 60.0


def test_a_process_that_a_killed_test_started_ends_too() -> None:
    command = [sys.executable, "-c", STARTER]
    with subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        started = int(starter.stdout.readline())
        assert is_running(started)
        starter.kill()
    until, pause = time.monotonic() + WITHIN_S, threading.Event()
    while is_running(started) and time.monotonic() < until:
        pause.wait(0.02)
    assert not is_running(started)
