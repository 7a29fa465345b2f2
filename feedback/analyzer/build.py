"""From settings to an analyzer: the one place that knows which of them can be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from core.clock import Clock
from core.errors import SettingsError
from core.settings import Settings
from core.settings_sections import AnalyzerSettings
from core.store import Store
from feedback.analyzer.answers import CheckAnswer, answer_schema, parse_answer
from feedback.analyzer.client import LlmClient, Question
from feedback.analyzer.deepseek import DeepSeekAnalyzer
from feedback.analyzer.edits import EditRules, Validator
from feedback.analyzer.fallback import AnalyzerWithFallback
from feedback.analyzer.ledger import CostLedger
from feedback.analyzer.prices import load_prices
from feedback.analyzer.profiles import PROFILES
from feedback.analyzer.protocol import AnalyzerFailure
from feedback.analyzer.reader import NewsReader
from feedback.analyzer.render import load_template, render
from feedback.analyzer.rules import RuleAnalyzer
from feedback.analyzer.watch import LlmWatch


@dataclass(frozen=True, slots=True)
class LlmCheck:
    """What one tiny call found out."""

    is_ok: bool
    reason: str
    """One word where it failed, else empty."""
    detail: str
    provider: str
    model: str
    resolved_model: str
    mode: str
    latency_ms: float
    cost_usd: Decimal
    facts: Mapping[str, str]
    """What was used: base URL and caps."""


def build_ledger(settings: AnalyzerSettings, store: Store, clock: Clock) -> CostLedger:
    """Return the cost ledger under the settings' caps. Raises SettingsError for an unusable prices file."""
    profile = PROFILES[settings.provider]
    prices = load_prices(profile.price_provider, settings.prices_file, settings.base_url or profile.base_url)
    return CostLedger(store, clock, prices, settings.monthly_cap_usd, settings.daily_cap_usd, settings.spike_multiple)


def build_client(settings: AnalyzerSettings, store: Store, clock: Clock) -> LlmClient | None:
    """Return the client that the settings describe, or None without a key where one is needed."""
    profile = PROFILES[settings.provider]
    if profile.needs_key and not settings.api_key.get_secret_value():
        return None
    model = settings.model or profile.default_model
    if not model:
        raise SettingsError(
            f"settings key 'analyzer.model' is empty and {profile.name} has no model of its own",
            "Name the model that the server holds",
        )
    return LlmClient(
        profile=profile,
        base_url=settings.base_url or profile.base_url,
        model=model,
        api_key=settings.api_key,
        timeout_s=settings.timeout_s,
        max_output_tokens=settings.max_output_tokens,
        ledger=build_ledger(settings, store, clock),
    )


def build_analyzer(settings: Settings, store: Store, clock: Clock, validate: Validator) -> AnalyzerWithFallback:
    """Return the analyzer of the settings; `validate` is the engine's own check of a parameter set."""
    edit_rules = EditRules(settings.gate.max_step_share, validate)
    client = build_client(settings.analyzer, store, clock)
    model = (
        None
        if client is None
        else DeepSeekAnalyzer(client, clock, edit_rules, settings.language, settings.analyzer.max_news_influence_pct)
    )
    return AnalyzerWithFallback(model, RuleAnalyzer(clock, edit_rules, settings.language), store, clock)


def build_reader(settings: Settings, store: Store, clock: Clock, symbols: tuple[str, ...]) -> NewsReader:
    """Return the reader of headlines; without a key the rules read them."""
    return NewsReader(build_client(settings.analyzer, store, clock), store, clock, symbols)


def build_watch(settings: AnalyzerSettings, store: Store, clock: Clock) -> LlmWatch:
    """Return what looks after the language model's name, price and cost."""
    return LlmWatch(clock, settings, build_ledger(settings, store, clock))


def check_llm(settings: AnalyzerSettings, store: Store, clock: Clock) -> LlmCheck:
    """Return what one tiny paid call found: model, latency, cost, structured mode; or why it failed."""
    client = build_client(settings, store, clock)
    if client is None:
        detail = "no key is set: set DEEPSEEK_API_KEY or XCRACK_ANALYZER__API_KEY; the rule analyzer works without one"
        return LlmCheck(False, "no_key", detail, settings.provider, settings.model, "", "", 0.0, Decimal(0), {})
    facts = {
        "base_url": client.base_url,
        "monthly_cap_usd": str(settings.monthly_cap_usd),
        "daily_cap_usd": str(settings.daily_cap_usd),
    }
    front = load_template("shared/check").front
    question = Question(
        task="check",
        prompt=render("shared/check", {"question": "Is this line open? Answer in json."}, "en"),
        schema=answer_schema("check", {}),
        max_tokens=front.max_tokens,
        thinking=front.thinking,
        parse=lambda text: parse_answer(text, CheckAnswer),
        salvage=lambda text: parse_answer(text, CheckAnswer),
        may_recall=False,
    )
    try:
        answered = client.ask(question)
    except AnalyzerFailure as failure:
        return LlmCheck(
            False,
            failure.reason,
            failure.message,
            client.profile.name,
            client.model,
            "",
            client.mode,
            0.0,
            failure.cost_usd,
            facts,
        )
    return LlmCheck(
        True,
        "",
        "",
        client.profile.name,
        client.model,
        answered.model,
        answered.mode,
        answered.latency_ms,
        answered.cost_usd,
        facts,
    )
