"""The web process for a WSGI server: `gunicorn wsgi:app`. A composition root, so the app is made here."""

from app import create_app
from core.settings import load_settings

app = create_app(load_settings())
