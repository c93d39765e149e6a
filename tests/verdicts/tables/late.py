"""A failure that begins after half an hour in which nothing was wrong."""

from collections.abc import Iterator

from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.tables.detection import rules
from tests.verdicts.traffic import Traffic, always, rates

ONSET = 1800.0


def _traffic(rps: float, factor: float) -> Traffic:
    def course(at: float) -> float:
        return 0.005 * factor if at >= ONSET else 0.005

    return lambda rng: rates(rng, rps, always(0.005), course)


def _rows() -> Iterator[Row]:
    for number, (rps, factor) in enumerate(((10, 4), (10, 10), (100, 4), (100, 10))):
        name = f"× {factor} after 30 min, {rps} rps"
        yield Row(name, Kind.BROKEN, 9000 + number, _traffic(rps, factor), rules, begins=ONSET)


TABLE = Table(
    "late",
    "A failure that begins after thirty healthy minutes",
    "Stable 0.5 %, weight 10 %, polls each 10 s. Times and bad requests are counted from the beginning of the rollout, so "
    "30 min and what the healthy half hour brings are part of them. What is rolled back before is rolled back for nothing.",
    200,
    tuple(_rows()),
)
