"""Trains every version of the demo's and the tests' models and writes each as a directory that MLServer serves.

python -m tests.demo.models.train DIRECTORY
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import joblib

from tests.demo.models import cells, digits
from tests.demo.models.releases import STOCK, Release, releases

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


def write(directory: Path, release: Release, **server: object) -> None:
    """Write one model directory, whose name is the model's version; keywords are settings of the server."""
    directory.mkdir(parents=True)
    joblib.dump(release.model, directory / "model.joblib")
    parameters = {"uri": "./model.joblib", "version": directory.name, "extra": dict(release.extra)}
    settings = {"name": release.name, "implementation": release.implementation, "parameters": parameters}
    (directory / "model-settings.json").write_text(json.dumps(settings, indent=2))
    (directory / "settings.json").write_text(json.dumps({**SERVER, **server}, indent=2))
    if release.implementation != STOCK:
        module = release.implementation.partition(".")[0]
        shutil.copy(Path(__file__).with_name(f"{module}.py"), directory)


def main(to: Path) -> None:
    """Train, say how good each model is on what nobody has seen, and write."""
    asked = {digits.NAME: digits.sent(), cells.NAME: cells.halves()[1::2]}
    for version, release in releases().items():
        write(to / version, release)
        samples, labels = asked[release.name]
        print(f"{version}: {release.model.score(samples, labels):.1%} of {len(samples)} {release.name} right")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
