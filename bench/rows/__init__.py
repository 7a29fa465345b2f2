"""What can be measured, one module per family of rows."""

from bench.measure import Measure
from bench.rows import advisor, bars, book, bridge, features, halt, models, proposal, rules, verdict

MEASUREMENTS: dict[tuple[str, ...], Measure] = {
    **advisor.MEASUREMENTS,
    **bars.MEASUREMENTS,
    **book.MEASUREMENTS,
    **bridge.MEASUREMENTS,
    **features.MEASUREMENTS,
    **halt.MEASUREMENTS,
    **models.MEASUREMENTS,
    **proposal.MEASUREMENTS,
    **rules.MEASUREMENTS,
    **verdict.MEASUREMENTS,
}
"""The rows that come of a measurement, and the measurement."""
