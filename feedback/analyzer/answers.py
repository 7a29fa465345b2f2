"""The shapes an answer must have. Text of a language model is parsed here once; after this door nothing is optional."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_ANSWER_CHARS = 400_000
_THINKING = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_FENCE = re.compile(r"^\s*```[a-zA-Z]*\s*$", re.MULTILINE)
_URL = re.compile(r"\b(?:https?|ftp|javascript|data):\S+", re.IGNORECASE)
_SAFE_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")


class Shape(BaseModel):
    """A part of an answer: exact types, no other keys, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


Sentence = Annotated[str, Field(min_length=1, max_length=400)]
Short = Annotated[str, Field(max_length=280)]


class FindingShape(Shape):
    """One sentence, its weight, and what to do about it."""

    text: Sentence
    severity: Literal["info", "warning", "critical"]
    action: Short


class EffectivenessShape(Shape):
    """One sentence about one instance."""

    instance_id: Annotated[str, Field(max_length=60)]
    text: Sentence


class DailyAnswer(Shape):
    """The study of a day."""

    summary: Annotated[str, Field(min_length=1, max_length=1_000)]
    success_factors: Annotated[tuple[FindingShape, ...], Field(max_length=8)]
    failure_factors: Annotated[tuple[FindingShape, ...], Field(max_length=8)]
    effectiveness: Annotated[tuple[EffectivenessShape, ...], Field(max_length=40)]
    missed: Annotated[tuple[FindingShape, ...], Field(max_length=8)]
    adjustments: Annotated[tuple[FindingShape, ...], Field(max_length=8)]
    risks: Annotated[tuple[FindingShape, ...], Field(max_length=8)]


class EffectShape(Shape):
    """A prediction that can turn out wrong."""

    metric: Literal["daily_pnl_usd", "win_rate", "max_drawdown_pct", "n_trades"]
    direction: Literal["up", "down"]
    magnitude: Annotated[float, Field(gt=0)]
    horizon_days: Annotated[int, Field(ge=1, le=30)]


class EditShape(Shape):
    """One number for one parameter of one instance."""

    instance_id: Annotated[str, Field(max_length=60)]
    param: Annotated[str, Field(max_length=60)]
    value: float
    rationale: Annotated[str, Field(min_length=1, max_length=280)]
    expected_effect: EffectShape
    confidence: Annotated[float, Field(ge=0, le=1)]


class AdjustmentsAnswer(Shape):
    """Edits; an empty list means "no change"."""

    edits: Annotated[tuple[EditShape, ...], Field(max_length=12)]


class RuleShape(Shape):
    """A claim that the counted trades can confirm or contradict."""

    dimension: Literal["hour_kst", "weekday", "volatility", "symbol", "side", "strategy", "strategy_by_volatility"]
    bucket: Annotated[str, Field(min_length=1, max_length=60)]
    direction: Literal["better", "worse"]
    text: Sentence


class PatternsAnswer(Shape):
    """The study of a month."""

    summary: Annotated[str, Field(min_length=1, max_length=1_000)]
    rules: Annotated[tuple[RuleShape, ...], Field(max_length=16)]
    edge_cases: Annotated[tuple[FindingShape, ...], Field(max_length=8)]


class ProgramShape(Shape):
    """Another rule set for one instance. The engine's own parser reads `rules`: its schema is exported from there."""

    instance_id: Annotated[str, Field(max_length=60)]
    rules: Annotated[dict[str, Any], Field(max_length=7)]
    rationale: Annotated[str, Field(min_length=1, max_length=280)]
    expected_effect: EffectShape
    confidence: Annotated[float, Field(ge=0, le=1)]


class ProgramsAnswer(Shape):
    """Rule sets; an empty list means "no change"."""

    programs: Annotated[tuple[ProgramShape, ...], Field(max_length=6)]


class NewsAnswer(Shape):
    """One headline as closed words and small numbers; the lists behind the words are the reader's."""

    event_type: Annotated[str, Field(max_length=40)]
    asset: Annotated[str, Field(max_length=40)]
    direction: Annotated[int, Field(ge=-1, le=1)]
    severity: Annotated[int, Field(ge=0, le=3)]


class CheckAnswer(Shape):
    """The answer of `llm check`."""

    ok: Literal[True]


class AdviceReason(Shape):
    """Why the advisor's model answered as it did."""

    reason: Annotated[str, Field(min_length=1, max_length=280)]


ANSWERS: Mapping[str, type[Shape]] = {
    "daily_analysis": DailyAnswer,
    "adjustments": AdjustmentsAnswer,
    "patterns": PatternsAnswer,
    "programs": ProgramsAnswer,
    "news": NewsAnswer,
    "check": CheckAnswer,
    "advice_reason": AdviceReason,
}
"""By the name that a template's front matter gives as its schema."""
Answer = TypeVar("Answer", bound=Shape)


class InvalidAnswer(ValueError):
    """An answer that broke the shape or a rule. `faults` name place and rule, never the model's own text."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def answer_schema(name: str, enums: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return the JSON schema of an answer; `enums` closes the string properties of those names to these values."""
    schema = ANSWERS[name].model_json_schema()
    for part in (schema, *schema.get("$defs", {}).values()):
        part.pop("description", None)
        for key, values in enums.items():
            if key in part.get("properties", {}):
                part["properties"][key] = {"type": "string", "enum": list(values)}
    return schema


def parse_answer(text: str, kind: type[Answer]) -> Answer:
    """Return the answer in `text`: thinking and fences are cut, the outermost object is taken. Raises InvalidAnswer."""
    if len(text) > MAX_ANSWER_CHARS:
        raise InvalidAnswer([f"(answer): longer than {MAX_ANSWER_CHARS} characters"])
    body = _outermost_object(_FENCE.sub("", _THINKING.sub("", text)))
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise InvalidAnswer(
            [_say_fault(fault) for fault in error.errors(include_input=False, include_url=False)[:20]]
        ) from None


def clean_text(text: str) -> str:
    """Return model text as one plain line: no control or invisible characters, no links, no markup that opens one."""
    plain = unicodedata.normalize("NFC", text)
    plain = "".join(" " if c in "\n\t\r" else c for c in plain if c in "\n\t\r" or unicodedata.category(c)[0] != "C")
    plain = _URL.sub("[link]", plain).replace("](", "] (").replace("<", "‹").replace(">", "›").replace("`", "'")
    return " ".join(plain.split())


def _outermost_object(text: str) -> str:
    """Return the first complete JSON object of `text`, whatever stands around it."""
    start = text.find("{")
    if start < 0:
        raise InvalidAnswer(["(answer): holds no JSON object"])
    try:
        _, length = json.JSONDecoder(strict=False).raw_decode(text[start:])
    except (ValueError, RecursionError):
        raise InvalidAnswer(["(answer): the JSON object is broken or cut short"]) from None
    return text[start : start + length]


def _say_fault(fault: Any) -> str:
    """Return place, rule and allowed range of one fault; unsafe key names are not repeated."""
    place = ".".join(str(p) if isinstance(p, int) or _SAFE_NAME.fullmatch(p) else "(key)" for p in fault["loc"])
    limits = {k: v for k, v in fault.get("ctx", {}).items() if k in ("ge", "gt", "le", "lt", "expected", "max_length")}
    allowed = ", ".join(f"{key} {value}" for key, value in sorted(limits.items()))
    return f"{place or '(answer)'}: {fault['type']}" + (f" ({allowed})" if allowed else "")
