"""The scorecard in words: for the reports, the bot and the command line. One line says one thing, with its interval."""

from collections.abc import Callable, Iterable, Mapping

from core.model.scorecard import Accuracy, ConfidenceScore, Figure, GateRecord, Improvement, Scorecard

Texts = Mapping[str, str]
LONG_HORIZON_DAYS = 30
_PLACEBO = "placebo_"


def scorecard_lines(card: Scorecard, texts: Texts) -> list[str]:
    """Return the whole card, one sentence a line."""
    return [*_lines(card, texts)]


def scorecard_line(card: Scorecard, texts: Texts) -> str:
    """Return the line of a day: the share of the arm with the most proposals, and what changing parameters brought."""
    if card.fault:
        return texts["card_fault"].format(fault=card.fault)
    rows = [each for each in card.accuracy if each.horizon_days == LONG_HORIZON_DAYS and each.arm != "placebo"]
    most = max(rows, key=lambda each: each.n_registered, default=None)
    said = texts["card_none"] if most is None else _accuracy(most, texts)
    return f"{said} {_improvement(card.improvement, texts)}"


def write_figure(figure: Figure, form: str, texts: Texts) -> str:
    """Return a number with interval and n, or why there is none; `form` is share, points, money, bps, pct or number."""
    write = _FORMS[form]
    if figure.low is None or figure.high is None:
        known = figure.value is not None
        return texts["figure_plain"].format(value=write(figure.value), n=figure.n) if known else why_none(figure, texts)
    ends = {"low": write(figure.low), "high": write(figure.high)}
    if figure.value is None:
        return texts["figure_few"].format(why=why_none(figure, texts), **ends)
    return texts["figure_interval"].format(value=write(figure.value), n=figure.n, **ends)


def why_none(figure: Figure, texts: Texts) -> str:
    """Return why a figure has no value, in words."""
    known = {"have": _count(figure.have), "need": _count(figure.need)}
    if figure.reason.startswith(_PLACEBO):
        return texts["why_placebo"].format(why=texts[f"why_{figure.reason.removeprefix(_PLACEBO)}"].format(**known))
    return texts[f"why_{figure.reason}"].format(**known)


def arm_name(row: Accuracy, texts: Texts) -> str:
    """Return what people call an arm, with model and prompt where the row is about one."""
    name = texts.get(f"arm_{row.arm}", row.arm)
    return f"{name} ({', '.join(part for part in (row.model, row.prompt) if part)})" if row.model else name


def _lines(card: Scorecard, texts: Texts) -> Iterable[str]:
    if card.fault:
        yield texts["card_fault"].format(fault=card.fault)
    if not card.accuracy:
        yield texts["card_none"]
    for row in card.accuracy:
        yield _accuracy(row, texts)
    yield _improvement(card.improvement, texts)
    yield from _gate(card.gate, texts)
    for rates in card.rates:
        yield texts["card_rates"].format(
            arm=texts.get(f"arm_{rates.arm}", rates.arm),
            adopted=write_figure(rates.adopted, "share", texts),
            rolled_back=write_figure(rates.rolled_back, "share", texts),
        )
    for score in card.confidence:
        yield _confidence(score, texts)
    if card.patterns:
        week = card.patterns[0]
        yield texts["card_patterns"].format(
            on=week.week_on, new=week.n_new, confirmed=week.n_confirmed, broken=week.n_broken, retired=week.n_retired
        )


def _accuracy(row: Accuracy, texts: Texts) -> str:
    n_silent = sum(n for outcome, n in row.outcomes.items() if outcome not in ("better", "worse"))
    told = texts["card_accuracy"].format(
        arm=arm_name(row, texts),
        days=row.horizon_days,
        share=write_figure(row.share, "share", texts),
        registered=row.n_registered,
        waiting=row.n_waiting,
        silent=n_silent,
    )
    if row.over_placebo.reason in ("is_placebo", "fault"):
        return told
    return f"{told} {texts['card_over'].format(over=write_figure(row.over_placebo, 'points', texts))}"


def _confidence(score: ConfidenceScore, texts: Texts) -> str:
    known = {"arm": texts.get(f"arm_{score.arm}", score.arm), "days": score.horizon_days, "n": score.n}
    if score.brier is None:
        return texts["card_confidence_few"].format(**known, need=score.need)
    told = {"brier": f"{score.brier:.3f}", "base": f"{score.brier_of_base_rate:.3f}"}
    return texts["card_confidence"].format(**known, **told)


def _improvement(made: Improvement, texts: Texts) -> str:
    if made.usd_per_day.value is None:
        return texts["card_improvement_none"].format(why=why_none(made.usd_per_day, texts))
    return texts["card_improvement"].format(
        usd=write_figure(made.usd_per_day, "money", texts),
        pct=write_figure(made.pct_per_day, "pct", texts),
        total=_FORMS["money"](made.total_usd.value),
        since=made.first_on,
    )


def _gate(gate: GateRecord, texts: Texts) -> Iterable[str]:
    yield texts["card_gate"].format(
        slope=write_figure(gate.slope, "number", texts), ks=write_figure(gate.placebo_ks_p, "p", texts)
    )
    yield texts["card_promotions"].format(
        n=gate.n_promotions,
        rolled_back=gate.n_rolled_back,
        not_confirmed=gate.n_not_confirmed,
        budget=f"{gate.false_budget:.2f}",
    )
    if gate.stopped:
        yield texts["card_stopped"].format(reason=gate.stopped)


def _money(value: float | None) -> str:
    return "–" if value is None else f"{'−' if value < 0 else '+' if value > 0 else ''}${abs(value):,.2f}"


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


_FORMS: dict[str, Callable[[float | None], str]] = {
    "share": lambda v: "–" if v is None else f"{100 * v:.0f} %",
    "points": lambda v: "–" if v is None else f"{100 * v:+.0f}",
    "money": _money,
    "bps": lambda v: "–" if v is None else f"{v:+.1f} bps",
    "pct": lambda v: "–" if v is None else f"{v:+.3f} %",
    "number": lambda v: "–" if v is None else f"{v:.2f}",
    "p": lambda v: "–" if v is None else f"{v:.3f}",
}
