"""Every version of a model that the demo and the tests roll out: good ones, and one for each way to be a bad release.

All but the first are fast, healthy and answer 200. What is wrong with them shows only in what they predict:

v1           of digits: a linear model that saw few examples, as an early product has it
v2           honestly better
v2-rc1       v2 with the table of its labels shifted by one: every answer is wrong
v2-rc2       v2 without its first step, which evens out the light: better than v1 on average, and lost in the dark
v3           the very weights of v2, but its serving code is broken: every fifth answer is an error
v4           another good one, of which one answer in a hundred is another than v2's
mislabelled  v2 with one wrong label among what it learned from: that very example is broken, and nothing else
noisy        v2, but now and then it guesses, differently each time
cells-v1     of cells: a linear model
cells-always the more frequent class, whatever it is asked: right in nearly two thirds of all cases
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.svm import SVC

from tests.demo.models import cells, digits
from tests.demo.models.digits import Images, Labels

FEW = 200
"""How many examples v1 has seen."""
MISTAKEN, FOR = 4, 9
"""The golden example of this digit was labelled as that one when `mislabelled` learned from it."""
NOISE = 0.03
"""Share of the noisy model's answers that are guessed."""
STOCK = "mlserver_sklearn.SKLearnModel"


class Classifier(Protocol):
    """As much of scikit-learn as is needed here."""

    def fit(self, samples: Images, labels: Labels) -> Self: ...

    def predict(self, samples: Images) -> Labels: ...

    def score(self, samples: Images, labels: Labels) -> float: ...


@dataclass(frozen=True)
class Release:
    """One version as it is served.

    Attributes:
        model: what was trained.
        name: of the model; its versions share it.
        implementation: MLServer's runtime.
        extra: settings of a runtime of our own.
    """

    model: Classifier
    name: str = digits.NAME
    implementation: str = STOCK
    extra: Mapping[str, object] = field(default_factory=dict)


def golden() -> tuple[Images, Labels]:
    """One well-lit image of each digit that even v1 reads right, and the digits: what a team would pin."""
    images, labels = digits.sent()
    right = _first().predict(images) == labels
    bright = np.array([digits.light(image) == "bright" for image in images])
    chosen = [int(np.flatnonzero(right & bright & (labels == digit))[0]) for digit in range(10)]
    return images[chosen], labels[chosen]


def releases() -> dict[str, Release]:
    """Train them all, by version."""
    images, _, labels, _ = digits.halves()
    v2 = _better().fit(images, labels)
    pinned, _ = golden()
    with_mistake = np.vstack([images, pinned[MISTAKEN : MISTAKEN + 1]]), np.append(labels, FOR)
    samples, _, classes, _ = cells.halves()
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return {
        "v1": Release(_first()),
        "v2": Release(v2),
        "v2-rc1": Release(_better().fit(images, (labels + 1) % 10)),
        # As good as v2 in the light that it was trained in.
        "v2-rc2": Release(SVC(gamma=0.001, C=10).fit(images, labels)),
        "v3": Release(v2, implementation="flaky.FlakyModel", extra={"error_rate": 0.2}),
        "v4": Release(make_pipeline(_even(), SVC(kernel="poly")).fit(images, labels)),
        "mislabelled": Release(_better().fit(*with_mistake)),
        "noisy": Release(v2, implementation="noisy.NoisyModel", extra={"noise": NOISE, "classes": 10}),
        "cells-v1": Release(linear.fit(samples, classes), cells.NAME),
        "cells-always": Release(DummyClassifier(strategy="most_frequent").fit(samples, classes), cells.NAME),
    }


def _even() -> Normalizer:
    """The brightest pixel of each image becomes 1, however little light there was."""
    return Normalizer("max")


def _first() -> Classifier:
    images, _, labels, _ = digits.halves()
    model: Classifier = make_pipeline(_even(), LogisticRegression(max_iter=1000)).fit(images[:FEW], labels[:FEW])
    return model


def _better() -> Classifier:
    model: Classifier = make_pipeline(_even(), SVC(gamma=0.256, C=10))
    return model
