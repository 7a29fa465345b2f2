"""People's feedback: checked, stored, and with a visible effect.

Only tag and target of a note ever reach an analysis. The text is for people; nothing that builds a prompt reads it.
What became of a note is kept as codes, so that it can be told in either language: see `describe_effect`.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Literal, get_args

from core.clock import kst_day_bounds
from core.errors import BadInput, UnknownName
from core.model.canonical import short_id
from core.model.dataset import DailyDataset, FeedbackCount
from core.model.language import Language
from core.model.operations import FeedbackNote
from core.store import Session, datasets, feedback_notes, param_versions, proposals, trades

TargetKind = Literal["trade", "proposal", "strategy", "general"]
TAGS = ("good", "bad", "hold", "risky", "too_early", "too_late", "wrong_size", "false_signal")
MAX_TEXT = 2_000
"""Characters."""

_TARGET_KINDS: tuple[TargetKind, ...] = get_args(TargetKind)
_CAN_BE_HELD = frozenset({"pending", "queued", "accepted", "narrowed"})
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_EFFECTS = {
    "en": {
        "kept": "Kept for people to read; it carries no tag, so no analysis counts it.",
        "waiting": "Its tags are counted in the next daily analysis.",
        "counted": "Its tags were counted in the analysis of {}.",
        "held": "The proposal now waits for a person's approval.",
        "too_late": "The proposal could not be held any more: it was {}.",
    },
    "ko": {
        "kept": "태그가 없어 분석에는 집계되지 않으며, 사람이 읽도록 보관됩니다.",
        "waiting": "다음 일일 분석에서 태그가 집계됩니다.",
        "counted": "{} 분석에서 태그가 집계되었습니다.",
        "held": "이 제안은 이제 사람의 승인을 기다립니다.",
        "too_late": "이미 {} 상태여서 제안을 보류할 수 없었습니다.",
    },
}


def leave_note(
    session: Session,
    at: datetime,
    author: str,
    target_kind: str,
    target_id: str,
    tags: Sequence[str],
    text: str,
) -> FeedbackNote:
    """Return the stored note, its effect done; the same note again has no second effect.

    Raises BadInput naming the field, UnknownName for a target that is not. The tag `hold` on a proposal that is not in
    force yet makes it wait for approval, whatever the settings say.
    """
    cleaned, ordered = validate_text(text), validate_tags(tags)
    if not cleaned and not ordered:
        raise BadInput("the note has neither a tag nor a text", f"Give a text or one of {', '.join(TAGS)}")
    kind = _validate_target_kind(target_kind)
    target = _validate_target(session, kind, target_id)
    note_id = short_id("note", author, at.isoformat(), kind, target, *ordered, cleaned)
    stored = feedback_notes.find(session, note_id)
    if stored is not None:
        return stored
    note = FeedbackNote(
        note_id=note_id,
        author=author,
        at=at,
        target_kind=kind,
        target_id=target,
        tags=ordered,
        text=cleaned,
        used_in=(),
        effect=" ".join(["waiting" if ordered else "kept", *_hold(session, kind, target, ordered)]),
    )
    feedback_notes.add(session, note)
    return note


def validate_text(text: str) -> str:
    """Return the text normalised, without control and invisible characters. Raises BadInput when too long."""
    normal = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    cleaned = "".join(c for c in normal if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn"})
    if len(cleaned) > MAX_TEXT:
        raise BadInput(f"the text has {len(cleaned)} characters, {MAX_TEXT} are allowed", "Shorten it")
    return cleaned.strip()


def validate_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags once each, in the order of `TAGS`. Raises BadInput for one that is not of them."""
    unknown = [tag for tag in tags if tag not in TAGS]
    if unknown:
        raise BadInput(f"unknown feedback tag '{unknown[0][:40]}'", f"Use {', '.join(TAGS)}")
    return tuple(tag for tag in TAGS if tag in tags)


def notes_for(session: Session, on: date) -> list[FeedbackNote]:
    """Return the notes that the dataset of a KST day counts: left by its end and in no earlier day's dataset."""
    earlier = datasets.latest_before(session, on)
    start_at = _FIRST if earlier is None else kst_day_bounds(earlier.on)[1]
    return feedback_notes.between(session, start_at, kst_day_bounds(on)[1])


def count_tags(notes: Sequence[FeedbackNote]) -> tuple[FeedbackCount, ...]:
    """Return how often each tag was left on each target, sorted; texts and authors stay out."""
    counts = Counter((note.target_kind, note.target_id, tag) for note in notes for tag in note.tags)
    return tuple(FeedbackCount(*key, n=n) for key, n in sorted(counts.items()))


def mark_counted(session: Session, dataset: DailyDataset) -> int:
    """Say on every note that `dataset` counts that it was counted; returns how many. A repeat has no second effect."""
    counted = [note for note in notes_for(session, dataset.on) if note.tags]
    for note in counted:
        kept = [code for code in note.effect.split() if code != "waiting" and not code.startswith("counted:")]
        effect = " ".join([f"counted:{dataset.on.isoformat()}", *kept])
        feedback_notes.mark_used(session, note.note_id, dataset.dataset_id, effect)
    return len(counted)


def describe_effect(note: FeedbackNote, language: Language) -> str:
    """Return what became of a note, in words."""
    texts = _EFFECTS[language]
    sentences = []
    for code in note.effect.split():
        key, _, argument = code.partition(":")
        sentences.append(texts[key].format(argument))
    return " ".join(sentences)


def _validate_target_kind(kind: str) -> TargetKind:
    for known in _TARGET_KINDS:
        if kind == known:
            return known
    raise BadInput(f"unknown feedback target '{kind[:40]}'", f"Use {', '.join(_TARGET_KINDS)}")


def _validate_target(session: Session, kind: TargetKind, target_id: str) -> str:
    if kind == "trade":
        return trades.get(session, target_id).trade_id
    if kind == "proposal":
        return proposals.get(session, target_id).proposal_id
    if kind == "strategy":
        known = {version.strategy for version in param_versions.all_active(session)}
        if target_id not in known:
            raise UnknownName(
                f"no strategy '{target_id[:40]}' runs", f"These run: {', '.join(sorted(known)) or 'none yet'}"
            )
        return target_id
    if target_id not in {"", "general"}:
        raise BadInput("general feedback has no target id", "Leave target_id empty")
    return "general"


def _hold(session: Session, kind: TargetKind, target_id: str, tags: Sequence[str]) -> list[str]:
    if kind != "proposal" or "hold" not in tags:
        return []
    proposal = proposals.get(session, target_id)
    if proposal.state not in _CAN_BE_HELD:
        return [f"too_late:{proposal.state}"]
    proposals.set_hold(session, target_id, True)
    return ["held"]
