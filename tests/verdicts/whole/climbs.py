"""A ramp: the weight depends on what was seen, so the simulated cluster draws the requests, and both decide from the same.

The rollout goes first. What its metric read at each poll is then given to engine and judges alone, which must ask for each of its
weights after the same poll, and come to the same end.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from modelrollout.domain.reading import Sample
from modelrollout.engine.wants import Against, AnalysisWants, MetricWants
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.trial import Setting
from tests.verdicts.ours import METRIC, Climb, Ours, settings
from tests.verdicts.rivals import PROMOTE
from tests.verdicts.tables.ramp import RATES, RPS, STABLE
from tests.verdicts.traffic import HOUR, POLL
from tests.verdicts.whole.rollout import WORDS, document, play_out, until, written

BUDGETS = (10.0, 30.0)
SENSITIVITY = "strict"
Poll = tuple[AnalysisWants, MetricWants, Sample]


class Ear:
    """Hears what the metric of a rollout reads.

    Attributes:
        polls: of the candidate beside stable.
    """

    def __init__(self) -> None:
        self.polls: list[Poll] = []

    def note(self, wants: AnalysisWants, metric: MetricWants, sample: Sample) -> Sample:
        """Keep a sample and return it."""
        if wants.scope.stable is not None:
            self.polls.append((wants, metric, sample))
        return sample

    def listen(self, cluster: Cluster) -> None:
        """Hear what is read in a cluster."""
        cluster.sampled = self.note


async def compare(row: str, run: int) -> tuple[tuple[str, float], tuple[str, float]]:
    """Return what engine and judges alone decided, and in seconds when, and the same of the rollout.

    Args:
        row: of the table of ramps.
        run: its number; budgets take turns.
    """
    budget = BUDGETS[run % len(BUDGETS)]
    config = settings(SENSITIVITY)
    metric = {"name": METRIC, "router": {"signal": "errorRate"}, "compare": written(config)}
    analysis = {"interval": f"{POLL:g}s", "minDuration": "0s", "metrics": [metric]}
    ear = Ear()
    setting = Setting(
        document=document({"canary": {"ramp": {"budget": budget, "max": 50}}}, analysis),
        rate=RPS,
        stable=Behaviour(errors=STABLE),
        candidate=Behaviour(errors=RATES[row]),
        until=until(HOUR),
    )
    outcome = await play_out(setting, run, ear.listen)
    begin = next(sample.at for wants, _, sample in ear.polls if wants.comparison.against is Against.STABLE)
    at = outcome.verdict.at - (outcome.first_request or 0.0)
    return _alone(Climb(budget), Ours(config), ear.polls, begin), (WORDS.get(outcome.verdict.decision, ""), at)


def _alone(climb: Climb, rule: Ours, polls: Sequence[Poll], begin: datetime) -> tuple[str, float]:
    """Decide from what was heard; where another weight would be asked for than the rollout did, that is the end."""
    weight = climb.weight(rule, RPS)
    for wants, metric, sample in polls:
        at = (sample.at - begin) / timedelta(seconds=1)
        compared = wants.comparison.against is Against.STABLE
        if compared and weight != (wants.comparison.weight or 0) / 100:
            return f"weight {weight}", at
        if decision := rule.hear(wants, metric, sample):
            return decision, at
        if compared and sample.at >= wants.not_before:
            weight = climb.weight(rule, rule.evidence.both_per_second if rule.evidence is not None else None)
        if weight is None:
            return PROMOTE, at
    return "", at
