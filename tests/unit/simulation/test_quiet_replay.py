"""An hour of quiet: what real collectors counted in a quarter of an hour of real traffic, four times over on the virtual clock.

``python -m tests.e2e.quiet`` has recorded it: digits, a real model behind real routers, somebody who labels what was answered.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from modelrollout.domain.conditions import ConditionType, find
from modelrollout.simulation.cluster import Cluster
from tests.e2e.test_labels import ASKED, WRONG
from tests.sequences.scenario import installed, spec

RECORDED: list[dict[str, Any]] = json.loads(
    gzip.decompress((Path(__file__).parents[2] / "data" / "quiet" / "digits.json.gz").read_bytes())
)
EVERY = RECORDED[1]["after"]
LAP = RECORDED[-1]["after"]
HOUR = 3600.0
LABELS = {"tokenSecret": {"name": "feedback"}}
METRICS = [WRONG, ASKED, {"name": "answered", "outputs": {}, "drift": {"required": False}}]


class Replay:
    """Answers for the collectors of a simulated cluster as the recorded ones did, over and over."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._begun = cluster, cluster.agenda.now
        self.flipped = False
        """From now on no label says what was predicted."""
        self._right: dict[str, float] = {}

    async def predictions(self, address: str, port: int) -> str:
        """GET what a collector has counted."""
        del port
        passed = (self._cluster.agenda.now - self._begun).total_seconds()
        laps, within = divmod(passed, LAP)
        first, look, last = (self._of(address, index) for index in (0, int(within // EVERY), len(RECORDED) - 1))
        page = {**look, "stable": self._cluster.person.status.stable, "candidate": None}
        for table in ("observed", "labels"):
            base, end = _values(first[table]), _values(last[table])
            grown = {key: value + laps * (end[key] - base.get(key, 0.0)) for key, value in _values(look[table]).items()}
            if laps:
                grown = {key: laps * (end[key] - base.get(key, 0.0)) for key in end} | grown
            if table == "labels":
                right = grown.get(("", "right"), 0.0)
                self._right[address] = self._right.get(address, right) if self.flipped else right
                grown["", "right"] = self._right[address]
            page[table] = [[page["stable"], part, series, value] for (part, series), value in grown.items()]
        return json.dumps(page)

    def _of(self, address: str, index: int) -> dict[str, Any]:
        pages = RECORDED[index]["pages"]
        names = sorted(pages)
        return pages[names[hash_of(address) % len(names)]]


def hash_of(address: str) -> int:
    """Return a number of an address that is the same in every process."""
    return int(address.rpartition(".")[2])


def _values(rows: list[list[Any]]) -> dict[tuple[str, str], float]:
    return {(part, series): value for _, part, series, value in rows}


@pytest.fixture
def replay():
    cluster = Cluster()
    shown = Replay(cluster)
    cluster.http.predictions = shown.predictions  # type: ignore[method-assign]  # the recorded collectors answer
    return cluster, shown


def watched():
    analysis = {
        "interval": "5s",
        "inputs": {"percent": 100},
        "labels": LABELS,
        "metrics": METRICS,
        "monitor": {"interval": "10s", "reference": {"learn": 1000}},
    }
    return spec("1", analysis=analysis, model={"name": "digits", "version": "1", "protocol": "openInference"})


async def test_an_hour_of_quiet_is_reported_as_quiet(replay):
    cluster, _ = replay
    await installed(cluster, watched())
    await cluster.run(HOUR)
    gates = {gate.name: gate for gate in cluster.person.status.monitor.gates}
    assert gates.keys() == {"wrong", "asked", "answered"}
    assert all(gate.requests and gate.requests > 0 for gate in gates.values())
    assert all(gate.evidence.reference is not None for gate in (gates["asked"], gates["answered"]))
    assert find(cluster.person.status.conditions, ConditionType.DRIFTING).status == "False"
    assert not [event for _, event in cluster.log.events if event.reason == "Drifting"]


async def test_labels_that_turn_on_unchanged_inputs_are_told_by_the_labels_alone(replay):
    cluster, shown = replay
    await installed(cluster, watched())
    await cluster.run(600)
    assert find(cluster.person.status.conditions, ConditionType.DRIFTING).status == "False"
    shown.flipped = True
    await cluster.run(300)
    assert [one.metric for one in cluster.person.status.monitor.drifting] == ["wrong"]
