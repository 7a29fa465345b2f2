"""Headlines as untrusted text: cleaned, scored by a small word list, and searched for closed sets of events and assets.

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
_BLANK = frozenset((0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0))
"""Drawn as nothing, although Unicode calls them letters, marks or symbols."""
_VARIATION = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_ROUNDS = 4
"""How often escaped markup is unwrapped: text that is escaped deeper keeps its signs, which are data like any other."""
_LOOKALIKES = frozenset(("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"))
"""Scripts whose letters pass for one another."""
_STYLED = frozenset(("MATHEMATICAL", "FULLWIDTH"))
"""First words of the names of letters that only imitate Latin ones."""
MARKET = "market"
"""The asset of a text that names none of ours."""
_QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "KRW", "EUR")
_NAMES = {
    "ADA": ("cardano",),
    "BNB": ("binance coin",),
    "BTC": ("bitcoin", "xbt"),
    "DOGE": ("dogecoin",),
    "DOT": ("polkadot",),
    "ETH": ("ethereum", "ether"),
    "LTC": ("litecoin",),
    "SOL": ("solana",),
    "XRP": ("ripple",),
}
"""What a base asset is called besides its ticker."""

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
    plain = _visible(text[: 20 * MAX_CHARACTERS])
    for _ in range(_ROUNDS):
        before, plain = plain, _visible(_TAG.sub(" ", html.unescape(_TAG.sub(" ", plain))))
        if plain == before:
            break
    return _SPACE.sub(" ", _URL.sub(" ", plain)).strip()[:MAX_CHARACTERS].rstrip()


def has_mixed_scripts(text: str) -> bool:
    """Return whether letters that pass for one another come from two scripts, or only imitate Latin ones.

    Hangul or Han beside Latin is how people write, and no mixture.
    """
    kinds = {unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha()}
    return len(kinds & _LOOKALIKES) > 1 or bool(kinds & _STYLED)


def find_assets(text: str, symbols: Sequence[str]) -> frozenset[str]:
    """Return which of `symbols` the text names in plain ASCII.

    A ticker counts in capitals, a name in any case; a look-alike letter makes another word of either.
    """
    return frozenset(symbol for symbol in symbols if _names_asset(text, symbol))


def find_asset(text: str, symbols: Sequence[str]) -> str:
    """Return the one symbol of `symbols` that the text names, or `market` for none or several."""
    found = find_assets(text, symbols)
    return min(found) if len(found) == 1 else MARKET


def score_headline(text: str) -> float | None:
    """Return the word-list score of a cleaned headline, or None where its scripts are mixed: it may not be heard."""
    return None if has_mixed_scripts(text) else score_sentiment(text)


def score_sentiment(text: str) -> float:
    """Return the word-list score of a cleaned text, -1 to 1; see the head of this file."""
    words = _WORD.findall(text.lower())
    good = sum(word in _GOOD for word in words)
    bad = sum(word in _BAD for word in words)
    return (good - bad) / (good + bad) if good + bad else 0.0


def find_events(headlines: Sequence[Headline]) -> tuple[str, ...]:
    """Return the names, of `KEY_EVENTS`, that occur in the titles, sorted. A title of mixed scripts names none."""
    titles = [headline.title for headline in headlines if not has_mixed_scripts(headline.title)]
    return tuple(name for name in KEY_EVENTS if any(name in events_in(title) for title in titles))


def events_in(text: str) -> tuple[str, ...]:
    """Return the names, of `KEY_EVENTS`, that one cleaned text matches, sorted."""
    return tuple(name for name in KEY_EVENTS if _EVENTS[name].search(text.lower()))


def mean_sentiment(headlines: Sequence[Headline]) -> float | None:
    """Return the mean score of the headlines that have one, or None with fewer than three of them."""
    scores = [headline.sentiment for headline in headlines if headline.sentiment is not None]
    return sum(scores) / len(scores) if len(scores) >= MIN_HEADLINES else None


def _names_asset(text: str, symbol: str) -> bool:
    base = next((symbol[: -len(quote)] for quote in _QUOTES if symbol.endswith(quote) and symbol != quote), symbol)
    tickers = rf"(?<![A-Za-z0-9_])(?:{re.escape(symbol)}|{re.escape(base)})(?![A-Za-z0-9_])"
    names = "|".join(map(re.escape, _NAMES.get(base, ())))
    by_name = names and re.search(rf"(?<![a-z0-9_])(?:{names})(?![a-z0-9_])", text.lower())
    return bool(by_name) or re.search(tickers, text) is not None


def _visible(text: str) -> str:
    """Return the text in NFC without what is not shown. What was kept apart by something invisible is joined."""
    shown = "".join(" " if c.isspace() else c for c in unicodedata.normalize("NFC", text) if _is_shown(c))
    return unicodedata.normalize("NFC", shown)


def _is_shown(character: str) -> bool:
    if character.isspace():
        return True
    point = ord(character)
    if point in _BLANK or any(point in span for span in _VARIATION):
        return False
    return unicodedata.category(character) not in _DROPPED
