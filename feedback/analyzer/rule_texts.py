"""The sentences of the rule analyzer, English and Korean, filled with numbers by `str.format`."""

from collections.abc import Mapping

from core.model.language import Language

TEXTS: Mapping[str, tuple[str, str]] = {
    "summary": (
        "{n_trades} trades, win rate {win_rate}, net {net:+.2f} USD after {costs:.2f} USD of fees and slippage; "
        "equity changed by {equity:+.2f} USD. Written by rules, not by a language model.",
        "거래 {n_trades}건, 승률 {win_rate}, 수수료와 슬리피지 {costs:.2f} USD 차감 후 순손익 {net:+.2f} USD, "
        "자산 변화 {equity:+.2f} USD. 언어 모델이 아니라 규칙이 작성했습니다.",
    ),
    "summary_empty": (
        "No trade was closed on this day; equity changed by {equity:+.2f} USD. "
        "Written by rules, not by a language model.",
        "이날 청산된 거래가 없으며 자산 변화는 {equity:+.2f} USD입니다. 언어 모델이 아니라 규칙이 작성했습니다.",
    ),
    "effective": (
        "{n_trades} trades, win rate {win_rate}, net {net:+.2f} USD, unrealised {unrealised:+.2f} USD, "
        "largest drawdown {drawdown:.2f} %.",
        "거래 {n_trades}건, 승률 {win_rate}, 순손익 {net:+.2f} USD, 미실현 {unrealised:+.2f} USD, "
        "최대 낙폭 {drawdown:.2f} %.",
    ),
    "too_few": (" Too few trades to tell.", " 판단하기에는 거래가 너무 적습니다."),
    "gain": (
        "{instance} earned {net:+.2f} USD in {n_trades} trades at a win rate of {win_rate}.",
        "{instance}: 거래 {n_trades}건, 승률 {win_rate}로 {net:+.2f} USD를 벌었습니다.",
    ),
    "loss": (
        "{instance} lost {net:.2f} USD in {n_trades} trades at a win rate of {win_rate}.",
        "{instance}: 거래 {n_trades}건, 승률 {win_rate}로 {net:.2f} USD를 잃었습니다.",
    ),
    "best_exit": (
        "{instance}: exits by {reason} made {pnl:+.2f} USD in {n} trades.",
        "{instance}: {reason} 청산 {n}건에서 {pnl:+.2f} USD를 벌었습니다.",
    ),
    "worst_exit": (
        "{instance}: exits by {reason} lost {pnl:.2f} USD in {n} trades.",
        "{instance}: {reason} 청산 {n}건에서 {pnl:.2f} USD를 잃었습니다.",
    ),
    "cost_share": (
        "{instance}: costs of {costs:.2f} USD stand against {gross:+.2f} USD before costs.",
        "{instance}: 비용 전 손익 {gross:+.2f} USD에 비용이 {costs:.2f} USD입니다.",
    ),
    "rejected": (
        "{instance}: {n_rejected} of {n_signals} signals were rejected, most by {reason} ({n}).",
        "{instance}: 신호 {n_signals}건 중 {n_rejected}건이 거부됐고, 가장 많은 이유는 {reason}({n}건)입니다.",
    ),
    "missed_signal": (
        "{symbol}: a {side} signal rejected by {reason} would have moved {move:+.1f} bps in {minutes} minutes.",
        "{symbol}: {reason}(으)로 거부된 {side} 신호는 {minutes}분 동안 {move:+.1f} bps 움직였습니다.",
    ),
    "missed_move": (
        "{symbol}: a {side} move of {move:+.1f} bps within {minutes} minutes met no position.",
        "{symbol}: {minutes}분 동안 {move:+.1f} bps의 {side} 움직임이 있었으나 포지션이 없었습니다.",
    ),
    "replay": ("Replay: {replay}", "다시 보기: {replay}"),
    "turbulent": (
        "The market was turbulent for {share:.0f} % of the hours.",
        "전체 시간의 {share:.0f} %가 급변 구간이었습니다.",
    ),
    "turbulent_action": (
        "Compare the trades of those hours with the rest before widening any limit.",
        "한도를 넓히기 전에 그 시간대의 거래를 나머지와 비교하세요.",
    ),
    "deep_drawdown_risk": (
        "{instance} drew down {drawdown:.2f} % of its capital within the day.",
        "{instance}의 하루 낙폭이 자본의 {drawdown:.2f} %였습니다.",
    ),
    "deep_drawdown_action": (
        "Lower its caps first; find the cause after.",
        "먼저 한도를 낮추고 원인은 그다음에 찾으세요.",
    ),
    "unrealised_risk": (
        "{instance} carries an unrealised change of {unrealised:+.2f} USD that closed trades do not show.",
        "{instance}에 청산 손익에 나타나지 않는 미실현 변화 {unrealised:+.2f} USD가 있습니다.",
    ),
    "unrealised_action": ("Check its inventory before the next day.", "다음 날이 되기 전에 보유 수량을 확인하세요."),
    "parity_risk": (
        "Live and backtest of the same day differ by {gap:+.2f} USD.",
        "같은 날의 실거래와 백테스트가 {gap:+.2f} USD 다릅니다.",
    ),
    "parity_action": (
        "Explain the gap before trusting any backtest of that day.",
        "차이를 설명하기 전에는 그날의 백테스트를 믿지 마세요.",
    ),
    "quality_risk": ("Data quality: {flag}.", "데이터 품질: {flag}."),
    # --- symptoms: what was seen, and the rationale of a proposal -----------------------------------------------------
    "deep_drawdown": ("drawdown of {drawdown:.2f} % in one day", "하루 낙폭 {drawdown:.2f} %"),
    "quotes_rarely_hit": (
        "only {n_trades} round trips on {n_symbols} symbols: the quotes stand too far out",
        "{n_symbols}개 종목에서 왕복 거래 {n_trades}건뿐: 호가가 너무 멉니다",
    ),
    "adverse_selection": (
        "{gross:+.2f} USD before costs in {n_trades} trades: fills come when the price runs on",
        "거래 {n_trades}건에서 비용 전 {gross:+.2f} USD: 가격이 불리하게 계속 갈 때 체결됩니다",
    ),
    "costs_eat_gross": (
        "costs of {costs:.2f} USD against {gross:+.2f} USD before costs",
        "비용 전 {gross:+.2f} USD에 비용 {costs:.2f} USD",
    ),
    "inventory_loss": (
        "inventory lost {unrealised:+.2f} USD beside {net:+.2f} USD of closed trades",
        "청산 손익 {net:+.2f} USD와 별도로 재고에서 {unrealised:+.2f} USD",
    ),
    "quotes_pay": (
        "{n_trades} trades earned {net:+.2f} USD at a win rate of {win_rate}: closer quotes may earn more often",
        "거래 {n_trades}건이 승률 {win_rate}로 {net:+.2f} USD: 더 가까운 호가가 더 자주 벌 수 있습니다",
    ),
    "no_trades": ("no trade at all", "거래가 전혀 없음"),
    "stops_dominate": (
        "{stops} of {n_trades} trades left at the stop with {stop_pnl:+.2f} USD",
        "거래 {n_trades}건 중 {stops}건이 손절로 {stop_pnl:+.2f} USD",
    ),
    "no_edge": (
        "{gross:+.2f} USD before costs in {n_trades} trades: the entries have no edge",
        "거래 {n_trades}건에서 비용 전 {gross:+.2f} USD: 진입에 우위가 없습니다",
    ),
    "targets_pay": (
        "{targets} of {n_trades} trades reached the target: moves may run further",
        "거래 {n_trades}건 중 {targets}건이 목표에 도달: 움직임이 더 갈 수 있습니다",
    ),
    "whipsaw": (
        "{n_trades} crossings at a win rate of {win_rate}: the averages turn too often",
        "교차 {n_trades}회, 승률 {win_rate}: 평균선이 너무 자주 뒤집힙니다",
    ),
    "change": (
        "{symptom}. Try {param} {from_value:g} -> {to_value:g} {unit}.",
        "{symptom}. {param} {from_value:g} -> {to_value:g} {unit} 시도.",
    ),
    "no_change": (
        "{instance}: no change; nothing in this day's facts asks for one that has not failed before.",
        "{instance}: 변경 없음. 이날의 수치에는 아직 실패하지 않은 변경을 요구하는 것이 없습니다.",
    ),
    # --- patterns -----------------------------------------------------------------------------------------------------
    "month": (
        "{n_trades} trades in {n_days} days, win rate {win_rate}, net {net:+.2f} USD; {n_rules} checked rules, "
        "{n_confirmed} confirmed. Written by rules, not by a language model.",
        "{n_days}일 동안 거래 {n_trades}건, 승률 {win_rate}, 순손익 {net:+.2f} USD. 검증된 규칙 {n_rules}개, "
        "확인됨 {n_confirmed}개. 언어 모델이 아니라 규칙이 작성했습니다.",
    ),
    "rule": (
        "{dimension} {bucket}: {direction} than the rest by a mean of {mean:+.1f} bps in {n} trades ({state}).",
        "{dimension} {bucket}: 거래 {n}건 평균 {mean:+.1f} bps, 나머지보다 {direction} ({state}).",
    ),
    "best_hour": (
        "Best hour {bucket}:00 KST: {net:+.2f} USD in {n} trades. Descriptive only.",
        "가장 좋은 시간 {bucket}시(KST): 거래 {n}건에 {net:+.2f} USD. 기술 통계일 뿐입니다.",
    ),
    "worst_hour": (
        "Worst hour {bucket}:00 KST: {net:+.2f} USD in {n} trades. Descriptive only.",
        "가장 나쁜 시간 {bucket}시(KST): 거래 {n}건에 {net:+.2f} USD. 기술 통계일 뿐입니다.",
    ),
    "best_for": (
        "At {volatility} volatility {strategy} did best: {mean:+.1f} bps a trade in {n} trades.",
        "변동성 {volatility} 구간에서는 {strategy}가 가장 좋았습니다: 거래 {n}건, 건당 {mean:+.1f} bps.",
    ),
    "no_rule": (
        "No bucket differs from the rest by more than chance: too few to tell.",
        "어느 구간도 우연 이상으로 다르지 않습니다. 판단하기에 이릅니다.",
    ),
    "better": ("better", "좋음"),
    "worse": ("worse", "나쁨"),
    "edge_cases": (
        "{n} buckets hold fewer than {limit} trades; nothing is said about them.",
        "거래가 {limit}건 미만인 구간이 {n}개 있으며, 이에 대해서는 말하지 않습니다.",
    ),
    # --- what the language model's text is annotated with -------------------------------------------------------------
    "struck": (
        "{n} of {n_numbers} numbers in this text match no fact of the dataset and were struck.",
        "이 글의 숫자 {n_numbers}개 중 {n}개는 자료의 어떤 값과도 맞지 않아 지웠습니다.",
    ),
    "refused_edits": (
        "{n} proposed edits were refused at the door: {reasons}.",
        "제안 {n}건이 거부됐습니다: {reasons}.",
    ),
    "news_influence": (
        "News moved these further than the settings allow, so a person must approve them: {reasons}.",
        "뉴스가 설정 한도보다 크게 움직인 값이라 사람의 승인이 필요합니다: {reasons}.",
    ),
    "unsupported_rules": (
        "{n} claimed patterns contradict the counted trades or rest on too few and were left out.",
        "주장된 패턴 {n}개는 집계와 다르거나 거래가 너무 적어 제외했습니다.",
    ),
    "programs_summary": (
        "{n} rule sets proposed, {n_refused} refused at the door.",
        "규칙 집합 제안 {n}건, 거부 {n_refused}건.",
    ),
    "programs_by_rules": (
        "No rule set was proposed: without a language model only numbers and variants of the running one are tried.",
        "규칙 집합 제안이 없습니다. 언어 모델이 없으면 숫자와 운용 중인 규칙 집합의 변형만 시험합니다.",
    ),
    "adjustments_summary": (
        "{n} proposals, {n_refused} edits refused.",
        "제안 {n}건, 거부된 변경 {n_refused}건.",
    ),
}


def say(key: str, language: Language, **numbers: object) -> str:
    """Return the sentence `key` in `language` with its numbers filled in."""
    return TEXTS[key][0 if language == "en" else 1].format(**numbers)


def say_rate(wins: int, trades: int) -> str:
    """Return a win rate as a percentage, or a dash without trades."""
    return f"{100 * wins / trades:.0f} %" if trades else "-"
