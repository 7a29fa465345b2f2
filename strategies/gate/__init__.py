"""What reaches the strategies: admission, screen, stress, and the sealed test under a quarterly error budget."""

from strategies.gate.budget import BudgetState
from strategies.gate.gate import Gate
from strategies.gate.records import Judgement
from strategies.gate.series import SeriesGate, factory
from strategies.gate.split import HistorySplit

__all__ = ["BudgetState", "Gate", "HistorySplit", "Judgement", "SeriesGate", "factory"]
