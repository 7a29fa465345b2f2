"""Notes: a form, and what became of each note."""

from typing import cast, get_args

from flask import Response, flash, g, redirect, render_template, request, url_for

from app.api.feedback import TargetKind, keep_note
from app.auth import page_caller, require_page_scope
from app.rooms import rooms
from core.errors import XcrackError
from core.store import feedback_notes, param_versions
from feedback.notes import MAX_TEXT, TAGS, describe_effect

N_LISTED = 50
_KINDS: tuple[str, ...] = get_args(TargetKind)


def show() -> str:
    """Render form and list; `?target_kind=&target_id=` fills the form."""
    return _page(request.args.to_dict(), [], "")


def leave() -> Response | tuple[str, int]:
    """Store the note; what is wrong with it is said above the form, which keeps what was written."""
    caller = require_page_scope("feedback")
    here = rooms()
    form, tags = request.form.to_dict(), request.form.getlist("tags")
    try:
        with here.store.session() as session:
            keep_note(
                session,
                here.clock.now(),
                caller,
                form.get("target_kind", ""),
                form.get("target_id", "").strip(),
                tuple(tags),
                form.get("text", ""),
            )
    except XcrackError as error:
        return _page(form, tags, str(error)), 400
    flash(here.catalogue.text(g.language, "feedback.saved"))
    return cast(Response, redirect(url_for("pages.feedback"), 303))


def _page(form: dict[str, str], chosen: list[str], error: str) -> str:
    with rooms().store.session() as session:
        notes = feedback_notes.latest(session, N_LISTED)
        strategies = sorted({version.strategy for version in param_versions.all_active(session)})
    caller = page_caller()
    return render_template(
        "feedback.html",
        notes=notes,
        form=form,
        chosen=chosen,
        error=error,
        kinds=_KINDS,
        tags=TAGS,
        max_text=MAX_TEXT,
        strategies=strategies,
        describe_effect=describe_effect,
        may_write=bool(caller.key_id) and caller.may("feedback"),
        page="feedback",
    )
