"""How numbers and times are written on the pages: with unit, sign and zone."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from flask import g
from markupsafe import Markup

from app.rooms import rooms
from core.clock import KST
from strategies.program_text import tell_program, tell_program_change

NONE = "–"
_MINUS = "\u2212"


def usd(value: Decimal | float | None, signed: bool = False) -> str:
    """Return dollars and cents, or a dash for None."""
    if value is None:
        return NONE
    sign = _MINUS if value < 0 else "+" if signed and value > 0 else ""
    return f"{sign}${abs(value):,.2f}"


def signed_usd(value: Decimal | float | None) -> str:
    """Return dollars with a sign, or a dash for None."""
    return usd(value, signed=True)


def cost(value: Decimal) -> str:
    """Return what an analysis cost: dollars with four decimals, because a cent is much."""
    return f"${value:,.4f}"


def number(value: Decimal | float | None, digits: int = 2) -> str:
    """Return a number with at most `digits` decimals, or a dash for None."""
    if value is None:
        return NONE
    text = f"{abs(value):,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{_MINUS}{text}" if value < 0 and text.strip("0.,") else text


def figure(value: float | None) -> str:
    """Return a statistic with at most four decimals; a smaller one keeps two figures, because 0 would be wrong."""
    return f"{value:.1e}" if value is not None and 0 < abs(value) < 1e-4 else number(value, 4)


def price(value: Decimal) -> str:
    """Return a price with the decimals it has, at least two."""
    plain = f"{value.normalize():f}"
    decimals = len(plain.partition(".")[2])
    return f"{value:,.{max(2, decimals)}f}"


def share(value: float | None) -> str:
    """Return a share as percent, or a dash for None."""
    return NONE if value is None else f"{value * 100:.0f}\u202f%"


def bps(value: float | None) -> str:
    """Return basis points, or a dash for None."""
    return NONE if value is None else f"{number(value, 1)}\u202fbps"


def ms(value: float | None) -> str:
    """Return milliseconds, or a dash for None."""
    return NONE if value is None else f"{number(value, 1)}\u202fms"


def kst(at: datetime | None) -> Markup | str:
    """Return a time element in KST with its zone, or a dash for None."""
    if at is None:
        return NONE
    shown = at.astimezone(KST).strftime("%Y-%m-%d %H:%M")
    return Markup('<time datetime="{}">{}\u00a0KST</time>').format(at.isoformat(), shown)


def ago(at: datetime | None) -> str:
    """Return how long ago `at` was in the language of the page."""
    if at is None:
        return NONE
    seconds = max(0, int((rooms().clock.now() - at).total_seconds()))
    for key, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= size:
            return rooms().catalogue.text(g.language, f"ago.{key}", n=seconds // size)
    return rooms().catalogue.text(g.language, "ago.seconds", n=seconds)


def day(on: date | str) -> str:
    """Return a calendar day."""
    return on if isinstance(on, str) else on.isoformat()


def trend(value: Decimal | float | None) -> str:
    """Return the class that colours a gain or a loss; the sign says the same to those who see no colour."""
    return "flat" if value is None or value == 0 else "up" if value > 0 else "down"


def short(identifier: str, length: int = 12) -> str:
    """Return the beginning of a hash."""
    return identifier[:length]


def rules_to(before: str | None, after: str | None) -> tuple[str, ...]:
    """Return what goes and comes from one rule set to another, line by line."""
    return tell_program_change(before, after)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "usd": usd,
    "signed_usd": signed_usd,
    "cost": cost,
    "figure": figure,
    "number": number,
    "price": price,
    "share": share,
    "bps": bps,
    "ms": ms,
    "kst": kst,
    "ago": ago,
    "day": day,
    "trend": trend,
    "short": short,
    "rule_set": tell_program,
    "rules_to": rules_to,
}
