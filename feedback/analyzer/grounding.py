"""Numbers in a language model's text must stand in the facts it was given; the others are struck out and counted.

Every run of digits is a number, wherever it stands: after letters (`USD9999`), in a range, behind a bare point, with an
exponent. Only a name that is in the facts (`mm-1`, `S2`, `ema20`) is none. Numbers in words are not recognised.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

STRUCK = "[unverified]"
_RELATIVE = 0.01
_IS_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
# The second of `10-99` has no sign. Thousands may stand behind a blank where they are zeros; other digits there are a
# number of their own. A Korean unit may stand behind a blank where no other word begins with it.
_NUMBER = re.compile(
    r"(?:(?<![A-Za-z0-9_])[+\-−])?\$?"
    r"(?P<digits>(?:\d{1,3}(?:[,_'’]\d{3}|\ 000)+(?!\d)|\d+)(?:\.\d+)?|\.\d+)"
    r"(?:[eE](?P<exponent>[+\-−]?\d+))?(?:\s?(?:\^|\*\*)\s?(?P<power>[+\-−]?\d+))?"
    r"(?P<unit>\s?(?:[%％]|(?:[kK]|M|[bB]n|B|T)(?:(?=USD|KRW)|(?![A-Za-z])))"
    r"|[\s-]?(?i:hundred|thousand|million|billion|trillion)\b"
    r"|(?:[십백천]?[만억조]|[십백천])(?!큼)"
    r"|\s(?:[십백천]?[만억조]|[십백천])(?:(?![가-힣])|(?=[원달을를은는])))?"
    # Superscripts, fractions and numerals in circles stand for numbers that cannot be compared.
    r"|(?P<other>[²³¹¼-¾⁰-⁹₀-₉⅐-↉①-⒛⓪-⓿❶-➓㉑-㉟㊱-㊿])"
)
_ENGLISH = {"k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "t": 1e12}
_IN_WORDS = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12}
_KOREAN = {"십": 1e1, "백": 1e2, "천": 1e3, "만": 1e4, "억": 1e8, "조": 1e12}
_LARGEST_EXPONENT = 15


@dataclass(frozen=True, slots=True)
class CheckedNumbers:
    """A text with its unsupported numbers struck, how many numbers it held and how many of them were struck."""

    text: str
    n_numbers: int
    n_struck: int


def numbers_in(facts: Any) -> tuple[float, ...]:
    """Return every number in nested dicts and lists, and in texts that are numbers."""
    numbers = (leaf for leaf in _leaves(facts) if isinstance(leaf, int | float))
    texts = (leaf for leaf in _leaves(facts) if isinstance(leaf, str) and _IS_NUMBER.fullmatch(leaf))
    return tuple(sorted({float(leaf) for leaf in (*numbers, *texts)}))


def names_in(facts: Any) -> tuple[str, ...]:
    """Return every key and text in nested dicts and lists that has a digit in it and is no number, and such parts of
    it between colons."""
    texts = [text for text in (*_leaves(facts), *_keys(facts)) if isinstance(text, str)]
    parts = {part for text in texts for part in (text, *text.split(":"))}
    return tuple(sorted(part for part in parts if re.search(r"\d", part) and not _IS_NUMBER.fullmatch(part)))


def check_numbers(text: str, known: Iterable[float], names: Sequence[str] = ()) -> CheckedNumbers:
    """Return `text` with every number struck that matches none of `known`, and the counts; `names` are left alone.

    A number matches within 1 % or within its own rounding, with either sign. Units are followed: a percentage may be
    that of a share or of basis points, `1.2k` and `1만` are the whole numbers that they mean.
    """
    values = [abs(value) for value in known]
    shares = [100 * value for value in values if value <= 1]
    percents = [*shares, *(value / 100 for value in values)]
    counts = [0, 0]

    def check(found: re.Match[str]) -> str:
        if found["name"]:
            return found.group()
        unit = (found["unit"] or "").strip(" -")
        counts[0] += 1
        candidates = values + (percents if unit in ("%", "％") else shares)
        if not found["other"] and _is_near(found, unit, candidates):
            return found.group()
        counts[1] += 1
        return STRUCK + (found["unit"] or "")

    return CheckedNumbers(_with_names(names).sub(check, text), *counts)


def _with_names(names: Sequence[str]) -> re.Pattern[str]:
    """Return the pattern of a number or of a whole name; `mm-1` is none in `mm-10` and `mm-1.5`."""
    longest_first = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    name = rf"(?<![A-Za-z0-9_])(?:{longest_first})(?![A-Za-z0-9_]|[.,]\d)" if names else r"(?!)"
    return re.compile(f"(?P<name>{name})|{_NUMBER.pattern}")


def _is_near(found: re.Match[str], unit: str, candidates: Iterable[float]) -> bool:
    exponent, power = _raised(found["exponent"], 0), _raised(found["power"], 1)
    if exponent is None or power is None:
        return False
    digits = re.sub(r"[,_'’ ]", "", found["digits"])
    base, scale = float(digits) * 10.0**exponent, _scale_of(unit)
    if base > 10.0**_LARGEST_EXPONENT or (base == 0 and power < 0):
        return False
    cited = base**power * scale
    # What is raised is written in full, not rounded.
    is_plain = not found["exponent"] and not found["power"]
    rounding = 0.5 * scale * 10.0 ** -len(digits.partition(".")[2]) if is_plain else 0.0
    return any(abs(cited - value) <= max(rounding + 1e-9, _RELATIVE * value) for value in candidates)


def _raised(digits: str | None, default: int) -> int | None:
    """Return an exponent; None for one that no fact comes near."""
    # Before it is parsed: a long run of digits is slow, and refused by Python in the end.
    if digits is not None and len(digits) > 3:
        return None
    raised = int((digits or str(default)).replace("−", "-"))
    return raised if abs(raised) <= _LARGEST_EXPONENT else None


def _scale_of(unit: str) -> float:
    """Return what a unit multiplies by: 1 for a percent sign and for none, ten million for `천만`."""
    if unit and unit[-1] in _KOREAN:
        return math.prod(_KOREAN[part] for part in unit)
    return (_ENGLISH | _IN_WORDS).get(unit.lower(), 1.0)


def _leaves(facts: Any) -> Iterator[Any]:
    if isinstance(facts, dict | list | tuple):
        for value in facts.values() if isinstance(facts, dict) else facts:
            yield from _leaves(value)
    elif not isinstance(facts, bool):
        yield facts


def _keys(facts: Any) -> Iterator[Any]:
    if isinstance(facts, dict | list | tuple):
        if isinstance(facts, dict):
            yield from facts
        for value in facts.values() if isinstance(facts, dict) else facts:
            yield from _keys(value)
