"""Numbers in a language model's text must stand in the facts it was given; the others are struck out and counted."""

import re
from collections.abc import Iterable
from typing import Any

STRUCK = "[unverified]"
_RELATIVE = 0.01
# A number is no part of a name (mm-1, S2, ema20); Hangul may follow at once, Latin letters may not begin one.
_NUMBER = re.compile(r"(?<![A-Za-z0-9_.,-])[+\-−]?\$?\d[\d,]*(?:\.\d+)?(?![A-Za-z_]*\d)")


def numbers_in(facts: Any) -> tuple[float, ...]:
    """Return every number in nested dicts and lists, and in texts that are numbers."""
    return tuple(sorted(set(_walk(facts))))


def strike_unverified(text: str, known: Iterable[float]) -> tuple[str, int]:
    """Return `text` with every number struck that matches none of `known`, and how many were.

    A number matches within 1 % or within its own rounding, with either sign, also as a percentage of a share.
    """
    values = [abs(value) for value in known]
    candidates = values + [100 * value for value in values if value <= 1]
    struck = 0

    def check(found: re.Match[str]) -> str:
        nonlocal struck
        digits = found.group().strip("+-−$,").replace(",", "").lstrip("$")
        cited, decimals = float(digits), len(digits.partition(".")[2])
        tolerance = 0.5 * 10.0**-decimals + 1e-9
        if any(abs(cited - value) <= max(tolerance, _RELATIVE * value) for value in candidates):
            return found.group()
        struck += 1
        return STRUCK

    return _NUMBER.sub(check, text), struck


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
