"""The connections of one listener, so that none outlives it."""

import asyncio
from contextlib import suppress

from strategies.bridge.carriers.base import Wire

CLOSE_TIMEOUT_S = 2.0
"""A peer that does not answer a close by then is cut off."""


class OpenWires:
    """Who has connected to a listener and is not gone yet."""

    def __init__(self) -> None:
        self._transports: dict[Wire, asyncio.Transport] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def add(self, wire: Wire, transport: asyncio.Transport) -> None:
        """Know a connection that was made."""
        self._transports[wire] = transport
        self._is_empty.clear()

    def remove(self, wire: Wire) -> None:
        """Forget a connection that is lost."""
        self._transports.pop(wire, None)
        if not self._transports:
            self._is_empty.set()

    async def close(self, reason: str) -> None:
        """Close every connection and return when all are gone."""
        for wire in tuple(self._transports):
            wire.close(reason)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._is_empty.wait()
        for transport in tuple(self._transports.values()):
            transport.abort()
        await self._is_empty.wait()
