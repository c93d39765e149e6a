"""Cells of breast tissue: the tests' second data set, also one that ships with scikit-learn.

569 samples of 30 measurements, halved by a fixed seed. Class 0 is malignant and 1, nearly two thirds, benign: here a
model that knows nothing but the more frequent answer is right more often than not, which is why its accuracy says little.
"""

from __future__ import annotations

from collections.abc import Iterator

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from tests.demo.models.digits import SEED, Images, Labels

NAME = "cells"


def halves() -> tuple[Images, Images, Labels, Labels]:
    """The samples to learn from and those held out, then the classes of each."""
    samples, classes = load_breast_cancer(return_X_y=True)
    learn, held_out, learn_classes, held_out_classes = train_test_split(
        samples, classes, test_size=0.5, random_state=SEED, stratify=classes
    )
    return learn, held_out, learn_classes, held_out_classes


def body(sample: Images) -> dict[str, object]:
    """One sample as a request of the V2 protocol."""
    return {"inputs": [{"name": "cell", "shape": [1, 30], "datatype": "FP64", "data": sample.tolist()}]}


def requests() -> Iterator[dict[str, object]]:
    """The held-out samples as requests, each with its true class."""
    _, samples, _, classes = halves()
    for sample, label in zip(samples, classes, strict=True):
        yield {"body": body(sample), "expect": [int(label)]}
