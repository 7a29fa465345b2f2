"""The same pieces of work on a Ray cluster. The only importer of `ray`, and only once there is something to do.

This machine is a node of the cluster or its head; every node has the same xCrack. A node that differs gives no result:
it says so, and the map ends. The cluster is asked for nothing but the work, and left when the map is over.
"""

import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from itertools import islice
from types import ModuleType
from typing import Any, Literal

from core.errors import BadInput, Refused, Unavailable
from strategies.installed import Installed, difference, read_installed
from strategies.tasks import POLL_S, Item, OnDone, Pieces, Result, ResultFolder, ShouldStop

Outcome = tuple[Literal["done", "raised", "differs"], bytes, str]
"""What became of a piece: its result, the error of the work, or what is installed there, pickled; and on which node."""

ANSWER_S = 5.0
"""How long a cluster may take to accept a connection; Ray itself would wait for minutes."""
IN_FLIGHT_PER_CORE = 2
"""One at work and one that is there when it is done; more would only make a stop slower."""
_RAY_WORDS = {
    # Read when ray is imported. What we ask of the cluster is nobody else's business.
    "RAY_USAGE_STATS_ENABLED": "0",
    # Without a bound Ray tries work that the memory does not hold again for ever.
    "RAY_task_oom_retries": "3",
    # A cluster that accepts a connection and then says nothing is given up after seconds, and not after minutes.
    "RAY_gcs_server_port_wait_time_s": "1",
    "RAY_py_gcs_connect_timeout_s": "10",
    "RAY_gcs_server_request_timeout_seconds": "15",
}


@dataclass(frozen=True, slots=True)
class RayRunner:
    """Runs on the nodes of a Ray cluster, one core for each piece of work."""

    address: str
    """Host and port of the cluster's head, as `ray start --head` prints it."""
    results: ResultFolder | None = None
    n_retries: int = 3
    """How often a piece is given to another worker or node after the one that had it died."""

    def map(
        self,
        work: Callable[[Item], Result],
        items: Sequence[Item],
        on_done: OnDone | None = None,
        should_stop: ShouldStop | None = None,
    ) -> list[Result]:
        """Do the work; see `strategies.tasks.TaskRunner.map`.

        Raises Unavailable also when nobody answers at the address, and Refused for a node that differs from this one.
        """
        host, port = _parse_address(self.address)
        pieces = Pieces(work, items, self.results, on_done, should_stop)
        if pieces.missing():
            with _connected(host, port) as ray:
                self._on_nodes(ray, pieces)
        return pieces.in_order()

    def _on_nodes(self, ray: Any, pieces: Pieces[Item, Result]) -> None:
        do = ray.remote(num_cpus=1, max_retries=self.n_retries)(_do)
        installed, missing = tuple(read_installed()), iter(pieces.missing())
        waiting: dict[Any, int] = {}
        try:
            # Sent to each node once. In a list, because Ray would open it before the node has said what it runs.
            work = [ray.put(pieces.work)]
            while True:
                for index in islice(missing, _room(ray) - len(waiting)):
                    waiting[do.remote(installed, work, pickle.dumps(pieces.items[index]))] = index
                if not waiting:
                    return
                finished, _ = ray.wait(list(waiting), timeout=POLL_S)
                for reference in finished:
                    pieces.keep(waiting.pop(reference), _open(ray.get(reference)))
                pieces.stop_if_asked()
        except ray.exceptions.RayError as error:
            raise _explained(ray, error) from None
        finally:
            for reference in waiting:
                ray.cancel(reference, force=True)


def _do(installed: tuple[str, ...], work: list[Any], item: bytes) -> Outcome:
    """Do one piece on a node, if that would do as the machine that asks."""
    ray: Any = _import_ray()
    # Ray counts one core for a piece; the engine would take all of them. Read at its first sweep.
    os.environ.setdefault("RAYON_NUM_THREADS", "1")
    context = ray.get_runtime_context()
    node = f"{ray.util.get_node_ip_address()} ({context.get_node_id()[:8]})"
    own = tuple(read_installed())
    if own != installed:
        return "differs", pickle.dumps(own), node
    do: Callable[[Any], Any] = ray.get(work[0])
    try:
        return "done", pickle.dumps(do(pickle.loads(item))), node
    except Exception as error:
        return "raised", pickle.dumps(error), node


def _open(outcome: Outcome) -> Any:
    what, pickled, node = outcome
    value = pickle.loads(pickled)
    if what == "raised":
        raise value
    if what == "differs":
        differs, remedy = difference(read_installed(), Installed(*value))
        raise Refused(f"node {node} {differs}", remedy)
    return value


def _room(ray: Any) -> int:
    """Return how many pieces the cluster is given at a time; nodes may come and go."""
    n_cores = int(ray.cluster_resources().get("CPU", 0))
    if n_cores == 0:
        raise Unavailable("no node of the Ray cluster offers a core", "Start nodes: ray start --address HOST:PORT")
    return IN_FLIGHT_PER_CORE * n_cores


def _explained(ray: Any, error: Exception) -> Unavailable | Refused:
    told = str(error).strip().splitlines()[-1][:300] if str(error).strip() else type(error).__name__
    if isinstance(error, ray.exceptions.RayTaskError):
        # What the work itself raises comes back as a value, so this is a node that cannot even begin.
        return Refused(
            f"a node of the Ray cluster cannot run our code: {told}", "Install the same xCrack on every node"
        )
    return Unavailable(f"work was lost on the Ray cluster, and with it every further try: {told}", "Look at the nodes")


@contextmanager
def _connected(host: str, port: int) -> Iterator[Any]:
    """Yield the module `ray`, connected; stdout is kept free of it, and its answer to SIGTERM is not left behind."""
    ray = _import_ray()
    if ray.is_initialized():
        raise Unavailable("this process is connected to a Ray cluster already", "Do one map at a time")
    _require_answer(host, port)
    is_main = threading.current_thread() is threading.main_thread()
    on_term = signal.getsignal(signal.SIGTERM)
    # Ray prints news of its nodes on stdout, where programs read our results.
    with redirect_stdout(sys.stderr):
        try:
            _join(ray, f"{host}:{port}")
            yield ray
        finally:
            ray.shutdown()
            if is_main and on_term is not None:
                signal.signal(signal.SIGTERM, on_term)


def _join(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        told = str(error).strip().splitlines()[0][:300]
        remedy = "This machine must be a node of the cluster, with the same Python and ray (docs/guides/scale.md)"
        raise Unavailable(f"the Ray cluster at {address} does not take us: {told}", remedy) from None


def _import_ray() -> ModuleType:
    for name, value in _RAY_WORDS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise BadInput(f"ray is not installed here ({error})", "Run: pip install 'xcrack[scale]'") from None
    return ray


def _require_answer(host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), ANSWER_S).close()
    except OSError as error:
        remedy = "Start one with `ray start --head`, or correct scale.ray_address"
        raise Unavailable(f"no Ray cluster answers at {host}:{port}: {error}", remedy) from None


def _parse_address(address: str) -> tuple[str, int]:
    host, separator, port = address.rpartition(":")
    if not separator or not host or "/" in host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise BadInput(f"'{address[:80]}' is not the address of a Ray cluster", "Write HOST:PORT, as ray start prints")
    return host, int(port)
