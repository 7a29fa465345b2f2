"""Puts the web app together."""

from datetime import timedelta

from flask import Flask

from app.api import register_api
from app.api.cache import open_cache
from app.auth import load_web_secret
from app.dashboard import register_dashboard, set_language
from app.home import Home
from app.languages import load_catalogue
from app.model_shelf import ModelShelf
from app.problems import register_problems
from app.rooms import WebRooms, attach
from app.security import MAX_BODY_BYTES, build_limiter, is_loopback, register_headers
from core.clock import Clock, SystemClock
from core.settings import Settings
from core.store import Store, open_store

SESSION_HOURS = 12


def build_app(settings: Settings, store: Store | None = None, clock: Clock | None = None) -> Flask:
    """Return the web app: dashboard and API, stateless, without scheduler. Nothing is connected until a request.

    Raises SettingsError when the web secret is unusable and BadInput when a URL cannot be read.
    """
    clock = clock or SystemClock()
    secret = load_web_secret(settings)
    app = Flask(__name__)
    app.config.from_mapping(
        SECRET_KEY=secret,
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_PARTS=50,
        PERMANENT_SESSION_LIFETIME=timedelta(hours=SESSION_HOURS),
        SESSION_COOKIE_NAME="xcrack_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
        # A cookie marked Secure would never come back over the plain HTTP of a loopback address.
        SESSION_COOKIE_SECURE=not is_loopback(settings.web.host),
        WTF_CSRF_TIME_LIMIT=SESSION_HOURS * 3600,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    attach(
        app,
        WebRooms(
            settings=settings,
            store=store or open_store(settings.store_url, settings.store.busy_timeout_ms),
            clock=clock,
            secret=secret,
            cache=open_cache(settings.redis, clock),
            catalogue=load_catalogue(),
            models=ModelShelf(Home(settings.home).models),
        ),
    )
    # First, so that whatever fails afterwards can be told in the reader's language.
    app.before_request(set_language)
    limiter = build_limiter(app)
    register_problems(app)
    register_headers(app)
    register_api(app, limiter)
    register_dashboard(app, limiter)
    return app
