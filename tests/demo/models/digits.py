"""Handwritten digits for the demo: which ones the models learn from, and which the demo's client sends.

The UCI test set that ships with scikit-learn, 1797 images of 8 x 8 pixels, halved once by a fixed seed: no model has
seen an image that a client asks about, so that "right" and "wrong" in the demo mean what they would mean in production.
All images that models learn from are well lit; one in ten that the client sends is not, and the client says so.

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
NAME = "digits"
DARK_EVERY = 10
"""Every so many-th image of a client is taken in bad light."""
EXPOSURE = 0.2
"""How much of the light is left then."""
HALF_LIGHT = 8
"""An image whose brightest pixel is below is dark; pixels go to 16."""

Images = NDArray[np.float64]
Labels = NDArray[np.int64]


def halves() -> tuple[Images, Images, Labels, Labels]:
    """The images to learn from and those held out, then the labels of each."""
    images, labels = load_digits(return_X_y=True)
    learn, held_out, learn_labels, held_out_labels = train_test_split(
        images, labels, test_size=0.5, random_state=SEED, stratify=labels
    )
    return learn, held_out, learn_labels, held_out_labels


def sent() -> tuple[Images, Labels]:
    """The held-out images as the client has them, some of them dark, and their labels."""
    _, images, _, labels = halves()
    dark = np.arange(len(images)) % DARK_EVERY == DARK_EVERY - 1
    return np.where(dark[:, None], np.floor(images * EXPOSURE), images), labels


def light(image: Images) -> str:
    """Say what a client sees without knowing any answer: in which light the image was taken."""
    return "dark" if image.max() < HALF_LIGHT else "bright"


def body(image: Images) -> dict[str, object]:
    """One image as a request of the V2 protocol."""
    return {
        "inputs": [{"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": [int(pixel) for pixel in image]}]
    }


def requests() -> Iterator[dict[str, object]]:
    """The client's images as requests, each with the header that says its light, and its true digit."""
    for image, label in zip(*sent(), strict=True):
        yield {"body": body(image), "headers": {"x-light": light(image)}, "expect": [int(label)]}


if __name__ == "__main__":
    with Path(sys.argv[1]).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(request) + "\n" for request in requests())
