"""What the views are given. One value per app, made by `create_app`; no view builds a client of its own."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from flask import Flask, current_app

from core.clock import Clock
from core.settings import Settings
from core.store import Store

if TYPE_CHECKING:
    from app.api.cache import InsightsCache
    from app.languages import Catalogue
    from app.model_shelf import ModelShelf

_KEY = "xcrack"


@dataclass(frozen=True, slots=True)
class WebRooms:
    """The injected rooms of the web process."""

    settings: Settings
    store: Store
    clock: Clock
    secret: str
    """Signs sessions and keys the hashes of API keys; see `app.auth.load_web_secret`."""
    cache: "InsightsCache"
    catalogue: "Catalogue"
    models: "ModelShelf"


def attach(app: Flask, rooms: WebRooms) -> None:
    """Give the app its rooms."""
    app.extensions[_KEY] = rooms


def rooms() -> WebRooms:
    """Return the rooms of the app that answers the current request."""
    return cast(WebRooms, current_app.extensions[_KEY])
