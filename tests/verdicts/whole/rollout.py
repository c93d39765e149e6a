"""One rollout on the simulated cluster: what it asks for, and what the operator's own loop decides."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from modelrollout.names import API_VERSION, KIND
from modelrollout.schema import ApiModel
from modelrollout.simulation.clerk import Decision
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.recording import Change, Entry
from modelrollout.simulation.trial import Outcome, Setting, run_trial
from tests.verdicts.ours import Ours
from tests.verdicts.rivals import PROMOTE, ROLLBACK

WORDS = {Decision.PROMOTED: PROMOTE, Decision.ROLLED_BACK: ROLLBACK}
LONGER = 3600.0
"""Seconds by which a hold is longer than the traffic, where only evidence may end a rollout."""


@dataclass(frozen=True)
class Plan:
    """A run, to be decided alone and by a rollout.

    Attributes:
        rule: decides alone.
        document: the rollout that asks the same.
        recording: what there is to count.
        prepare: told the cluster before anything is in it.
        begins: seconds from the first reading of the metric to the first request.
    """

    rule: Ours
    document: Mapping[str, Any]
    recording: Sequence[Entry | Change]
    prepare: Callable[[Cluster], None] = field(default=lambda _cluster: None)
    begins: float = 0.0


def document(strategy: Mapping[str, Any], analysis: Mapping[str, Any], **spec: object) -> dict[str, Any]:
    """Return a ModelDeployment; everything that is not about its verdict is as small as it can be."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": "model", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "template": {
                "spec": {"containers": [{"name": "model", "image": "model:1", "ports": [{"containerPort": 8080}]}]}
            },
            "service": {"port": 80, "targetPort": 8080},
            "traffic": {"envoy": {}},
            "strategy": strategy,
            "analysis": analysis,
            **spec,
        },
    }


def canary(weight: float, seconds: float, *, promotes: bool) -> tuple[dict[str, Any], str]:
    """Return a canary that stays at one weight, and how long it must at least.

    Args:
        weight: of the candidate, of 1.
        seconds: the traffic lasts.
        promotes: evidence may end the hold.
    """
    hold = f"{seconds + LONGER:.0f}s"
    return {"canary": {"steps": [{"weight": round(weight * 100), "hold": hold}]}}, "0s" if promotes else hold


def shadow(seconds: float, *, promotes: bool) -> dict[str, Any]:
    """Return a shadow of all requests; evidence never ends its hold, so there is none where it may promote."""
    hold = "1s" if promotes else f"{seconds + LONGER:.0f}s"
    return {"shadow": {"hold": hold, "promotion": "automatic"}}


def written(config: ApiModel) -> dict[str, Any]:
    """Return a config as people write it."""
    return config.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


async def play_out(setting: Setting, seed: int, prepare: Callable[[Cluster], None]) -> Outcome:
    """Let the operator decide."""
    # Its log would be of hundreds of rollouts.
    logging.getLogger("modelrollout").setLevel(logging.CRITICAL + 1)
    return await run_trial(setting, seed, prepare)


def until(seconds: float) -> timedelta:
    """Return how long a trial may take whose traffic lasts so long."""
    return timedelta(seconds=seconds + 600)
