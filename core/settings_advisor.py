"""What the settings may say of the advisor: what is large, how a model is asked, and what its silence means."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, model_validator

from core.settings_sections import Section

PolicyAction = Literal["pass", "half", "stop"]
"""What a failure makes of an order: what the rules say; half of it where the local risk score is low, else nothing;
nothing."""


class FailureCells(Section):
    """What becomes of an opening order of one size when the model gave no answer, by reason."""

    timeout: PolicyAction = "stop"
    error: PolicyAction = "stop"
    breaker_open: PolicyAction = "stop"
    over_budget: PolicyAction = "stop"
    shed: PolicyAction = "stop"
    no_answer: PolicyAction = "stop"
    invalid: PolicyAction = "stop"


class AnswerLimits(Section):
    """What becomes of an opening order of one size by how sure the model is that it is good."""

    stop_below: Annotated[float, Field(ge=0, le=1)]
    full_from: Annotated[float, Field(ge=0, le=1)]
    """Between the two, half of it."""

    @model_validator(mode="after")
    def _in_order(self) -> "AnswerLimits":
        if self.full_from < self.stop_below:
            raise ValueError("full_from must be at least stop_below")
        return self


class AdvisorEndpoint(Section):
    """Another server with the same model, asked when the first one hesitates. Same provider and key.

    It has its own price: free at a loopback or private address, where the provider is one's own kind of server.
    """

    base_url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    model: str = ""
    """Empty means the first one's."""
    api_key: SecretStr = SecretStr("")
    """Empty means the first one's."""


_HALF: dict[str, PolicyAction] = dict.fromkeys(FailureCells.model_fields, "half")


class AdvisorSettings(Section):
    """Which trades are large, what a missing rate means, and how a language model is asked about them."""

    min_strength: Annotated[float, Field(ge=0, le=1)] = 0.7
    min_notional_krw: Annotated[float, Field(ge=0)] = 1_000_000.0
    fallback_krw_per_usd: Annotated[float, Field(gt=100, lt=10_000)] = 1_400.0
    rate_max_age_hours: Annotated[float, Field(gt=0)] = 96.0
    llm: bool = True
    """Whether the analyzer's model is asked as well, where one is configured; it can only stop or shrink."""
    model: str = ""
    """Empty means the analyzer's."""
    call_ms: Annotated[int, Field(ge=50, le=900)] = 800
    """All that a call may take, from the question's arrival."""
    max_tokens: Annotated[int, Field(ge=1, le=3)] = 1
    max_concurrent: Annotated[int, Field(ge=1, le=64)] = 8
    slow_ms: Annotated[int, Field(ge=10, le=900)] = 700
    """A call as slow as this counts as one that failed."""
    breaker_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Of the last 20 calls; with so many failed nobody asks for a while."""
    breaker_open_s: Annotated[float, Field(gt=0, le=3_600)] = 30.0
    hedge_share: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    """Share of the calls that may be sent twice; 0 means none."""
    hedge_endpoint: AdvisorEndpoint | None = None
    ping_s: Annotated[float, Field(ge=5, le=3_600)] = 25.0
    """So long without a call, and the connection is kept warm."""
    max_risk_score: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Up to here the local risk score passes."""
    reasons: bool = True
    """Whether the model is asked for its reason afterwards."""
    medium_on_failure: FailureCells = FailureCells(**_HALF)
    large_on_failure: FailureCells = FailureCells()
    medium_limits: AnswerLimits = AnswerLimits(stop_below=0.35, full_from=0.5)
    large_limits: AnswerLimits = AnswerLimits(stop_below=0.5, full_from=0.6)
