"""What was wrong or thin about a day's data, as codes that both languages can tell."""

from collections.abc import Iterator, Mapping, Sequence

from core.model.language import Language
from core.model.market import MarketContext
from feedback.day import DayRows
from feedback.parity import Parity
from feedback.phases import SymbolDay

_TEXTS = {
    "en": {
        "no_trades": "no trade closed",
        "quarantined": "{} rows or messages were set aside as implausible",
        "context_missing": "no market context was collected",
        "missing": "{} is missing",
        "stale": "{} is stale",
        "rate_stale": "{} trades were valued in KRW at a stale rate",
        "no_bars": "{} has no candles",
        "gap": "{} lacks {} candles of the day",
        "no_regime": "{} has hours without a regime: too little history",
        "no_marks": "{} reported no equity during the day",
        "params_unknown": "{} ran parameters that are not stored",
        "held_back": "the advisor held back {1} orders of {0}; no backtest knows that",
        "parity": "parity of {} was not measured: {}",
    },
    "ko": {
        "no_trades": "청산된 거래 없음",
        "quarantined": "신뢰할 수 없어 격리된 행 또는 메시지 {}건",
        "context_missing": "시장 상황이 수집되지 않음",
        "missing": "{} 누락",
        "stale": "{} 오래됨",
        "rate_stale": "거래 {}건이 오래된 환율로 원화 환산됨",
        "no_bars": "{} 캔들 없음",
        "gap": "{} 하루 캔들 {}개 부족",
        "no_regime": "{}: 과거 데이터가 부족해 국면을 알 수 없는 시간이 있음",
        "no_marks": "{}: 하루 동안 평가 자산 보고 없음",
        "params_unknown": "{}: 저장되지 않은 파라미터로 실행됨",
        "held_back": "어드바이저가 {0} 주문 {1}건을 막거나 줄임 (백테스트에는 반영되지 않음)",
        "parity": "{} 패리티를 측정하지 않음: {}",
    },
}


def judge_quality(
    rows: DayRows, context: MarketContext | None, days: Mapping[str, SymbolDay], symbols: Sequence[str], parity: Parity
) -> tuple[str, ...]:
    """Return the day's data-quality flags as `code argument …`; see `describe_flag`."""
    return tuple([*_row_flags(rows), *_context_flags(context), *_bar_flags(days, symbols), *_parity_flags(parity)])


def describe_flag(flag: str, language: Language) -> str:
    """Return a flag in words."""
    code, *arguments = flag.split(" ")
    return _TEXTS[language][code].format(*arguments)


def _row_flags(rows: DayRows) -> Iterator[str]:
    if not rows.live_trades:
        yield "no_trades"
    if rows.n_quarantined:
        yield f"quarantined {rows.n_quarantined}"
    if n_stale := sum(trade.krw_rate_stale for trade in rows.live_trades):
        yield f"rate_stale {n_stale}"
    for instance in rows.instances:
        if not instance.marks:
            yield f"no_marks {instance.instance_id}"
        if instance.version is None:
            yield f"params_unknown {instance.instance_id}"
        if instance.n_held_back:
            yield f"held_back {instance.instance_id} {instance.n_held_back}"


def _context_flags(context: MarketContext | None) -> Iterator[str]:
    if context is None:
        yield "context_missing"
        return
    for field in context.fields:
        if field.freshness != "fresh":
            yield f"{field.freshness} {field.name}"


def _bar_flags(days: Mapping[str, SymbolDay], symbols: Sequence[str]) -> Iterator[str]:
    for symbol in symbols:
        day = days.get(symbol)
        if day is None or not day.day_hours:
            yield f"no_bars {symbol}"
            continue
        if day.n_missing:
            yield f"gap {symbol} {day.n_missing}"
        if any(hour.regime is None for hour in day.day_hours):
            yield f"no_regime {symbol}"


def _parity_flags(parity: Parity) -> Iterator[str]:
    for instance_id, reason in parity.left_out:
        yield f"parity {instance_id} {reason}"
