"""A bundle whose files are open and checked: what the experts say of a run of rows, and why. It remembers nothing."""

from dataclasses import dataclass

import numpy as np

from core.errors import Refused
from market.candles import Floats
from ml.bundle import Bundle, ModelCard
from ml.ensemble import PRIOR
from ml.explain import Explainer, Reason, explainer_of
from ml.labels import SETTLED_AT_CLOSE, closing_label
from ml.serve.experts import Carried, LeftOut, ServedExpert
from ml.serve.rows import Columns, Run
from ml.serve.runtime import Watchdog

TASKS = SETTLED_AT_CLOSE
"""Labels whose outcome one later close settles: those of a path (triple barrier) or of a strategy's own signals are not
known where bars are all there is."""
MIN_KNOWN_SHARE = 0.5
"""A row of fewer known features tells nothing yet: a segment has just begun, or a source is gone."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedModel:
    """Asked from many threads at once."""

    card: ModelCard
    sha256: str
    columns: Columns
    experts: tuple[ServedExpert, ...]
    explainer: Explainer | None

    @classmethod
    def open(cls, bundle: Bundle, registry_names: tuple[str, ...]) -> "ServedModel":
        """Return the model, after asking every expert once about a row of nothing.

        Raises Refused for what the runtime refuses, features that are not known, experts that make no ensemble, a task
        that is not served, and an expert that gives no probability.
        """
        card, where = bundle.card, f"model {bundle.sha256[:12]}"
        if card.task not in TASKS:
            raise Refused(f"{where} predicts '{card.task}'", f"Serve one that predicts {' or '.join(TASKS)}")
        if PRIOR not in {expert.name for expert in card.experts} or len(card.experts) < 2:
            raise Refused(f"{where} has no expert '{PRIOR}' beside others", "Train again with it in the line-up")
        columns = Columns(card, registry_names)
        found = cls(
            card,
            bundle.sha256,
            columns,
            tuple(ServedExpert.open(bundle, expert) for expert in card.experts),
            explainer_of(bundle),
        )
        run = found.new_run()
        blank = np.zeros(columns.n)
        run.push(blank, columns.scaled(blank))
        for expert in found.experts:
            try:
                expert.say(run, Carried())
            except LeftOut as why:
                raise Refused(f"expert {expert.card.name} of {where} {why}", "Train again") from None
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Of the experts, in order."""
        return tuple(expert.card.name for expert in self.experts)

    @property
    def horizon_ms(self) -> int:
        """From a bar's close to where its label is settled."""
        return self.card.horizon_bars * self.card.interval_ms

    def new_run(self) -> Run:
        """Return a run without rows, with room for the longest lookback."""
        return Run(max(expert.lookback for expert in self.card.experts), self.columns.n)

    def new_carried(self) -> tuple[Carried, ...]:
        """Return what the experts keep of a series, before its first row."""
        return tuple(Carried() for _ in self.experts)

    def ask(self, run: Run, carried: tuple[Carried, ...], watchdog: Watchdog | None) -> tuple[Floats, tuple[str, ...]]:
        """Return each expert's calibrated probability (k,), NaN where it is left out, and why it is, else ''."""
        p = np.full(len(self.experts), np.nan)
        why = [""] * len(self.experts)
        for place, (expert, kept) in enumerate(zip(self.experts, carried, strict=True)):
            try:
                p[place] = expert.say(run, kept, watchdog)
            except LeftOut as reason:
                why[place] = str(reason)
        return p, tuple(why)

    def silence(self, run: Run, p: Floats) -> str:
        """Return why nothing can be said: too few features are known, or every expert but the prior is left out."""
        known = np.isfinite(run.last_raw).mean()
        if known < MIN_KNOWN_SHARE:
            return f"{known:.0%} of the features are known"
        says = [bool(np.isfinite(value)) for name, value in zip(self.names, p, strict=True) if name != PRIOR]
        return "" if any(says) else "every expert is left out"

    def reasons(self, run: Run) -> tuple[Reason, ...]:
        """Return the five strongest reasons for the newest row; none where no expert can be explained."""
        return () if self.explainer is None else self.explainer.reasons(run.last_raw, run.last_scaled)

    def label(self, before: float, after: float) -> float:
        """Return the label that the closes make, 0 or 1; NaN where there is none."""
        found = closing_label(self.card.task, self.card.threshold, before, after)
        return float("nan") if found is None else float(found)
