"""The quarantined reader: the only place where a headline meets a language model, and only numbers come out of it.

Each headline is read alone, so it can change no reading but its own, and two halves of an order never meet. The call
holds no parameter, no position and no result. What comes back is an event and an asset of closed lists, a direction
and a severity; the proposer sees counts of those, the advisor nothing. Notes and feedback are read by no model at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.clock import Clock
from core.model.analysis import RenderedPrompt
from core.model.canonical import canonical_json, sha256_of
from core.model.market import Headline
from core.model.news import NewsReading
from core.store import Store, audit, news_readings
from feedback.analyzer.answers import InvalidAnswer, NewsAnswer, answer_schema, parse_answer
from feedback.analyzer.client import Answered, LlmClient, Question
from feedback.analyzer.lexicon import LEXICON, read_by_lexicon
from feedback.analyzer.protocol import AnalyzerFailure
from feedback.analyzer.quarantine import quote
from feedback.analyzer.render import load_template, render
from feedback.news import OTHER
from market.sources.text import KEY_EVENTS, MARKET, find_asset, find_assets, has_mixed_scripts

TEMPLATE = "shared/reader"
MAX_ASKED = 20
"""Headlines of a day that a model reads, newest first; the rules read the others."""
READ_TIMEOUT_S = 6.0
"""For one headline, so a day is read within two minutes."""
_OF_THE_ITEM = frozenset(("invalid", "empty", "filtered"))
"""Failures that say nothing about the next headline."""


@dataclass(frozen=True, slots=True)
class NewsReader:
    """Reads headlines. `client` is None where no model can be asked; `why_none` says why."""

    client: LlmClient | None
    store: Store
    clock: Clock
    symbols: tuple[str, ...]
    why_none: str = "no_key"

    def read(self, headlines: Sequence[Headline]) -> tuple[NewsReading, ...]:
        """Return a reading of every headline that was not read before. Never fails because of a model."""
        with self.store.session() as session:
            unread = [h for h in headlines if news_readings.find(session, identify(h)) is None]
        readings: list[NewsReading] = []
        reason, n_asked = ("" if self.client else self.why_none), 0
        for headline in unread:
            if has_mixed_scripts(headline.title):
                readings.append(self._flagged(headline))
                continue
            if self.client is None or reason or n_asked == MAX_ASKED:
                readings.append(self._by_rules(headline, reason or "enough_asked"))
                continue
            n_asked += 1
            reading, failure = self._by_model(self.client, headline)
            readings.append(reading)
            reason = "" if failure in _OF_THE_ITEM else failure
        return tuple(readings)

    def _by_model(self, client: LlmClient, headline: Headline) -> tuple[NewsReading, str]:
        """Return the model's reading, or that of the rules with the word for why the model's is not there."""
        item_id, named = identify(headline), find_assets(headline.title, self.symbols)
        try:
            answered = self._ask(client, headline.title, named)
        except AnalyzerFailure as failure:
            self._note("reading_refused", item_id, {"reason": failure.reason, "calls": failure.call_ids})
            return replace(self._by_rules(headline, failure.reason), call_ids=failure.call_ids), failure.reason
        answer = answered.value
        reading = NewsReading(
            item_id=item_id,
            at=headline.at,
            event_type=answer.event_type,
            asset=answer.asset,
            direction=answer.direction,
            severity=answer.severity,
            reader=f"llm:{answered.model}",
            fallback_reason="",
            is_mixed=False,
            prompt_sha256=self._prompt(headline.title).sha256,
            call_ids=answered.call_ids,
            read_at=self.clock.now(),
        )
        return reading, ""

    def _ask(self, client: LlmClient, text: str, named: frozenset[str]) -> Answered[NewsAnswer]:
        front = load_template(TEMPLATE).front

        def parse(answer: str) -> NewsAnswer:
            parsed = parse_answer(answer, NewsAnswer)
            faults = [
                *(["event_type: enum"] if parsed.event_type not in (*KEY_EVENTS, OTHER) else []),
                *(["asset: not named in the headline"] if parsed.asset not in {*named, MARKET} else []),
            ]
            if faults:
                raise InvalidAnswer(faults)
            return parsed

        question = Question(
            "news", self._prompt(text), self._schema(), front.max_tokens, front.thinking, parse, salvage=parse
        )
        return replace(client, timeout_s=min(client.timeout_s, READ_TIMEOUT_S)).ask(question)

    def _prompt(self, text: str) -> RenderedPrompt:
        quotation = quote(text)
        inputs = {
            "schema": canonical_json(self._schema()),
            "delimiter": quotation.delimiter,
            "marker": quotation.marker,
            "text": quotation.text,
        }
        return render(TEMPLATE, inputs, "en")

    def _schema(self) -> dict[str, object]:
        return answer_schema("news", {"event_type": [*KEY_EVENTS, OTHER], "asset": [*sorted(self.symbols), MARKET]})

    def _by_rules(self, headline: Headline, reason: str) -> NewsReading:
        event, direction, severity = read_by_lexicon(headline.title)
        return NewsReading(
            item_id=identify(headline),
            at=headline.at,
            event_type=event,
            asset=find_asset(headline.title, self.symbols),
            direction=direction,
            severity=severity,
            reader=LEXICON,
            fallback_reason=reason,
            is_mixed=False,
            prompt_sha256="",
            call_ids=(),
            read_at=self.clock.now(),
        )

    def _flagged(self, headline: Headline) -> NewsReading:
        self._note("headline_flagged", identify(headline), {"reason": "mixed_scripts"})
        silent = self._by_rules(headline, "mixed_scripts")
        return replace(silent, event_type=OTHER, asset=MARKET, direction=0, severity=0, is_mixed=True)

    def _note(self, action: str, item_id: str, payload: dict[str, object]) -> None:
        with self.store.session() as session:
            audit.append(session, self.clock.now(), "reader", action, item_id, payload)


def identify(headline: Headline) -> str:
    """Return the id of a headline: the same time, source and title are the same item."""
    return f"item-{sha256_of([headline.at.isoformat(), headline.source, headline.title])[:32]}"
