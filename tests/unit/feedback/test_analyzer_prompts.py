"""Prompts: versioned, the same prefix every day, and blind to every text that somebody wrote."""

import hashlib
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import BadInput, Corrupt, UnknownName
from feedback.analyzer.edits import EditRules
from feedback.analyzer.facts import build_adjustment_facts, build_day_facts, build_pattern_facts
from feedback.analyzer.render import PROMPT_DIR, describe_registry, load_template, render
from feedback.analyzer.summary import summarise_trades
from tests.analyzer_days import MIDNIGHT, ON, PAYLOAD, dataset, forecast, result, running
from tests.factories import trade

RULES = EditRules(0.25, lambda strategy, params: "a" * 64)


def test_a_shipped_template_changes_only_with_a_new_version() -> None:
    manifest = json.loads((PROMPT_DIR / "manifest.json").read_text())
    found = {
        path.relative_to(PROMPT_DIR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in PROMPT_DIR.rglob("*.j2")
    }
    assert found == manifest, "leave the old file as it is, add <name>.v<n+1>.j2 and its hash to prompts/manifest.json"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_prefix_is_the_same_bytes_on_two_days(language: str) -> None:
    first = dataset(result())
    second = dataset(result(n_trades=9, n_wins=1), on=ON + timedelta(days=1), feedback=())
    prompts = [
        render("daily/analysis", {"schema": "{}", "facts": build_day_facts(day).text}, language)  # type: ignore[arg-type]
        for day in (first, second)
    ]
    assert prompts[0].prefix == prompts[1].prefix
    assert prompts[0].body != prompts[1].body and prompts[0].sha256 != prompts[1].sha256
    assert ("Korean" in prompts[0].prefix) is (language == "ko")


def test_no_text_that_somebody_wrote_enters_a_prompt() -> None:
    day = dataset(result(reject_reasons={PAYLOAD: 3, "position_limit": 2}))
    texts = [
        build_day_facts(day).text,
        build_adjustment_facts(day, [running()], [forecast()], day.last_days, RULES).text,
    ]
    for text in texts:
        assert "IGNORE" not in text and "leverage" not in text and "config" not in text
        assert '"events":["hack"]' in text
        assert '"other":3' in text and '"position_limit":2' in text


def test_symbols_have_aliases_and_dates_stay_out() -> None:
    facts = build_day_facts(dataset())
    assert "BTCUSDT" not in facts.text and "2026" not in facts.text and '"weekday":"sun"' in facts.text
    assert (
        facts.restore("S1 fell, S2 rose, S3 and ES1 are nothing")
        == "BTCUSDT fell, ETHUSDT rose, S3 and ES1 are nothing"
    )


def test_month_facts_hold_buckets_and_no_symbol_name() -> None:
    trades = [trade(f"t-{n}", MIDNIGHT - timedelta(hours=n), "0.50") for n in range(4)]
    facts = build_pattern_facts(summarise_trades(ON, ON, trades), [])
    assert "BTCUSDT" not in facts.text
    assert {"dimension": "symbol", "bucket": "S1", "n": 4}.items() <= next(
        b for b in json.loads(facts.text)["buckets"] if b["dimension"] == "symbol"
    ).items()


def test_a_prompt_takes_exactly_the_inputs_it_declares() -> None:
    with pytest.raises(BadInput, match="takes"):
        render("daily/analysis", {"facts": "{}"}, "en")
    with pytest.raises(UnknownName):
        render("daily/nothing", {}, "en")


def test_data_in_template_language_stays_data() -> None:
    made = render("daily/analysis", {"schema": "{}", "facts": "{{ 7*7 }} {% raw %}"}, "en")
    assert "{{ 7*7 }} {% raw %}" in made.body


def test_the_prefix_block_cannot_see_the_facts(tmp_path: Path) -> None:
    (tmp_path / "x.v1.j2").write_text(
        "{#\nid: x\nversion: 1\nschema: s\nprefix_inputs: []\ninputs: [facts]\nmax_tokens: 9\nthinking: false\n#}\n"
        "{% block prefix %}{{ facts }}{% endblock %}{% block body %}b{% endblock %}"
    )
    with pytest.raises(Corrupt, match="facts"):
        render("x", {"facts": "today"}, "en", tmp_path)


def test_the_newest_version_is_used_and_must_name_itself(tmp_path: Path) -> None:
    text = (PROMPT_DIR / "shared" / "check.v1.j2").read_text().replace("id: shared.check", "id: x")
    (tmp_path / "x.v1.j2").write_text(text)
    (tmp_path / "x.v10.j2").write_text(text.replace("version: 1", "version: 10"))
    assert load_template("x", tmp_path).front.version == 10
    (tmp_path / "x.v11.j2").write_text(text)
    with pytest.raises(Corrupt, match="calls itself"):
        load_template.__wrapped__("x", tmp_path)


def test_the_registry_tells_bounds_and_no_current_value() -> None:
    lines = [json.loads(line) for line in describe_registry(("market_making",)).splitlines()]
    spread = next(line for line in lines if line["param"] == "spread_threshold")
    assert (spread["minimum"], spread["maximum"], spread["step"], spread["unit"]) == (2.0, 400.0, 1.0, "bps")
    assert all(set(line) == {"strategy", "param", "minimum", "maximum", "step", "unit", "meaning"} for line in lines)


@pytest.mark.parametrize(
    "name", ["daily/analysis", "daily/adjustments", "weekly/patterns", "weekly/programs", "shared/reader"]
)
def test_the_example_in_a_prompt_is_a_valid_answer(name: str) -> None:
    from feedback.analyzer.answers import ANSWERS, parse_answer

    template = load_template(name)
    text = (PROMPT_DIR / template.path).read_text()
    [example] = [line for line in text.splitlines() if re.match(r'\{"(summary|edits|programs|event_type)":.+\}$', line)]
    parse_answer(example, ANSWERS[template.front.schema_name])
