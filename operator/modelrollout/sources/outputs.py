"""What each version answers, of all requests and not only of copies: how its predictions are distributed, and how many are empty.

Unlike ``predictions`` it needs no copies and compares no pairs: each version answers requests of its own.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from modelrollout.domain.capability import Capability
from modelrollout.domain.reading import Sample
from modelrollout.domain.tally import Features, Measure, Rate, Tally
from modelrollout.schema import ApiModel
from modelrollout.sources import _observed
from modelrollout.sources._base import Fetch, Measured, Origin, Scope, Source

PREDICTION = "prediction"
"""The one feature that answers have."""


class OutputSignal(StrEnum):
    """What can be measured of answers."""

    VALUES = "values"
    EMPTY = "empty"


class OutputsConfig(ApiModel):
    """What each version answers, whoever asked: what a prediction is, `analysis.inputs.output` says.

    It is measured of a part of all requests, with or without copies, and by the router envoy alone.
    """

    signal: OutputSignal = OutputSignal.VALUES
    """values: how predictions are distributed; judged by drift. empty: share of answers without a prediction, as a fraction
    of 1."""


class OutputsSource(Source[OutputsConfig]):
    """Reads what the collector beside each router has observed; series are named as in ``_observed.py``."""

    name = "outputs"
    config = OutputsConfig
    needs = frozenset({Capability.CAPTURE})

    def fraction(self, config: OutputsConfig) -> bool:
        """Empty answers are a share."""
        return config.signal is OutputSignal.EMPTY

    def forms(self, config: OutputsConfig) -> frozenset[type]:
        """Return what its counters amount to."""
        return frozenset({Rate if config.signal is OutputSignal.EMPTY else Features})

    def sliced(self, config: OutputsConfig) -> bool:  # noqa: ARG002  # whatever is asked of them
        """The collector reads every request."""
        return True

    def fetch(self, config: OutputsConfig, scope: Scope) -> Fetch:  # noqa: ARG002  # the page holds everything
        """Return what to get."""
        return Fetch(Origin.COLLECTORS)

    def parse(self, config: OutputsConfig, scope: Scope, answers: Mapping[str, Any], at: datetime) -> Sample:  # noqa: ARG002  # both signals
        """Read the page of each collector that observes these versions."""
        return _observed.sample(answers, _observed.both(scope), lambda series: series.startswith("out/"), at)

    def measure(self, config: OutputsConfig, increments: Mapping[str, float], seconds: float) -> Measured:  # noqa: ARG002  # nothing is per second
        """Turn a window into the number that a limit is held against; a distribution has none."""
        measure = self.measure_arm(config, increments)
        match measure.tally if measure else None:
            case Rate(bad, total):
                return Measured(bad / total, round(total))
            case Features(_, requests):
                return Measured(None, round(requests))
            case _:
                return Measured(None, 0)

    def measure_arm(self, config: OutputsConfig, increments: Mapping[str, float]) -> Measure | None:
        """Turn what was counted into a tally."""
        tally: Tally
        answers = increments.get("out/count", 0.0)
        if config.signal is OutputSignal.EMPTY:
            tally = Rate(min(increments.get("out/empty", 0.0), answers), answers)
        else:
            values = {series[4:]: count for series, count in increments.items() if "=" in series}
            found = _observed.distribution(values, answers)
            requests = increments.get(_observed.REQUESTS, answers)
            tally = Features({PREDICTION: found} if found.total > 0 else {}, requests)
        return Measure(tally) if tally.total > 0 else None


PLUGIN = OutputsSource()
