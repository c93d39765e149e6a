"""Every query that the manifests ask of Prometheus: of the dashboard's panels and variables, and what alerts are about."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).parents[1] / "manifests"
DASHBOARD: dict[str, Any] = json.loads((MANIFESTS / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES: dict[str, Any] = yaml.safe_load((MANIFESTS / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))["spec"]
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]

_VERDICT = re.compile(r"\s*(==|>|<)\s*[0-9.]+$")
_VARIABLE = re.compile(r"label_values\((.+), *(\w+)\)")


def queries(namespace: str, name: str, window: str) -> dict[str, str]:
    """Return the queries by what they are for.

    Args:
        namespace: of the ModelDeployment that somebody looks at.
        name: of it.
        window: over which rates are taken.
    """
    known = {"$namespace": namespace, "$name": name, "$__rate_interval": window}
    found = {}
    for what, query in _queries():
        for variable, value in known.items():
            query = query.replace(variable, value)  # noqa: PLW2901  # one variable after the other
        assert "$" not in query, query
        found[what] = query
    return found


def _queries() -> Iterator[tuple[str, str]]:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            asked = _VARIABLE.fullmatch(variable["query"])
            assert asked is not None, variable["query"]
            yield f"variable {variable['name']}", f"count by ({asked[2]}) ({asked[1]})"
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"panel {panel['title']}, {target['legendFormat']}", target["expr"]
    for alert in ALERTS:
        # An alert that is quiet answers nothing: asked is the number that it looks at.
        measured, verdicts = _VERDICT.subn("", alert["expr"].strip())
        assert verdicts == 1, alert["alert"]
        yield f"alert {alert['alert']}", measured
