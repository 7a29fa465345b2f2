"""Prices that only sealed days have are looked for in everything that the loop tells anybody afterwards."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from app.demo import clock_at_end
from core.model.proposal import Verdict
from core.store import Session, analyses, notifications, open_store, prompts, reports, verdicts
from market.bars import BarArchive
from strategies.gate.seal import record_seal
from strategies.gate.split import HistorySplit, read_split
from tests.analyzer_days import daily_answer, edit, edits_answer
from tests.demo_runs import copy_home, finish_demo, make_begun, settings_of, shared_home, words_of
from tests.llm_server import running_llm
from tests.web_world import make_web

FACTOR = 100_000
"""Prices of sealed days are so much higher than any other: whatever is told of one shows by its size, also rounded."""
SYMBOL = "BTCUSDT"
PRICES = (4e9, 2e10)
SMALLEST_LOT = Decimal("1e-8")
"""Sealed prices of that symbol lie between these, and nothing else does but times in nanoseconds."""
NANOSECONDS = re.compile(r'"\w*ns": ?-?\d+')
NUMBER = re.compile(
    r"(?<![\w.])(\d{1,3}(?:[,_]\d{3})+|\d+(?:\.\d+)?(?:e\+?\d+)?)(?: ?(M|million|B|billion)\b)?(?![\w-])"
)
SCALES = {"": 1.0, "M": 1e6, "million": 1e6, "B": 1e9, "billion": 1e9}
PLACE = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True, slots=True)
class Told:
    """What a loop with a language model told, after its sealed test."""

    asked: str
    """Every request to the model, as it arrived."""
    stored: str
    """Prompts and studies as they are kept: the next ones are made of them."""
    logged: str
    published: str
    """Reports and messages."""
    answered: dict[str, str]
    """By path: what the API answers to an administrator."""
    sealed: tuple[Verdict, ...]
    n_planted: int


def plant(home: Path) -> int:
    """Give every sealed candle the volume, and return how many there are."""
    store = open_store(settings_of(home).store_url)
    archive = BarArchive(home / "bars", clock_at_end(home))
    with store.session() as session:
        split = read_split(session)
        assert split is not None and split.is_testable
        n_planted = sum(_plant(archive, symbol, split) for symbol in archive.symbols())
        record_seal(session, split.first_start_at, archive, split)
    store.dispose()
    return n_planted


def _plant(archive: BarArchive, symbol: str, split: HistorySplit) -> int:
    facts, candles = archive.facts(symbol), archive.candles(symbol)
    sealed = (candles.opened_at_ms >= split.sealed_start_at.timestamp() * 1_000) & (
        candles.opened_at_ms + archive.interval_ms <= split.sealed_end_at.timestamp() * 1_000
    )
    factor = np.where(sealed, FACTOR, 1)
    dear = {name: getattr(candles, name) * factor for name in ("open", "high", "low", "close")}
    # Orders are sized in USD, so that they need smaller lots of what is dearer.
    lot = max(facts.lot / FACTOR, SMALLEST_LOT)
    archive.write(symbol, archive.interval_ms, replace(candles, **dear), "planted", facts.tick, lot)
    assert symbol != SYMBOL or PRICES[0] < dear["low"][sealed].min() < dear["high"][sealed].max() < PRICES[1]
    return int(sealed.sum())


def sealed_prices(text: str, low: float = PRICES[0], high: float = PRICES[1]) -> list[str]:
    """Return where a text holds a number of the size of a sealed price, or of another range."""
    found = []
    text = NANOSECONDS.sub("", text)
    for match in NUMBER.finditer(text):
        value = float(match[1].replace(",", "").replace("_", "")) * SCALES[match[2] or ""]
        if low < value < high:
            found.append(text[max(0, match.start() - 60) : match.end() + 20])
    return found


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    begun = shared_home(tmp_path_factory, "begun", make_begun)
    folder = tmp_path_factory.mktemp("sealed")
    home = copy_home(begun, folder / "home")
    n_planted = plant(home)
    with running_llm(["ok"], [daily_answer(), edits_answer(edit(value=65))]) as server:
        model = {"base_url": server.base_url, "api_key": "sk-test-0123456789", "timeout_s": 20}
        assert finish_demo(home, analyzer=model) == 0, words_of(home)
        asked = json.dumps(server.requests)
    logs = [path for path in home.rglob("*") if path.suffix in {".log", ".jsonl"} and path.is_file()]
    assert {"worker.log", "journal.jsonl"} <= {path.name for path in logs}
    store = open_store(f"sqlite:///{shutil.copyfile(home / 'xcrack.db', folder / 'xcrack.db')}")
    with store.session() as session:
        stored = _stored(session)
        published = str(reports.list(session, 1_000)) + str(notifications.latest(session, 1_000))
        sealed = tuple(each for each in verdicts.latest(session, 1_000) if each.stage == "sealed")
    web = make_web(store, clock_at_end(home), home)
    spec = web.client.get("/api/openapi.json").get_json()
    paths = [path for path, methods in spec["paths"].items() if "get" in methods and not PLACE.search(path)]
    answered = {path: web.client.get(path, headers=web.bearer("admin")).get_data(as_text=True) for path in paths}
    yield Told(asked, stored, "".join(path.read_text() for path in logs), published, answered, sealed, n_planted)
    store.dispose()


def _stored(session: Session) -> str:
    studies = analyses.latest(session, limit=100)
    shas = {each.prompt_sha256 for each in studies if each.prompt_sha256}
    return str(studies) + str([prompts.find(session, sha256) for sha256 in shas])


@pytest.mark.parametrize(
    "text",
    ["at 6123456789.1", "6,123,456,789", "x=6.12e+09", "6.1e9", "6123.4 M", "6.12 billion", '"close":6123456789,'],
)
def test_the_search_finds_a_price_however_it_is_written(text: str) -> None:
    assert sealed_prices(text)


def test_the_loop_read_the_sealed_days_and_asked_the_model_before_and_after(told: Told) -> None:
    assert told.n_planted > 10_000 and told.sealed
    assert told.asked.count('"messages"') >= 3 and len(told.stored) > 1_000
    assert len(told.answered) >= 10 and all(told.answered.values())
    # Prices of lived days are told, so that the search has something to miss.
    lived = PRICES[0] / FACTOR, PRICES[1] / FACTOR
    assert sealed_prices(told.logged, *lived) and sealed_prices(told.answered["/api/trades"], *lived)


def test_nothing_of_a_sealed_day_is_in_a_prompt_a_log_a_report_or_an_answer(told: Told) -> None:
    for where in (told.asked, told.stored, told.logged, told.published, *told.answered.values()):
        assert not sealed_prices(where)


def test_no_figure_of_a_sealed_test_is_in_a_prompt_or_an_answer_of_the_api(told: Told) -> None:
    figures = {check.value for verdict in told.sealed for check in verdict.checks if check.value is not None}
    telling = {f"{value:.5g}" for value in figures if value != round(value, 2)}
    assert telling, "there is something to look for"
    for where in (told.asked, told.stored, *told.answered.values()):
        assert not [figure for figure in telling if figure in where]
