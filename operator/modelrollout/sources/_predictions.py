"""What a metric of predictions can be asked, and which signals go with which kinds of predictions."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from modelrollout.domain.capture import Extraction, Kind, Path
from modelrollout.schema import ApiModel, Rule


class Signal(StrEnum):
    """What can be measured."""

    AGREEMENT = "agreement"
    KAPPA = "kappa"
    ERRORS = "errors"
    EMPTY = "empty"
    INVALID_JSON = "invalidJson"
    REFUSALS = "refusals"
    DIFFERENCE = "difference"
    BIAS = "bias"
    LENGTH = "length"
    FINISH_REASONS = "finishReasons"
    CLASSES = "classes"


KINDS = {
    Signal.KAPPA: Kind.LABEL,
    Signal.CLASSES: Kind.LABEL,
    Signal.DIFFERENCE: Kind.NUMBER,
    Signal.BIAS: Kind.NUMBER,
    Signal.INVALID_JSON: Kind.TEXT,
    Signal.REFUSALS: Kind.TEXT,
    Signal.FINISH_REASONS: Kind.TEXT,
}
"""Signals that only one kind of prediction has."""


def _kind(config: "PredictionsConfig") -> Kind:
    return config.kind or KINDS.get(config.signal, Kind.LABEL)


def _signals(kind: Kind) -> list[str]:
    return [str(signal) for signal, needed in KINDS.items() if needed is kind]


def _signal_of(kind: Kind) -> Rule:
    """Return the rule that signals which only one kind has stand beside no other."""
    return Rule(
        lambda config: KINDS.get(config.signal) is not kind or _kind(config) is kind,
        f"!has(self.kind) || self.kind == '{kind}' || !(self.signal in {_signals(kind)})",
        f"has no {' and no '.join(_signals(kind))}. Write {kind}, or leave kind out.",
        "kind",
    )


def _option_of(option: str, kind: Kind) -> Rule:
    """Return the rule that an option stands beside no other kind than the one that has it."""
    return Rule(
        lambda config: getattr(config, option) is None or _kind(config) is kind,
        f"!has(self.{option}) || (has(self.kind) ? self.kind == '{kind}' : self.signal in {_signals(kind)})",
        f"is for predictions of kind {kind}. Write kind: {kind}, or leave it out.",
        option,
    )


class Tolerance(ApiModel):
    """How far apart two numbers may be and still agree; the larger of both counts."""

    absolute: Annotated[float, Field(ge=0)] = 0.0
    """So much."""
    relative: Annotated[float, Field(ge=0)] = 0.0
    """This fraction of stable's number: 0.01 is 1 %."""


class PredictionsConfig(ApiModel):
    """What both versions answer to the same requests: each copied request is answered by stable and by the candidate.

    It is measured while requests are copied (`shadow`), and by the router envoy alone. Requests that are not copied, streams
    and answers that are no JSON are not compared.
    """

    signal: Signal = Signal.AGREEMENT
    """agreement: how much of a request's predictions are the same, from 0 to 1.
    kappa: Cohen's kappa, agreement beyond what chance makes of such labels: 1 is all of it, 0 none.
    errors: share of answers that are no success; empty: without a prediction; invalidJson: text that is no JSON;
    refusals: text that refuses to answer. All four as fractions of 1, counted request by request against stable.
    difference: 99th percentile of the largest difference between two numbers of a request. bias: mean of candidate − stable.
    length: mean number of characters of a text, of entries of a ranking, or of predictions.
    finishReasons, classes: shares of what an answer of protocol openAI ends with, and of the labels."""
    path: Path | None = None
    """Where the prediction is in an answer's JSON, such as outputs[0].data or choices[0].message.content.
    Absent: where the protocol (model.protocol) has it."""
    kind: Kind | None = None
    """What a prediction is. label: equal or not. number: equal within the tolerance. text: equal but for case, white space and
    Unicode form. ranking: the overlap of the first entries. Absent: what the signal needs, otherwise label."""
    tolerance: Tolerance | None = None
    """For numbers. Absent: they agree when they are equal."""
    exact: bool | None = None
    """For texts: they agree only when every character does."""
    top: Annotated[int, Field(ge=1, le=100)] | None = None
    """For rankings: how many of the first entries are compared; 10 when absent."""

    rules = (
        *(_signal_of(kind) for kind in dict.fromkeys(KINDS.values())),
        _option_of("tolerance", Kind.NUMBER),
        _option_of("exact", Kind.TEXT),
        _option_of("top", Kind.RANKING),
    )

    def extraction(self) -> Extraction:
        """Return what the collector is to compare for this metric."""
        tolerance = self.tolerance or Tolerance()
        return Extraction(
            path=self.path,
            kind=_kind(self),
            absolute=tolerance.absolute,
            relative=tolerance.relative,
            exact=bool(self.exact),
            top=self.top or Extraction().top,
        )
