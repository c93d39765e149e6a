"""Where the demo runs: on the test cluster, which it starts, or on whatever cluster kubectl talks to now.

The rest of the demo knows only `kubectl`, so that it does the same on both.
"""

from __future__ import annotations

import os
import subprocess
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.api import Cluster, ensure_up
from tests.cluster.project import ensure_images, tag
from tests.cluster.shell import say

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("operator", "router", "modelserver", "testmodel")
SYSTEM, OPERATOR = "modelrollout-system", "deployment/modelrollout-operator"


class PlaceError(Exception):
    """kubectl refused something, or there is no kubectl; in its own words."""


@dataclass(frozen=True)
class Place:
    """A cluster."""

    command: tuple[str, ...]
    """How kubectl is called."""
    environment: Mapping[str, str]
    images: Mapping[str, str]
    """By name: where the cluster finds the project's images."""
    drain: str
    """How long a pod must answer on after it was deleted: longer than the cluster's DNS answers live."""
    reach: Callable[[str], AbstractContextManager[str]] | None = None
    """Gives an address of the cluster a port on 127.0.0.1 of this machine; None where that is the cluster's own affair."""

    def kubectl(self, *arguments: str, input: str | None = None) -> str:  # noqa: A002  # as the test cluster calls it
        """Run kubectl and return what it printed."""
        try:
            done = subprocess.run(
                [*self.command, *arguments],
                input=input,
                env=dict(self.environment),
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            raise PlaceError("there is no kubectl on the PATH. Install it, or use --cluster test") from None
        if done.returncode:
            raise PlaceError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def follow(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        """Start a kubectl that prints until it is killed."""
        return subprocess.Popen(
            [*self.command, *arguments],
            env=dict(self.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Ctrl-C is for the demo, which ends its children itself, in order.
            start_new_session=True,
            **options,
        )


def test_cluster() -> Place:
    """Start the test cluster unless it is up, with images and operator of this work tree."""
    cluster = ensure_up()
    loaded = ensure_images(cluster, IMAGES)
    place = Place(
        command=(str(cluster.kube), "kubectl"),
        environment=cluster.environment(),
        images={name: tag(name) for name in IMAGES},
        drain="3s",
        reach=partial(_reach, cluster),
    )
    place.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(ROOT / "tests/e2e/manifests"))
    if tag("operator") in loaded:
        # A new image under the old tag is not noticed by running pods.
        place.kubectl("-n", SYSTEM, "rollout", "restart", OPERATOR)
    place.kubectl("-n", SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
    return place


@contextmanager
def _reach(cluster: Cluster, target: str) -> Iterator[str]:
    with cluster.forward({"service": target}) as forward:
        yield forward.addresses["service"]


def current(registry: str | None) -> Place:
    """Take the current context of kubectl, and install the operator there unless there is one.

    Images come from a registry, or are in the cluster already under their local tags.
    """
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {
        name: f"{registry.rstrip('/')}/modelrollout-{name}:{version}" if registry else tag(name) for name in IMAGES
    }
    # An ordinary cluster's DNS keeps answers for 30 seconds.
    place = Place(command=("kubectl",), environment=os.environ, images=images, drain="35s")
    if not place.kubectl("-n", SYSTEM, "get", OPERATOR, "--ignore-not-found"):
        directory = ROOT / "build/demo-operator"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "kustomization.yaml").write_text(yaml.safe_dump(operator(images)))
        say(f"installing the operator into {SYSTEM}; it stays when the demo is over")
        place.kubectl("apply", "--server-side", "-k", str(directory))
    place.kubectl("-n", SYSTEM, "rollout", "status", OPERATOR, "--timeout=120s")
    return place


def operator(images: Mapping[str, str]) -> dict[str, Any]:
    """Return a kustomization of the operator with other images."""
    name, _, new_tag = images["operator"].rpartition(":")
    settings = {"ROUTER": images["router"], "COLLECTOR": images["operator"]}
    env = [{"name": f"MODELROLLOUT_{name}_IMAGE", "value": image} for name, image in settings.items()]
    container = {"name": "operator", "env": env}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "modelrollout-operator", "namespace": SYSTEM},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../manifests/base"],
        "images": [{"name": "modelrollout-operator", "newName": name, "newTag": new_tag}],
        "patches": [{"patch": yaml.safe_dump(patch)}],
    }
