"""What can be measured, one module per family of rows."""

from bench.measure import Measure
from bench.rows import bars, book, bridge, halt, proposal, rules, verdict

MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    **bars.MEASUREMENTS,
    **book.MEASUREMENTS,
    **bridge.MEASUREMENTS,
    **halt.MEASUREMENTS,
    **proposal.MEASUREMENTS,
    **rules.MEASUREMENTS,
    **verdict.MEASUREMENTS,
}
"""The rows that come of a measurement, and the measurement."""
