"""Numbers in a language model's text must stand in the facts it was given; the others are struck out and counted."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

STRUCK = "[unverified]"
_RELATIVE = 0.01
# A number is no part of a name (mm-1, S2, ema20); Hangul may follow at once, Latin letters may not begin one.
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,-])[+\-−]?\$?(?P<digits>\d[\d,]*(?:\.\d+)?)(?![A-Za-z_]*\d)"
    r"(?P<unit>\s?(?:%|[kK](?![A-Za-z])|M(?![A-Za-z])|thousand\b|million\b|천|만|억))?"
)
_SCALES = {"k": 1e3, "K": 1e3, "M": 1e6, "thousand": 1e3, "million": 1e6, "천": 1e3, "만": 1e4, "억": 1e8}


@dataclass(frozen=True, slots=True)
class CheckedNumbers:
    """A text with its unsupported numbers struck, how many numbers it held and how many of them were struck."""

    text: str
    n_numbers: int
    n_struck: int


def numbers_in(facts: Any) -> tuple[float, ...]:
    """Return every number in nested dicts and lists, and in texts that are numbers."""
    return tuple(sorted(set(_walk(facts))))


def check_numbers(text: str, known: Iterable[float]) -> CheckedNumbers:
    """Return `text` with every number struck that matches none of `known`, and the counts.

    A number matches within 1 % or within its own rounding, with either sign. Units are followed: a percentage may be
    that of a share or of basis points, `1.2k` and `1만` are the whole numbers that they mean.
    """
    values = [abs(value) for value in known]
    shares = [100 * value for value in values if value <= 1]
    percents = [*shares, *(value / 100 for value in values)]
    counts = [0, 0]

    def check(found: re.Match[str]) -> str:
        digits, unit = found["digits"].replace(",", ""), (found["unit"] or "").strip()
        counts[0] += 1
        candidates = values + (percents if unit == "%" else shares)
        if _is_near(digits, _SCALES.get(unit, 1.0), candidates):
            return found.group()
        counts[1] += 1
        return STRUCK + (found["unit"] or "")

    return CheckedNumbers(_NUMBER.sub(check, text), *counts)


def _is_near(digits: str, scale: float, candidates: Iterable[float]) -> bool:
    cited, decimals = float(digits) * scale, len(digits.partition(".")[2])
    tolerance = 0.5 * scale * 10.0**-decimals + 1e-9
    return any(abs(cited - value) <= max(tolerance, _RELATIVE * value) for value in candidates)


def _walk(facts: Any) -> Iterable[float]:
    if isinstance(facts, bool) or facts is None:
        return
    if isinstance(facts, int | float):
        yield float(facts)
    elif isinstance(facts, str):
        if re.fullmatch(r"-?\d+(?:\.\d+)?", facts):
            yield float(facts)
    elif isinstance(facts, dict):
        for value in facts.values():
            yield from _walk(value)
    elif isinstance(facts, list | tuple):
        for value in facts:
            yield from _walk(value)
