"""What the bot answers. No network here: an `Incoming` goes in, a `Reply` or nothing comes out.

A command that moves money needs a confirmation: a one-time nonce of the same person, 60 seconds old at most. Halting
and rejecting only narrow, so they act at once. People who are not on the allow-list get no answer at all.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from app.canaries import CanaryFacts, facts_of
from app.requests import place_request
from app.scorecard import read_card
from core.clock import KST, Clock
from core.errors import XcrackError
from core.model.language import Language
from core.settings import Settings
from core.store import Store, alerts, audit, canaries, engine_states, param_versions, proposals, reports, verdicts
from feedback import notes
from feedback.report import load_texts as load_report_texts
from feedback.report import money
from feedback.scorecard_text import scorecard_lines

N_CANARIES = 10
MAX_AGE = timedelta(seconds=60)
_TEXTS = Path(__file__).resolve().parent / "texts"
ALIASES = {
    "상태": "status",
    "리포트": "report",
    "제안": "proposals",
    "승인": "approve",
    "거절": "reject",
    "이유": "why",
    "성적": "scorecard",
    "카나리": "canary",
    "롤백": "rollback",
    "중지": "halt",
    "재개": "resume",
    "피드백": "feedback",
    "도움말": "help",
    "start": "help",
}
USAGE = {
    "approve": "/approve proposal-0123456789ab",
    "reject": "/reject proposal-0123456789ab reason",
    "why": "/why proposal-0123456789ab",
    "rollback": "/rollback mm-1 reason",
    "feedback": "/feedback too_late trade:mm-1-17 text",
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """A text or a pressed button."""

    update_id: int
    user_id: int
    chat_id: int
    text: str
    sent_at: datetime
    is_button: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """Plain text, and at most one button."""

    text: str
    button: tuple[str, str] | None = None
    """Label and data."""


@dataclass(frozen=True, slots=True)
class _Pending:
    kind: str
    subject: str
    reason: str
    user_id: int
    until: datetime


@cache
def load_texts(language: Language) -> dict[str, str]:
    """Return the bot's words in one language."""
    texts: dict[str, str] = json.loads((_TEXTS / f"{language}.json").read_text(encoding="utf-8"))
    return texts


class Desk:
    """Answers people. Pending confirmations live in memory only: after a restart they must be asked for again."""

    def __init__(self, store: Store, clock: Clock, settings: Settings, make_nonce: Callable[[], str]) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._make_nonce = make_nonce
        self._pending: dict[str, _Pending] = {}
        self._noted: dict[int, datetime] = {}
        self._commands: dict[str, Callable[[Incoming, list[str]], Reply]] = {
            "help": lambda _, __: Reply(self._t("help")),
            "status": self._status,
            "report": self._report,
            "proposals": self._proposals,
            "scorecard": self._scorecard,
            "canary": self._canary,
            "why": self._why,
            "approve": self._dangerous("approve"),
            "rollback": self._dangerous("rollback"),
            "resume": self._dangerous("resume"),
            "reject": self._at_once("reject"),
            "halt": self._at_once("halt"),
            "feedback": self._feedback,
        }

    def answer(self, incoming: Incoming) -> Reply | None:
        """Return what to say, or None for people who are not allowed."""
        if incoming.user_id not in self._settings.telegram.allowed_ids:
            self._note_stranger(incoming)
            return None
        try:
            if incoming.is_button:
                return self._confirm(incoming)
            word, *arguments = incoming.text.split() or [""]
            name = word.removeprefix("/").partition("@")[0].lower()
            command = self._commands.get(ALIASES.get(name, name))
            return Reply(self._t("unknown", word=word[:40])) if command is None else command(incoming, arguments)
        except XcrackError as error:
            return Reply(self._t("error", error=error))

    def _t(self, key: str, **values: object) -> str:
        return load_texts(self._settings.language)[key].format(**values)

    def _note_stranger(self, incoming: Incoming) -> None:
        """Write a stranger into the audit chain, once an hour each."""
        now = self._clock.now()
        if now - self._noted.get(incoming.user_id, now - timedelta(hours=2)) < timedelta(hours=1):
            return
        self._noted[incoming.user_id] = now
        with self._store.session() as session:
            audit.append(
                session, now, f"telegram:{incoming.user_id}", "refused", "telegram", {"chat": incoming.chat_id}
            )

    def _status(self, _: Incoming, __: list[str]) -> Reply:
        with self._store.session() as session:
            engine = engine_states.latest(session)
            running = param_versions.all_active(session)
            n_open = len(alerts.open(session))
        if engine is None:
            return Reply(self._t("status_none"))
        versions = "\n".join(f"{v.instance_id} v{v.version}" for v in running)
        at, heard = (f"{t.astimezone(KST):%m-%d %H:%M}" for t in (engine.at, engine.heard_at))
        state = self._t(f"state_{engine.state}")
        return Reply(self._t("status", state=state, at=at, heard=heard, versions=versions, alerts=n_open))

    def _report(self, _: Incoming, __: list[str]) -> Reply:
        with self._store.session() as session:
            newest = reports.latest(session, "daily", self._settings.language)
        return Reply(self._t("no_report") if newest is None else newest.markdown)

    def _proposals(self, _: Incoming, __: list[str]) -> Reply:
        with self._store.session() as session:
            newest = proposals.latest(session, 10)
        lines = [
            self._t(
                "proposal_line",
                id=p.proposal_id,
                instance=p.instance_id,
                edits=", ".join([*(f"{e.param} → {e.value:g}" for e in p.edits), *(["rules"] if p.rules else [])]),
                state=p.state,
            )
            for p in newest
        ]
        return Reply("\n".join(lines) or self._t("no_proposals"))

    def _scorecard(self, _: Incoming, __: list[str]) -> Reply:
        with self._store.session() as session:
            card = read_card(session, self._clock, self._settings)
        return Reply("\n".join(scorecard_lines(card, load_report_texts(self._settings.language))))

    def _canary(self, _: Incoming, __: list[str]) -> Reply:
        with self._store.session() as session:
            found = [facts_of(session, each) for each in canaries.latest(session, N_CANARIES)]
        still_open = [self._canary_line(each) for each in found if each.canary.is_open]
        over = [self._canary_line(each) for each in found if not each.canary.is_open]
        return Reply("\n".join([*(still_open or [self._t("no_canary")]), *over]))

    def _canary_line(self, facts: CanaryFacts) -> str:
        canary, words = facts.canary, load_report_texts(self._settings.language)
        place = {"id": canary.canary_id, "instance": canary.instance_id, "stage": words[f"canary_{canary.stage}"]}
        if not canary.is_open:
            return self._t("canary_over", reason=canary.reason, **place)
        line = self._t(
            "canary_line",
            share=f"{canary.share:.0%}",
            n=facts.here.n_days,
            needed=facts.here.n_needed,
            **place,
        )
        last = facts.last
        if last is None or not last.n_days:
            return f"{line} {self._t('canary_no_result')}"
        so_far = self._t("canary_so_far", sum=money(last.sum_usd), n=last.n_days)
        if last.low_usd is None or last.high_usd is None:
            return f"{line} {so_far} {self._t('canary_few', needed=facts.n_few)}"
        return f"{line} {so_far} {self._t('canary_interval', low=money(last.low_usd), high=money(last.high_usd))}"

    def _why(self, _: Incoming, arguments: list[str]) -> Reply:
        if not arguments:
            return Reply(self._t("usage", usage=USAGE["why"]))
        with self._store.session() as session:
            proposal = proposals.get(session, arguments[0])
            judged = verdicts.for_proposal(session, arguments[0])
        lines = [self._t("why_line", stage=v.stage, outcome=v.outcome, deciding=v.deciding) for v in judged]
        text = "\n".join(lines) or self._t("why_none")
        return Reply(self._t("why", id=proposal.proposal_id, state=proposal.state, lines=text))

    def _dangerous(self, kind: str) -> Callable[[Incoming, list[str]], Reply]:
        def ask(incoming: Incoming, arguments: list[str]) -> Reply:
            now = self._clock.now()
            if now - incoming.sent_at > MAX_AGE:
                return Reply(self._t("stale"))
            if kind != "resume" and not arguments:
                return Reply(self._t("usage", usage=USAGE[kind]))
            subject, reason = _subject_and_reason(kind, arguments)
            nonce = self._make_nonce()
            self._pending = {key: p for key, p in self._pending.items() if p.until > now}
            self._pending[nonce] = _Pending(kind, subject, reason, incoming.user_id, now + MAX_AGE)
            what = self._t(f"what_{kind}", subject=subject)
            return Reply(self._t("confirm", what=what), (self._t("confirm_button"), f"confirm:{nonce}"))

        return ask

    def _confirm(self, incoming: Incoming) -> Reply:
        nonce = incoming.text.removeprefix("confirm:")
        pending = self._pending.get(nonce)
        if pending is None or pending.user_id != incoming.user_id or pending.until <= self._clock.now():
            return Reply(self._t("nonce_gone"))
        del self._pending[nonce]
        return self._request(pending.kind, pending.subject, pending.reason, incoming)

    def _at_once(self, kind: str) -> Callable[[Incoming, list[str]], Reply]:
        def act(incoming: Incoming, arguments: list[str]) -> Reply:
            if kind == "reject" and len(arguments) < 2:
                return Reply(self._t("usage", usage=USAGE[kind]))
            subject, reason = _subject_and_reason(kind, arguments)
            return self._request(kind, subject, reason, incoming)

        return act

    def _request(self, kind: str, subject: str, reason: str, incoming: Incoming) -> Reply:
        by = f"telegram:{incoming.user_id}"
        nonce = f"{incoming.update_id}"
        made = place_request(self._store, self._clock, kind, subject, by, "telegram", reason, nonce)
        return Reply(self._t("requested", id=made.request_id))

    def _feedback(self, incoming: Incoming, arguments: list[str]) -> Reply:
        if len(arguments) < 3:
            return Reply(self._t("usage", usage=USAGE["feedback"]))
        kind, _, target_id = arguments[1].partition(":")
        author, text = f"telegram:{incoming.user_id}", " ".join(arguments[2:])
        with self._store.session() as session:
            note = notes.leave_note(session, incoming.sent_at, author, kind, target_id, (arguments[0],), text)
        return Reply(
            self._t("feedback_saved", id=note.note_id, effect=notes.describe_effect(note, self._settings.language))
        )


def _subject_and_reason(kind: str, arguments: list[str]) -> tuple[str, str]:
    if kind in {"halt", "resume"}:
        return "engine", " ".join(arguments)
    return arguments[0], " ".join(arguments[1:])
