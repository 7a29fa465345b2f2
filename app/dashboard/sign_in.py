"""Signing in with an API key, and out."""

from typing import cast

from flask import Response, g, redirect, render_template, request, url_for

from app import auth
from app.problems import NotSignedIn
from app.rooms import rooms


def show() -> str:
    """Render the form."""
    return render_template("sign_in.html", error="", next=safe_next(request.args.get("next", "")), page="sign_in")


def enter() -> Response | tuple[str, int]:
    """Sign in and go on to where the person came from."""
    wanted = safe_next(request.form.get("next", ""))
    try:
        auth.sign_in(request.form.get("key", "").strip())
    except NotSignedIn:
        error = rooms().catalogue.text(g.language, "sign_in.refused")
        return render_template("sign_in.html", error=error, next=wanted, page="sign_in"), 401
    return cast(Response, redirect(wanted or url_for("pages.overview"), 303))


def leave() -> Response:
    """Sign out."""
    auth.sign_out()
    return cast(Response, redirect(url_for("pages.overview"), 303))


def safe_next(path: str) -> str:
    """Return `path` when it is one of this site, else an empty string: a sign-in never leads elsewhere."""
    local = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if local else ""
