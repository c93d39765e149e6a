"""The programs of the cluster, built from source once and kept in the cache under the hash of what they are made from."""

import hashlib
import tempfile
from pathlib import Path

from tests.cluster.paths import SOURCE, cache
from tests.cluster.shell import call, environment, locked, say

KUBERNETES = "1.34.4"

_VERSION = "k8s.io/component-base/version"
_LDFLAGS = {
    # A build outside the Kubernetes repository does not know its own version.
    "kube": f"-s -w -X {_VERSION}.gitVersion=v{KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=34 "
    f"-X {_VERSION}.gitTreeState=clean -X {_VERSION}.gitCommit=unknown -X {_VERSION}.buildDate=1970-01-01T00:00:00Z",
    "pause": "-s -w",
}
_MINUTES = {"kube": "about five minutes on two cores, once", "pause": "seconds"}


def digest(*parts: str | bytes) -> str:
    """Return a short name for exactly these inputs."""
    value = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        value.update(len(data).to_bytes(8, "big") + data)
    return value.hexdigest()[:16]


def path(name: str) -> Path:
    """Where the program `kube` or `pause` is, or will be."""
    source = SOURCE / name
    files = sorted(file for file in source.iterdir() if file.name in {"go.mod", "go.sum", "main.go"})
    return cache() / "bin" / f"{name}-{digest(_LDFLAGS[name], *(file.read_bytes() for file in files))}"


def program(name: str) -> Path:
    """Return the program `kube` or `pause`, building it when the cache does not have it."""
    target = path(name)
    if target.exists():
        return target
    # Two builds at a time would each take twice as long.
    with locked(cache() / "locks" / f"build-{name}"):
        if not target.exists():
            _build(name, target)
    return target


def _build(name: str, target: Path) -> None:
    say(f"building {name} ({_MINUTES[name]})")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        output = Path(scratch) / name
        # Static, without paths of this machine, without debug information: the same file runs on the host and in an image.
        call(
            ["go", "build", "-trimpath", "-ldflags", _LDFLAGS[name], "-o", output, "."],
            cwd=SOURCE / name,
            env=environment(CGO_ENABLED="0", GOFLAGS="-mod=readonly -buildvcs=false", GOWORK="off"),
        )
        # Whoever sees the final name sees a complete file.
        output.replace(target)
