"""The project's own images: built when something that they are made from has changed, loaded when the cluster has another.

    ensure_images(cluster, ["operator", "router"])
    print(tag("operator"))                               # localhost/modelrollout-operator:dev

An archive in the cache carries the hash of its inputs in its name. Nothing changed means: nothing is started at all.
"""

import json
import re
import shutil
import tarfile
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import dockerfile, images, preflight
from tests.cluster.api import Cluster
from tests.cluster.build import digest
from tests.cluster.paths import REPOSITORY, cache
from tests.cluster.shell import ClusterError, call, environment, locked, say

NAMES = ("operator", "router", "testmodel", "prometheus", "modelserver")
"""Targets of the Dockerfile. The last one is large and slow to build."""


@dataclass(frozen=True)
class Image:
    """An image that has been built."""

    name: str
    tag: str
    id: str
    """The digest of its configuration, which names the content wherever the image goes."""
    archive: Path


def tag(name: str) -> str:
    """Return the tag under which the cluster knows an image of the project."""
    return f"localhost/modelrollout-{name}:dev"


def build(names: Iterable[str] = NAMES) -> list[Image]:
    """Return up-to-date images, building those whose inputs have changed."""
    preflight.check()
    with _store():
        return [_build(name) for name in names]


def load(cluster: Cluster, built: Sequence[Image]) -> list[str]:
    """Load those images that the cluster has with another content or not at all; return their tags."""
    missing = [image for image in built if cluster.image_id(image.tag) != image.id]
    for image in missing:
        start = time.monotonic()
        images.load(cluster.paths, image.archive)
        say(f"loaded {image.tag} in {time.monotonic() - start:.1f} s")
    return [image.tag for image in missing]


def ensure_images(cluster: Cluster, names: Iterable[str] = NAMES) -> list[str]:
    """Make sure that the cluster has the images as the work tree describes them; return the tags that were loaded."""
    return load(cluster, build(names))


def push(built: Sequence[Image], registry: str) -> list[str]:
    """Push images to a registry under the version of the project; return the names they have there."""
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    pushed = []
    for image in built:
        target = f"{registry.rstrip('/')}/modelrollout-{image.name}:{version}"
        say(f"pushing {target}")
        with _store():
            images.push(image.archive, image.tag, target)
        pushed.append(target)
    return pushed


def _store() -> AbstractContextManager[None]:
    # One at a time: builds share a store, and the second finds the layers of the first.
    return locked(cache() / "locks" / "project-images")


def _build(name: str) -> Image:
    if name not in NAMES:
        raise ClusterError(f"no image {name!r} in this project; there are: {', '.join(NAMES)}")
    context = prometheus() if name == "prometheus" else REPOSITORY
    text = (REPOSITORY / "Dockerfile").read_text()
    recipe = dockerfile.recipe(text, name)
    archive = _archive(name, _key(context, recipe))
    if not archive.exists():
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            # Files may be edited while the image is built: the key must be that of the files that are in it.
            copy = Path(scratch)
            _copy(context, recipe.sources, copy)
            (copy / "Dockerfile").write_text(text)
            archive = _archive(name, _key(copy, recipe))
            _write(name, recipe, copy, archive)
    return Image(name, tag(name), _id(archive), archive)


def _write(name: str, recipe: dockerfile.Recipe, context: Path, archive: Path) -> None:
    say(f"building the {name} image")
    start = time.monotonic()
    bases = {argument: images.base(_python(base)) for argument, base in recipe.bases.items()}
    unfinished = _archive(name, "unfinished")
    images.build(name, tag(name), context, bases, _wheels(context, recipe.sources), file=unfinished)
    # Of older ones the last stays: somebody may be loading it right now.
    older = sorted(archive.parent.glob(f"modelrollout-{name}-{'?' * 16}.tar"), key=lambda file: file.stat().st_mtime)
    for file in older[:-1]:
        file.unlink()
    unfinished.replace(archive)
    say(f"built the {name} image in {time.monotonic() - start:.1f} s")


def _key(context: Path, recipe: dockerfile.Recipe) -> str:
    """Return a short name for everything that the image is made from."""
    absent = [source for source in recipe.sources if not (context / source).exists()]
    if absent:
        raise ClusterError(
            f"cannot build an image without {', '.join(absent)}: not there (`make generate` writes crds/)"
        )
    pythons = {_python(base) for base in recipe.bases.values()}
    return digest(recipe.text, *map(images.key, sorted(pythons)), *_contents(context, recipe.sources))


def _copy(context: Path, sources: Sequence[str], target: Path) -> None:
    for source in sources:
        (target / source).parent.mkdir(parents=True, exist_ok=True)
        if (context / source).is_dir():
            shutil.copytree(context / source, target / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(context / source, target / source)


def _archive(name: str, key: str) -> Path:
    return cache() / "images" / f"modelrollout-{name}-{key}.tar"


def _python(base: str) -> str:
    """Return the Python version of an official slim image: the one that ours stands in for."""
    match = re.fullmatch(r"python:(3\.\d+)-slim", base)
    if match is None or match[1] not in images.BASES:
        raise ClusterError(f"Dockerfile: no stand-in for the base image {base!r}; there are {', '.join(images.BASES)}")
    return match[1]


def _wheels(context: Path, sources: Sequence[str]) -> Path | None:
    """Return the directory with the wheels of the one lock file among the sources."""
    for source in sources:
        lock = re.fullmatch(r"requirements/\w+-py(\d)(\d+)\.txt", source)
        if lock:
            return images.download_wheels(context / source, f"{lock[1]}.{lock[2]}")
    return None


def _contents(context: Path, sources: Sequence[str]) -> Iterator[str | bytes]:
    """Yield the name, the mode and the content of every file that can reach the image."""
    for source in sources:
        for file in sorted([context / source, *(context / source).rglob("*")]):
            if file.is_file() and "__pycache__" not in file.parts:
                yield f"{file.relative_to(context)} {file.stat().st_mode:o}"
                yield file.read_bytes()


def _id(archive: Path) -> str:
    with tarfile.open(archive) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        return f"sha256:{json.load(manifest)[0]['Config'].removesuffix('.json')}"


def prometheus() -> Path:
    """Return a directory that holds Debian's `prometheus` and `promtool`; the package is unpacked and not installed."""
    directory = cache() / "prometheus-programs"
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    say("downloading Prometheus")
    with tempfile.TemporaryDirectory(dir=directory.parent) as scratch:
        # apt's own user could not write here; it need not.
        download = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", "prometheus"]
        try:
            call(download, cwd=Path(scratch), env=environment())
        except ClusterError:
            # The lists may be missing, or older than what the mirror holds.
            call(["apt-get", "update", "-q"], env=environment())
            call(download, cwd=Path(scratch), env=environment())
        (package,) = Path(scratch).glob("prometheus_*.deb")
        call(["dpkg-deb", "--extract", package, Path(scratch) / "unpacked"])
        wanted = Path(scratch) / "wanted"
        wanted.mkdir()
        for program in ("prometheus", "promtool"):
            (Path(scratch) / "unpacked/usr/bin" / program).rename(wanted / program)
        # Whoever sees the final name sees a complete directory.
        wanted.rename(directory)
    return directory
