"""Handwritten digits for the demo: which ones the models learn from, and which the demo's client sends.

The UCI test set that ships with scikit-learn, 1797 images of 8 x 8 pixels, halved once by a fixed seed: no model has
seen an image that a client asks about, so that "right" and "wrong" in the demo mean what they would mean in production.

    python -m tests.demo.models.digits FILE

writes the client's half as V2 inference requests with the expected answer, one JSON object per line.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 20

Images = NDArray[np.float64]
Labels = NDArray[np.int64]


def halves() -> tuple[Images, Images, Labels, Labels]:
    """The images to learn from and those held out, then the labels of each."""
    images, labels = load_digits(return_X_y=True)
    learn, held_out, learn_labels, held_out_labels = train_test_split(
        images, labels, test_size=0.5, random_state=SEED, stratify=labels
    )
    return learn, held_out, learn_labels, held_out_labels


def requests() -> Iterator[dict[str, object]]:
    """The held-out images as requests of the V2 protocol, each with its true digit."""
    _, images, _, labels = halves()
    for image, label in zip(images, labels, strict=True):
        pixels = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [int(pixel) for pixel in image]}
        yield {"body": {"inputs": [pixels]}, "expect": [int(label)]}


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(request) + "\n" for request in requests())
