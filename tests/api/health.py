"""The health that Argo CD would show for an object, computed by the script in manifests/argocd with Argo CD's own interpreter."""

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.build import digest
from tests.cluster.paths import cache
from tests.cluster.shell import call, environment, locked

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).parent / "lua"
CONFIG = yaml.safe_load((ROOT / "manifests" / "argocd" / "argocd-cm.yaml").read_text(encoding="utf-8"))["data"]
SCRIPT = CONFIG["resource.customizations.health.modelrollout.dev_ModelDeployment"]


def health(obj: dict[str, Any]) -> dict[str, str]:
    """Return status and message."""
    done = subprocess.run([_program(), SCRIPT], input=json.dumps(obj), check=True, capture_output=True, text=True)
    answer: dict[str, str] = json.loads(done.stdout)
    return answer


def _program() -> Path:
    """Return the interpreter, built once and kept in the cache under the hash of its source."""
    key = digest(*((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum", "main.go")))
    target = cache() / "bin" / f"lua-{key}"
    with locked(cache() / "locks" / "lua"):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
                output = Path(scratch) / "lua"
                settings = environment(CGO_ENABLED="0", GOFLAGS="-mod=readonly", GOWORK="off")
                call(["go", "build", "-trimpath", "-o", output, "."], cwd=SOURCE, env=settings)
                output.replace(target)
    return target
