"""What both versions are asked: values, sizes and gaps of requests, as the collectors beside the routers count them.

Nothing is asked of the model, and no body leaves the router's pod. Where the candidate gets copies it is asked what stable
is asked, so its inputs are stable's.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from modelrollout.domain.capability import Capability
from modelrollout.domain.capture import Name
from modelrollout.domain.reading import Sample
from modelrollout.domain.tally import Features, Mean, Measure, Rate, Tally
from modelrollout.names import mirror_cluster
from modelrollout.schema import ApiModel
from modelrollout.sources import _observed
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source

_WHOLE = "length"
"""The feature that every body has: how many values or characters are in it."""


class InputSignal(StrEnum):
    """What can be measured of requests."""

    VALUES = "values"
    MISSING = "missing"
    LENGTH = "length"


class InputsConfig(ApiModel):
    """What clients ask: the features of requests that `analysis.inputs` names, or those that are found.

    It is measured of a part of all requests, with or without copies, and by the router envoy alone.
    """

    feature: Name | None = None
    """One feature, by its name. Absent: all of them; of length, the whole body."""
    signal: InputSignal = InputSignal.VALUES
    """values: how the values of each feature are distributed; judged by drift. missing: share of values that are null, no
    number or absent, as a fraction of 1. length: mean number of values or characters of the body, or of a feature of kind
    length; exact to about a tenth, because lengths are counted in bins."""


class InputsSource(Source[InputsConfig]):
    """Reads what the collector beside each router has observed; series are named as in ``_observed.py``."""

    name = "inputs"
    config = InputsConfig
    needs = frozenset({Capability.CAPTURE})

    def fraction(self, config: InputsConfig) -> bool:
        """Missing values are a share."""
        return config.signal is InputSignal.MISSING

    def forms(self, config: InputsConfig) -> frozenset[type]:
        """Return what its counters amount to."""
        return frozenset(
            {{InputSignal.VALUES: Features, InputSignal.MISSING: Rate, InputSignal.LENGTH: Mean}[config.signal]}
        )

    def of_inputs(self, config: InputsConfig) -> bool:  # noqa: ARG002  # all signals
        """It is what it is about."""
        return True

    def sliced(self, config: InputsConfig) -> bool:  # noqa: ARG002  # whatever is asked of them
        """The collector reads every request."""
        return True

    def fetch(self, config: InputsConfig, scope: Scope) -> Fetch:  # noqa: ARG002  # the page holds everything
        """Return what to get."""
        return Fetch(Origin.COLLECTORS)

    def parse(self, config: InputsConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:
        """Read the page of each collector that observes these versions."""
        arms = _observed.both(scope)
        if scope.stable and scope.arm == mirror_cluster(scope.revision):
            arms = {scope.stable: [scope.stable, scope.arm]}
        named = config.feature or (_WHOLE if config.signal is InputSignal.LENGTH else None)
        begin = f"in/{quote(named, safe='')}/" if named else "in/"
        return _observed.sample(answers, arms, lambda series: series.startswith(begin), at)

    def measure(self, config: InputsConfig, increments: Mapping[str, float], seconds: float) -> Measured:  # noqa: ARG002  # nothing is per second
        """Turn a window into the number that a limit is held against; a distribution has none."""
        measure = self.measure_arm(config, increments)
        match measure.tally if measure else None:
            case Rate(bad, total):
                return Measured(bad / total, round(total))
            case Mean(whole, total):
                return Measured(whole / total, round(total))
            case Features(_, requests):
                return Measured(None, round(requests))
            case _:
                return Measured(None, 0)

    def measure_arm(self, config: InputsConfig, increments: Mapping[str, float]) -> Measure | None:
        """Turn what was counted into a tally."""
        tally: Tally
        match config.signal:
            case InputSignal.VALUES:
                tally = _observed.features(increments)
            case InputSignal.MISSING:
                tally = _missing(increments)
            case InputSignal.LENGTH:
                tally = _lengths(increments)
        return Measure(tally) if tally.total > 0 else None


def _missing(increments: Mapping[str, float]) -> Rate:
    """Return how much of a request is missing: the share of its features, summed over requests."""
    looked = {series: count for series, count in increments.items() if series.endswith("/count")}
    missing = sum(count for series, count in increments.items() if series.endswith("/missing"))
    if not looked:
        return Rate(0.0, 0.0)
    total = sum(looked.values())
    return Rate(min(missing, total) / len(looked), total / len(looked))


def _lengths(increments: Mapping[str, float]) -> Mean:
    bins = [(series.partition("/at=")[2], count) for series, count in increments.items() if "/at=" in series]
    return Mean(sum(_observed.middle(float(upper)) * count for upper, count in bins), sum(count for _, count in bins))


PLUGIN = InputsSource()
