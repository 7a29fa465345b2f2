"""The first word of a streamed answer: yes or no, and with what probability."""

import math
from dataclasses import dataclass

from feedback.advisor.port import NoDecision
from feedback.analyzer.stream import Chunk, TokenOdds

MIN_MASS = 0.5
"""Less than this on yes and no together is no answer."""
_LEAD = " \t\r\n\"'`*_#([{<▁Ġ"
_WORDS = {"yes": True, "no": False}


@dataclass(frozen=True, slots=True)
class Reading:
    """What the first word says. `is_bare` means that the server gave no probabilities."""

    p_yes: float
    is_bare: bool


class FirstToken:
    """Reads chunks until the answer is decided."""

    def __init__(self) -> None:
        self._text = ""

    def read(self, chunk: Chunk) -> Reading | None:
        """Return the answer, or None to read on. Raises NoDecision `no_answer` or `invalid`."""
        for odds in chunk.odds:
            if odds.token.strip(_LEAD):
                return _weigh(odds)
        self._text += chunk.text
        word = _word(self._text)
        if not word:
            return None
        if word in _WORDS:
            return Reading(1.0 if _WORDS[word] else 0.0, is_bare=True)
        if any(known.startswith(word) for known in _WORDS):
            return None  # "Y", and "ES" is to come
        raise NoDecision("invalid", f"the answer begins with '{self._text.strip()[:20]}'")

    def end(self) -> NoDecision:
        """Return what is to be raised when the stream ends without an answer."""
        if self._text.strip():
            return NoDecision("invalid", f"the answer is '{self._text.strip()[:20]}'")
        return NoDecision("no_answer", "the answer is blank")


def _weigh(odds: TokenOdds) -> Reading:
    """Return p = P(yes) / (P(yes) + P(no)) over all spellings among the likeliest tokens at the first place."""
    spelled = {odds.token: odds.logprob, **dict(odds.top)}
    if not all(math.isfinite(value) and value <= 1e-6 for value in spelled.values()):
        raise NoDecision("invalid", "a log probability is above zero or no number")
    yes, no = _mass(spelled, "yes"), _mass(spelled, "no")
    if yes + no < MIN_MASS:
        raise NoDecision("no_answer", f"yes and no have {yes + no:.2f} together")
    return Reading(min(1.0, yes / (yes + no)), is_bare=False)


def _mass(spelled: dict[str, float], word: str) -> float:
    # A tokenizer may cut the word: its first letters stand for it.
    return sum(math.exp(value) for token, value in spelled.items() if _stands_for(token, word))


def _stands_for(token: str, word: str) -> bool:
    found = _word(token)
    return bool(found) and word.startswith(found)


def _word(text: str) -> str:
    """Return the letters at the beginning of a text, in small ones, after blanks, quotes and marks."""
    stripped = text.lstrip(_LEAD).casefold()
    end = next((n for n, c in enumerate(stripped) if not c.isalpha()), len(stripped))
    return stripped[:end]
