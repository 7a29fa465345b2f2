import re
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from core.errors import SettingsError
from core.settings import Settings, crash_point, load_settings


@pytest.fixture
def file(tmp_path):
    """Return a function that writes the settings file and gives the environment that names it."""

    def write(text: str, **variables: str) -> dict[str, str]:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return {"XCRACK_SETTINGS": str(path), **variables}

    return write


def test_without_anything_the_defaults_hold_and_the_store_is_a_file_below_home(file):
    settings = load_settings(file(""))
    assert settings == Settings()
    assert settings.store_url == f"sqlite:///{settings.home / 'xcrack.db'}"


def test_the_file_wins_over_defaults_the_environment_over_the_file_and_overrides_over_all(file):
    environment = file("language: ko\nweb: {port: 1}\nlog_level: ERROR", XCRACK_WEB__PORT="2", XCRACK_LOG_LEVEL="DEBUG")
    settings = load_settings(environment, {"web": {"port": 3}})
    assert (settings.language, settings.log_level, settings.web.port) == ("ko", "DEBUG", 3)


def test_variables_are_read_as_the_type_of_their_key(file):
    environment = file(
        "",
        XCRACK_SCHEDULE__DAILY_AT="12:30",
        XCRACK_RISK__CAPITAL_USD="2500.50",
        XCRACK_GATE__REQUIRE_APPROVAL="true",
        XCRACK_TELEGRAM__ALLOWED_IDS="[1, 2]",
        XCRACK_WEB__SECRET_KEY="0123456789",
        XCRACK_HOME="/somewhere",
    )
    settings = load_settings(environment)
    assert settings.schedule.daily_at == time(12, 30)
    assert settings.risk.capital_usd == Decimal("2500.50")
    assert settings.gate.require_approval is True
    assert settings.telegram.allowed_ids == (1, 2)
    assert settings.web.secret_key.get_secret_value() == "0123456789"
    assert settings.home == Path("/somewhere")


@pytest.mark.parametrize(
    ("text", "variables", "reason"),
    [
        ("colour: red", {}, "unknown settings key 'colour'"),
        ("web: {prot: 1}", {}, "unknown settings key 'web.prot'"),
        ("", {"XCRACK_WEB__PROT": "1"}, "unknown settings key 'web.prot'"),
        ("web: {port: 70000}", {}, "'web.port' is wrong: Input should be less than or equal to 65535"),
        ("schedule: {daily_at: 12:30}", {}, "write the time in quotes"),
        ("web: 3", {"XCRACK_WEB__PORT": "1"}, "goes below 'web'"),
        ("- a\n- b", {}, "no mapping of sections"),
        ("a: [", {}, "cannot read the settings file"),
        ("", {"XCRACK_TELEGRAM__ALLOWED_IDS": "[1,"}, "XCRACK_TELEGRAM__ALLOWED_IDS is no list"),
        ("bridge: {host: 0.0.0.0}", {}, "'bridge.host' is wrong"),
        ("risk: {capital_usd: .nan}", {}, "'risk.capital_usd' is wrong"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_a_reason(file, text, variables, reason):
    with pytest.raises(SettingsError, match=reason.replace("[", r"\[")):
        load_settings(file(text, **variables))


@pytest.mark.parametrize(
    ("market", "reason"),
    [
        ("reject_rate: 1.01", "'market.reject_rate' is wrong: Input should be less than or equal to 1"),
        ("reject_rate: -0.1", "'market.reject_rate' is wrong"),
        ("reject_rate: .nan", "'market.reject_rate' is wrong"),
        ("reject_seed: -1", "'market.reject_seed' is wrong"),
        ("reject_seed: 18446744073709551616", "'market.reject_seed' is wrong"),
        ("max_messages_per_s: 0", "'market.max_messages_per_s' is wrong"),
        ("reject_rate: 0.1, venue_model: bars", "reject_rate needs a venue that fills by book"),
        ("max_messages_per_s: 9, venue_model: bars", "max_messages_per_s needs a venue that fills by book"),
        (
            "reject_rate: 0.1, feeds: [{venue: bybit_spot, symbols: [BTCUSDT], streams: {trades: false}}]",
            "reject_rate needs a venue that fills by book: venue_model book, or auto with prints and quotes",
        ),
        ("fee_tiers: [{from_notional: 0, maker_fee_bps: 1, taker_fee_bps: 1}]", "'market.fee_tiers.0.from_notional'"),
        ("fee_tiers: [{from_notional: 1, maker_fee_bps: -11, taker_fee_bps: 1}]", "'market.fee_tiers.0.maker_fee_bps'"),
        ("fee_tiers: [{from_notional: 1, maker_fee_bps: 1}]", "'market.fee_tiers.0.taker_fee_bps'"),
        (
            "fee_tiers: [{from_notional: 5, maker_fee_bps: 1, taker_fee_bps: 1},"
            " {from_notional: 5, maker_fee_bps: 0, taker_fee_bps: 1}]",
            "fee_tiers must ascend by from_notional",
        ),
    ],
)
def test_a_simulated_exchange_that_cannot_be_is_refused_by_name_in_one_line(file, market, reason):
    with pytest.raises(SettingsError, match=re.escape(reason)) as refused:
        load_settings(file(f"market: {{{market}}}"))
    assert "\n" not in str(refused.value)


def test_a_named_file_that_is_missing_is_refused():
    with pytest.raises(SettingsError, match="/nowhere.yaml does not exist"):
        load_settings({"XCRACK_SETTINGS": "/nowhere.yaml"})


def test_the_key_of_the_analyzer_also_comes_from_its_own_variable(file):
    assert load_settings(file("", DEEPSEEK_API_KEY="k1")).analyzer.api_key.get_secret_value() == "k1"
    both = file("", DEEPSEEK_API_KEY="k1", XCRACK_ANALYZER__API_KEY="k2")
    assert load_settings(both).analyzer.api_key.get_secret_value() == "k2"


def test_secrets_do_not_show_when_settings_are_printed_or_refused(file):
    settings = load_settings(file("", DEEPSEEK_API_KEY="sesame"))
    assert "sesame" not in repr(settings) + settings.model_dump_json()
    with pytest.raises(SettingsError) as refused:
        load_settings(file("analyzer: {api_key: [sesame]}"))
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ('analyzer:\n  api_key: "canary\n', {}),
        ("analyzer: {api_key: *canary}", {}),
        ("analyzer: {api_key: !canary x}", {}),
        ("", {"XCRACK_ANALYZER": '{api_key: "canary'}),
    ],
)
def test_text_that_cannot_be_read_is_refused_by_place_without_quoting_it(file, text, variables):
    with pytest.raises(SettingsError, match=r"line \d, column \d+ is not YAML") as refused:
        load_settings(file(text, **variables))
    assert "canary" not in str(refused.value)


def test_settings_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().language = "ko"


def test_test_only_variables_are_no_settings(file):
    load_settings(file("", XCRACK_CRASH_AT="daily.report:before", XCRACK_DATA_DIR="/data"))
    assert crash_point({"XCRACK_CRASH_AT": "daily.report:before"}) == "daily.report:before"
    assert crash_point({}) == ""


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ({"canary_shares": (0.5, 0.5, 1.0), "canary_step_days": (1, 1, 1)}, "must rise"),
        ({"canary_shares": (0.1, 0.5), "canary_step_days": (1, 1)}, "end at 1"),
        ({"canary_step_days": (30, 20)}, "one number for each"),
        ({"canary_max_days": 83}, "at least the 84 days"),
        ({"shadow_days": 1, "canary_shares": (1.0,), "canary_step_days": (5,)}, "at least 7 days"),
    ],
)
def test_a_schedule_that_never_reaches_the_whole_capital_is_refused(gate, reason):
    with pytest.raises(SettingsError, match=reason):
        load_settings({}, {"gate": gate})
