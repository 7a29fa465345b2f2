"""What studies the days: a language model behind a strict door, and rules that answer whenever it cannot.

The SDK is imported at the first call, so a service without a key starts without it.
"""

from feedback.analyzer.edits import EditRules
from feedback.analyzer.protocol import Analyzer, AnalyzerFailure, Language
from feedback.analyzer.rules import RuleAnalyzer
from feedback.analyzer.summary import BucketResult, TradesSummary, summarise_trades

__all__ = [
    "Analyzer",
    "AnalyzerFailure",
    "BucketResult",
    "EditRules",
    "Language",
    "RuleAnalyzer",
    "TradesSummary",
    "summarise_trades",
]
