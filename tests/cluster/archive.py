"""Write an image archive of one layer without a build tool.

It is a tar of three files. The layer stays uncompressed: an import then takes as long as a copy.
"""

import hashlib
import io
import json
import os
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return the machine's architecture in the words of Go and OCI."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def write(target: Path, tag: str, layer: Path, config: Mapping[str, object]) -> None:
    """Write the archive of an image that has this tar file as its only layer."""
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    created = "1970-01-01T00:00:00Z"
    image = {
        "created": created,
        "architecture": architecture(),
        "os": "linux",
        "config": config,
        # One entry per layer: buildah counts them.
        "history": [{"created": created, "created_by": tag}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}")
    with tarfile.open(unfinished, mode="w") as tar:
        add(tar, "manifest.json", json.dumps(manifest).encode(), 0o644)
        add(tar, "config.json", json.dumps(image).encode(), 0o644)
        tar.add(layer, "layer.tar")
    # Whoever sees the final name sees a complete file.
    unfinished.replace(target)


def add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    """Add a file that belongs to root and has no date."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    tar.addfile(info, io.BytesIO(data))
