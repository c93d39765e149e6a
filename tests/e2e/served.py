"""Releases of the demo's models behind a real model server, as spec and as traffic."""

from tests.demo.models import cells, digits
from tests.demo.models.releases import releases
from tests.demo.objects import pods


def served(image, version, data):
    """Return the spec of one release behind MLServer."""
    model = {"name": data.NAME, "version": version, "protocol": "openInference"}
    return {"template": pods(image, version, data.NAME), "model": model, "replicas": 1}


def expected(data, version):
    """Return a client's requests, each with what this very release says: whatever else a client gets is wrong."""
    requests = list(data.requests())
    samples = digits.sent()[0] if data is digits else cells.halves()[1]
    said = releases()[version].model.predict(samples).tolist()
    return [{**request, "expect": [label]} for request, label in zip(requests, said, strict=True)]
