"""What the bot answers, to whom, and what it never does without a confirmation."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from typing import Literal

import pytest

from app.telegram import Desk, Incoming, Reply
from app.telegram.bot import split_text
from app.telegram.desk import ALIASES, load_texts
from core.clock import VirtualClock
from core.model.operations import Report
from core.model.proposal import Deployment
from core.settings import Settings
from core.store import (
    Store,
    audit,
    deployments,
    engine_states,
    feedback_notes,
    param_versions,
    proposals,
    requests,
    verdicts,
)
from core.store import reports as report_rows
from tests import canary_pages
from tests.canaries import canary
from tests.factories import param_version, proposal, verdict

OWNER, STRANGER = 11, 99
Ask = Callable[..., Reply | None]


def _desk(store: Store, clock: VirtualClock, language: Literal["ko", "en"] = "en") -> Desk:
    settings = Settings.model_validate({"language": language, "telegram": {"allowed_ids": [OWNER, 12]}})
    nonces = count(1)
    return Desk(store, clock, settings, lambda: f"nonce-{next(nonces)}")


@pytest.fixture
def ask(store: Store, clock: VirtualClock) -> Ask:
    return _asker(_desk(store, clock), clock)


def _asker(desk: Desk, clock: VirtualClock) -> Ask:
    numbers = count(1)

    def ask(text: str, user: int = OWNER, age_s: float = 0, button: bool = False, update: int = 0) -> Reply | None:
        sent_at = clock.now() - timedelta(seconds=age_s)
        return desk.answer(Incoming(update or next(numbers), user, 5, text, sent_at, button))

    return ask


@pytest.fixture
def running(store: Store, clock: VirtualClock) -> None:
    """An engine, a proposal with a verdict, its deployment that waits, and a report."""
    with store.session() as session:
        engine_states.put(session, "engine-1", "active", clock.now(), clock.now(), {})
        param_versions.add(session, param_version())
        param_versions.activate(session, "momentum-1", 1)
        proposals.add(session, proposal("proposal-1", "accepted"))
        verdicts.add(session, verdict("proposal-1"))
        waiting = Deployment(
            "deployment-1", "proposal-1", "momentum-1", 2, 1, "awaiting_approval", clock.now(), "", None, None, "", ""
        )
        deployments.add(session, waiting)
        on = clock.now().date()
        report_rows.add(session, Report("report-1", "daily", on, "en", "# A day", "", "0" * 64, clock.now()))


def _requests(store: Store) -> list[tuple[str, str, str]]:
    with store.session() as session:
        return [(r.kind, r.subject_id, r.by) for r in requests.open(session)]


def test_a_stranger_gets_no_answer_and_is_written_into_the_audit_chain_once_an_hour(
    ask: Ask, store: Store, clock: VirtualClock
) -> None:
    assert ask("/halt now", user=STRANGER) is None
    assert ask("confirm:nonce-1", user=STRANGER, button=True) is None
    with store.session() as session:
        assert [(row.actor, row.action) for row in audit.latest(session, 9)] == [("telegram:99", "refused")]
    assert _requests(store) == []
    clock.advance_to(clock.now() + timedelta(minutes=61))
    ask("/status", user=STRANGER)
    with store.session() as session:
        assert len(audit.latest(session, 9)) == 2


def test_a_halt_is_a_request_at_once_and_the_same_update_is_the_same_request(ask: Ask, store: Store) -> None:
    first = ask("/halt spread looks wrong", update=7)
    again = ask("/halt spread looks wrong", update=7)
    assert first is not None and first == again and first.button is None
    assert _requests(store) == [("halt", "engine", "telegram:11")]


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("command", ["/approve proposal-1", "/resume all well", "/approve@xcrack_bot proposal-1"])
def test_what_moves_money_needs_a_confirmation_that_works_once(ask: Ask, store: Store, command: str) -> None:
    reply = ask(command)
    assert reply is not None and reply.button is not None and _requests(store) == []
    data = reply.button[1]
    assert ask(data, user=12, button=True) == Reply(load_texts("en")["nonce_gone"])
    assert _requests(store) == []
    ask(data, button=True)
    assert len(_requests(store)) == 1
    assert ask(data, button=True) == Reply(load_texts("en")["nonce_gone"])
    assert len(_requests(store)) == 1


def test_a_confirmation_expires_after_a_minute(ask: Ask, store: Store, clock: VirtualClock) -> None:
    reply = ask("/resume")
    assert reply is not None and reply.button is not None
    clock.advance_to(clock.now() + timedelta(seconds=60))
    assert ask(reply.button[1], button=True) == Reply(load_texts("en")["nonce_gone"])
    assert _requests(store) == []


def test_a_confirmation_typed_as_text_confirms_nothing(ask: Ask, store: Store) -> None:
    reply = ask("/resume")
    assert reply is not None and reply.button is not None
    ask(reply.button[1])
    assert _requests(store) == []


@pytest.mark.parametrize("command", ["/approve x", "/rollback mm-1 why", "/resume"])
def test_a_stale_command_that_moves_money_is_not_carried_out(ask: Ask, command: str) -> None:
    assert ask(command, age_s=61) == Reply(load_texts("en")["stale"])


def test_a_stale_halt_still_halts(ask: Ask, store: Store) -> None:
    ask("/halt the network was down", age_s=3_600)
    assert [kind for kind, _, _ in _requests(store)] == ["halt"]


def test_an_approval_of_nothing_ends_with_the_reason_and_no_request(ask: Ask, store: Store) -> None:
    reply = ask("/approve proposal-404")
    assert reply is not None and reply.button is not None
    answer = ask(reply.button[1], button=True)
    assert answer is not None and "proposal-404" in answer.text
    assert _requests(store) == []


@pytest.mark.usefixtures("running")
def test_why_tells_the_state_and_each_stage_with_what_decided_it(ask: Ask) -> None:
    reply = ask("/why proposal-1")
    assert reply is not None
    assert "proposal-1" in reply.text and "accepted" in reply.text and "screen" in reply.text


@pytest.mark.parametrize(("language", "few"), [("en", "too few to tell"), ("ko", "판단하기에 부족")])
def test_canaries_are_told_with_place_days_and_interval_and_what_is_over_after_them(
    store: Store, clock: VirtualClock, language: Literal["ko", "en"], few: str
) -> None:
    ask = _asker(_desk(store, clock, language), clock)
    none = ask("/canary")
    assert none is not None and none.text == load_texts(language)["no_canary"]
    with store.session() as session:
        param_versions.add(session, param_version())
        param_versions.activate(session, "momentum-1", 1)
        canary_pages.plant(session, clock.now())
        canary_pages.keep(session, canary(canary_id="canary-young", proposal_id="proposal-9"), [2.0, -3.0])
        canary_pages.keep(session, canary(canary_id="canary-new", instance_id="m-2", proposal_id="proposal-8"), [])
    reply = ask("/canary")
    assert reply is not None
    lines = reply.text.splitlines()
    told = next(line for line in lines if line.startswith(canary_pages.OPEN))
    assert "25%" in told and "18" in told and "20" in told and "90 %" in told and "+$" in told and "−$" in told
    assert few in next(line for line in lines if line.startswith("canary-young"))
    assert load_texts(language)["canary_no_result"] in next(line for line in lines if line.startswith("canary-new"))
    assert lines[-1].startswith(canary_pages.OVER) and "boundary" in lines[-1]


@pytest.mark.usefixtures("running")
def test_feedback_is_kept_and_its_effect_is_told_in_words(ask: Ask, store: Store) -> None:
    reply = ask("/feedback hold proposal:proposal-1 looks too eager")
    assert reply is not None and "waits for a person" in reply.text
    with store.session() as session:
        assert [note.text for note in feedback_notes.latest(session, 5)] == ["looks too eager"]
        assert proposals.get(session, "proposal-1").hold


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize(
    "command",
    ["/help", "/status", "/canary", "/report", "/proposals", "/why proposal-1", "/why", "/approve", "/reject x",
     "/halt", "/reject proposal-1 no", "/rollback", "/resume", "/feedback x", "/feedback bad strategy:none why",
     "/nonsense {word}", "", "   "],
)  # fmt: skip
def test_every_command_is_answered_in_both_languages(
    store: Store, clock: VirtualClock, language: Literal["ko", "en"], command: str
) -> None:
    reply = _asker(_desk(store, clock, language), clock)(command)
    assert reply is not None and reply.text


@pytest.mark.parametrize(("korean", "english"), [(k, e) for k, e in ALIASES.items() if k != "start"])
def test_a_korean_name_means_the_english_command(ask: Ask, korean: str, english: str) -> None:
    by_alias, by_name = ask(f"/{korean}", update=5), ask(f"/{english}", update=5)
    assert by_alias is not None and by_name is not None and by_alias.text == by_name.text


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    korean, english = load_texts("ko"), load_texts("en")
    assert korean.keys() == english.keys()
    for key, text in english.items():
        assert _places(korean[key]) == _places(text), key


def _places(text: str) -> set[str]:
    return {piece.partition("}")[0] for piece in text.split("{")[1:]}


def test_a_long_text_is_cut_at_line_ends_and_loses_nothing() -> None:
    lines = [f"line {n} " + "x" * 90 for n in range(120)]
    pieces = split_text("\n".join(lines))
    assert all(len(piece) <= 4096 for piece in pieces)
    assert "\n".join(pieces).splitlines() == lines
    assert split_text("y" * 5000) == ["y" * 4096, "y" * 904]
    assert split_text("") == []
