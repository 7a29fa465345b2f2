"""Training a model: candles to features, the trainer beside, and what came of it into registry and ledger."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from app.home import Home
from core.clock import Clock
from core.model.canonical import sha256_of
from core.model.models import ModelVersion
from core.settings_sections import PROJECT_ROOT
from core.store import Store, ledger
from market.candles import Candles
from ml.features.build import build_features
from ml.features.inputs import servable_columns
from ml.features.registry import load_registry
from ml.features.table import FeatureTable
from ml.registry import ModelRegistry, slot_name
from ml.train.parent import Outcome, run_trainer
from ml.train.plan import Told, TrainPlan
from ml.train.tables import save_table, sha256_of_tables

TRAINED = "ml_trained"
"""Kind of the ledger's row on a training: how many recipes it tried that no row of the same search counts already."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a training."""

    outcome: Outcome
    model: ModelVersion | None
    """The registry's row; None without a store, and when it was cancelled."""


def build_tables(series: Mapping[str, Candles], interval_ms: int) -> tuple[FeatureTable, ...]:
    """Return the features of each symbol, the others beside it, without columns that no symbol has a value of.

    Columns that need more than is known where models are served are left out: a model must not learn to lean on them.
    """
    columns, tables = servable_columns(load_registry()), []
    for symbol, candles in series.items():
        peers = {other: rows for other, rows in series.items() if other != symbol}
        tables.append(build_features(symbol, interval_ms, candles, peers, names=columns))
    has_value = np.any([np.isfinite(table.values).any(axis=0) for table in tables], axis=0)
    names = tuple(name for name, kept in zip(tables[0].names, has_value, strict=True) if kept)
    return tuple(replace(table, names=names, values=table.values[:, has_value]) for table in tables)


def train(
    home: Home,
    store: Store | None,
    clock: Clock,
    plan: TrainPlan,
    tables: tuple[FeatureTable, ...],
    watch: Callable[[Told], None],
    goes_on: bool,
) -> Trained:
    """Run `plan` on the tables and enter what came of it; whatever happens, what serves stays as it is.

    Its files lie in a folder named by the question and the data; with `goes_on` the checkpoints there are used, without
    it they are removed first. `plan` names no tables, work folder or bundles; they are filled in. Each trial of a
    search is in the ledger as soon as its figure is told, whatever becomes of the search.
    """
    slot = slot_name(plan.task, plan.horizon_bars, tables[0].interval_ms)
    name = sha256_of([[table.symbol, table.interval_ms, len(table)] for table in tables])[:12]
    work = home.training / f"{slot.replace(':', '-')}-{name}"
    if not goes_on and work.is_dir():
        for old in work.glob("*.npz"):
            old.unlink()
    paths = [work / "tables" / f"{table.symbol}.npz" for table in tables]
    for path, table in zip(paths, tables, strict=True):
        save_table(path, table)
    search = search_key(plan, tables)
    whole = replace(
        plan,
        tables=tuple(str(path) for path in paths),
        work=str(work),
        bundles=str(home.models),
        earlier_trials=earlier_trials(store, slot, but=search),
    )
    seen: set[tuple[str, int]] = set()

    def listen(told: Told) -> None:
        if told.kind == "trial":
            seen.add((told.model, told.number))
            _count(store, clock, slot, len(seen), {"model_id": "", "seed": plan.seed, "search": search})
        watch(told)

    outcome = run_trainer(whole, PROJECT_ROOT, listen)
    if outcome.is_done:
        facts = {"model_id": outcome.last.sha256, "seed": plan.seed, "search": search}
        _count(store, clock, slot, outcome.last.trials, facts)
    return Trained(outcome, _enter(home, store, clock, slot, tables[0].schema_sha256, outcome))


def search_key(plan: TrainPlan, tables: tuple[FeatureTable, ...]) -> str:
    """Return what all attempts at one search share: everything that a trial's figure depends on, and its data."""
    fixed = replace(
        plan, tables=(), work="", bundles="", trained_at_ms=0, trials=0, earlier_trials=0, threads=1, memory_mb=None
    )
    return sha256_of([fixed, sha256_of_tables(tables)])


def earlier_trials(store: Store | None, slot: str, but: str = "") -> int:
    """Return how many recipes were ever tried for a slot, as the ledger knows, without those of the search `but`."""
    if store is None:
        return 0
    with store.session() as session:
        rows = [json.loads(row.payload) for row in ledger.rows(session, TRAINED, slot)]
    return sum(int(row["trials"]) for row in rows if not but or row.get("search") != but)


def _count(store: Store | None, clock: Clock, slot: str, n_tried: int, facts: dict[str, object]) -> None:
    """Enter into the ledger what a search tried beyond what its earlier rows count; a finished one has a row anyway.

    A trainer that goes on tells of the finished trials again, so `n_tried` is the whole of the search so far.
    """
    if store is None:
        return
    with store.session() as session:
        rows = [json.loads(row.payload) for row in ledger.rows(session, TRAINED, slot)]
        ours = [row for row in rows if row.get("search") == facts["search"]]
        # Rows without a model are those of single trials, and what a finished search tried beside them is in its own.
        counted = sum(int(row["trials"]) for row in ours if facts["model_id"] or not row["model_id"])
        n_new = max(0, n_tried - counted)
        if n_new or facts["model_id"]:
            ledger.append(session, clock.now(), TRAINED, slot, None, {**facts, "trials": n_new})


def _enter(
    home: Home, store: Store | None, clock: Clock, slot: str, schema_sha256: str, outcome: Outcome
) -> ModelVersion | None:
    if store is None or outcome.is_cancelled:
        return None
    registry = ModelRegistry(store, clock, home.models)
    if not outcome.is_done:
        return registry.add_failed(slot, outcome.last.reason, "trainer")
    version = registry.add_candidate(outcome.last.sha256, schema_sha256, "trainer")
    registry.prune(slot, "trainer")
    return version
