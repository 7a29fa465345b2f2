"""Reports as Markdown and HTML, in Korean and English. Numbers come computed; this room only gives them words.

The template writes Markdown, the HTML is made from it by CommonMark with raw HTML switched off, so nothing that an LLM
or a person wrote can become markup.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt

from core.clock import KST
from core.metrics import share_interval
from core.model.advisor import AdvisorValue
from core.model.analysis import Analysis, Forecast, PatternRule
from core.model.canary import Canary
from core.model.canonical import sha256_of, short_id
from core.model.dataset import DailyDataset, StrategyResult
from core.model.language import Language
from core.model.operations import Alert, Report
from core.model.proposal import Deployment, Proposal, ProposalState, Verdict
from core.model.scorecard import Scorecard
from core.model.search import WeeklySearch
from feedback.accuracy import PredictionScore
from feedback.advisor_text import advisor_line, advisor_lines
from feedback.model_words import ModelWords, model_line, model_lines
from feedback.quality import describe_flag
from feedback.scorecard_text import scorecard_line, scorecard_lines
from feedback.shortfall import StrategyShortfall
from strategies.program_text import tell_edits

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class PeriodResult:
    """P&L over the last days, beside holding the symbols. Money in USD; None where it cannot be told."""

    n_days: int
    pnl_usd: float
    hold_usd: float | None
    drawdown_pct: float | None
    mean_usd: float | None
    low_usd: float | None
    high_usd: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """A deployment that moved in the period, with what it changes and who is behind it."""

    deployment: Deployment
    edits: str
    verdict: Verdict | None
    """The last verdict behind it; None for a rollback."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A proposal with its verdicts, oldest first."""

    proposal: Proposal
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts over the life of this store. Money in USD."""

    proposals: dict[str, int]
    n_trials: int
    tests_used: int
    tests_allowed: int
    next_level: float
    spent_month_usd: Decimal
    cap_month_usd: Decimal


@dataclass(frozen=True, slots=True)
class WeekOfSearch:
    """What the week's searches came to. Counts leave placebos out."""

    searches: tuple[tuple[WeeklySearch, ProposalState | None], ...]
    """By instance, with the state of what each proposed; None without a proposal."""
    n_to_gate: int
    """Proposals made in the week, by whomever."""
    n_queued: int
    """Those that wait for the sealed test now."""
    n_accepted: int
    """Those that passed it in this cycle."""
    programs: Analysis | None = None
    """The study's note on rule sets; None where no instance follows one."""

    @property
    def n_trials(self) -> int:
        """Backtests of all searches."""
        return sum(search.n_trials for search, _ in self.searches)


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """All a report says. `due_at` is the schedule's time, never the wall's."""

    kind: Literal["daily", "weekly"]
    on: date
    due_at: datetime
    late: bool
    engine_state: str
    data_as_of: datetime
    n_trades: int
    n_wins: int
    net_pnl_usd: Decimal
    costs_usd: Decimal
    equity_change_usd: Decimal
    strategies: tuple[StrategyResult, ...]
    shortfalls: tuple[StrategyShortfall, ...]
    predictions: tuple[PredictionScore, ...]
    period: PeriodResult
    changes: tuple[Change, ...]
    judged: tuple[Judged, ...]
    search: WeekOfSearch | None
    """Of a weekly report."""
    analysis: Analysis | None
    dataset: DailyDataset | None
    alerts: tuple[Alert, ...]
    patterns: tuple[PatternRule, ...]
    """Those alive, and those whose life ended in the period."""
    forecasts: tuple[Forecast, ...]
    scored: tuple[Forecast, ...]
    scored_before: tuple[Forecast, ...]
    tally: Tally
    scorecard: Scorecard
    next_daily: datetime
    next_weekly: datetime
    advisor: AdvisorValue | None = None
    """Over 30 days; None where it was not read."""
    canaries: tuple[Canary, ...] = ()
    """Changes on their way to the whole capital, and those that ended in the period."""
    models: ModelWords | None = None
    """What models said in the period; None where none spoke."""


@cache
def load_texts(language: Language) -> dict[str, str]:
    """Return the words of one language by key."""
    texts: dict[str, str] = json.loads((_HERE / "report_texts" / f"{language}.json").read_text(encoding="utf-8"))
    return texts


def render_report(facts: ReportFacts, language: Language) -> Report:
    """Return the report in one language; the same facts give the same bytes."""
    markdown = _environment(language).get_template(f"{facts.kind}.md.j2").render(f=facts)
    markdown = _squeeze(markdown)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(markdown)
    html = _environment(language).get_template("page.html.j2").render(body=body, language=language, f=facts)
    return Report(
        report_id=short_id("report", facts.kind, facts.on.isoformat(), language),
        kind=facts.kind,
        on=facts.on,
        language=language,
        markdown=markdown,
        html=html,
        sha256=sha256_of(markdown),
        created_at=facts.due_at,
    )


def brief(facts: ReportFacts, language: Language) -> str:
    """Return the few lines that fit on a phone's first screen."""
    return _squeeze(_environment(language).get_template("brief.txt.j2").render(f=facts))


def money(value: Decimal | float | None) -> str:
    """Return dollars with sign and cents, or a dash."""
    if value is None:
        return "–"
    return f"{'−' if value < 0 else '+' if value > 0 else ''}${abs(value):,.2f}"


@cache
def _environment(language: Language) -> Environment:
    texts = load_texts(language)
    # Markdown, not HTML: escaping is Markdown's own and done by the `plain` filter; HTML comes from CommonMark.
    environment = Environment(
        loader=FileSystemLoader(_HERE / "report_templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )
    environment.globals["t"] = _translator(texts)
    environment.filters.update(
        money=money,
        cost=lambda v: f"${v:,.2f}",
        pct=lambda v: "–" if v is None else f"{v:.1f} %",
        share=lambda v: "–" if v is None else f"{100 * v:.0f} %",
        bps=lambda v: "–" if v is None else f"{v:+.1f} bps",
        kst=lambda v: v.astimezone(KST).strftime("%Y-%m-%d %H:%M"),
        plain=_plain,
        number=lambda v: f"{v:g}",
        edits=_edits,
        canary_edits=_canary_edits,
        flag=lambda v: describe_flag(v, language),
        why=lambda v: _why(v, texts),
        score_lines=lambda v: scorecard_lines(v, texts),
        score_line=lambda v: scorecard_line(v, texts),
        advisor_lines=lambda v: advisor_lines(v, texts),
        advisor_line=lambda v: advisor_line(v, texts),
        model_lines=lambda v: model_lines(v, texts),
        model_line=lambda v: model_line(v, texts),
        in_state=lambda rules, state: [rule for rule in rules if rule.state == state],
        hit_rate=lambda v: _hit_rate(v, texts),
        arms=lambda v: _arms(v, texts),
    )
    return environment


def _translator(texts: dict[str, str]) -> Callable[..., str]:
    def translate(key: str, **values: Any) -> str:
        return texts[key].format(**values)

    return translate


def _why(verdict: Verdict, texts: dict[str, str]) -> str:
    """Return what decided, in words. Reports are read by programs too, so a sealed test tells one bit here."""
    if verdict.stage == "sealed" and verdict.checks:
        return texts["sealed_passed" if verdict.outcome == "accepted" else "sealed_not_passed"]
    return f"{verdict.stage}: {verdict.deciding}"


def _hit_rate(rule: PatternRule, texts: dict[str, str]) -> str:
    """Return in how many fresh weeks a rule held, with the Wilson interval of that share."""
    n = rule.hits + rule.misses
    interval = share_interval(rule.hits, n)
    if interval is None:
        return texts["pattern_rate_none"]
    share, low, high = (f"{100 * value:.0f} %" for value in (rule.hits / n, *interval))
    return texts["pattern_rate"].format(hits=rule.hits, n=n, share=share, low=low, high=high)


def _arms(search: WeeklySearch, texts: dict[str, str]) -> str:
    """Return how many backtests each arm had, and how many of them were good."""
    used = [texts["search_arm"].format(arm=a.arm, n=a.n_judged, good=a.n_good) for a in search.arms if a.n_judged]
    return ", ".join(used) or texts["none"]


def _plain(text: str) -> str:
    """Return untrusted text on one line with Markdown's own characters escaped."""
    line = " ".join(str(text).split())
    # Enough for one line inside a sentence: no code, emphasis, link, image, HTML or new cell can begin.
    return "".join(f"\\{c}" if c in "\\`*[]<|" else c for c in line)


def _edits(proposal: Proposal) -> str:
    edits = {edit.param: edit.value for edit in proposal.edits}
    return tell_edits(proposal.base_params, edits, proposal.base_rules, proposal.program)


def _canary_edits(canary: Canary) -> str:
    old, new = canary.incumbent_rules, canary.candidate_rules
    return tell_edits(canary.incumbent_params, canary.candidate_params, old, new)


def _squeeze(text: str) -> str:
    """Return the text without trailing blanks and with at most one empty line in a row."""
    lines: list[str] = []
    for line in (line.rstrip() for line in text.splitlines()):
        if line or (lines and lines[-1]):
            lines.append(line)
    return "\n".join(lines).strip() + "\n"
