"""Golden examples: pinned requests whose right answer is known, what a model answered, and what is remembered of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from modelrollout.schema import ApiModel

MOST_EXAMPLES = 50
LONGEST_SHOWN = 200
"""Characters of an expected or a given answer that are kept."""
ABSENT: Any = object()
"""Stands for an expectation that is not made; null is one that can be."""


@dataclass(frozen=True)
class Sent:
    """What is sent to a model pod.

    Attributes:
        method: GET, POST or PUT.
        path: with its query, beginning with a slash.
        headers: beside those that every request has.
        body: empty: none.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP.
        body: as it was, decompressed.
        seconds: from the first byte sent to the last one received.
    """

    status: int
    body: bytes = b""
    seconds: float = 0.0


@dataclass(frozen=True)
class Tolerance:
    """Numbers that are near enough.

    Attributes:
        value: a number, or lists of them.
        absolute: so far apart at most.
        relative: or by so large a fraction of the expected number; the larger of both counts.
    """

    value: Any
    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class Example:
    """One golden example; of the last four at most one is set.

    Attributes:
        name: its key in the ConfigMap.
        sent: the request.
        status: HTTP status that is expected.
        path: where the prediction is in the answer's JSON; empty: the whole answer.
        equals: what it must be.
        tolerance: what it must be near.
        one_of: what it may be.
        schema: what form it must have.
    """

    name: str
    sent: Sent
    status: int = 200
    path: str = ""
    equals: Any = ABSENT
    tolerance: Tolerance | None = None
    one_of: tuple[Any, ...] = ()
    schema: Mapping[str, Any] | None = None


Shown = Annotated[str, Field(max_length=LONGEST_SHOWN)]


class ExampleResult(ApiModel):
    """What one golden example brought."""

    name: Annotated[str, Field(max_length=253)]
    """Key of the example in the ConfigMap."""
    ok: bool
    """The answer was the expected one."""
    expected: Shown
    """What was expected, shortened."""
    got: Shown
    """What was answered, shortened."""

    def words(self) -> str:
        """Return it for people."""
        return f"example {self.name}: expected {self.expected}, got {self.got}"


class GoldenRun(ApiModel):
    """The golden examples as they were last answered, in one visit of one stage."""

    config_map: Annotated[str, Field(max_length=253)]
    """Where they come from."""
    stage: Annotated[int, Field(ge=0)]
    """Index of the stage."""
    stage_label: Annotated[str, Field(max_length=63)]
    """The stage as people name it."""
    since: datetime
    """When that stage was entered: another visit asks anew."""
    at: datetime
    """When the last answer was judged."""
    before_traffic: bool
    """The candidate had got no requests and no copies until then."""
    passed: bool
    """No more examples failed than may."""
    total: Annotated[int, Field(ge=0)]
    """How many examples there are; after too many failures the rest is not sent."""
    examples: Annotated[tuple[ExampleResult, ...], Field(max_length=MOST_EXAMPLES)] = ()
    """Those that were answered, failed ones first."""

    @property
    def failed(self) -> tuple[ExampleResult, ...]:
        """Those whose answer was not the expected one."""
        return tuple(example for example in self.examples if not example.ok)

    def blame(self) -> str:
        """Return what went wrong, for people; empty when nothing did."""
        if not self.failed:
            return ""
        more = f"; {len(self.failed)} of {self.total} examples failed" if len(self.failed) > 1 else ""
        return f"{self.failed[0].words()}{more}"


@dataclass(frozen=True)
class Target:
    """A pod that gets probes.

    Attributes:
        uid: of the pod.
        name: of the pod.
        address: its IP.
    """

    uid: str
    name: str
    address: str


@dataclass(frozen=True)
class GoldenWants:
    """What is to be sent to the candidate's pods.

    Attributes:
        question: which visit of which stage of which attempt, and which ConfigMap; another one asks anew.
        namespace: of the ConfigMap.
        config_map: its name.
        pods: the candidate's Ready pods.
        port: where they answer.
        timeout: longest wait for one answer.
        failures: examples that may fail.
        examples: the examples are to be answered.
        warm_up: most requests that warm one pod; 0: none does.
    """

    question: str
    namespace: str
    config_map: str
    pods: tuple[Target, ...]
    port: int
    timeout: timedelta
    failures: int = 0
    examples: bool = True
    warm_up: int = 0


@dataclass(frozen=True)
class Probes:
    """What probing knows now.

    Attributes:
        question: what it was asked.
        at: when it last learnt anything.
        problem: why the examples cannot be read; empty: they can.
        total: how many examples there are; 0 before they were read.
        results: of those that were answered, in the order of the examples.
        silent: the last example that was not answered, and why; empty: none.
        warm: uids of pods whose latency is steady, or that have had all their requests.
        cold: how far the others are.
    """

    question: str
    at: datetime
    problem: str = ""
    total: int = 0
    results: tuple[ExampleResult, ...] = ()
    silent: str = ""
    warm: frozenset[str] = frozenset()
    cold: str = ""

    @property
    def failed(self) -> tuple[ExampleResult, ...]:
        """Those whose answer was not the expected one."""
        return tuple(result for result in self.results if not result.ok)
