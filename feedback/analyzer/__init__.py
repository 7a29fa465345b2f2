"""What studies the days: a language model behind a strict door, and rules that answer whenever it cannot.

The SDK is imported at the first call, so a service without a key starts without it.
"""

from feedback.analyzer.build import LlmCheck, build_analyzer, build_ledger, build_reader, build_watch, check_llm
from feedback.analyzer.deepseek import DeepSeekAnalyzer
from feedback.analyzer.edits import EditRules
from feedback.analyzer.fallback import AnalyzerWithFallback
from feedback.analyzer.ledger import CostLedger, Spending
from feedback.analyzer.llm_programs import Follower
from feedback.analyzer.protocol import Analyzer, AnalyzerFailure
from feedback.analyzer.reader import NewsReader
from feedback.analyzer.render import render
from feedback.analyzer.rules import RuleAnalyzer
from feedback.analyzer.summary import BucketResult, TradesSummary, summarise_trades

__all__ = [
    "Analyzer",
    "AnalyzerFailure",
    "AnalyzerWithFallback",
    "BucketResult",
    "CostLedger",
    "DeepSeekAnalyzer",
    "EditRules",
    "Follower",
    "LlmCheck",
    "NewsReader",
    "RuleAnalyzer",
    "Spending",
    "TradesSummary",
    "build_analyzer",
    "build_ledger",
    "build_reader",
    "build_watch",
    "check_llm",
    "render",
    "summarise_trades",
]
