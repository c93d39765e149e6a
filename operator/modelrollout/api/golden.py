"""The part of the spec that asks the candidate pinned questions before anybody else does."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from modelrollout.names import SUBDOMAIN_PATTERN
from modelrollout.schema import ApiModel, Duration, Rule

GATE = "golden"
"""Name of the gate; no metric may have it."""
MOST_FAILURES = 49

NOT_OURS = Rule(
    lambda name: name != GATE,
    f"self != '{GATE}'",
    "is the name of the gate of golden examples. Choose another name.",
)
"""Of the name of a metric."""

ProbeTimeout = Annotated[
    Duration,
    Rule(
        lambda value: timedelta(seconds=1) <= value <= timedelta(minutes=10),
        # Go's durations have no days.
        "!self.contains('d') && duration(self) >= duration('1s') && duration(self) <= duration('10m')",
        "is no wait for one answer. Write 1s to 10m.",
    ),
]


class WarmUp(ApiModel):
    """Requests that only warm a pod; their answers are discarded."""

    requests: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Most requests for one pod. It is warm sooner when its latency is steady: the median of the last five within 20 % of that
    of the five before."""


class Golden(ApiModel):
    """Pinned requests with known answers, sent to the candidate before it gets any traffic and again in each later stage."""

    config_map: Annotated[str, Field(max_length=253, pattern=SUBDOMAIN_PATTERN)]
    """Name of the ConfigMap in the same namespace; each key of its data is one example."""
    failures: Annotated[int, Field(ge=0, le=MOST_FAILURES)] = 0
    """Examples that may fail; one more takes the candidate back."""
    timeout: ProbeTimeout = timedelta(seconds=10)
    """Longest wait for one answer. No answer is no failure: it is asked again, as long as progressDeadline lets it."""
    warm_up: WarmUp | None = None
    """Send the same requests to each Ready pod until it is warm, before it gets traffic. Absent: pods are not warmed."""
