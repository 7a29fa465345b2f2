"""One frozen `Settings`, resolved once. The only reader of the environment.

Order: defaults, then `settings.yaml` (or the file named by `XCRACK_SETTINGS`), then `XCRACK_<SECTION>__<KEY>`.
An unknown key is an error that names it. Secrets come from the environment or from files, never from the database.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from core.errors import SettingsError
from core.settings_advisor import AdvisorSettings
from core.settings_models import ModelSettings
from core.settings_sections import (
    PROJECT_ROOT,
    AlertSettings,
    AnalyzerSettings,
    BridgeSettings,
    CostSettings,
    EngineSettings,
    GateSettings,
    InstanceSettings,
    MarketSettings,
    RedisSettings,
    RiskSettings,
    ScaleSettings,
    ScheduleSettings,
    SearchSettings,
    Section,
    SourceSettings,
    StoreSettings,
    TelegramSettings,
    WebSettings,
)

PREFIX = "XCRACK_"


class Settings(Section):
    """Everything the roots need."""

    home: Path = PROJECT_ROOT / "var"
    """Database, engine state, bars, reports, secrets of this installation."""
    language: Literal["ko", "en"] = "en"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    mode: Literal["demo", "replay", "paper", "live"] = "demo"
    store: StoreSettings = StoreSettings()
    bridge: BridgeSettings = BridgeSettings()
    engine: EngineSettings = EngineSettings()
    market: MarketSettings = MarketSettings()
    costs: CostSettings = CostSettings()
    risk: RiskSettings = RiskSettings()
    instances: tuple[InstanceSettings, ...] = (
        InstanceSettings(instance_id="mm-1", strategy="market_making", capital_share=0.4),
        InstanceSettings(instance_id="momentum-1", strategy="momentum_scalping", capital_share=0.4),
        InstanceSettings(instance_id="sma-1", strategy="sma_cross", capital_share=0.2, params={"size": 0.02}),
    )
    analyzer: AnalyzerSettings = AnalyzerSettings()
    gate: GateSettings = GateSettings()
    search: SearchSettings = SearchSettings()
    scale: ScaleSettings = ScaleSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertSettings = AlertSettings()
    advisor: AdvisorSettings = AdvisorSettings()
    models: ModelSettings = ModelSettings()
    sources: SourceSettings = SourceSettings()
    web: WebSettings = WebSettings()
    telegram: TelegramSettings = TelegramSettings()
    redis: RedisSettings = RedisSettings()

    @property
    def store_url(self) -> str:
        """The database URL in force."""
        return self.store.url or f"sqlite:///{self.home / 'xcrack.db'}"


def load_settings(environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings in force; `overrides` win over all. Raises SettingsError naming key, reason and remedy."""
    env = os.environ if environ is None else environ
    named = env.get(f"{PREFIX}SETTINGS")
    path = Path(named) if named else PROJECT_ROOT / "settings.yaml"
    if named and not path.is_file():
        raise SettingsError(f"the settings file {path} does not exist", f"Correct or unset {PREFIX}SETTINGS")
    tree = _read_yaml(path) if path.is_file() else {}
    for key, value in sorted(env.items()):
        if key.startswith(PREFIX) and key not in {f"{PREFIX}SETTINGS", f"{PREFIX}DATA_DIR", f"{PREFIX}CRASH_AT"}:
            _place(tree, key.removeprefix(PREFIX).lower().split("__"), _read_variable(key, value))
    if env.get("DEEPSEEK_API_KEY"):
        tree.setdefault("analyzer", {}).setdefault("api_key", env["DEEPSEEK_API_KEY"])
    _merge(tree, dict(overrides or {}))
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        raise SettingsError(_explain(error, path), "See settings.example.yaml for every key") from None


def crash_point(environ: Mapping[str, str] | None = None) -> str:
    """Return the crash point that fault tests ask for in `XCRACK_CRASH_AT`, or an empty string."""
    return (os.environ if environ is None else environ).get(f"{PREFIX}CRASH_AT", "")


def data_folder(environ: Mapping[str, str] | None = None) -> Path | None:
    """Return the folder of recorded data that `XCRACK_DATA_DIR` names, or None."""
    named = (os.environ if environ is None else environ).get(f"{PREFIX}DATA_DIR")
    return Path(named) if named else None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot read the settings file {path}: {error}") from None
    except yaml.YAMLError as error:
        raise SettingsError(f"cannot read the settings file {path}: {_place_of(error)} is not YAML") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"the settings file {path} holds no mapping of sections")
    return tree


def _place_of(error: yaml.YAMLError) -> str:
    """Return where the text cannot be read. What stands there is left out: it may be a secret."""
    mark = getattr(error, "problem_mark", None)
    return "a character in it" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}"


def _read_variable(name: str, value: str) -> Any:
    """Return the text itself, or what a list or mapping in YAML or JSON says. Text such as 12:30 stays text."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise SettingsError(f"{name} is no list or mapping: {_place_of(error)} is not YAML") from None


def _place(tree: dict[str, Any], keys: list[str], value: Any) -> None:
    for key in keys[:-1]:
        branch = tree.setdefault(key, {})
        if not isinstance(branch, dict):
            raise SettingsError(f"{PREFIX}{'__'.join(keys).upper()} goes below '{key}', which is a single value")
        tree = branch
    tree[keys[-1]] = value


def _merge(tree: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(tree.get(key), dict):
            _merge(tree[key], value)
        else:
            tree[key] = value


def _explain(error: ValidationError, path: Path) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown settings key '{where}' ({path} or the environment)"
    return f"settings key '{where}' is wrong: {first['msg']} ({path} or the environment)"
