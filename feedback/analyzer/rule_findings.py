"""A day's facts as findings of the rule analyzer, most important first."""

from collections.abc import Sequence

from core.model.analysis import Finding
from core.model.dataset import DailyDataset
from core.model.language import Language
from feedback.analyzer.rule_texts import say, say_rate
from feedback.analyzer.symptoms import LARGE_DRAWDOWN_PCT, MIN_TRADES, DayOfInstance
from feedback.quality import describe_flag

_TURBULENT_SHARE = 0.25
_PARITY_SHARE = 0.2
_MOST = 5


def describe_success(days: Sequence[DayOfInstance], language: Language) -> tuple[Finding, ...]:
    """Return what earned money: instances by P&L, then their best way out."""
    winners = sorted((d for d in days if d.net_usd > 0), key=lambda d: (-d.net_usd, d.result.instance_id))
    found = [Finding(say("gain", language, **_facts(day))) for day in winners]
    for day in winners:
        reason, pnl = max(day.result.pnl_by_exit_usd.items(), key=lambda item: (item[1], item[0]), default=("", 0.0))
        if pnl > 0:
            found.append(Finding(say("best_exit", language, **_facts(day), **_exit(day, reason, pnl))))
    return tuple(found[:_MOST])


def describe_failures(days: Sequence[DayOfInstance], language: Language) -> tuple[Finding, ...]:
    """Return what lost money: instances by P&L, their worst way out, costs, rejected signals."""
    found = []
    for day in sorted(days, key=lambda d: (d.net_usd, d.result.instance_id)):
        facts, result = _facts(day), day.result
        if day.net_usd < 0:
            found.append(Finding(say("loss", language, **facts), "warning"))
        reason, pnl = min(result.pnl_by_exit_usd.items(), key=lambda item: (item[1], item[0]), default=("", 0.0))
        if pnl < 0:
            found.append(Finding(say("worst_exit", language, **facts, **_exit(day, reason, pnl))))
        if day.costs_usd > max(day.gross_usd, 0.0) and day.n_trades:
            found.append(Finding(say("cost_share", language, **facts)))
        if result.n_signals_rejected and result.reject_reasons:
            worst, n = max(result.reject_reasons.items(), key=lambda item: (item[1], item[0]))
            counts = {"n_signals": result.n_signals, "n_rejected": result.n_signals_rejected, "reason": worst, "n": n}
            found.append(Finding(say("rejected", language, **facts, **counts)))
    return tuple(sorted(found, key=lambda f: f.severity != "warning")[: 2 * _MOST])


def describe_missed(dataset: DailyDataset, language: Language) -> tuple[Finding, ...]:
    """Return the largest missed moves, each with the arguments that show it again."""
    found = []
    for item in sorted(dataset.missed, key=lambda m: (-abs(m.move_bps), m.symbol, m.at))[:_MOST]:
        key = "missed_signal" if item.kind == "rejected_signal" else "missed_move"
        text = say(
            key,
            language,
            symbol=item.symbol,
            side=item.side,
            reason=item.reason,
            move=item.move_bps,
            minutes=item.horizon_minutes,
        )
        found.append(Finding(text, action=say("replay", language, replay=item.replay)))
    return tuple(found)


def describe_risks(dataset: DailyDataset, days: Sequence[DayOfInstance], language: Language) -> tuple[Finding, ...]:
    """Return the warnings of the day, each with what to do."""
    found = []
    for day in days:
        if day.result.max_drawdown_pct >= LARGE_DRAWDOWN_PCT:
            found.append(_risk("deep_drawdown", language, "critical", **_facts(day)))
        if day.unrealised_usd < 0 and -day.unrealised_usd > max(abs(day.net_usd), 1.0):
            found.append(_risk("unrealised", language, "warning", **_facts(day)))
    gap, scale = dataset.parity_gap_usd, abs(float(dataset.totals.equity_change_usd))
    if gap is not None and abs(gap) > max(_PARITY_SHARE * scale, 1.0):
        found.append(_risk("parity", language, "warning", gap=gap))
    turbulent = _turbulent_share(dataset)
    if turbulent > _TURBULENT_SHARE:
        found.append(_risk("turbulent", language, "warning", share=100 * turbulent))
    flags = [describe_flag(flag, language) for flag in dataset.data_quality]
    found += [Finding(say("quality_risk", language, flag=words)) for words in flags]
    order = ("critical", "warning", "info")
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def effectiveness(day: DayOfInstance, language: Language) -> str:
    """Return one sentence on how the instance did, and whether that can be told."""
    return say("effective", language, **_facts(day)) + ("" if day.n_trades >= MIN_TRADES else say("too_few", language))


def describe_symptom(day: DayOfInstance, symptom: str, language: Language) -> str:
    """Return what was seen, with its numbers."""
    return say(symptom, language, **_facts(day))


def _risk(key: str, language: Language, severity: str, **facts: object) -> Finding:
    text = say("turbulent" if key == "turbulent" else f"{key}_risk", language, **facts)
    return Finding(text, "critical" if severity == "critical" else "warning", say(f"{key}_action", language))


def _turbulent_share(dataset: DailyDataset) -> float:
    seconds = [(p.end_at - p.start_at).total_seconds() for p in dataset.phases]
    turbulent = [s for p, s in zip(dataset.phases, seconds, strict=True) if p.regime == "turbulent"]
    return sum(turbulent) / sum(seconds) if sum(seconds) else 0.0


def _exit(day: DayOfInstance, reason: str, pnl: float) -> dict[str, object]:
    return {"reason": reason, "pnl": pnl, "n": day.result.exit_reasons.get(reason, 0)}


def _facts(day: DayOfInstance) -> dict[str, object]:
    result = day.result
    return {
        "instance": result.instance_id,
        "n_trades": day.n_trades,
        "n_symbols": day.n_symbols,
        "win_rate": say_rate(result.n_wins, result.n_trades),
        "net": day.net_usd,
        "gross": day.gross_usd,
        "costs": day.costs_usd,
        "unrealised": day.unrealised_usd,
        "drawdown": result.max_drawdown_pct,
        "stops": result.exit_reasons.get("stop_loss", 0),
        "stop_pnl": day.exit_pnl_usd("stop_loss"),
        "targets": result.exit_reasons.get("take_profit", 0),
    }
