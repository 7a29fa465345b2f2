"""Headlines as untrusted text: cleaned, scored by a small word list, and searched for a closed set of events.

The score is (good words - bad words) / (good + bad), 0 without any, from -1 to 1. It is coarse on purpose: text from
outside may move one bounded number and name events of a fixed list, and nothing else.
"""

import html
import re
import unicodedata
from collections.abc import Sequence

from core.model.market import Headline

MAX_CHARACTERS = 280
MIN_HEADLINES = 3

_TAG = re.compile(r"<[^<>]{0,1000}>")
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"[a-z]+")
_DROPPED = {"Cc", "Cf", "Co", "Cs", "Cn"}
_VARIATION = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))

_GOOD = frozenset(
    _WORD.findall(
        "adopt adopts adopted adoption advance advances approval approve approved approves boom boost boosts breakout"
        " bullish climb climbs expand expands gain gained gains growth high higher highs inflow inflows integrate"
        " integrates jump jumps launch launches optimism optimistic outperform partnership partners profit profits"
        " rallies rally rebound rebounds record recover recovers recovery rise rises rising soar soars strong stronger"
        " success successful support supports surge surges upgrade upgraded uptrend win wins"
    )
)
_BAD = frozenset(
    _WORD.findall(
        "attack attacked ban bankrupt bankruptcy banned bans bearish breach charged charges collapse collapses concern"
        " concerns crackdown crash crashes crime decline declines delay delayed downtrend drain drained drop drops dump"
        " exploit exploited fall falling falls fear fears fine fined fraud hack hacked hacker hackers halt halted halts"
        " investigate investigation lawsuit liquidated liquidation liquidations lose loses losing loss losses low lower"
        " lows outage outflow outflows panic plummet plummets plunge plunges ponzi probe risk risks scam seize seized"
        " selloff slump slumps stolen sue sued sues suspend suspended theft threat tumble tumbles vulnerability warn"
        " warning warns weak weaker worry worries"
    )
)
_EVENTS: dict[str, re.Pattern[str]] = {
    "central_bank": re.compile(r"\b(fed|fomc|ecb|central bank|interest rates?|rate (?:hike|cut)s?|powell)\b"),
    "delisting": re.compile(r"\b(delist(?:s|ed|ing)?)\b"),
    "etf": re.compile(r"\betfs?\b"),
    "exchange_outage": re.compile(r"\b(outage|(?:halt|suspend|pause)(?:s|ed)? (?:withdrawals?|trading))\b"),
    "hack": re.compile(r"\b(hack(?:s|ed|er|ers)?|exploit(?:s|ed)?|breach(?:ed)?|drained|stolen)\b"),
    "inflation_data": re.compile(r"\b(cpi|inflation|ppi|payrolls?)\b"),
    "insolvency": re.compile(r"\b(bankrupt(?:cy)?|insolven(?:t|cy)|chapter 11)\b"),
    "liquidations": re.compile(r"\bliquidat(?:ed|ions?)\b"),
    "listing": re.compile(r"\b(lists|listing|listed on)\b"),
    "network_upgrade": re.compile(r"\b(halving|hard fork|mainnet|merge|upgrade[ds]?)\b"),
    "regulation": re.compile(
        r"\b(sec|cftc|regulat(?:e|es|ed|ion|ions|or|ors|ory)|lawsuit|su(?:e|es|ed)|ban(?:s|ned)?)\b"
    ),
    "stablecoin_depeg": re.compile(r"\b(depeg(?:s|ged)?|de-peg(?:s|ged)?|loses? (?:its )?peg)\b"),
}
KEY_EVENTS: tuple[str, ...] = tuple(sorted(_EVENTS))
"""Every event that can be named."""


def clean_headline(text: str) -> str:
    """Return one line of at most 280 characters: NFC, without markup, addresses, controls and invisible characters."""
    plain = _URL.sub(" ", _TAG.sub(" ", html.unescape(_TAG.sub(" ", text[: 20 * MAX_CHARACTERS]))))
    normal = unicodedata.normalize("NFC", plain)
    visible = "".join(" " if character.isspace() else character for character in normal if _is_shown(character))
    return _SPACE.sub(" ", visible).strip()[:MAX_CHARACTERS].rstrip()


def score_sentiment(text: str) -> float:
    """Return the word-list score of a cleaned text, -1 to 1; see the head of this file."""
    words = _WORD.findall(text.lower())
    good = sum(word in _GOOD for word in words)
    bad = sum(word in _BAD for word in words)
    return (good - bad) / (good + bad) if good + bad else 0.0


def find_events(headlines: Sequence[Headline]) -> tuple[str, ...]:
    """Return the names, of `KEY_EVENTS`, that occur in the titles, sorted."""
    titles = [headline.title.lower() for headline in headlines]
    return tuple(name for name in KEY_EVENTS if any(_EVENTS[name].search(title) for title in titles))


def mean_sentiment(headlines: Sequence[Headline]) -> float | None:
    """Return the mean score of the headlines that have one, or None with fewer than three of them."""
    scores = [headline.sentiment for headline in headlines if headline.sentiment is not None]
    return sum(scores) / len(scores) if len(scores) >= MIN_HEADLINES else None


def _is_shown(character: str) -> bool:
    if character.isspace():
        return True
    point = ord(character)
    return unicodedata.category(character) not in _DROPPED and not any(point in span for span in _VARIATION)
