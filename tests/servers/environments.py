"""Virtual environments of the model servers: made once from a lock file, and kept under its hash outside the work tree."""

import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from tests.cluster.build import digest
from tests.cluster.images import download_wheels
from tests.cluster.paths import REPOSITORY, cache
from tests.cluster.shell import call, locked, say

PYTHON = "3.11"
"""The one that the locks are for."""


def environment(name: str) -> Path:
    """Return the directory of an environment that holds exactly what requirements/NAME-py311.txt names.

    Raises:
        ClusterError: the packages cannot be fetched; with pip's own words.
        RuntimeError: the tests run on another Python than the locks are for.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version != PYTHON:
        raise RuntimeError(
            f"requirements/{name}-py311.txt is for Python {PYTHON}, and this is {version}: run with that one"
        )
    lock = REPOSITORY / f"requirements/{name}-py311.txt"
    directory = cache() / "environments" / f"{name}-{digest(lock.read_bytes(), sys.version)}"
    complete = directory / "complete"
    if complete.exists():
        return directory
    with locked(cache() / "locks" / f"environment-{name}"):
        if not complete.exists():
            say(f"installing {lock.name} for the tests of model servers (half a minute, once)")
            # An environment cannot be moved, so it is told apart from an unfinished one by a file.
            shutil.rmtree(directory, ignore_errors=True)
            venv.create(directory, with_pip=False)
            # The very wheels that the image of that server is built from.
            wheels = download_wheels(lock, PYTHON)
            install = [sys.executable, "-m", "pip", "--python", directory / "bin/python", "install", "--quiet"]
            install += ["--disable-pip-version-check", "--no-compile", "--no-index", "--find-links", wheels]
            install += ["--only-binary=:all:", "--require-hashes", "-r", lock]
            call(install)
            complete.touch()
    return directory


def start(name: str, *command: str | Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a program of an environment in a directory of its own; its words go into a file."""
    directory = environment(name)
    with log.open("wb") as file:
        return subprocess.Popen(
            [directory / "bin" / command[0], *command[1:]],
            cwd=tempfile.mkdtemp(dir=log.parent),
            env={"PATH": f"{directory / 'bin'}:/usr/bin:/bin", "HOME": str(log.parent)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
