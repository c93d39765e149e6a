"""Trains the demo's four models and writes each as a directory that MLServer serves.

v1 is what an early product has: a linear model that saw few examples. v2 is honestly better. v3 holds the very weights
of v2 but its serving code is broken, the commonest way for a good model to be a bad release. v4 is another good one.

    python -m tests.demo.models.train DIRECTORY
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Protocol, Self

import joblib
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

from tests.demo.models.digits import Images, Labels, halves

FEW = 200
"""How many examples v1 has seen."""

SERVER = {
    "host": "0.0.0.0",
    "http_port": 8080,
    "grpc_port": 8081,
    "metrics_port": 8082,
    # Inference takes less time than handing it to another process.
    "parallel_workers": 0,
    # Debug mode writes a log line per request.
    "debug": False,
}

STOCK = "mlserver_sklearn.SKLearnModel"


class Classifier(Protocol):
    """As much of scikit-learn as is needed here."""

    def fit(self, images: Images, labels: Labels) -> Self: ...

    def score(self, images: Images, labels: Labels) -> float: ...


def write(directory: Path, model: Classifier, implementation: str = STOCK, **extra: object) -> None:
    """Write one model directory; its name is the model's version."""
    directory.mkdir(parents=True)
    joblib.dump(model, directory / "model.joblib")
    parameters = {"uri": "./model.joblib", "version": directory.name, "extra": extra}
    settings = {"name": "digits", "implementation": implementation, "parameters": parameters}
    (directory / "model-settings.json").write_text(json.dumps(settings, indent=2))
    (directory / "settings.json").write_text(json.dumps(SERVER, indent=2))


def main(to: Path) -> None:
    """Train, say how good each model is on the images nobody has seen, and write."""
    images, held_out, labels, held_out_labels = halves()
    v1 = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000)).fit(images[:FEW], labels[:FEW])
    v2 = SVC(gamma=0.001, C=10).fit(images, labels)
    v4 = SVC(kernel="poly", gamma=0.001).fit(images, labels)

    write(to / "v1", v1)
    write(to / "v2", v2)
    write(to / "v3", v2, "flaky.FlakyModel", error_rate=0.2)
    shutil.copy(Path(__file__).with_name("flaky.py"), to / "v3")
    write(to / "v4", v4)
    for name, model in (("v1", v1), ("v2", v2), ("v3", v2), ("v4", v4)):
        print(f"{name}: {model.score(held_out, held_out_labels):.1%} of {len(held_out)} held-out digits right")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
