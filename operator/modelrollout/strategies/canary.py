"""Canary: the candidate answers a growing share of the requests, in given steps or as fast as the evidence lets it."""

from functools import lru_cache
from itertools import pairwise
from typing import Annotated

from pydantic import Field

from modelrollout.domain.stage import Stage, StageKind
from modelrollout.schema import ApiModel, Duration, Rule
from modelrollout.strategies._base import Strategy
from modelrollout.strategies._finish import Promotion, finish
from modelrollout.strategies._ramp import Ramp, ramp_stages
from modelrollout.strategies._shadow import FirstShadow, shadow_stages


class Pause(ApiModel):
    """Nothing changes until a person promotes. It has no settings: write {}."""


class Step(ApiModel):
    """One station: a weight with its hold, or a pause."""

    weight: Annotated[int, Field(ge=1, le=99)] | None = None
    """Percent of answers from the candidate."""
    hold: Duration | None = None
    """How long the step stands at least, counted from the moment when every router has acknowledged the weight."""
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Least number of candidate pods in this step, when the weight alone would need fewer."""
    pause: Pause | None = None
    """Wait here until a person promotes; the weight of the step before stays."""

    rules = (
        Rule(
            lambda step: (step.weight is None) != (step.pause is None),
            "has(self.weight) != has(self.pause)",
            "must have either a weight or a pause. Write {weight: 5, hold: 2m} or {pause: {}}.",
        ),
        Rule(
            lambda step: step.weight is None or step.hold is not None,
            "!has(self.weight) || has(self.hold)",
            "has a weight and no hold. Say how long the step stands at least, such as hold: 5m.",
        ),
        Rule(
            lambda step: step.pause is None or (step.hold is None and step.replicas is None),
            "!has(self.pause) || !(has(self.hold) || has(self.replicas))",
            "has a pause that does not stand alone. Write {pause: {}}; it ends when a person promotes.",
        ),
    )


def _rising(steps: tuple[Step, ...]) -> bool:
    weights = [step.weight for step in steps if step.weight is not None]
    return all(before < after for before, after in pairwise(weights))


RISING = Rule(
    _rising,
    "self.filter(step, has(step.weight)).map(step, step.weight).isSorted() && self.all(one, !has(one.weight) || "
    "self.exists_one(other, has(other.weight) && other.weight == one.weight))",
    "must have weights that rise from step to step. Give each step more than the one before it.",
)


class CanaryConfig(ApiModel):
    """The candidate answers a growing share of the requests, in steps or by a ramp, and then all of them."""

    shadow: FirstShadow | None = None
    """Start with copies of requests, before the candidate answers anybody."""
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=50), RISING] | None = None
    """The stations in order, each {weight, hold} or {pause: {}}. Weights rise; 100 is what comes after the steps."""
    ramp: Ramp | None = None
    """Instead of steps: the next weight is the largest that risks at most so many bad requests a minute."""
    promotion: Promotion = "automatic"
    """manual: after the last step a person must release the move to 100 %."""
    bake: Duration | None = None
    """How long to watch at 100 % while stable still stands whole. When it passes, the roles change."""

    rules = (
        Rule(
            lambda canary: canary.steps is not None or canary.ramp is not None,
            "has(self.steps) || has(self.ramp)",
            "is missing. Write steps, such as [{weight: 5, hold: 2m}], or ramp: {budget: 30}.",
            "steps",
        ),
        Rule(
            lambda canary: canary.steps is None or canary.ramp is None,
            "!has(self.steps) || !has(self.ramp)",
            "stands beside steps, and only one of them can say the next weight. Leave one of them out.",
            "ramp",
        ),
    )


class Canary(Strategy[CanaryConfig]):
    """Weights in steps, or on a ramp."""

    name = "canary"
    config = CanaryConfig
    mirrors = "shadow"

    def stages(self, config: CanaryConfig) -> tuple[Stage, ...]:
        """Return shadow?, every step or rung, FULL, BAKE?."""
        return _stages(config)


@lru_cache(maxsize=256)
def _stages(config: CanaryConfig) -> tuple[Stage, ...]:
    # Every rule of a pass asks for them.
    trial = ramp_stages(config.ramp) if config.ramp is not None else _steps(config.steps or ())
    return finish([*shadow_stages(config.shadow), *trial], config.promotion, config.bake)


def _steps(steps: tuple[Step, ...]) -> list[Stage]:
    stages: list[Stage] = []
    before = Stage(StageKind.PAUSE, "")
    for number, step in enumerate(steps, start=1):
        before = _stage(step, f"{number}/{len(steps)}", before)
        stages.append(before)
    return stages


def _stage(step: Step, place: str, before: Stage) -> Stage:
    if step.weight is None or step.hold is None:
        # A pause changes nothing: weight and size of the step before stay.
        return Stage(StageKind.PAUSE, f"pause {place}", before.weight, approval=True, replicas=before.replicas)
    return Stage(StageKind.STEP, f"step {place}", step.weight, hold=step.hold, replicas=step.replicas)


PLUGIN = Canary()
