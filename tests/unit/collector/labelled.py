"""Labels in few words: a store that remembers, and what it counted."""

from datetime import timedelta
from typing import Any

from modelrollout.collector.labels import Item, Labels, Outcome
from modelrollout.collector.prediction import Prediction
from modelrollout.domain.capture import Capture, Extraction, Kind, Labelled, Observed


def capture_of(kind: Kind = Kind.LABEL, percent: int = 100, **fields: Any) -> Capture:
    absolute = fields.pop("absolute", 0.0)
    output = Extraction(kind=kind, absolute=absolute)
    base = {"output": output, "within": timedelta(seconds=60)}
    return Capture(
        stable="old", candidate="new", observed=Observed(percent=percent), labelled=Labelled(**base | fields)
    )


def store(kind: Kind = Kind.LABEL, **fields: Any) -> Labels:
    labels = Labels()
    # What is captured beside copies is sampled by its own share; here nobody copies.
    capture = capture_of(kind, **fields)
    labels.configure(capture.model_copy(update={"candidate": None}))
    return labels


def said(*rows: Any) -> Prediction:
    return Prediction(rows=rows, length=len(rows))


def label(labels: Labels, request: str, value: object, now: float = 0.0) -> Outcome:
    (outcome,) = labels.take([Item(request, value)], now)
    return outcome


def event(labels: Labels, request: str, name: str, now: float = 0.0) -> Outcome:
    (outcome,) = labels.take([Item(request, event=name)], now)
    return outcome


def counted(labels: Labels, arm: str = "old", part: str = "") -> dict[str, float]:
    return {series: value for name, where, series, value in labels.rows() if (name, where) == (arm, part)}
