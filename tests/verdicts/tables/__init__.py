"""The tables, in the order of the page."""

from tests.verdicts.row import Table
from tests.verdicts.tables import (
    detection,
    drift,
    healthy,
    late,
    latency,
    mirrored,
    pods,
    predictions,
    promotion,
    ramp,
    robust,
    slices,
)

TABLES: tuple[Table, ...] = (
    healthy.TABLE,
    detection.TABLE,
    promotion.TABLE,
    mirrored.TABLE,
    latency.TABLE,
    slices.TABLE,
    ramp.TABLE,
    pods.TABLE,
    late.TABLE,
    robust.TABLE,
    predictions.TABLE,
    drift.TABLE,
)
