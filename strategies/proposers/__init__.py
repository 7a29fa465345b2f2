"""Arms that look for better parameters, a bandit between them, and the fresh re-test before the gate."""

from strategies.proposers.propose import Proposed, propose
from strategies.proposers.search import SearchRequest, SearchResult, match_budgets, search
from strategies.proposers.space import Space, build_space

__all__ = [
    "Proposed",
    "SearchRequest",
    "SearchResult",
    "Space",
    "build_space",
    "match_budgets",
    "propose",
    "search",
]
