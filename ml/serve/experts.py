"""One expert of a bundle, ready to be asked: windows, carried state, single rows, or a few numbers."""

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from core.errors import Refused
from ml.bundle import Bundle, ExpertCard, Role
from ml.calibration import Calibration, Platt
from ml.calibration import from_json as calibration_from
from ml.serve.builtin import Builtin, read_builtin
from ml.serve.rows import Run
from ml.serve.runtime import Watchdog, open_session, run_options

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MAX_SAME = 50
"""So many bars in a row with one probability, while the features change, are an expert that is stuck."""


class LeftOut(Exception):
    """This expert says nothing about this bar, and why; the others go on."""


@dataclass(slots=True, eq=False)
class Carried:
    """What one expert keeps of one series."""

    state: dict[str, Any] = field(default_factory=dict)
    run: int = -1
    """Number of the run that the state belongs to."""
    after: int = 0
    """Rows of that run that the state holds."""
    last: float = math.nan
    n_same: int = 0
    """Bars in a row, up to the last one, with the probability `last` and features that changed."""


@dataclass(frozen=True, slots=True, eq=False)
class ServedExpert:
    """An expert whose files are open. Asked from many threads at once, each with a `Carried` of its own."""

    card: ExpertCard
    calibration: Calibration
    session: "InferenceSession | None"
    builtin: Builtin | None
    outputs: tuple[str, ...]
    """Of a step form: `p`, then the next state in the order of the card."""

    @classmethod
    def open(cls, bundle: Bundle, card: ExpertCard) -> "ServedExpert":
        """Return the expert. Raises Refused for a file, a state or numbers that it could not be asked with."""
        calibration = Platt() if not card.calibration else calibration_from(json.dumps(card.calibration))
        if card.form == "builtin":
            return cls(card, calibration, None, read_builtin(card, len(bundle.card.features)), ())
        session = open_session(bundle, card, _role(card))
        inputs = {each.name for each in session.get_inputs()}
        wanted = {"x"} | ({state.name for state in card.states} if card.form == "step" else set())
        outputs = ("p", *(f"{state.name}_next" for state in card.states)) if card.form == "step" else ("p",)
        lacking = set(outputs) - {each.name for each in session.get_outputs()}
        if inputs != wanted or lacking:
            raise Refused(
                f"expert {card.name} of model {bundle.sha256[:12]} takes {', '.join(sorted(inputs))}"
                + (f" and gives no {', '.join(sorted(lacking))}" if lacking else "")
                + f"; a {card.form} form takes {', '.join(sorted(wanted))}",
                "Train again with this version",
            )
        return cls(card, calibration, session, None, outputs)

    def say(self, run: Run, carried: Carried, watchdog: Watchdog | None = None) -> float:
        """Return the calibrated probability for the newest row. Raises LeftOut when there is none worth having."""
        if self.builtin is not None:
            row = run.last_scaled if self.card.input == "scaled" else run.last_raw
            return self._calibrated(self.builtin(row))
        options = None if watchdog is None else run_options()
        is_in_time = True
        if watchdog is not None:
            watchdog.begin(options)
        try:
            p = self._stepped(run, carried, options) if self.card.form == "step" else self._asked(run, options)
        except Exception as error:
            # The runtime's errors share no class; one expert's failure is never the ensemble's.
            is_in_time = watchdog is None or watchdog.end(options)
            first = (str(error).splitlines() or [type(error).__name__])[0][:120]
            raise LeftOut(f"failed: {first}" if is_in_time else "late") from None
        if watchdog is not None and not watchdog.end(options):
            raise LeftOut("late")
        self._require_alive(p, run, carried)
        return self._calibrated(p)

    def _asked(self, run: Run, options: Any) -> float:
        x = run.newest(self.card.lookback, self.card.input == "scaled")
        return _number(self._run({"x": x[None] if self.card.form == "window" else x}, options)[0])

    def _stepped(self, run: Run, carried: Carried, options: Any) -> float:
        """Carry the state over the rows that it does not hold yet; from nothing, over the lookback."""
        missing = run.count - carried.after
        if carried.run != run.number or not 0 < missing <= self.card.lookback:
            missing = min(run.count, self.card.lookback)
            carried.state = {each.name: np.zeros((1, *each.shape), np.float32) for each in self.card.states}
        rows, state, p = run.newest(missing, self.card.input == "scaled"), carried.state, math.nan
        # Until all went well the state belongs to no run: the next bar then starts from nothing.
        carried.run = -1
        for at in range(len(rows)):
            answer, *after = self._run({"x": rows[at : at + 1], **state}, options)
            state = {each.name: value for each, value in zip(self.card.states, after, strict=True)}
            p = _number(answer)
        carried.state, carried.run, carried.after = state, run.number, run.count
        return p

    def _run(self, given: dict[str, Any], options: Any) -> list[Any]:
        assert self.session is not None
        found: list[Any] = self.session.run(self.outputs, given, options)
        return found

    def _require_alive(self, p: float, run: Run, carried: Carried) -> None:
        if not 0 <= p <= 1:
            carried.run = -1
            raise LeftOut(f"gave {p:g}, which is no probability")
        if p != carried.last:
            carried.last, carried.n_same = p, 1
        elif run.is_changed:
            carried.n_same += 1
        if carried.n_same >= MAX_SAME:
            raise LeftOut(f"gave {p:g} for {carried.n_same} bars in a row")

    def _calibrated(self, p: float) -> float:
        return float(self.calibration.apply(np.asarray(p)))


def _role(card: ExpertCard) -> Role:
    plain: Role = "step" if card.form == "step" else "model"
    small: Role = "step_int8" if card.form == "step" else "int8"
    return small if small in card.files else plain


def _number(answer: Any) -> float:
    return float(np.asarray(answer).reshape(-1)[0])
