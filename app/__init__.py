"""The outer room: web, command line, Telegram and the worker's root. Nothing imports it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from core.clock import Clock
    from core.settings import Settings
    from core.store import Store

__all__ = ["create_app"]


def create_app(settings: "Settings", store: "Store | None" = None, clock: "Clock | None" = None) -> "Flask":
    """Return the web app: dashboard and API, stateless, without scheduler. Nothing is connected until a request.

    Raises SettingsError when the web secret is unusable and BadInput when a URL cannot be read.
    """
    # Imported here: a command that serves nothing starts without Flask.
    from app.factory import build_app

    return build_app(settings, store, clock)
