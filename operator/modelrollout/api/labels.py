"""How labels and events are taken: who may send them, what they are held against, and how long a step waits for them."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from modelrollout.domain.capture import Extraction, Kind, Path
from modelrollout.domain.capture import Labelled as Captured
from modelrollout.names import SUBDOMAIN_PATTERN
from modelrollout.schema import ApiModel, AtLeastASecond, Duration, Rule
from modelrollout.sources._predictions import Tolerance

_DEFAULT = Captured(output=Extraction())
_HOUR = timedelta(hours=1)


class TokenSecret(ApiModel):
    """A token in a Secret of the same namespace. It is mounted into the router's pods; the operator never reads it."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=SUBDOMAIN_PATTERN)]
    """Name of the Secret. While it is not there, no labels are taken."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] = "token"
    """Key in it whose value is the token."""


class Output(ApiModel):
    """What a label is held against."""

    path: Path | None = None
    """Where the prediction is in an answer's JSON, such as outputs[0].data. Absent: where model.protocol has it."""
    kind: Annotated[Kind, Field(json_schema_extra={"enum": ["label", "number"]})] = Kind.LABEL
    """label: right when it is equal. number: right when it is within the tolerance of the label."""
    tolerance: Tolerance | None = None
    """For numbers: how far from the label a right prediction may be; relative is to the label. Absent: it must be equal."""

    rules = (
        Rule(
            lambda output: output.kind in (Kind.LABEL, Kind.NUMBER),
            "!has(self.kind) || self.kind in ['label', 'number']",
            "cannot be held against a label. Write label or number.",
            "kind",
        ),
        Rule(
            lambda output: output.tolerance is None or output.kind is Kind.NUMBER,
            "!has(self.tolerance) || (has(self.kind) && self.kind == 'number')",
            "is for predictions of kind number. Write kind: number, or leave it out.",
            "tolerance",
        ),
    )

    def extraction(self) -> Extraction:
        """Return what the collector finds in answers."""
        tolerance = self.tolerance or Tolerance()
        return Extraction(path=self.path, kind=self.kind, absolute=tolerance.absolute, relative=tolerance.relative)


class Wait(ApiModel):
    """How long a step waits for labels, which come late by nature."""

    min: Annotated[int, Field(ge=1, le=1_000_000)] = 50
    """Labels of the candidate that a metric of labels needs in a step."""
    max_age: AtLeastASecond
    """How long a step waits for them, from the moment when its route was in place. Then it goes on without: the metric is shown
    as ignored, and labels that come later still take the candidate back, in later steps and in the bake."""


class Labels(ApiModel):
    """What would have been right, and what people did with the answer, told later by the id of the request."""

    token_secret: TokenSecret
    """What who sends labels must show: the token of `Authorization: Bearer`."""
    output: Output = Field(default_factory=Output)
    """What a label is held against."""
    kept: Annotated[int, Field(ge=100, le=200_000)] = _DEFAULT.kept
    """Requests that each router remembers. How far back a label finds its request is this number divided by the requests per
    second that are looked at; `explain` prints it."""
    within: Annotated[
        Duration,
        Rule(
            lambda value: timedelta(seconds=1) <= value <= _HOUR,
            "!self.contains('d') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",
            "is no time in which an event may come. Write 1s to 1h.",
        ),
    ] = _DEFAULT.within
    """How soon after the answer an event must come to count. A request counts for events when this time is over."""
    groups: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=20)], ...], Field(max_length=20)] = ()
    """Names of slices whose parts are compared for fairness. The values may be hashed."""
    positive: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The label that is a good outcome for a person, for fairness."""
    wait: Wait | None = None
    """How long a step waits for labels. Absent: as for every metric without a number, see onNoData."""
    rate: Annotated[int, Field(ge=1, le=100_000)] = _DEFAULT.rate
    """Labels and events a second that each router takes; what comes beyond is asked to come later."""

    rules = (
        Rule(
            lambda labels: bool(labels.groups) == (labels.positive is not None),
            "(has(self.groups) && self.groups.size() > 0) == has(self.positive)",
            "stands beside groups: fairness needs groups, and what is good for them. Write both, or neither.",
            "positive",
        ),
    )
