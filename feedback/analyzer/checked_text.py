"""Model text as people may read it: cleaned, its unsupported numbers struck and counted, aliases turned to names."""

from collections.abc import Sequence

from core.model.analysis import Finding
from core.model.language import Language
from feedback.analyzer.answers import FindingShape, clean_text
from feedback.analyzer.facts import PromptFacts
from feedback.analyzer.grounding import check_numbers
from feedback.analyzer.rule_texts import say


class CheckedText:
    """Checks the texts of one answer against the numbers that it may cite, and counts over all of them."""

    def __init__(self, facts: PromptFacts, numbers: Sequence[float]) -> None:
        self._facts = facts
        self._numbers = numbers
        self.n_numbers = 0
        self.n_struck = 0

    def text(self, text: str) -> str:
        """Return the text as people may read it."""
        checked = check_numbers(clean_text(text), self._numbers, self._facts.names)
        self.n_numbers += checked.n_numbers
        self.n_struck += checked.n_struck
        return self._facts.restore(checked.text)

    def findings(self, shapes: Sequence[FindingShape]) -> tuple[Finding, ...]:
        """Return findings with checked texts."""
        return tuple(Finding(self.text(s.text), s.severity, self.text(s.action)) for s in shapes)

    def count(self, language: Language) -> tuple[Finding, ...]:
        """Return one finding that tells how many numbers were struck so far, or none."""
        told = say("struck", language, n=self.n_struck, n_numbers=self.n_numbers)
        return (Finding(told, "warning"),) if self.n_struck else ()
