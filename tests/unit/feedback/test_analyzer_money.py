"""Prices, caps and profiles: the most a call can cost is known before it is made."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.clock import VirtualClock
from core.errors import SettingsError
from core.model.analysis import RenderedPrompt
from core.settings_sections import AnalyzerSettings
from core.store import Store
from feedback.analyzer.build import build_client, build_ledger
from feedback.analyzer.ledger import CostLedger, Outcome
from feedback.analyzer.prices import ModelPrice, PriceTable, Tokens, is_own_machine, load_prices
from feedback.analyzer.profiles import PROFILES

QUIET = datetime(2026, 3, 3, 15, 5, tzinfo=UTC)
DEAR = datetime(2026, 3, 4, 2, 0, tzinfo=UTC)
HOSTED, LOCAL = "https://api.example.com/v1", "http://127.0.0.1:8000/v1"
ONE_CENT = PriceTable(
    "deepseek", {"m": ModelPrice(input_mtok=Decimal(0), cached_mtok=Decimal(0), output_mtok=Decimal(10))}
)
"""A thousand output tokens cost one cent."""


def prompt(n: int = 1) -> RenderedPrompt:
    return RenderedPrompt("daily.analysis", 1, "en", "prefix", f"body {n}", f"{n:064d}")


def test_the_price_follows_the_hour_and_the_ceiling_is_the_dearest_hour() -> None:
    table = load_prices("deepseek", None, HOSTED)
    tokens = Tokens(1_000_000, 400_000, 100_000)
    assert table.cost_usd("deepseek-flash", tokens, QUIET) == Decimal("0.1512")
    assert table.cost_usd("deepseek-flash", tokens, DEAR) == Decimal("0.3024")
    assert table.ceiling_usd("deepseek-flash", 1_000_000, 100_000, QUIET) == Decimal("0.42")


@pytest.mark.parametrize("provider", ["deepseek", "openrouter", "nobody", None])
def test_an_unknown_model_is_as_dear_as_the_dearest_of_all_providers(provider: str | None) -> None:
    table, dearest = load_prices(provider, None, HOSTED), load_prices("openai", None, HOSTED)
    for n_input, n_output in ((1_000_000, 0), (0, 100_000)):
        known = dearest.ceiling_usd("o1-pro", n_input, n_output, QUIET)
        assert table.ceiling_usd("new-name", n_input, n_output, QUIET) >= known > 0
    assert table.cost_usd("new-name", Tokens(1_000_000, 1_000_000, 0), QUIET) > 0


def test_ones_own_machine_is_free_and_a_prices_file_wins(tmp_path: Path) -> None:
    assert load_prices(None, None, LOCAL).ceiling_usd("qwen", 10**6, 10**6, QUIET) == 0
    path = tmp_path / "prices.yaml"
    path.write_text(
        "models:\n  qwen: {input_mtok: 1, cached_mtok: 0.5, output_mtok: 2}\n"
        "  gift: {input_mtok: 0, cached_mtok: 0, output_mtok: 0}\n"
    )
    for base_url in (LOCAL, HOSTED):
        table = load_prices(None, path, base_url)
        assert table.cost_usd("qwen", Tokens(1_000_000, 500_000, 1_000_000), QUIET) == Decimal("2.75")
        assert table.ceiling_usd("gift", 10**6, 10**6, QUIET) == 0


@pytest.mark.parametrize(
    ("base_url", "is_own"),
    [
        (LOCAL, True),
        ("http://localhost:11434/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://10.1.2.3/v1", True),
        ("http://192.168.0.7:8000/v1", True),
        ("http://GPU-1.local:8000/v1", True),
        ("http://host.docker.internal.:8000/v1", True),
        (HOSTED, False),
        ("https://8.8.8.8/v1", False),
        ("http://0.0.0.0:8000/v1", False),
        ("https://localhost.example.com/v1", False),
        ("https://localhost@api.example.com/v1", False),
        ("https://local/v1", False),
        ("http://[broken/v1", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("provider", ["vllm", "ollama", "llamacpp", "lmstudio"])
def test_a_server_is_free_only_at_an_address_of_ones_own(
    provider: Any, base_url: str, is_own: bool, store: Store
) -> None:
    assert is_own_machine(base_url) is is_own
    # Without an address the profile's own holds, which is the loopback.
    settings = AnalyzerSettings(provider=provider, model="qwen", base_url=base_url)
    ledger = build_ledger(settings, store, VirtualClock(QUIET))
    reserved = ledger.reserve("daily_analysis", provider, "qwen", prompt(), 10_000, 10_000)
    assert (reserved.reserved_usd == 0) is (is_own or not base_url)
    assert ledger.prices.served_at(HOSTED).ceiling_usd("qwen", 1, 1, QUIET) > 0


def test_a_seller_is_not_free_behind_a_proxy_on_ones_own_machine() -> None:
    assert load_prices("deepseek", None, LOCAL).ceiling_usd("deepseek-flash", 10**6, 0, QUIET) > 0


@pytest.mark.parametrize(
    "text", ["models: {x: {input_mtok: -1, cached_mtok: 0, output_mtok: 0}}", "x: [", "[]", "models: {x: {}}"]
)
def test_a_broken_prices_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match="prices.yaml"):
        load_prices("deepseek", path, HOSTED)
    with pytest.raises(SettingsError, match="nowhere.yaml"):
        load_prices("deepseek", tmp_path / "nowhere.yaml", HOSTED)


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
