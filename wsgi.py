"""The web process for a WSGI server: `gunicorn wsgi:app`. A composition root, so the app is made here."""

from app import create_app
from core.log import configure_logging
from core.settings import load_settings

settings = load_settings()
configure_logging(settings.log_level)
app = create_app(settings)
