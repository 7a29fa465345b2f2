"""What a day's headlines come to: readings counted by asset and event. No text is in it."""

from collections.abc import Sequence

from core.model.news import NewsCount, NewsReading

OTHER = "other"
"""The event of a headline that reports none of the list."""


def count_news(readings: Sequence[NewsReading]) -> tuple[NewsCount, ...]:
    """Return the readings counted by asset and event; what says nothing is left out."""
    groups: dict[tuple[str, str], list[NewsReading]] = {}
    for reading in readings:
        if not reading.is_mixed and (reading.event_type != OTHER or reading.direction):
            groups.setdefault((reading.asset, reading.event_type), []).append(reading)
    return tuple(
        NewsCount(
            asset=asset,
            event_type=event,
            n=len(group),
            n_good=sum(one.direction > 0 for one in group),
            n_bad=sum(one.direction < 0 for one in group),
            max_severity=max(one.severity for one in group),
        )
        for (asset, event), group in sorted(groups.items())
    )
