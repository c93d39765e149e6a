"""No router at all: the client Service selects the model's pods, and the number of pods is the weight.

A canary's Service selects both revisions, so the share of connections is the share of pods. Everything else is a selector
that names one revision. What this cannot do is refused by name; what it cannot promise is said.
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from modelrollout.domain.capability import Capability
from modelrollout.domain.problem import Problem
from modelrollout.domain.route import RouteAsk
from modelrollout.domain.stage import Stage
from modelrollout.names import COMPONENT_MODEL, GROUP, LABEL_COMPONENT, LABEL_NAME, model_labels
from modelrollout.resources.owner import child_metadata
from modelrollout.routers._base import Report, Router, Setup
from modelrollout.routers._checks import check_ask
from modelrollout.schema import ApiModel

ANNOTATION_ASK = f"{GROUP}/ask"
"""On the Service: the ask itself, from which a lost status is derived again."""


class DirectConfig(ApiModel):
    """No router: Services and Deployments alone, and so no settings.

    A weight is a share of pods, and so of connections and not of requests. A model server that does not answer
    `connection: close` while it leaves loses a few requests.
    """


class DirectRouter(Router[DirectConfig]):
    """Splits connections by the number of pods."""

    name = "direct"
    config = DirectConfig
    capabilities: frozenset[Capability] = frozenset()
    keeps_size = False

    def problems(self, config: DirectConfig, replicas: int, stages: tuple[Stage, ...]) -> tuple[Problem, ...]:  # noqa: ARG002  # it has no settings
        """Return the weights that no whole number of candidate pods makes."""
        possible = expressible(replicas)
        offered = ", ".join(map(str, possible)) or "none"
        found = []
        step = -1
        for stage in stages:
            step += stage.kind in ("Step", "Pause")
            if stage.kind == "Step" and stage.weight not in possible:
                reason = f"{replicas} pods of stable and a whole number of candidate pods cannot make {stage.weight} %"
                remedy = f"With {replicas} replicas the weights are {offered}. Use one of them, other replicas, or traffic.envoy."
                found.append(Problem(f"spec.strategy.canary.steps[{step}].weight", reason, remedy))
            if stage.kind == "Step" and stage.replicas is not None:
                reason = "cannot be kept with traffic.direct, where the number of pods is the weight"
                found.append(Problem(f"spec.strategy.canary.steps[{step}].replicas", reason, "Leave it out."))
        return tuple(found)

    def candidate_size(self, config: DirectConfig, replicas: int, stage: Stage) -> int:  # noqa: ARG002  # it has no settings
        """Return the number of pods that is the stage's weight."""
        if stage.full_size or stage.weight == 100:
            return replicas
        return max(1, replicas * stage.weight // (100 - stage.weight))

    def objects(self, config: DirectConfig, setup: Setup, ask: RouteAsk) -> tuple[dict[str, Any], ...]:  # noqa: ARG002  # it has no settings
        """Return the client Service, which is all of it."""
        check_ask(setup, ask)
        arms = ask.route.arms
        both = {LABEL_NAME: setup.name, LABEL_COMPONENT: COMPONENT_MODEL}
        selector = model_labels(setup.name, arms[0].revision) if len(arms) == 1 else both
        target = setup.revisions[arms[0].revision].port
        metadata = child_metadata(setup.name, setup.namespace, setup.owner, setup.service_name)
        metadata["annotations"] = {ANNOTATION_ASK: json.dumps(ask.dump(), sort_keys=True)}
        ports = [{"name": "http", "port": setup.service_port, "protocol": "TCP", "targetPort": target}]
        spec = {"selector": selector, "ports": ports}
        return ({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec},)

    def carrier(self, name: str, service_name: str) -> tuple[str, str]:  # noqa: ARG002  # the Service has its own name
        """Return the client Service."""
        return "Service", service_name

    def version(self, config: DirectConfig, setup: Setup, ask: RouteAsk) -> str:  # noqa: ARG002  # nothing runs it
        """Return the serial: nothing but the Service itself tells what it runs."""
        return str(ask.serial)

    def read(self, carrier: Mapping[str, Any]) -> RouteAsk | None:
        """Read the ask back from the Service's annotation."""
        try:
            return RouteAsk.model_validate_json((carrier["metadata"].get("annotations") or {})[ANNOTATION_ASK])
        except (KeyError, ValidationError):
            return None

    def parse(self, text: str) -> Report:  # noqa: ARG002  # it has no pods of its own
        """Return nothing: there is nobody to ask."""
        return Report(version=None)


def expressible(replicas: int) -> tuple[int, ...]:
    """Return the weights w for which n = replicas · w / (100 - w) candidate pods is a whole number.

    Up to three quarters: more would need more than three candidate pods for each of stable.
    """
    return tuple(weight for weight in range(1, 76) if replicas and replicas * weight % (100 - weight) == 0)


PLUGIN = DirectRouter()
