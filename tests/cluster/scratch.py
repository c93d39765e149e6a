"""The images that the cluster itself needs, each with one static program: pause and coredns."""

import tarfile
import tempfile
from pathlib import Path

from tests.cluster import archive, build
from tests.cluster.paths import cache

PAUSE = "localhost/pause:1"
COREDNS = "localhost/coredns:1"


def archives() -> list[Path]:
    """Return the archives of both images."""
    return [_archive(PAUSE, "pause", ["/pause"]), _archive(COREDNS, "kube", ["/kube", "coredns"])]


def _archive(tag: str, name: str, entrypoint: list[str]) -> Path:
    program = build.program(name)
    short = tag.rpartition("/")[2].replace(":", "-")
    key = build.digest(program.name, tag, *entrypoint, Path(archive.__file__).read_bytes())
    target = cache() / "images" / f"{short}-{key}.tar"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            layer = Path(scratch) / "layer.tar"
            with tarfile.open(layer, mode="w") as tar:
                archive.add(tar, name, program.read_bytes(), 0o755)
            archive.write(target, tag, layer, {"Entrypoint": entrypoint, "User": "65532:65532"})
    return target
