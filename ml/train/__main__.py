"""The trainer process: reads one plan from stdin, says on stdout how it goes, and ends with its parent.

Exit codes: 0 a bundle was written, 2 what was given is wrong, 4 the memory limit, 1 anything else, 130 cancelled.
Whatever the code, nothing that serves has been touched: a bundle appears whole or not at all.
"""

import os
import resource
import signal
import sys
import threading
from types import FrameType

import msgspec

from core.crash import crash_at
from core.errors import BadInput, XcrackError
from core.model.canonical import canonical_json, from_json
from core.settings import crash_point
from ml.train.plan import Told, TrainPlan

_NO_MEMORY = ("allocate memory", "out of memory", "failed to map segment")


def main() -> int:
    """Carry out the plan on stdin and return the exit code."""
    signal.signal(signal.SIGTERM, _cancel)
    signal.signal(signal.SIGINT, _cancel)
    try:
        plan = from_json(sys.stdin.buffer.readline(), TrainPlan)
    except msgspec.DecodeError as error:
        return _fail(2, f"the plan of the training cannot be read: {error}")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _train(plan)
    except KeyboardInterrupt:
        return 130
    except MemoryError:
        return _fail(4, _memory(plan), "Raise the limit, or train on fewer bars or smaller nets")
    except XcrackError as error:
        return _fail(2 if isinstance(error, BadInput) else 1, error.message, error.remedy, isinstance(error, BadInput))
    except (RuntimeError, ImportError) as error:
        # torch and the loader of libraries say in words what NumPy says by type.
        if any(words in str(error).lower() for words in _NO_MEMORY):
            return _fail(4, _memory(plan), "Raise the limit, or train on fewer bars or smaller nets")
        raise
    except OSError as error:
        return _fail(1, f"{error.filename or 'the system'}: {error.strerror or error}")
    return 0


def _train(plan: TrainPlan) -> None:
    # Loaded only now: a plan that cannot be read is said at once, and libraries half loaded at a limit would crash.
    import torch
    import torch._dynamo  # by torch's optimisers
    from threadpoolctl import threadpool_limits

    from ml.train.job import Trainer

    if plan.memory_mb is not None:
        limit = plan.memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    torch.set_num_threads(plan.threads)
    with threadpool_limits(plan.threads):
        Trainer(plan, tell, crash_at(crash_point())).run()


def tell(told: Told) -> None:
    """Write a line for the parent."""
    sys.stdout.write(canonical_json(told) + "\n")
    sys.stdout.flush()


def _fail(code: int, reason: str, remedy: str = "", is_input: bool = False) -> int:
    tell(Told("failed", reason=reason, remedy=remedy, is_input=is_input))
    return code


def _memory(plan: TrainPlan) -> str:
    limit = f"its limit of {plan.memory_mb} MB" if plan.memory_mb else "all there is"
    return f"the training needs more memory than {limit}"


def _cancel(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    """Cancel the training when the parent closes our stdin, which the system does for one that was killed."""
    # Not through sys.stdin: a thread that waits in its buffer breaks the interpreter's own end.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
