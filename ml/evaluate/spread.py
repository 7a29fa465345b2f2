"""How far a score hangs on which years were learned from: the same experts over combinatorial purged splits.

The rows are cut into six runs; each choice of two is judged by experts that learn from the other four, purged and with
the embargo. The fifteen choices make five paths, each through all rows (Lopez de Prado 2018, chapter 12). Experts learn
from rows after those that they are judged on too: the range says how steady a figure is, and walk-forward what it is.
Calibration and mixture go bar by bar through what was known, which is not defined here: experts stand alone, as fitted.
"""

from functools import partial

import numpy as np

from market.candles import Floats, Integers
from ml.calibration import clip_probability
from ml.ensemble import PRIOR
from ml.evaluate import scores
from ml.evaluate.lineup import NETS
from ml.evaluate.protocol import predict_out_of_fold
from ml.evaluate.report import Run, Spread
from ml.evaluate.tasks import Task, class_probabilities
from ml.features.table import FeatureTable
from ml.splits import combinatorial_purged

N_GROUPS = 6
N_TEST_GROUPS = 2


def measure_spread(table: FeatureTable, task: Task, run: Run) -> tuple[Spread, ...]:
    """Return the range of each expert's log-loss skill over the paths; nets, which take too long, are left out."""
    labels = task.label(table, task.horizon_bars)
    folds = combinatorial_purged(labels, N_GROUPS, N_TEST_GROUPS, run.plan.embargo_bars, last=run.plan.past_last)
    experts = tuple(expert for expert in run.experts if expert.name not in NETS)
    found = [
        predict_out_of_fold(
            table.values, table.segment, labels, problem.y, folds, experts, run.seed, run.n_threads,
            partial(run.progress, f"{problem.key} spread"),
        )
        for problem in task.problems(labels)
    ]  # fmt: skip
    y = labels.y[found[0].rows]
    losses = {
        expert.name: scores.log_losses(
            class_probabilities(tuple(clip_probability(one.p[:, column]) for one in found)), y, task.classes
        )
        for column, expert in enumerate(experts)
    }
    prior, paths = losses.pop(PRIOR), paths_of(found[0].rows)
    return tuple(_spread(name, each, prior, paths) for name, each in losses.items())


def paths_of(rows: Integers) -> Integers:
    """Return (n_paths, n): places in `rows`, the tested rows of all folds, one after the other, each row as often.

    A path takes each row from one fold, and no two paths take it from the same; the first path takes the first fold
    that tests the row.
    """
    n = len(np.unique(rows))
    return np.argsort(rows, kind="stable").reshape(n, -1).T


def _spread(name: str, losses: Floats, prior: Floats, paths: Integers) -> Spread:
    saved = [1 - float(losses[path].sum()) / float(prior[path].sum()) for path in paths]
    return Spread(name, min(saved), float(np.median(saved)), max(saved), len(saved))
