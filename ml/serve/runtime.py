"""ONNX Runtime as serving has it: from bytes, on the calling thread alone, and stopped when a model takes too long.

The library is loaded with the first session: a process that was forked after it was loaded does not end by itself.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from ml.bundle import Bundle, ExpertCard, Role

if TYPE_CHECKING:
    from onnxruntime import InferenceSession, RunOptions


def open_session(bundle: Bundle, expert: ExpertCard, role: Role) -> "InferenceSession":
    """Return a session of one of the bundle's files. Raises Refused for a file that the runtime cannot run.

    One thread and no spinning: pools of several sessions fight for the same cores, and a neighbour's load then costs
    tens of milliseconds. The runtime is given the bytes that were hashed, never a path.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(bundle.data(expert, role), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # The runtime has no error class of its own that all of its refusals share.
        first = str(error).splitlines()[0][:200]
        raise Refused(
            f"the runtime refuses {expert.files[role].name} of model {bundle.sha256[:12]}: {first}",
            "Train again; what was served before goes on",
        ) from error


def run_options() -> "RunOptions":
    """Return what one run can be stopped by."""
    from onnxruntime import RunOptions

    return RunOptions()


class Watchdog:
    """Stops runs that take longer than their budget. One a process; a run is watched by the options it was given.

    It looks every quarter of the budget, so a run is stopped at most that much late; between two looks it costs the
    run nothing but two writes into a dictionary.
    """

    def __init__(self, budget_s: float, monotonic: Callable[[], float]) -> None:
        """Watch nothing yet; the thread starts with the first run."""
        self._budget_s, self._monotonic = budget_s, monotonic
        self._until: dict[int, tuple[float, Any]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, options: Any) -> None:
        """Watch the run that is given `options`, from now on."""
        if self._thread is None:
            self._start()
        self._until[id(options)] = (self._monotonic() + self._budget_s, options)

    def end(self, options: Any) -> bool:
        """Return whether the run came to its end within the budget."""
        until, _ = self._until.pop(id(options))
        return self._monotonic() <= until

    def look(self) -> None:
        """Stop what is late now."""
        now = self._monotonic()
        for until, options in tuple(self._until.values()):
            if now > until:
                options.terminate = True

    def close(self) -> None:
        """End the thread."""
        self._stop.set()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="model-watchdog", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(self._budget_s / 4):
            self.look()
