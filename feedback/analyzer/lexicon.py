"""The reader without a model: word lists over the cleaned text. Coarse, deterministic, and said to be so."""

from collections.abc import Mapping

from feedback.news import OTHER
from market.sources.text import events_in, score_sentiment

MAX_SEVERITY = 3
LEXICON = "lexicon"
SEVERITY: Mapping[str, int] = {
    "hack": 3,
    "insolvency": 3,
    "stablecoin_depeg": 3,
    "exchange_outage": 2,
    "delisting": 2,
    "liquidations": 2,
    "regulation": 2,
    "central_bank": 1,
    "etf": 1,
    "inflation_data": 1,
    "listing": 1,
    "network_upgrade": 1,
}
"""By event, gravest first; of several events in one text the first of these counts."""


def read_by_lexicon(text: str) -> tuple[str, int, int]:
    """Return event, direction (-1 to 1) and severity (0 to 3) of a cleaned text."""
    named = events_in(text)
    event = next((name for name in SEVERITY if name in named), OTHER)
    score = score_sentiment(text)
    return event, (score > 0) - (score < 0), SEVERITY.get(event, 0)
