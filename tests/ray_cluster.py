"""A Ray cluster of our own on this machine: two nodes, each with one core and processes of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.settings_sections import PROJECT_ROOT

HOST = "127.0.0.2"
"""Loopback; where 127.0.0.1 is asked for, Ray takes the address that other machines see."""
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": HOST}
LEAN = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
"""What takes memory and no part in the work."""
PROMPT = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
"""A dead node is missed after seconds."""


@dataclass(frozen=True, slots=True)
class RayCluster:
    """What tests may do with it."""

    nodes: Any
    """Ray's own handle."""

    @property
    def address(self) -> str:
        return self.nodes.address

    @contextmanager
    def one_more_node(self, python_path: Path = PROJECT_ROOT) -> Iterator[Any]:
        """Yield a third node, whose workers import what lies at `python_path`; gone afterwards, if it is not yet."""
        node = self.nodes.add_node(**NODE, env_vars={"PYTHONPATH": f"{python_path}:{PROJECT_ROOT}"})
        try:
            yield node
        finally:
            if node in self.nodes.worker_nodes:
                self.kill(node)

    def kill(self, node: Any) -> None:
        self.nodes.remove_node(node, allow_graceful=False)


@contextmanager
def running_ray() -> Iterator[RayCluster]:
    """Yield the cluster. All of its processes end with this one, however that ends."""
    # Short: names of sockets below it must fit into 107 characters.
    home = tempfile.mkdtemp(prefix="xr-")
    with _own_environment(home):
        from ray.cluster_utils import Cluster

        head = {**NODE, **LEAN, "_system_config": PROMPT}
        nodes = Cluster(initialize_head=True, head_node_args=head)
    try:
        with _own_environment(home):
            nodes.add_node(**NODE)
        yield RayCluster(nodes)
    finally:
        # Without it Ray would forget the address of a cluster that a person runs here.
        with _own_environment(home):
            nodes.shutdown()
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _own_environment(home: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_TMPDIR", home)
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("PYTHONPATH", str(PROJECT_ROOT))
        yield
