"""The example shows every key with the default in force."""

from pathlib import Path
from typing import Any

import yaml

from core.settings import Settings
from core.settings_sections import PROJECT_ROOT

EXAMPLE = PROJECT_ROOT / "settings.example.yaml"
MACHINE_OWN = {("home",): PROJECT_ROOT / "var", ("engine", "binary"): Settings().engine.binary}


def _with_own_paths(tree: dict[str, Any], at: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the tree with the paths that differ on every machine in place of null."""
    filled: dict[str, Any] = {}
    for key, value in tree.items():
        place = (*at, key)
        filled[key] = _with_own_paths(value, place) if isinstance(value, dict) else MACHINE_OWN.get(place, value)
    return filled


def test_the_example_names_every_key_and_its_default() -> None:
    written = _with_own_paths(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))
    assert Settings.model_validate(written) == Settings()
    for section, value in Settings().model_dump().items():
        assert section in written
        if isinstance(value, dict):
            assert set(written[section]) == set(value), section


def test_every_key_of_the_example_says_what_it_means() -> None:
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    first_instance = next(n for n, line in enumerate(lines) if "instance_id" in line)
    later = {n for n, line in enumerate(lines) if n > first_instance + 4 and line.startswith("  - ")}
    for n, line in enumerate(lines):
        is_repeated = any(start <= n <= start + 6 for start in later)
        if ": " in line and not line.startswith("#") and not is_repeated:
            assert "  # " in line, line


def test_the_example_of_the_environment_names_known_variables() -> None:
    text = Path(PROJECT_ROOT / ".env.example").read_text(encoding="utf-8")
    names = [line.removeprefix("# ").partition("=")[0] for line in text.splitlines() if "=" in line]
    known = {f"XCRACK_{name}".upper() for name in Settings.model_fields} | {"XCRACK_SETTINGS", "DEEPSEEK_API_KEY"}
    for section, value in Settings().model_dump().items():
        known |= {f"XCRACK_{section}__{key}".upper() for key in value} if isinstance(value, dict) else set()
    assert set(names) <= known
