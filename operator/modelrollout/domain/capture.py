"""What is captured of copied requests: how a prediction is found in an answer, and which part of the traffic a request is.

The router renders it into its ConfigMap, the collector obeys it, and the source names the counters by it.

What a path is says ``jsonpath.py``.

The collector lists the series ``pairs`` of every extraction from its first page on, even when it is 0: an extraction that the
page does not name is one that the collector has not heard of.
"""

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.domain.jsonpath import PATH_PATTERN
from modelrollout.schema import ApiModel, Duration

CAPTURE_FILE = "capture.json"
"""Key of the router's ConfigMap, and file beside Envoy's, that holds a :class:`Capture`."""

PLAIN = "x-request-id"
"""Among the headers that a route asks for: its requests are not copied. Every captured request has this one, so it is there in
what the collector is told of the answer, and a filter that runs already needs no new text for it."""
LONGEST_CLASS = 32
"""Characters of a label in the name of a series."""
LABELS_PORT = 9905
"""Port of a router's pod on which labels are taken, and of the Service that finds all of them."""
LABELS_TOKEN = "/etc/labels/token"  # noqa: S105  # where it is, not what it says
"""File in a router's pod that holds the token of those who may send labels."""
LABELS_HOST = "MODELROLLOUT_LABELS_HOST"
"""Environment variable that names the Service by which routers find one another."""
BINS_PER_DECADE = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
"""The R10 series of preferred numbers (ISO 3): bins whose upper bounds grow by a quarter."""
DIFFERENCES = (*(float(f"{digit}e{power}") for power in range(-6, 6) for digit in (1, 2, 5)), 1e6)
"""Finite bounds up to which differences between numbers are counted."""

Share = Annotated[int, Field(ge=1, le=100)]
Path = Annotated[str, Field(min_length=1, max_length=256, pattern=PATH_PATTERN)]
Name = Annotated[str, Field(max_length=63)]


class Protocol(StrEnum):
    """What a model server speaks."""

    OPEN_INFERENCE = "openInference"
    KSERVE_V1 = "kserveV1"
    OPEN_AI = "openAI"
    HTTP = "http"


class Kind(StrEnum):
    """What a prediction is, and so how two of them are compared."""

    LABEL = "label"
    NUMBER = "number"
    TEXT = "text"
    RANKING = "ranking"


class Extraction(ApiModel):
    """Where the prediction is in an answer, and when two of them agree."""

    path: Path | None = None
    """Where it is in the answer's JSON, such as outputs[0].data; absent: where the protocol has it."""
    kind: Kind = Kind.LABEL
    """label, number, text or ranking."""
    absolute: Annotated[float, Field(ge=0)] = 0.0
    """Numbers that differ by at most so much agree."""
    relative: Annotated[float, Field(ge=0)] = 0.0
    """So do numbers that differ by at most this fraction of stable's; the larger of both counts."""
    exact: bool = False
    """Texts must be the same in every character; otherwise case, white space and Unicode form do not count."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """How many of the first entries of a ranking are compared."""

    @property
    def key(self) -> str:
        """Eight characters that name its counters: another extraction begins with counters of its own."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


class FeatureKind(StrEnum):
    """What a feature of a request is."""

    NUMBER = "number"
    """Numbers, counted in bins."""
    CATEGORY = "category"
    """Values that are told apart; the first twenty by name, the others as other."""
    LENGTH = "length"
    """How long it is: characters of a text, entries of a list, numbers of a tensor."""
    IMAGE = "image"
    """An image, or a tensor that is one: its mean brightness in bins, and its shape as a category."""


class Feature(ApiModel):
    """One thing that is measured of each request."""

    name: Name
    """How it is called in series and messages."""
    path: Path | None = None
    """Where it is in the request's JSON; absent: where the protocol has its inputs."""
    kind: FeatureKind = FeatureKind.NUMBER
    """number, category, length or image."""
    low: float | None = None
    """With ``high``: numbers are counted in twenty bins of equal width between both, and one on either side."""
    high: float | None = None
    """Likewise. Without both the bins are those of :data:`BINS_PER_DECADE`, on both sides of 0."""


class Observed(ApiModel):
    """What is measured of requests and answers, whoever answered them: no copy is needed for it."""

    percent: Share = 10
    """Of the requests that are not copied, chosen by a hash of their id. Of copied ones ``Capture.percent`` are looked at."""
    features: Annotated[tuple[Feature, ...], Field(max_length=20)] = ()
    """What to measure of requests; empty: what is found in the first ones, the first twenty features by name."""
    output: Extraction | None = None
    """What a prediction is, for the distribution of outputs; None: outputs are not measured."""


class Labelled(ApiModel):
    """What becomes of labels and events that come later."""

    output: Extraction
    """What a prediction is, which a label is held against."""
    kept: Annotated[int, Field(ge=100, le=200_000)] = 20_000
    """Requests that each router pod remembers, so that a label finds its prediction."""
    groups: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    """Parts of the traffic that are compared for fairness."""
    positive: Name | None = None
    """The label that is a good outcome for a person, for fairness."""
    within: Duration = timedelta(minutes=1)
    """An event counts if it comes so soon after the answer; a request counts for events when this time is over."""
    rate: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Labels and events a second that are taken; what comes beyond is refused with 429."""


class Part(ApiModel):
    """One part of the traffic: requests whose header, or value in the body, is what is written here."""

    name: Name
    """The part's name, such as light=dark."""
    header: Annotated[str, Field(max_length=63)] | None = None
    """Request header that says it, in lower case."""
    path: Path | None = None
    """Where it is in the request's JSON; exactly one of header and path is set."""
    value: Annotated[str, Field(max_length=256)] | None = None
    """What it must be, as text; with ``hashed`` the first 16 hex characters of its SHA-256."""
    low: float | None = None
    """A number that is at least this."""
    high: float | None = None
    """A number that is below this."""
    hashed: bool = False
    """``value`` is a hash."""


class Capture(ApiModel):
    """What the collector of one router pod does."""

    stable: Name | None = None
    """The revision that answers; None while nothing is compared."""
    candidate: Name | None = None
    """The revision that gets copies."""
    protocol: Protocol = Protocol.HTTP
    """What both speak."""
    percent: Share = 100
    """Of the copied requests, chosen by a hash of their id."""
    baseline: Share | None = None
    """Percent of the copied requests that are copied to stable as well, so that its noise is known; None: none."""
    parts: Annotated[tuple[Part, ...], Field(max_length=20)] = ()
    """Parts of the traffic."""
    extractions: Annotated[tuple[Extraction, ...], Field(max_length=64)] = ()
    """What to compare."""
    keep_bodies: bool = False
    """Examples hold both predictions; otherwise only the request's id."""
    redact: Annotated[tuple[Path, ...], Field(max_length=32)] = ()
    """Paths whose values are replaced before an example is kept."""
    observed: Observed | None = None
    """What is measured of all requests; None: nothing."""
    labelled: Labelled | None = None
    """What becomes of labels; None: none are taken."""
