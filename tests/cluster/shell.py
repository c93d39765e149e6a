"""Running other programs: one way to report failure, one environment, one lock."""

import contextlib
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster.paths import SYSTEM_PATH


class ClusterError(Exception):
    """Something went wrong that the message explains completely; nobody needs a traceback."""


def say(text: str) -> None:
    """Print one progress line. Standard error, because `kubectl` and `run` own standard output."""
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def environment(**extra: str) -> dict[str, str]:
    """The caller's environment with the system's programs reachable."""
    path = os.environ.get("PATH", "")
    return {**os.environ, "PATH": f"{path}:{SYSTEM_PATH}" if path else SYSTEM_PATH, **extra}


def call(
    command: Sequence[str | Path],
    *,
    stdin: str | None = None,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed; its last lines become the error."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            # Empty rather than inherited: a program must not wait for the terminal.
            input=stdin or "",
            capture_output=True,
            text=True,
            env=env or environment(),
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]}: not found") from error
    if done.returncode:
        last = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-30:])
        words = " ".join(str(word) for word in command)
        raise ClusterError(f"failed with exit code {done.returncode}: {words}\n{last}")
    return done.stdout


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file lock; the kernel drops it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting: another process holds {path}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
