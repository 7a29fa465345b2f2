"""Patterns in a month of trades: found on 30 days, tested on the weeks after, confirmed under error control.

A rule says: trades in this bucket earn more (or less) than the rest, in bps of notional after costs.
"""

from feedback.patterns.finder import PatternFinder

__all__ = ["PatternFinder"]
