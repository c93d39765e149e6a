"""How soon a candidate is promoted that is as good as stable, and how often one that is not."""

from collections.abc import Iterator, Mapping

from tests.verdicts.ours import Ours, settings
from tests.verdicts.rivals import Argo, Flagger, Rule, succeeds
from tests.verdicts.row import Kind, Row, Table
from tests.verdicts.traffic import HOUR, Traffic, always, rates

MARGIN = 0.005
LIMITS = {0.1: 240 * HOUR, 1: 24 * HOUR, 10: 4 * HOUR, 100: HOUR}
"""How long a run lasts, by requests per second."""
POLLS = {0.1: 300.0, 1: 60.0, 10: 10.0, 100: 10.0}
"""Seconds between polls: where a run lasts days, longer ones change nothing and cost less to simulate."""
TIMED = 600.0
"""Seconds after which a controller that only counts failed checks promotes."""


def rules() -> Mapping[str, Rule]:
    """Return all rules, each new."""
    fine = succeeds(0.99)
    return {
        "Argo, 10 min": Argo(fine, no_data=False, until=TIMED),
        "Argo, 10 min, no data ok": Argo(fine, no_data=True, until=TIMED),
        "Flagger, 10 min": Flagger(fine, no_data=False, until=TIMED),
        "ours margin": Ours(settings("margin"), promotes=True),
    }


def _traffic(stable: float, extra: float, rps: float, weight: float) -> Traffic:
    return lambda rng: rates(
        rng, rps, always(stable), always(stable + extra), always(weight), seconds=LIMITS[rps], poll=POLLS[rps]
    )


def _rows() -> Iterator[Row]:
    seed = 8300
    for stable in (0.001, 0.005, 0.02):
        for rps in (0.1, 1, 10, 100):
            for weight in (0.1, 0.5):
                name = f"{stable * 100:g} %, {rps:g} rps, weight {weight * 100:g} %: as good"
                yield Row(name, Kind.GOOD, seed, _traffic(stable, 0.0, rps, weight), rules)
                seed += 1
    for stable in (0.001, 0.005, 0.02):
        for rps in (10, 100):
            for factor, words, kind in ((1, "at the margin", Kind.BAD), (2, "twice the margin", Kind.BAD)):
                name = f"{stable * 100:g} %, {rps:g} rps, weight 10 %: {words}"
                yield Row(name, kind, seed, _traffic(stable, MARGIN * factor, rps, 0.1), rules)
                seed += 1
    for rps, rate in ((1, 0.02), (1, 0.05)):
        yield Row(
            f"0.5 % → {rate * 100:g} %, {rps} rps, weight 10 %",
            Kind.BAD,
            seed,
            _traffic(0.005, rate - 0.005, rps, 0.1),
            rules,
        )
        seed += 1


TABLE = Table(
    "8.3",
    "Promotion within a margin of +0.5 percentage points",
    "Runs last 240 h, 24 h, 4 h and 1 h at 0.1, 1, 10 and 100 rps. Share of runs that were promoted, median time until then, "
    "median requests of the candidate, and share that was rolled back. Controllers that only count failed checks promote "
    "after ten minutes.",
    100,
    tuple(_rows()),
)
