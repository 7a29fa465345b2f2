"""Headlines of the last 24 hours from one RSS 2.0 or Atom feed, and their mean sentiment.

XML comes from outside: a document type or an entity declaration is refused before parsing, so nothing expands and
nothing is fetched. Of every entry only title and time are read.
"""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import ClassVar

import httpx

from core.errors import Unavailable
from core.model.market import ContextField, Headline
from market.sources.reading import NEWS_SENTIMENT, Quantity, Reading, missing, observed
from market.sources.text import MIN_HEADLINES, clean_headline, mean_sentiment, score_headline
from market.sources.web import WebReader

WINDOW = timedelta(hours=24)
MAX_HEADLINES = 50
_ENCODING = re.compile(r"""<\?xml[^>]{0,200}encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")


@dataclass(frozen=True, slots=True)
class News:
    """Reads the feed at `url`."""

    name: ClassVar[str] = "news"
    url: str
    web: WebReader

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """The mean sentiment."""
        return (NEWS_SENTIMENT,)

    async def fetch(self, at: datetime) -> Reading:
        """Return the headlines published in the 24 hours up to `at`, newest first, and their mean sentiment."""
        body = await self.web.read(self.url)
        headlines = recent_headlines(parse_feed(body, httpx.URL(self.url).host), at)
        return Reading((news_field(headlines, "news", at),), headlines)


def parse_feed(body: bytes, source: str) -> tuple[Headline, ...]:
    """Return the dated entries of an RSS or Atom feed, in its order. Raises Unavailable for anything else."""
    text = _require_plain(body, source)
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        raise Unavailable(f"the feed of {source} is no sound XML: {error}") from None
    entries = [element for element in root.iter() if _local(element.tag) in {"item", "entry"}]
    if not entries and _local(root.tag) not in {"rss", "feed", "RDF"}:
        raise Unavailable(f"{source} answered XML that is neither RSS nor Atom")
    parsed = (_parse_entry(entry, source) for entry in entries)
    return tuple(headline for headline in parsed if headline is not None)


def recent_headlines(headlines: tuple[Headline, ...], at: datetime) -> tuple[Headline, ...]:
    """Return the headlines of the 24 hours up to `at`, newest first, the same title once, at most 50."""
    inside = [headline for headline in headlines if at - WINDOW < headline.at <= at]
    ordered = sorted(inside, key=lambda headline: (-headline.at.timestamp(), headline.title))
    first_by_title = {headline.title: headline for headline in reversed(ordered)}
    kept = [headline for headline in ordered if first_by_title[headline.title] is headline]
    return tuple(kept[:MAX_HEADLINES])


def news_field(headlines: tuple[Headline, ...], source: str, at: datetime) -> ContextField:
    """Return the mean sentiment of `headlines` (newest first) as a field, missing with fewer than three."""
    mean = mean_sentiment(headlines)
    if mean is None:
        return missing(NEWS_SENTIMENT, source, f"fewer than {MIN_HEADLINES} headlines in 24 hours")
    return observed(NEWS_SENTIMENT, mean, headlines[0].at, source, at)


def _require_plain(body: bytes, source: str) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unavailable(f"the feed of {source} is not UTF-8") from None
    declared = _ENCODING.match(text)
    if declared is not None and declared.group(1).lower() not in {"utf-8", "us-ascii"}:
        raise Unavailable(f"the feed of {source} declares the encoding {declared.group(1)}, only UTF-8 is read")
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        raise Unavailable(f"the feed of {source} declares a document type or entities, which is refused")
    return text


def _parse_entry(entry: ElementTree.Element, source: str) -> Headline | None:
    texts: dict[str, str] = {}
    for child in entry:
        texts.setdefault(_local(child.tag), "".join(child.itertext()))
    at = _parse_time(texts.get("pubDate") or texts.get("published") or texts.get("updated") or texts.get("date") or "")
    title = clean_headline(texts.get("title", ""))
    if at is None or not title:
        return None
    return Headline(at, source, title, score_headline(title))


def _parse_time(text: str) -> datetime | None:
    stripped = text.strip()
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            at = parse(stripped)
            return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def _local(tag: object) -> str:
    return tag.rsplit("}", 1)[-1] if isinstance(tag, str) else ""
