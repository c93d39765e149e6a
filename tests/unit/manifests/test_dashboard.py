"""The dashboard speaks of metrics that exist, is laid out without overlaps, and Grafana's sidecar finds it."""

import itertools
import re

import pytest
import yaml

from modelrollout.collector.metrics import _HELP, _PREFIX
from modelrollout.collector.observed_metrics import _HELP as _OBSERVED
from tests.monitoring import DASHBOARD, MANIFESTS, queries
from tests.unit.manifests.test_monitoring import metrics

PANELS = DASHBOARD["panels"]
QUERIES = queries("ml", "digits", "1m")
KNOWN = {
    *metrics(),
    *(f"{_PREFIX}_{name}" for name in _HELP),
    *(f"modelrollout_{name}" for name in _OBSERVED),
}


@pytest.mark.parametrize("what", QUERIES)
def test_a_query_names_metrics_that_exist(what):
    query = re.sub(r'"[^"]*"', '""', QUERIES[what]).replace("modelrollout_dev_name", "")
    named = {name.removesuffix("_bucket") for name in re.findall(r"\bmodelrollout_\w+", query)}
    assert named <= KNOWN
    assert named or "envoy_" in query


def test_every_metric_of_a_rollout_is_on_it():
    asked = " ".join(QUERIES.values())
    assert {name for name in KNOWN if name not in asked and "watch_event" not in name and "writes" not in name} <= {
        "modelrollout_last_watch_event_timestamp_seconds",
        "modelrollout_predictions_waiting",
    }


def test_panels_do_not_lie_upon_each_other():
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in itertools.combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)


def test_every_panel_asks_the_chosen_prometheus():
    for panel in PANELS:
        assert panel["type"] == "row" or panel["datasource"]["uid"] == "${datasource}"


def test_a_sidecar_finds_it():
    made = yaml.safe_load((MANIFESTS / "grafana" / "kustomization.yaml").read_text(encoding="utf-8"))
    (generated,) = made["configMapGenerator"]
    assert generated["options"]["labels"]["grafana_dashboard"] == "1"
    (file,) = generated["files"]
    assert (MANIFESTS / "grafana" / file.partition("=")[2]).exists()
