"""The demonstration: real models on a real Kubernetes, one promoted, one rolled back, one switched on and off.

    python -m tests.demo                                              on the test cluster, which it starts
    python -m tests.demo --cluster current --registry example.org/me  wherever kubectl points; see `make images`

Exits with 1 when the story did not happen as promised, whatever the reason.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from rich.console import Console

from tests.cluster.api import ClusterError
from tests.demo import place, summary
from tests.demo.picture import draw
from tests.demo.place import PlaceError
from tests.demo.recording import Recording
from tests.demo.screen import figures, screen
from tests.demo.story import Story, TwistError

BUILD = place.ROOT / "build"


def main() -> int:
    """Run it; the exit code is its result."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description="Watch real models being rolled out.")
    parser.add_argument("--cluster", choices=("test", "current"), default="test", help="where (default: %(default)s)")
    parser.add_argument("--registry", help="with --cluster current: where `make images REGISTRY=...` pushed the images")
    options = parser.parse_args()
    if options.registry and options.cluster == "test":
        parser.error("--registry is for --cluster current: the test cluster has its images from this work tree")
    # Being asked to stop is like Ctrl-C: the client ends, the namespaces go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    where = place.test_cluster() if options.cluster == "test" else place.current(options.registry)
    twist: list[str] = []
    with screen(console) as show:
        try:
            Story(where, show).tell()
        except TwistError as error:
            twist.append(str(error))
    result = report(show.recording, twist, console, BUILD)
    if options.cluster == "test":
        console.print("The test cluster stays up; `make cluster-down` removes it.")
    return result


def report(recording: Recording, twist: list[str], console: Console, directory: Path) -> int:
    """Print the summary, save recording and picture, and say whether the story happened.

    Where it took another way, only that is said: everything else that is missing follows from it.
    """
    recording.save(directory / "demo.json")
    draw(recording, directory / "demo.png")
    console.print(figures(summary.summarize(recording)))
    console.print(f"The whole of it in one picture: {directory / 'demo.png'}", highlight=False)
    missing = twist or summary.missing(recording)
    for lack in missing:
        console.print(f"NOT AS PROMISED: {lack}", style="bold red", markup=False, soft_wrap=True)
    return 1 if missing else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ClusterError, PlaceError) as error:
        sys.exit(f"demo: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
