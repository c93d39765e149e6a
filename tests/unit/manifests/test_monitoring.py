"""Alerts speak of metrics that exist, and Prometheus understands them."""

import re
from pathlib import Path

import pytest
import yaml

from modelrollout.collector.metrics import _HELP, _PREFIX
from modelrollout.controller.telemetry import Telemetry
from modelrollout.names import COMPONENT_ROUTER, LABEL_COLLECTOR, LABEL_COMPONENT
from modelrollout.routers._envoy_bootstrap import PREDICTIONS_METRICS_PATH

ROOT = Path(__file__).parents[3]
RULES = yaml.safe_load((ROOT / "manifests" / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))["spec"]
MONITORS = list(
    yaml.safe_load_all((ROOT / "manifests" / "prometheus" / "podmonitors.yaml").read_text(encoding="utf-8"))
)
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]


def metrics():
    """Names of our metrics as Prometheus stores them, with their labels."""
    for family in Telemetry().registry.collect():
        suffix = "_total" if family.type == "counter" else ""
        yield f"{family.name}{suffix}"


COLLECTED = {f"{_PREFIX}_{name}" for name in _HELP}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_speaks_of_metrics_that_exist(alert):
    named = re.findall(r"modelrollout_\w+", alert["expr"])
    assert named or "envoy_" in alert["expr"]
    assert set(named) <= {*metrics(), *COLLECTED}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_what_and_why(alert):
    assert alert["labels"]["severity"] in ("critical", "warning")
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}


def test_what_is_scraped_is_what_the_pods_have():
    deployment = yaml.safe_load((ROOT / "manifests" / "base" / "deployment.yaml").read_text(encoding="utf-8"))
    template = deployment["spec"]["template"]
    operator, routers, collectors = (monitor["spec"] for monitor in MONITORS)
    assert operator["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    ports = [port["name"] for port in template["spec"]["containers"][0]["ports"]]
    assert operator["podMetricsEndpoints"][0]["port"] in ports
    assert routers["selector"]["matchLabels"] == {LABEL_COMPONENT: COMPONENT_ROUTER}
    assert collectors["selector"]["matchLabels"] == {LABEL_COMPONENT: COMPONENT_ROUTER, LABEL_COLLECTOR: "true"}
    assert collectors["podMetricsEndpoints"][0]["path"] == PREDICTIONS_METRICS_PATH


STORY = {
    "rule_files": ["rules.yaml"],
    "evaluation_interval": "1m",
    "tests": [
        {
            "interval": "1m",
            "input_series": [
                {"series": 'modelrollout_leader{pod="a"}', "values": "1x9 0x20 1x30"},
                {"series": 'modelrollout_leader{pod="b"}', "values": "0x29 0x10 1x20"},
                {"series": 'modelrollout_stalled{namespace="n",name="m",reason="InvalidSpec"}', "values": "_x39 1x20"},
                {"series": 'modelrollout_reconciles_total{result="ok"}', "values": "0+100x60"},
                {"series": 'modelrollout_reconciles_total{result="KubeError"}', "values": "0x20 0+10x40"},
                {"series": 'modelrollout_reconciles_total{result="ConflictError"}', "values": "0+100x60"},
                {"series": 'modelrollout_api_requests_total{method="GET",code="200"}', "values": "0+100x60"},
                {
                    "series": 'modelrollout_api_requests_total{method="POST",code="403"}',
                    "values": "0x5 1x15 2x5 2+2x30",
                },
                {"series": 'modelrollout_polls_total{origin="prometheus",result="error"}', "values": "0x20 0+10x40"},
                {"series": 'modelrollout_polls_total{origin="prometheus",result="ok"}', "values": "0+10x60"},
                {
                    "series": 'envoy_http_rds_update_rejected{envoy_http_conn_manager_prefix="ingress",namespace="n",pod="r"}',
                    "values": "0x60",
                },
                {
                    "series": 'envoy_http_rds_update_failure{envoy_http_conn_manager_prefix="ingress",namespace="n",pod="r"}',
                    "values": "0x40 1x20",
                },
                {"series": 'envoy_cluster_manager_cds_update_rejected{namespace="n",pod="r"}', "values": "0x60"},
                {"series": 'envoy_cluster_manager_cds_update_failure{namespace="n",pod="r"}', "values": "0x60"},
                {
                    "series": 'modelrollout_stalled{namespace="n",name="o",reason="RolloutAborted"}',
                    "values": "_x39 1x20",
                },
                {"series": 'modelrollout_waiting{namespace="n",name="m",reason="Paused"}', "values": "_x19 1x300"},
                {"series": 'modelrollout_waiting{namespace="n",name="o",reason="Holding"}', "values": "1x320"},
                {"series": 'modelrollout_undecidable{namespace="n",name="m"}', "values": "0x29 1x30"},
                {"series": 'modelrollout_drifting{namespace="n",name="m",metric="errors"}', "values": "0x29 1x30"},
                {"series": 'modelrollout_drifting{namespace="n",name="m",metric="latency"}', "values": "0x60"},
                {"series": 'modelrollout_undecidable{namespace="n",name="o"}', "values": "0x60"},
                *(
                    {
                        "series": f'{metric}{{envoy_cluster_name="collector",namespace="n",pod="{pod}"}}',
                        "values": values,
                    }
                    for metric, pod, values in (
                        ("envoy_cluster_upstream_rq_total", "drops", "0+100x60"),
                        ("envoy_cluster_upstream_rq_pending_overflow", "drops", "0x20 0+20x40"),
                        ("envoy_cluster_upstream_rq_total", "loses", "0+100x60"),
                        ("envoy_cluster_upstream_rq_pending_overflow", "loses", "0x60"),
                        ("envoy_cluster_upstream_rq_total", "works", "0+100x60"),
                        ("envoy_cluster_upstream_rq_pending_overflow", "works", "0+1x60"),
                        ("envoy_cluster_upstream_cx_connect_fail", "absent", "0x20 0+5x40"),
                        ("envoy_cluster_upstream_cx_connect_fail", "works", "0x20 1x40"),
                    )
                ),
                {
                    "series": 'modelrollout_predictions_messages_total{kind="unpaired",namespace="n",pod="loses"}',
                    "values": "0x40 0+50x20",
                },
            ],
            "alert_rule_test": [
                *({"eval_time": "9m", "alertname": alert["alert"], "exp_alerts": []} for alert in ALERTS),
                {"eval_time": "15m", "alertname": "ModelRolloutNoLeader", "fires": {}},
                {"eval_time": "50m", "alertname": "ModelRolloutSeveralLeaders", "fires": {}},
                {"eval_time": "39m", "alertname": "ModelRolloutStalled", "exp_alerts": []},
                {
                    "eval_time": "50m",
                    "alertname": "ModelRolloutStalled",
                    "fires": {"namespace": "n", "name": "m", "reason": "InvalidSpec"},
                },
                {"eval_time": "50m", "alertname": "ModelRolloutPassesFail", "fires": {"result": "KubeError"}},
                {"eval_time": "50m", "alertname": "ModelRolloutPollsFail", "fires": {"origin": "prometheus"}},
                {
                    "eval_time": "45m",
                    "alertname": "ModelRolloutRouterRefusesRoute",
                    "fires": {"namespace": "n", "pod": "r"},
                },
                {"eval_time": "50m", "alertname": "ModelRolloutApiServerFails", "exp_alerts": []},
                {"eval_time": "22m", "alertname": "ModelRolloutForbidden", "exp_alerts": []},
                {"eval_time": "50m", "alertname": "ModelRolloutForbidden", "fires": {}},
                {"eval_time": "38m", "alertname": "ModelRolloutAborted", "exp_alerts": []},
                {"eval_time": "41m", "alertname": "ModelRolloutAborted", "fires": {"namespace": "n", "name": "o"}},
                {"eval_time": "250m", "alertname": "ModelRolloutWaitsForPerson", "exp_alerts": []},
                {
                    "eval_time": "270m",
                    "alertname": "ModelRolloutWaitsForPerson",
                    "fires": {"namespace": "n", "name": "m", "reason": "Paused"},
                },
                {"eval_time": "33m", "alertname": "ModelRolloutDrifting", "exp_alerts": []},
                {
                    "eval_time": "40m",
                    "alertname": "ModelRolloutDrifting",
                    "fires": {"namespace": "n", "name": "m", "metric": "errors"},
                },
                {"eval_time": "35m", "alertname": "ModelRolloutUndecidable", "exp_alerts": []},
                {"eval_time": "50m", "alertname": "ModelRolloutUndecidable", "fires": {"namespace": "n", "name": "m"}},
                {
                    "eval_time": "58m",
                    "alertname": "ModelRolloutCollectorDrops",
                    "fires": [{"namespace": "n", "pod": pod} for pod in ("drops", "loses")],
                },
                {"eval_time": "20m", "alertname": "ModelRolloutCollectorAbsent", "exp_alerts": []},
                {
                    "eval_time": "40m",
                    "alertname": "ModelRolloutCollectorAbsent",
                    "fires": {"namespace": "n", "pod": "absent"},
                },
            ],
        }
    ],
}
