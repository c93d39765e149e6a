"""What requests ask and what is answered, measured of every request that is looked at, whether or not it is copied."""

from typing import Annotated

from pydantic import Field

from modelrollout.domain.capture import Extraction, Feature, FeatureKind, Kind, Observed, Path, Share
from modelrollout.schema import ApiModel, Rule

MOST_FEATURES = 20
OURS = ("bytes", "length")

Bound = Annotated[float, Field(ge=-1e15, le=1e15)]
FeatureName = Annotated[
    str,
    # As tensors and columns are called: `x[3]` is the fourth column of tensor x.
    Field(max_length=63, pattern=r"^[a-zA-Z0-9_]([-_.a-zA-Z0-9]|\[[0-9]{1,3}\])*$"),
    Rule(
        lambda name: name not in OURS,
        f"!(self in {list(OURS)})",
        "is measured of every request anyway. Leave it out, or choose another name.",
    ),
]


class InputFeature(ApiModel):
    """One thing that is measured of each request."""

    name: FeatureName
    """How it is called in series and messages. Without a path, what the protocol calls it: a tensor, a column of one such as
    x[3], a key of the instances, or prompt and messages of protocol openAI."""
    path: Path | None = None
    """Where it is in the request's JSON, such as instances[*].age. Absent: where the protocol has what is called so."""
    kind: FeatureKind = FeatureKind.NUMBER
    """number: counted in bins. category: told apart by value, the first twenty. length: how long a text, a list or a tensor is.
    image: how bright it is, and its shape."""
    low: Bound | None = None
    """With high: numbers are counted in twenty bins of equal width between both, and one on either side. Absent: in bins that
    grow by a quarter each, from 0.001 to 1000000 on both sides of 0."""
    high: Bound | None = None
    """The other end."""

    rules = (
        Rule(
            lambda one: (one.low is None) == (one.high is None),
            "has(self.low) == has(self.high)",
            "has one end of its bins alone. Write both, low and high, or none.",
        ),
        Rule(
            lambda one: one.low is None or one.high is None or one.low < one.high,
            "!has(self.low) || !has(self.high) || self.low < self.high",
            "must be below high. Write the smaller end first.",
            "low",
        ),
        Rule(
            lambda one: one.low is None or one.kind is not FeatureKind.CATEGORY,
            "!has(self.low) || !has(self.kind) || self.kind != 'category'",
            "is for numbers, and categories are not counted in bins. Leave it out.",
            "low",
        ),
    )


class Output(ApiModel):
    """What a prediction is."""

    path: Path | None = None
    """Where it is in an answer's JSON, such as outputs[0].data. Absent: where the protocol has it."""
    kind: Kind = Kind.LABEL
    """label: counted by class. number: in bins. text: its length, in bins. ranking: its first entry, as a class."""


class Inputs(ApiModel):
    """Inputs and outputs of all requests, measured in the router without touching the model."""

    percent: Share = 10
    """Percent of the requests that are looked at, chosen by a hash of the request's id. Of copied requests it is
    predictions.percent."""
    features: Annotated[
        tuple[InputFeature, ...],
        Field(
            max_length=MOST_FEATURES,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    """What is measured of requests. Absent: the first twenty features that they are found to have; texts among them are told by
    a hash."""
    output: Output | None = None
    """What a prediction is. Absent: a label, where the protocol has it."""

    def observed(self, *, somewhere: bool) -> Observed:
        """Return what the collector is to measure.

        Args:
            somewhere: the protocol has a place for predictions.
        """
        output = self.output or (Output() if somewhere else None)
        return Observed(
            percent=self.percent,
            features=tuple(Feature(**feature.model_dump()) for feature in self.features),
            output=Extraction(path=output.path, kind=output.kind) if output is not None else None,
        )
