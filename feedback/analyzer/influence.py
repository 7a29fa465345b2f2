"""How far news moved a proposal: the same question once more without the news, and the difference in parts of a range.

A second answer of the same model is the measure, so it also holds for a model that obeys what a headline orders: what
the order moved is just what the answer without news lacks. Beyond the cap a person decides; nothing is cut down to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.model.proposal import ParamVersion
from feedback.analyzer.answers import EditShape
from strategies.schema import load_param_specs


@dataclass(frozen=True, slots=True)
class Influence:
    """One parameter that news moved further than the cap allows. `gap_pct` is None where nothing could be compared."""

    instance_id: str
    param: str
    gap_pct: float | None

    @property
    def words(self) -> str:
        """Place and number, none of the model's text."""
        gap = "not comparable" if self.gap_pct is None else f"{self.gap_pct:.2f} % of its range"
        return f"{self.instance_id}.{self.param}: {gap}"


def measure_influence(
    with_news: Sequence[EditShape],
    without_news: Sequence[EditShape] | None,
    running: Mapping[str, ParamVersion],
    cap_pct: float,
) -> tuple[Influence, ...]:
    """Return the edits that differ from those made without news by more than `cap_pct` percent of the range.

    A parameter that one side leaves alone counts at its current value. `without_news` None means that there is no such
    answer: then every edit is over the cap.
    """
    free = {(e.instance_id, e.param): e.value for e in without_news or ()}
    found = []
    for edit in with_news:
        version = running[edit.instance_id]
        if without_news is None:
            found.append(Influence(edit.instance_id, edit.param, None))
            continue
        spec = load_param_specs(version.strategy)[edit.param]
        other = free.get((edit.instance_id, edit.param), version.params[edit.param])
        gap_pct = 100 * abs(edit.value - other) / (spec.maximum - spec.minimum)
        if gap_pct > cap_pct + 1e-9:
            found.append(Influence(edit.instance_id, edit.param, gap_pct))
    return tuple(found)
