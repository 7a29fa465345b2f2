"""Work on a real Ray cluster of two nodes: the same results, progress, stopping, going on, and what may fail."""

import shutil
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from app.status import is_running
from core.clock import to_ns
from core.errors import BadInput, Refused, Unavailable
from core.model.canonical import canonical_json
from core.native import Costs, MarketSpec, MarketSymbol, generate
from core.settings_sections import PROJECT_ROOT
from strategies import sweeps
from strategies.gate.evaluation import Sizes
from strategies.gate.evaluation.batches import plan_batches, run_batch
from strategies.installed import _ROOMS
from strategies.ray_tasks import RayRunner
from strategies.schema import default_params
from strategies.sweeps import SweepRequest, play_piece, sweep_in_pieces
from strategies.tasks import Cancelled, LocalRunner, ResultFolder
from tests.conftest import START
from tests.ray_cluster import RayCluster
from tests.ray_work import (
    Item,
    OwnError,
    broken,
    dead,
    is_there,
    never_ends,
    root_after_a_death,
    root_of_the_first_two,
    root_where_two_meet,
    wait_until,
)
from tests.servers import free_port

FEW = Sizes(decisions=10, per_ir=2, years=1, mixed_years=1, climbs=1, leaks=2, trends=2, attacks=1, canaries=1, draws=1)
LONG = ("one_bit", "canary")
"""Studies that take seconds for a single world."""


def items(folder: Path, n: int = 6) -> list[Item]:
    return [Item(number, str(folder)) for number in range(n)]


def roots(n: int = 6) -> list[float]:
    return [number**0.5 for number in range(n)]


def test_two_nodes_do_the_work_and_results_come_in_the_order_of_the_items(ray_cluster: RayCluster, tmp_path: Path):
    done: list[int] = []
    found = RayRunner(ray_cluster.address).map(root_where_two_meet, items(tmp_path), on_done=done.append)
    assert [root.value for root in found] == roots()
    assert len({root.node for root in found}) == 2
    assert sorted(done) == list(range(6))


def test_a_gate_evaluation_has_the_same_bits_and_what_is_stored_needs_no_cluster(
    ray_cluster: RayCluster, tmp_path: Path
):
    by_study = {batch.study: batch for batch in plan_batches(5, FEW, "seen")}
    batches = [batch for study, batch in by_study.items() if study not in LONG]
    results = ResultFolder(tmp_path, "code")
    tallies = RayRunner(ray_cluster.address, results).map(run_batch, batches)
    assert canonical_json(tallies) == canonical_json(LocalRunner().map(run_batch, batches))
    stored = RayRunner("127.0.0.1:1", results).map(run_batch, batches)
    assert canonical_json(stored) == canonical_json(tallies)


def facts_of(played) -> list:
    return [
        (each.days.tobytes(), each.daily_pnl_usd.tobytes(), each.net_pnl_usd, each.fees_usd, each.slippage_usd)
        + (each.n_bars, each.n_fills, each.n_trades, each.n_wins, each.params_sha256, each.path, len(each.trades))
        for each in played
    ]


@pytest.mark.parametrize(("strategy", "varied"), [("sma_cross", "slow"), ("market_making", "spread_threshold")])
def test_a_sweep_in_pieces_has_the_same_bits(
    ray_cluster: RayCluster, strategy: str, varied: str, monkeypatch: pytest.MonkeyPatch
):
    symbols = (MarketSymbol("AAAUSDT", Decimal("0.01"), Decimal("0.001"), Decimal(100)),)
    bars = generate(MarketSpec(3, 4_000, 60_000, to_ns(START), symbols))
    request = SweepRequest(strategy, bars, Costs(), Decimal(10_000))
    defaults = default_params(strategy)
    candidates = tuple({**defaults, varied: defaults[varied] + step} for step in range(7))
    monkeypatch.setattr(sweeps, "PIECE_S", 2.5 * len(bars) / sweeps.PACE.get(strategy, sweeps.OTHER_PACE))
    progress: list[tuple[int, int]] = []
    apart = sweep_in_pieces(RayRunner(ray_cluster.address), request, candidates, lambda *now: progress.append(now))
    assert facts_of(apart) == facts_of(play_piece(request, candidates))
    assert progress == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_stop_ends_what_runs_and_only_the_rest_is_done_later(ray_cluster: RayCluster, tmp_path: Path):
    runner = RayRunner(ray_cluster.address, ResultFolder(tmp_path / "results", "code"))
    done: list[int] = []

    def two_are_done_and_another_runs() -> bool:
        return len(done) == 2 and is_there(tmp_path, "[2-9]-*.asked")

    with pytest.raises(Cancelled, match="2 of 6"):
        runner.map(root_of_the_first_two, items(tmp_path), done.append, two_are_done_and_another_runs)
    running = [int(path.stem.split("-")[1]) for path in tmp_path.glob("[2-9]-*.asked")]
    wait_until(lambda: not any(is_running(pid) for pid in running))
    for path in tmp_path.glob("*.asked"):
        path.unlink()
    (tmp_path / "go").touch()
    assert [root.value for root in runner.map(root_of_the_first_two, items(tmp_path))] == roots()
    assert {path.name[0] for path in tmp_path.glob("*.asked")} == set("2345")


def test_an_error_of_the_work_comes_with_its_own_type_and_the_cluster_is_left(ray_cluster: RayCluster, tmp_path: Path):
    on_term = signal.getsignal(signal.SIGTERM)
    with pytest.raises(OwnError, match="no root of 0") as caught:
        RayRunner(ray_cluster.address).map(broken, items(tmp_path, 1))
    assert type(caught.value) is OwnError
    assert caught.value.remedy == "Take another"
    import ray

    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is on_term


def test_work_that_kills_its_worker_is_tried_again_so_often_and_then_named(ray_cluster: RayCluster, tmp_path: Path):
    with pytest.raises(Unavailable, match="every further try"):
        RayRunner(ray_cluster.address, n_retries=1).map(dead, items(tmp_path, 1))
    assert len(list(tmp_path.glob("*.tried"))) == 2


def test_the_work_of_a_node_that_dies_is_done_by_another(
    ray_cluster: RayCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with ray_cluster.one_more_node() as node:
        (tmp_path / f"{node.node_id}.doomed").touch()

        def kill_when_all_work() -> bool:
            if is_there(tmp_path, "*.node", 3) and not is_there(tmp_path, "dead"):
                ray_cluster.kill(node)
                (tmp_path / "dead").touch()
            return False

        found = RayRunner(ray_cluster.address).map(root_after_a_death, items(tmp_path), should_stop=kill_when_all_work)
    assert [root.value for root in found] == roots()
    assert node.node_id not in {root.node for root in found}
    assert capsys.readouterr().out == ""


def test_a_node_with_other_code_gives_no_result(
    ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for room in _ROOMS:
        shutil.copytree(PROJECT_ROOT / room.__name__, tmp_path / room.__name__)
    with (tmp_path / "core" / "metrics.py").open("a") as file:
        file.write("# another line\n")
    (tmp_path / "empty").mkdir()
    # Ray lets workers import from the folder that this process works in, before anything else.
    monkeypatch.chdir(tmp_path / "empty")
    with ray_cluster.one_more_node(tmp_path) as node, pytest.raises(Refused, match="runs other code") as caught:
        RayRunner(ray_cluster.address).map(never_ends, items(tmp_path))
    assert f"node 127.0.0.2 ({node.node_id[:8]})" in caught.value.message


def test_nobody_at_the_address_and_no_address_are_said_at_once():
    with pytest.raises(Unavailable, match="no Ray cluster answers at 127.0.0.1:"):
        RayRunner(f"127.0.0.1:{free_port()}").map(abs, [1])
    for address in ("ray://head:10001", "head", "head:0", ":6379", "auto"):
        with pytest.raises(BadInput, match="not the address"):
            RayRunner(address).map(abs, [1])


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadInput, match="xcrack\\[scale\\]"):
        RayRunner("127.0.0.1:6379").map(abs, [1])


def test_commands_start_without_ray():
    program = "import sys, app.cli, app.cli.gate, app.cli.backtest; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT_ROOT).returncode == 0
