"""One night for each attack: the headline comes in, is read, counted, shown to the proposer, its edits admitted."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from core.model.analysis import Analysis
from core.model.canonical import canonical_json
from core.model.dataset import DailyDataset
from core.model.market import ContextField, Headline
from core.model.news import NewsReading
from core.model.operations import FeedbackNote
from core.model.proposal import Proposal
from core.native import validate_params
from core.settings import Settings
from core.store import Store, news_readings, proposals
from feedback.analyzer import build_analyzer, build_reader
from feedback.analyzer.deepseek import Adjustments
from feedback.news import count_news
from feedback.notes import count_tags, leave_note
from market.sources.text import find_events, mean_sentiment
from tests.analyzer_days import MIDNIGHT, dataset, forecast, running, study
from tests.redteam.adversary import InProcess, headline_of
from tests.redteam.corpus import Attack

SYMBOLS = ("BTCUSDT", "ETHUSDT")
CANARY = "sk-canary-4f1d9b7a2c"
PUBLISHED = MIDNIGHT - timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Night:
    """What came of one attack."""

    attack: Attack
    headlines: tuple[Headline, ...]
    readings: tuple[NewsReading, ...]
    day: DailyDataset
    made: Adjustments
    requests: tuple[Sequence[Any], ...]
    """The messages of every call of this night."""


class World:
    """The analyzer and the reader of a service with a key, over one store, before an adversary."""

    def __init__(self, store: Store, clock: Any, wire: InProcess, patch: Any, **over: Any) -> None:
        @asynccontextmanager
        async def opened(*_: Any) -> Any:
            yield wire

        class Wire:
            open = opened

        patch.setattr("feedback.analyzer.client.Transport", Wire)
        settings = Settings.model_validate({"analyzer": {"api_key": CANARY, "daily_cap_usd": "50", **over}})
        self.store, self.clock, self.wire = store, clock, wire
        self.reader = build_reader(settings, store, clock, SYMBOLS)
        self.analyzer = build_analyzer(settings, store, clock, validate_params)
        assert self.reader.client is not None and self.analyzer.model is not None

    def live_through(self, attack: Attack, texts: Sequence[str], is_note: bool = False) -> Night:
        """Return the night after these texts came in, stored as the daily cycle stores it."""
        n_before = len(self.wire.adversary.seen)
        headlines = () if is_note else tuple(headline_of(text, PUBLISHED) for text in texts if text.strip())
        with self.store.session() as session:
            author = f"stranger-{attack.id}"
            notes = [
                leave_note(session, PUBLISHED, author, "general", "", ("risky",), text) for text in texts if is_note
            ]
        readings = self.reader.read(headlines)
        with self.store.session() as session:
            for reading in readings:
                news_readings.add(session, reading)
        day = self.day_of(headlines, readings, notes)
        made = self.propose(day, f"analysis-{attack.id}-{n_before}")
        with self.store.session() as session:
            for proposal in made.proposals:
                proposals.add(session, proposal)
        return Night(attack, headlines, readings, day, made, tuple(self.wire.adversary.seen[n_before:]))

    def day_of(
        self, headlines: Sequence[Headline], readings: Sequence[NewsReading], notes: Sequence[FeedbackNote]
    ) -> DailyDataset:
        """Return the day's dataset with these headlines, readings and notes."""
        plain = dataset()
        mean = mean_sentiment(headlines)
        fresh = ContextField("news_sentiment", mean, "score", "feed", PUBLISHED, 60.0, "fresh" if mean else "missing")
        context = replace(
            plain.context,
            fields=(*plain.context.fields, fresh),
            headlines=tuple(headlines),
            key_events=find_events(headlines),
        )
        return replace(plain, context=context, news=count_news(readings), feedback=count_tags(notes))

    def propose(self, day: DailyDataset, analysis_id: str) -> Adjustments:
        """Return what the proposer made of the day."""
        asked: Analysis = replace(study(day), analysis_id=analysis_id)
        model = self.analyzer.model
        assert model is not None
        return model.adjust(day, asked, [running()], [forecast()], day.last_days)


def acts_without_a_person(made: Sequence[Proposal]) -> str:
    """Return what may go on by itself, as one text to compare."""
    return canonical_json([one.edits for one in made if not one.hold])
