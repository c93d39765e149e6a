"""KServe's own Python server with models of the tests; runs in the environment of requirements/kserve-py311.txt.

    python kserve_server.py PORT NAME=FILE ...

What a team writes around its model, and all of it: the rest is the server's.
"""

import sys
from typing import Any

import joblib
from kserve import Model, ModelServer


class Sklearn(Model):  # type: ignore[misc]  # KServe is not installed where mypy runs
    """Any model that scikit-learn has written."""

    def __init__(self, name: str, file: str) -> None:
        super().__init__(name)
        self.model = joblib.load(file)
        self.ready = True

    def predict(self, payload: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        """Answer in the words of the V1 protocol."""
        return {"predictions": self.model.predict(payload["instances"]).tolist()}


if __name__ == "__main__":
    port, *models = sys.argv[1:]
    server = ModelServer(http_port=int(port), enable_grpc=False, workers=1)
    server.start([Sklearn(*model.split("=")) for model in models])
