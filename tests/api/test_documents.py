"""What `validate` reads from a file is what kubectl reads from it."""

import json
import subprocess
from pathlib import Path

from modelrollout.cli.documents import read_documents
from tests.cluster.build import program

FILE = Path(__file__).parents[1] / "data" / "scalars.yaml"


def typed(value):
    """With its type: for Python True is 1."""
    return [typed(item) for item in value] if isinstance(value, list) else (isinstance(value, bool), value)


def test_plain_scalars_mean_what_they_mean_to_kubectl(tmp_path):
    local = [program("kube"), "kubectl", "annotate", "--local", "--output=json", "-f", FILE, "a=b"]
    done = subprocess.run(
        local, check=True, capture_output=True, text=True, env={"HOME": str(tmp_path), "KUBECONFIG": "/dev/null"}
    )
    (ours,) = read_documents(str(FILE))
    assert typed(ours["spec"]) == typed(json.loads(done.stdout)["spec"])
