"""The rule analyzer: what it sees in a day, what it proposes, and that it says who speaks."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from core.clock import VirtualClock
from core.model.analysis import PatternRule
from core.model.dataset import DailyDataset, StrategyResult
from core.model.proposal import ParamVersion, Proposal
from core.native import validate_params
from feedback.analyzer import EditRules, RuleAnalyzer, summarise_trades
from feedback.analyzer.facts import build_day_facts
from feedback.analyzer.grounding import check_numbers
from feedback.analyzer.moves import CONFIDENCE, MOVES
from feedback.analyzer.rule_texts import TEXTS
from feedback.analyzer.symptoms import RULES
from strategies.schema import is_judged_on_bars, load_param_specs, strategy_names
from tests.analyzer_days import MIDNIGHT, ON, dataset, refuted, result, running, study
from tests.factories import trade

STEP = EditRules(0.25, validate_params)


def propose(day: DailyDataset, *versions: ParamVersion) -> tuple[Proposal, ...]:
    analyzer = RuleAnalyzer(VirtualClock(MIDNIGHT), STEP)
    return analyzer.suggest_strategy_adjustments(day, study(day), versions, [], day.last_days)


def only_edit(day: DailyDataset, version: ParamVersion) -> tuple[str, float]:
    [made] = propose(day, version)
    [edit] = made.edits
    return edit.param, edit.value


def momentum(**over: Any) -> StrategyResult:
    return result("momentum-1", "momentum_scalping", **over)


def sma(**over: Any) -> StrategyResult:
    return result("sma-1", "sma_cross", **over)


STOPPED: dict[str, Any] = {
    "n_trades": 10,
    "n_wins": 3,
    "net_pnl_usd": Decimal(-20),
    "gross_pnl_usd": Decimal(-10),
    "exit_reasons": {"stop_loss": 7, "take_profit": 3},
    "pnl_by_exit_usd": {"stop_loss": -32.0, "take_profit": 12.0},
}


def test_quotes_that_are_rarely_hit_move_closer_by_a_quarter() -> None:
    day = dataset(result(n_trades=3, net_pnl_usd=Decimal(5), gross_pnl_usd=Decimal(6)))
    assert only_edit(day, running(spread_threshold=240.0)) == ("spread_threshold", 180.0)
    [made] = propose(day, running(spread_threshold=240.0))
    assert (made.expected_effect.metric, made.expected_effect.direction) == ("n_trades", "up")
    assert "only 3 round trips on 2 symbols" in made.rationale and "240 -> 180 bps" in made.rationale
    assert (made.source, made.state, made.confidence) == ("rule", "pending", 0.6)


def test_losses_before_costs_move_quotes_away() -> None:
    day = dataset(result(gross_pnl_usd=Decimal(-30), net_pnl_usd=Decimal(-42)))
    assert only_edit(day, running(spread_threshold=20.0)) == ("spread_threshold", 25.0)


def test_many_stops_at_a_loss_widen_the_stop() -> None:
    assert only_edit(dataset(momentum(**STOPPED)), running("momentum-1", "momentum_scalping", stop_loss=0.8)) == (
        "stop_loss",
        1.0,
    )


def test_costs_that_eat_the_gross_profit_ask_for_stronger_entries() -> None:
    day = dataset(momentum(gross_pnl_usd=Decimal(12), net_pnl_usd=Decimal("0.5"), exit_reasons={"exit": 40}))
    assert only_edit(day, running("momentum-1", "momentum_scalping")) == ("entry_threshold", 1.8)


def test_a_whipsaw_lengthens_the_slow_average() -> None:
    day = dataset(sma(n_trades=6, n_wins=1, net_pnl_usd=Decimal(-9), gross_pnl_usd=Decimal(-5)))
    assert only_edit(day, running("sma-1", "sma_cross")) == ("slow", 62.0)


def test_a_deep_drawdown_lowers_a_cap_before_anything_else() -> None:
    day = dataset(result(n_trades=3, max_drawdown_pct=6.0))
    assert only_edit(day, running()) == ("inventory_cap", 15.0)
    assert load_param_specs("market_making")["inventory_cap"].risk == "cap"


def test_what_failed_from_this_value_is_not_proposed_again() -> None:
    stopped, version = momentum(**STOPPED), running("momentum-1", "momentum_scalping")
    wider = refuted("stop_loss", 2.0, 2.5, "momentum_scalping")
    assert only_edit(dataset(stopped, refuted=(wider,)), version) == ("entry_threshold", 1.8)
    both = (wider, refuted("entry_threshold", 1.5, 1.8, "momentum_scalping"))
    assert only_edit(dataset(stopped, refuted=both), version) == ("lookback", 4.0)
    other_start = refuted("stop_loss", 1.0, 1.2, "momentum_scalping")
    assert only_edit(dataset(stopped, refuted=(other_start,)), version) == ("stop_loss", 2.5)


def test_a_refusal_at_admission_refutes_nothing() -> None:
    cooled = replace(refuted("stop_loss", 2.0, 2.5, "momentum_scalping"), stage="admission")
    day = dataset(momentum(**STOPPED), refuted=(cooled,))
    assert only_edit(day, running("momentum-1", "momentum_scalping")) == ("stop_loss", 2.5)


def test_when_every_move_failed_nothing_changes() -> None:
    day = dataset(result(n_trades=3, net_pnl_usd=Decimal(-5), gross_pnl_usd=Decimal(6), equity_change_usd=Decimal(-5)))
    failed = (refuted("spread_threshold", 60.0, 45.0), refuted("spread_threshold", 60.0, 75.0))
    assert propose(replace(day, refuted=failed), running()) == ()


def test_at_a_bound_the_next_move_is_taken() -> None:
    day = dataset(result(n_trades=3))
    assert only_edit(day, running(spread_threshold=2.0)) == ("spread_threshold", 3.0)


def test_the_last_step_before_a_bound_ends_at_it() -> None:
    day = dataset(result(gross_pnl_usd=Decimal(-30)))
    assert only_edit(day, running(spread_threshold=390.0)) == ("spread_threshold", 400.0)


def test_a_day_without_symptoms_and_an_instance_without_facts_change_nothing() -> None:
    assert propose(dataset(result()), running(), running("mm-2")) == ()


def test_the_same_day_gives_the_same_proposals_at_another_hour() -> None:
    day = dataset(result(n_trades=3), momentum(**STOPPED))
    versions = (running(), running("momentum-1", "momentum_scalping"))
    first = propose(day, *versions)
    later = RuleAnalyzer(VirtualClock(MIDNIGHT + timedelta(hours=2)), STEP)
    again = later.suggest_strategy_adjustments(day, study(day), versions[::-1], [], ())
    assert first == again
    assert len(first) == 2


UNTREATED = {"rules", "predictive", "micro_arbitrage", "liquidation"}
"""Where silence and costs are only named: what would help is in a rule set or a model, not in a parameter."""


@pytest.mark.parametrize("strategy", strategy_names())
def test_every_move_names_a_parameter_and_every_symptom_is_treated(strategy: str) -> None:
    specs = load_param_specs(strategy)
    assert {m.param for moves in MOVES[strategy].values() for m in moves} <= set(specs)
    symptoms = {name for name, _ in RULES[strategy]}
    assert set(MOVES[strategy]) <= symptoms <= set(CONFIDENCE) & set(TEXTS)
    assert symptoms - set(MOVES[strategy]) == ({"no_trades", "costs_eat_gross"} if strategy in UNTREATED else set())
    caps = {m.param for m in MOVES[strategy]["deep_drawdown"]}
    assert all(specs[name].risk == "cap" for name in caps)


def test_every_move_from_the_defaults_passes_the_door() -> None:
    from feedback.analyzer.moves import _target

    for strategy, symptoms in MOVES.items():
        version = running("x-1", strategy)
        for move in (m for moves in symptoms.values() for m in moves):
            value = _target(version, move, STEP)
            assert value is not None and STEP.refusal(version, move.param, value) == "", (strategy, move)


@pytest.mark.parametrize(("language", "word"), [("en", "Written by rules"), ("ko", "규칙이 작성")])
def test_the_study_rests_on_the_days_numbers_in_both_languages(language: Any, word: str) -> None:
    day = dataset(
        result(n_signals_rejected=5, reject_reasons={"position_limit": 5}),
        momentum(**STOPPED, max_drawdown_pct=7.5),
        parity_gap_usd=4.0,
        data_quality=("missing usd_krw",),
    )
    made = RuleAnalyzer(VirtualClock(MIDNIGHT), STEP).analyze_daily_performance(day, language)
    assert word in made.summary and "-1.25" in made.summary
    assert set(made.effectiveness) == {"mm-1", "momentum-1"}
    assert "momentum-1" in made.failure_factors[0].text and "20.00" in made.failure_factors[0].text
    assert made.risks[0].severity == "critical" and "7.50" in made.risks[0].text and made.risks[0].action
    assert any("usd_krw" in risk.text for risk in made.risks)
    assert "85.5" in made.missed[0].text and "--symbols ETHUSDT" in made.missed[0].action
    assert (made.source, made.cost_usd, made.call_ids) == ("rule", 0, ())


@pytest.mark.parametrize("language", ["en", "ko"])
def test_what_the_rules_write_of_a_day_holds_no_number_beside_its_facts(language: Any) -> None:
    day = dataset(
        result(n_signals_rejected=5, reject_reasons={"position_limit": 5}),
        momentum(**STOPPED, max_drawdown_pct=7.5),
        parity_gap_usd=4.0,
    )
    made = RuleAnalyzer(VirtualClock(MIDNIGHT), STEP).analyze_daily_performance(day, language)
    findings = (*made.success_factors, *made.failure_factors, *made.missed, *made.adjustments, *made.risks)
    texts = [made.summary, *(f.text for f in findings), *(f.action for f in findings)]
    facts = build_day_facts(day)
    checked = [check_numbers(text, facts.numbers, facts.names) for text in texts]
    assert [each.text for each in checked] == texts
    assert sum(each.n_numbers for each in checked) >= 20


def test_an_empty_day_is_said_to_be_empty() -> None:
    none = {"n_trades": 0, "n_wins": 0, "net_pnl_usd": Decimal(0), "fees_usd": Decimal(0), "slippage_usd": Decimal(0)}
    empty = dataset(result(**none, gross_pnl_usd=Decimal(0), exit_reasons={}, pnl_by_exit_usd={}))
    empty = replace(empty, totals=replace(empty.totals, **none), best=(), worst=(), missed=(), phases=())
    made = RuleAnalyzer(VirtualClock(MIDNIGHT), STEP).analyze_daily_performance(empty, "en")
    assert "No trade was closed" in made.summary
    assert "Too few trades to tell" in made.effectiveness["mm-1"]
    assert made.success_factors == made.failure_factors == ()


def test_a_month_names_tested_rules_and_calls_hours_descriptive() -> None:
    trades = [
        trade(f"t-{n:03d}", MIDNIGHT - timedelta(hours=n), "1.50" if n % 24 == 3 else "-0.25") for n in range(24 * 25)
    ]
    summary = summarise_trades(ON - timedelta(days=29), ON, trades)
    rule = PatternRule("p-1", "hour_kst", "21", "better", 25, 140.0, 0.001, 0.02, "confirmed", 2, 0, ON, ON)
    made = RuleAnalyzer(VirtualClock(MIDNIGHT), STEP).find_patterns(ON, summary, [rule], "en")
    assert made.success_factors[0].action == "rule:hour_kst=21:better"
    assert "Best hour 21:00 KST" in made.adjustments[0].text and "Descriptive only" in made.adjustments[0].text
    assert "in 30 days" in made.summary and "1 confirmed" in made.summary
    assert made.task == "patterns"


def test_every_sentence_exists_in_both_languages_with_the_same_numbers() -> None:
    import string

    for key, (english, korean) in TEXTS.items():
        names = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, korean)]
        assert names[0] == names[1], key


def test_every_strategy_has_moves_and_what_no_backtest_can_judge_only_ever_lowers_caps() -> None:
    assert set(MOVES) == set(RULES) == set(strategy_names())
    for strategy, by_symptom in MOVES.items():
        specs = load_param_specs(strategy)
        for moves in by_symptom.values():
            for move in moves:
                is_narrowing = specs[move.param].risk == "cap" and move.sign == -1
                assert is_narrowing or is_judged_on_bars(strategy), (strategy, move)


def test_a_deep_drawdown_of_any_strategy_lowers_its_exposure() -> None:
    for strategy in strategy_names():
        version = running(strategy=strategy)
        day = dataset(result(strategy=strategy, max_drawdown_pct=9.0, net_pnl_usd=Decimal(-50)))
        param, value = only_edit(day, version)
        assert load_param_specs(strategy)[param].risk == "cap" and value < version.params[param], strategy
