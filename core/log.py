"""Structured logs: one JSON line an event on stderr, UTC, secrets removed last."""

import io
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

_SECRET_KEY = re.compile(r"(secret(_?key)?|token|passw(or)?d|authorization|api_?key|cookie|mac)$", re.IGNORECASE)
_SECRET_TEXT = re.compile(
    r"(sk-[A-Za-z0-9_-]{8,}|xck_[A-Za-z0-9_-]{8,}|\b\d{6,12}:[A-Za-z0-9_-]{30,}|(?<=://)[^/\s:@]+:[^/\s@]+(?=@))"
)


def redact(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values of secret keys and secret-looking text; runs last, so nothing is added after it."""
    for key, value in event.items():
        event[key] = "[redacted]" if _SECRET_KEY.search(key) else _redact_value(value)
    return event


def redact_text(text: str) -> str:
    """Return `text` without API keys, bot tokens and URL passwords."""
    return _SECRET_TEXT.sub("[redacted]", text)


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {k: "[redacted]" if _SECRET_KEY.search(str(k)) else _redact_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact_value(item) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    # The renderer would print any other object by its repr, so that is what is looked through.
    return redact_text(repr(value))


class _Streams(io.TextIOBase):
    """Writes everything to each stream that takes it: a log on a full disk must not end what it tells of."""

    def __init__(self, *streams: TextIO) -> None:
        self._streams = streams

    def write(self, text: str) -> int:
        """Write to all."""
        for stream in self._streams:
            with suppress(OSError):
                stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush all."""
        for stream in self._streams:
            with suppress(OSError):
                stream.flush()


def configure_logging(level: str = "INFO", also: TextIO | None = None) -> None:
    """Send structlog events of `level` and above to stderr as JSON lines, and to `also` where one is given.

    A line that a stream does not take, as on a full disk, is dropped there.
    """
    streams = (sys.stderr,) if also is None else (sys.stderr, also)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Streams(*streams))),
        cache_logger_on_first_use=False,
    )


def get_logger(room: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a room."""
    return structlog.get_logger(room=room)  # type: ignore[no-any-return]
