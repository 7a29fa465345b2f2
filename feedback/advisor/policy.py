"""What an answer, or its absence, makes of an opening order. Everything here can only take away: nothing enlarges."""

import math

from core.model.advice import AdviceRecord, FailureReason, SizeClass
from core.settings_advisor import AdvisorSettings, AnswerLimits, FailureCells, PolicyAction
from feedback.advisor.rules import VETO, Opinion

HALF = 0.5
FULL = 1.0


def policy_cell(size: SizeClass, reason: FailureReason, settings: AdvisorSettings) -> PolicyAction:
    """Return what the settings make of a failure. A small order is not gated, so nothing can fail for it."""
    if size == "small":
        return "pass"
    cells: FailureCells = settings.medium_on_failure if size == "medium" else settings.large_on_failure
    action: PolicyAction = getattr(cells, reason)
    return action


def judge_failure(rule: AdviceRecord, reason: FailureReason, settings: AdvisorSettings) -> Opinion:
    """Return what becomes of an order whose question the model did not answer."""
    action = policy_cell(rule.size_class or "large", reason, settings)
    if action == "half" and (rule.risk_score is None or rule.risk_score > settings.max_risk_score):
        action = "stop"
    share = {"pass": FULL, "half": HALF, "stop": VETO}[action]
    return narrow(rule, Opinion(share, f"llm_{reason}"))


def judge_answer(rule: AdviceRecord, p_good: float, settings: AdvisorSettings) -> Opinion:
    """Return what becomes of an order that is good with probability `p_good`. Raises ValueError for no probability."""
    if not (math.isfinite(p_good) and 0 <= p_good <= 1):
        raise ValueError(f"{p_good} is no probability")
    limits: AnswerLimits = settings.medium_limits if rule.size_class == "medium" else settings.large_limits
    if p_good < limits.stop_below:
        return Opinion(VETO, "llm_no")
    if p_good < limits.full_from:
        return narrow(rule, Opinion(HALF, "llm_unsure"))
    return narrow(rule, Opinion(FULL, "llm_yes"))


def narrow(rule: AdviceRecord, opinion: Opinion) -> Opinion:
    """Return the smaller of the rules' size and another opinion's; the rules are the reason where theirs is."""
    ruled = rule.size_factor if rule.approve else VETO
    return Opinion(ruled, rule.reason) if ruled < opinion.factor else opinion
