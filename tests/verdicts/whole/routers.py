"""Counts of bad requests, told by the routers: of a canary at one weight, or of copies."""

from collections.abc import Iterator, Sequence

from modelrollout.domain.tally import Rate
from modelrollout.simulation.recording import Entry
from tests.verdicts.ours import Ours, settings
from tests.verdicts.traffic import Tick
from tests.verdicts.whole.rollout import Plan, canary, document, shadow, written


def plan(ticks: Sequence[Tick], sensitivity: str, *, promotes: bool) -> Plan:
    """Return a rollout that is judged as :func:`tests.verdicts.ours.settings` says; a shadow where requests are copied."""
    config, last = settings(sensitivity), ticks[-1]
    metric = {"name": "errors", "router": {"signal": "errorRate"}, "compare": written(config)}
    strategy, least = canary(last.weight, last.at, promotes=promotes)
    if last.joined is not None:
        strategy = shadow(last.at, promotes=promotes)
    analysis = {"interval": f"{last.seconds:g}s", "minDuration": least, "metrics": [metric]}
    return Plan(Ours(config, promotes=promotes), document(strategy, analysis), tuple(entries(ticks)))


def entries(ticks: Sequence[Tick]) -> Iterator[Entry]:
    """Yield what the routers count."""
    for tick in ticks:
        for arm, measure in (("candidate", tick.candidate), ("stable", tick.stable)):
            assert isinstance(measure.tally, Rate)
            yield Entry(tick.at, arm, int(measure.tally.total), int(measure.tally.bad))
