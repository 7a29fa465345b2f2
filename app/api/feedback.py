"""`/api/ai-feedback`: what people think of a trade, a proposal or a strategy. Answered only after it is stored."""

from datetime import datetime
from typing import Annotated, Literal

from flask import Response, request
from pydantic import Field

from app.api.operations import Answer, Asked, Operation, operation
from app.auth import Caller
from app.rooms import rooms
from core.errors import BadInput
from core.model.canonical import sha256_of
from core.model.language import Language
from core.model.operations import FeedbackNote
from core.store import Session, audit, feedback_notes, idempotency
from feedback.notes import MAX_TEXT, describe_effect, leave_note

_KEY_HEADER = "Idempotency-Key"
_SCOPE = "ai-feedback"
TargetKind = Literal["trade", "proposal", "strategy", "general"]
Tag = Literal["good", "bad", "hold", "risky", "too_early", "too_late", "wrong_size", "false_signal"]


class FeedbackBody(Asked):
    """A note: a tag or a text at least."""

    target_kind: TargetKind
    target_id: Annotated[str, Field(max_length=80, description="Empty for `general`")] = ""
    tags: Annotated[tuple[Tag, ...], Field(max_length=8)] = ()
    text: Annotated[str, Field(max_length=MAX_TEXT)] = ""


class FeedbackView(Answer):
    """A stored note. `text` is untrusted: show it escaped."""

    note_id: str
    author: str
    at: datetime
    target_kind: TargetKind
    target_id: str
    tags: tuple[str, ...]
    text: str
    used_in: tuple[str, ...] = Field(description="Datasets that counted it")
    effect: dict[Language, str] = Field(description="What became of it")


class FeedbackPage(Answer):
    """The newest notes first."""

    items: tuple[FeedbackView, ...]


class FeedbackQuery(Asked):
    """How many."""

    limit: Annotated[int, Field(ge=1, le=200)] = 50


@operation(Operation(summary="Notes that people left", answer=FeedbackPage, scope="read", query=FeedbackQuery))
def list_feedback(caller: Caller, query: FeedbackQuery) -> FeedbackPage:
    """Answer with the newest notes."""
    with rooms().store.session() as session:
        return FeedbackPage(items=tuple(_view(note) for note in feedback_notes.latest(session, query.limit)))


@operation(
    Operation(
        summary="Leave a note",
        answer=FeedbackView,
        scope="feedback",
        body=FeedbackBody,
        status=201,
        errors=(404, 409),
        headers={_KEY_HEADER: "Up to 200 visible characters; a repeat with the same key and body has no second effect"},
    )
)
def leave_feedback(caller: Caller, body: FeedbackBody) -> Response:
    """Store the note with its effect, and answer with it; a repeat under the same key gets the first answer."""
    here = rooms()
    now, key = here.clock.now(), _idempotency_key()
    scope = f"{_SCOPE}:{caller.key_id}"
    # Key, note and answer are one transaction: after a crash there is either all of it or nothing.
    with here.store.session() as session:
        if key:
            stored = idempotency.begin(session, scope, key, sha256_of(body.model_dump_json()), now)
            if stored is not None:
                return Response(stored.answer, status=stored.status, mimetype="application/json")
        note = keep_note(session, now, caller, body.target_kind, body.target_id, body.tags, body.text)
        answer = _view(note).model_dump_json()
        if key:
            idempotency.settle(session, scope, key, 201, answer)
    return Response(answer, status=201, mimetype="application/json")


def keep_note(
    session: Session,
    at: datetime,
    caller: Caller,
    target_kind: str,
    target_id: str,
    tags: tuple[str, ...],
    text: str,
) -> FeedbackNote:
    """Return the stored note of `caller`, with its effect and its audit row in the same transaction."""
    note = leave_note(session, at, caller.name, target_kind, target_id, tags, text)
    subject = note.target_id or note.target_kind
    payload = {"note_id": note.note_id, "tags": note.tags}
    audit.append(session, at, f"key:{caller.key_id}", "left_feedback", subject, payload)
    return note


def _idempotency_key() -> str:
    key = request.headers.get(_KEY_HEADER, "")
    if len(key) > 200 or not key.isprintable():
        raise BadInput(f"{_KEY_HEADER} is longer than 200 characters or not printable", "Use a random UUID")
    return key


def _view(note: FeedbackNote) -> FeedbackView:
    return FeedbackView(
        note_id=note.note_id,
        author=note.author,
        at=note.at,
        target_kind=note.target_kind,
        target_id=note.target_id,
        tags=note.tags,
        text=note.text,
        used_in=note.used_in,
        effect={"ko": describe_effect(note, "ko"), "en": describe_effect(note, "en")},
    )
