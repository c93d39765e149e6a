"""``make bench``: every figure that the documents name, measured side by side in one run, as one table."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench import collector, direct, idle, overhead, rollout, simulated
from tests.e2e.conftest import install
from tests.e2e.scenario import Scenario, forget

OUT = Path("build/bench.md")


def main() -> None:
    """Measure and print; also write build/bench.md."""
    cluster = install(os.environ.get("MODELROLLOUT_TEST_CLUSTER", "modelrollout"))
    rows: list[tuple[str, str]] = []
    for part in (rollout, overhead, direct):
        namespace = f"bench-{part.__name__.rpartition('.')[2]}-{os.getpid() % 10000}"
        cluster.kubectl("create", "namespace", namespace)
        with tempfile.TemporaryDirectory() as scratch:
            try:
                rows += _printed(part.measure(Scenario(cluster, namespace, Path(scratch))))
            finally:
                forget(cluster, namespace)
    rows += _printed(idle.measure())
    rows += _printed(collector.measure())
    rows += _printed(simulated.measure())
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("| figure | value |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows))
    print(f"written to {OUT}")


def _printed(rows: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in rows:
        print(f"{name:<75} {value}", flush=True)
        yield name, value


if __name__ == "__main__":
    main()
