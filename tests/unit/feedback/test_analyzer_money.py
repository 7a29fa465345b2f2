"""Prices, caps and profiles: the most a call can cost is known before it is made."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from core.clock import VirtualClock
from core.errors import SettingsError
from core.model.analysis import RenderedPrompt
from core.settings_sections import AnalyzerSettings
from core.store import Store
from feedback.analyzer.build import build_client
from feedback.analyzer.ledger import CostLedger, Outcome
from feedback.analyzer.prices import ModelPrice, PriceTable, Tokens, load_prices
from feedback.analyzer.profiles import PROFILES

QUIET = datetime(2026, 3, 3, 15, 5, tzinfo=UTC)
DEAR = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
ONE_CENT = PriceTable(
    "deepseek", {"m": ModelPrice(input_mtok=Decimal(0), cached_mtok=Decimal(0), output_mtok=Decimal(10))}
)
"""A thousand output tokens cost one cent."""


def prompt(n: int = 1) -> RenderedPrompt:
    return RenderedPrompt("daily.analysis", 1, "en", "prefix", f"body {n}", f"{n:064d}")


def test_the_price_follows_the_hour_and_the_ceiling_is_the_dearest_hour() -> None:
    table = load_prices("deepseek", None)
    tokens = Tokens(1_000_000, 400_000, 100_000)
    assert table.cost_usd("deepseek-flash", tokens, QUIET) == Decimal("0.1512")
    assert table.cost_usd("deepseek-flash", tokens, DEAR) == Decimal("0.3024")
    assert table.ceiling_usd("deepseek-flash", 1_000_000, 100_000, QUIET) == Decimal("0.42")


def test_an_unknown_model_is_as_dear_as_the_dearest() -> None:
    table = load_prices("deepseek", None)
    assert table.ceiling_usd("new-name", 1_000_000, 0, QUIET) >= table.ceiling_usd(
        "deepseek-v4-pro", 1_000_000, 0, QUIET
    )
    assert table.cost_usd("new-name", Tokens(1_000_000, 1_000_000, 0), QUIET) > 0


def test_ones_own_machine_is_free_and_a_prices_file_wins(tmp_path: Path) -> None:
    assert load_prices(None, None).ceiling_usd("qwen", 10**6, 10**6, QUIET) == 0
    path = tmp_path / "prices.yaml"
    path.write_text("models:\n  qwen: {input_mtok: 1, cached_mtok: 0.5, output_mtok: 2}\n")
    table = load_prices(None, path)
    assert table.cost_usd("qwen", Tokens(1_000_000, 500_000, 1_000_000), QUIET) == Decimal("2.75")


@pytest.mark.parametrize(
    "text", ["models: {x: {input_mtok: -1, cached_mtok: 0, output_mtok: 0}}", "x: [", "[]", "models: {x: {}}"]
)
def test_a_broken_prices_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="prices.yaml"):
        load_prices("deepseek", path)
    with pytest.raises(SettingsError, match="nowhere.yaml"):
        load_prices("deepseek", tmp_path / "nowhere.yaml")


def test_the_cap_opens_again_with_the_next_kst_day_and_month(store: Store) -> None:
    clock = VirtualClock(datetime(2026, 3, 30, 14, 0, tzinfo=UTC))
    ledger = CostLedger(store, clock, ONE_CENT, Decimal("0.03"), Decimal("0.02"))

    def status() -> str:
        return ledger.reserve("daily_analysis", "deepseek", "m", prompt(), 10, 1_000).status

    assert [status(), status(), status()] == ["reserved", "reserved", "over_budget"]
    clock.advance_to(clock.now() + timedelta(hours=2))
    assert [status(), status()] == ["reserved", "over_budget"]
    clock.advance_to(datetime(2026, 3, 31, 15, 1, tzinfo=UTC))
    assert status() == "reserved"


def test_settling_gives_back_what_was_not_used_and_happens_once(store: Store) -> None:
    ledger = CostLedger(store, VirtualClock(QUIET), ONE_CENT, Decimal(1), Decimal(1))
    call = ledger.reserve("daily_analysis", "deepseek", "m", prompt(), 10, 1_000)
    first = ledger.settle(call, Outcome("ok", "text", tokens=Tokens(5, 0, 100)))
    assert first.cost_usd == Decimal("0.001")
    assert ledger.settle(call, Outcome("timeout")) == first
    with store.session() as session:
        assert ledger.spending(session, QUIET).day_usd == Decimal("0.001")


def test_a_need_for_a_key_or_a_model_is_told(store: Store) -> None:
    clock = VirtualClock(QUIET)
    assert build_client(AnalyzerSettings(), store, clock) is None
    with pytest.raises(SettingsError, match=r"analyzer\.model"):
        build_client(AnalyzerSettings(provider="ollama"), store, clock)
    client = build_client(AnalyzerSettings(provider="ollama", model="qwen"), store, clock)
    assert client is not None and client.base_url == PROFILES["ollama"].base_url


def test_every_provider_of_the_settings_has_a_profile_that_ends_in_plain() -> None:
    named = AnalyzerSettings.model_fields["provider"].annotation.__args__  # type: ignore[union-attr]
    assert set(PROFILES) == set(named)
    assert all(profile.structured_modes[-1] == "plain" for profile in PROFILES.values())
    assert PROFILES["deepseek"].thinking_off_body == {"thinking": {"type": "disabled"}}
