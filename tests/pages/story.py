"""Rollouts on the simulated cluster that leave reports with everything in them: pages are made of them, and looked at.

python -m tests.pages.story            # writes tests/data/reports anew, with the page that one of them makes
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from modelrollout.cli.report import read_reports
from modelrollout.simulation.arrivals import Chance, RandomArrivals
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.kinds import Mix
from modelrollout.simulation.person import NAMESPACE
from modelrollout.simulation.probes import provide
from modelrollout.simulation.watched import Law

EXAMPLE = Path(__file__).parents[2] / "manifests" / "examples" / "canary-predictions.yaml"
REPORTS = Path(__file__).parents[1] / "data" / "reports"
SLICES = Mix(parts=(("light=bright", 0.6), ("light=dim", 0.25), ("light=dark", 0.15)), positives=0.3)
STABLE = Behaviour(errors=0.004, noise=0.01, empty=0.002)


def lit(brightest: float) -> Mix:
    """Return what clients ask: pictures up to so bright, at any contrast."""
    laws = (
        Law("brightness", lambda quantile, at, revision: brightest * quantile),
        Law("contrast", lambda quantile, at, revision: 40 + 20 * quantile),
    )
    return Mix(positives=0.3, inputs=laws)


@dataclass(frozen=True)
class Story:
    """A candidate, and what people do meanwhile.

    Attributes:
        candidate: how it behaves.
        edited: a person changes the analysis, and ends the last step by hand.
        example: what is rolled out.
        first: what clients ask until then.
        later: what they ask from then on.
        settings: of the analysis, beside those of the example.
        before: seconds until then.
    """

    candidate: Behaviour
    edited: bool = False
    example: Path = EXAMPLE
    first: Mix = SLICES
    later: Mix = SLICES
    settings: Mapping[str, Any] = field(default_factory=dict)
    before: float = 60


STORIES: Mapping[str, Story] = {
    "promoted": Story(Behaviour(errors=0.004, noise=0.02, empty=0.002), edited=True),
    "aborted": Story(Behaviour(errors=0.004, noise=0.01, empty=0.002, differs_in=(("light=dark", 0.45),))),
    "drifted": Story(
        Behaviour(errors=0.004, noise=0.01, empty=0.002, differs=0.6),
        example=EXAMPLE.with_name("canary-drift.yaml"),
        first=lit(80),
        later=lit(50),
        settings={"inputs": {"percent": 50}, "monitor": {"reference": {"learn": 1000}}},
        before=300,
    ),
}


async def tell(story: Story) -> Mapping[str, Any]:
    """Play a story, and return its report."""
    spec = yaml.safe_load(story.example.read_text(encoding="utf-8"))["spec"]
    spec["strategy"]["canary"]["steps"] = [{"weight": 10, "hold": "5m"}, {"weight": 50, "hold": "10m"}]
    spec["analysis"] |= story.settings
    spec["analysis"]["golden"] = {"configMap": "digits-golden"}
    random = Random(7)
    chance = Chance(random, RandomArrivals(random), timed=False)
    cluster = Cluster("digits", rate=40.0, chance=chance)
    cluster.traffic.mix = story.first
    provide(cluster.store, spec, NAMESPACE)
    newer = copy.deepcopy(spec)
    newer["model"]["version"] = "3"
    container = newer["template"]["spec"]["containers"][0]
    first, second = container["image"], container["image"].replace("0.1.0", "0.2.0")
    container["image"] = second
    cluster.behaviours.set(first, STABLE)
    cluster.behaviours.set(second, story.candidate)
    cluster.person.apply(spec)
    await cluster.until(lambda: _phase(cluster) == "Ready")
    await cluster.run(story.before)
    cluster.traffic.mix = story.later
    cluster.person.apply(newer)
    if story.edited:
        await cluster.run(360)
        metrics = copy.deepcopy(newer["analysis"]["metrics"])
        metrics[0]["agreement"]["min"] = 0.88
        cluster.person.edit("tolerates more", analysis={**newer["analysis"], "metrics": metrics})
        await cluster.until(lambda: cluster.person.status.step.startswith("step 2"), within=7200)
        await cluster.run(200)
        cluster.person.ask("promote")
    await cluster.until(lambda: len(_reports(cluster)) == 2, within=4 * 3600)
    await cluster.run(10)
    return _reports(cluster)[0].values


def _phase(cluster: Cluster) -> str:
    return str(((cluster.person.object or {}).get("status") or {}).get("phase", ""))


def _reports(cluster: Cluster) -> Any:
    return read_reports(found for found in cluster.store.all() if found["kind"] == "ConfigMap")


def stored(name: str) -> dict[str, Any]:
    """Return a report that was kept."""
    found: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))
    return found
