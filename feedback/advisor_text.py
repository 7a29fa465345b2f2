"""The advisor's figures in words: for the reports, the bot and the command line."""

from collections.abc import Mapping

from core.clock import KST, kst_day
from core.model.advisor import AdvisorValue, StoppedOrder
from feedback.scorecard_text import write_figure

Texts = Mapping[str, str]


def advisor_line(value: AdvisorValue, texts: Texts) -> str:
    """Return the line of a day: how much it did, and what that was worth."""
    days = (kst_day(value.as_of) - value.since_on).days
    did = texts["advisor_did"].format(n=value.n_answers, days=days, stopped=value.n_stopped, shrunk=value.n_shrunk)
    worth = texts["advisor_worth"].format(figure=write_figure(value.per_day, "money", texts), n=value.n_settled)
    return f"{did} {worth}"


def stopped_line(order: StoppedOrder, texts: Texts) -> str:
    """Return what was stopped, why, and what it would have made."""
    return texts["advisor_stopped"].format(
        at=f"{order.asked_at.astimezone(KST):%Y-%m-%d %H:%M} KST",
        instance=order.instance_id,
        side=texts[order.side],
        symbol=order.symbol,
        notional=f"${order.notional_usd:,.0f}",
        reason=order.reason,
        made=f"{'-' if order.full_usd < 0 else '+'}${abs(order.full_usd):,.2f}",
        method=texts[f"advisor_by_{order.method}"],
    )


def advisor_lines(value: AdvisorValue, texts: Texts) -> list[str]:
    """Return everything, one sentence a line. How fast a model answers stands apart from how often it does."""
    lines = [advisor_line(value, texts), *(stopped_line(order, texts) for order in value.stopped[:1])]
    told = value.answering
    if told.n_asked:
        lines.append(texts["advisor_model"].format(figure=write_figure(value.llm_per_day, "money", texts)))
        share = f"{100 * told.n_answered / told.n_asked:.0f} %"
        failures = ", ".join(f"{reason} {n}" for reason, n in told.failures.items()) or texts["none"]
        lines.append(
            texts["advisor_rate"].format(answered=told.n_answered, n=told.n_asked, share=share, failures=failures)
        )
        if told.p50_ms is not None:
            speed = {"p50": f"{told.p50_ms:.0f}", "p95": f"{told.p95_ms:.0f}", "p99": f"{told.p99_ms:.0f}"}
            lines.append(texts["advisor_speed"].format(**speed, late=told.n_late))
        lines.append(texts["advisor_brier"].format(figure=write_figure(value.brier, "number", texts)))
    return lines
