"""The alerts, understood and fired by Prometheus' own tool."""

import copy
import subprocess

import pytest
import yaml

from tests.cluster.project import prometheus
from tests.unit.manifests.test_monitoring import ALERTS, RULES, STORY


@pytest.fixture(scope="session")
def promtool():
    return prometheus() / "promtool"


def _run(*words, cwd):
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_is_understood(promtool, tmp_path):
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(RULES), encoding="utf-8")
    _run(promtool, "check", "rules", "rules.yaml", cwd=tmp_path)


def test_alerts_fire_when_they_should_and_only_then(promtool, tmp_path):
    rules = copy.deepcopy(RULES)
    for group in rules["groups"]:
        for alert in group["rules"]:
            # Their words are not what is tested here.
            del alert["annotations"]
    story = copy.deepcopy(STORY)
    severity = {alert["alert"]: alert["labels"] for alert in ALERTS}
    for expected in story["tests"][0]["alert_rule_test"]:
        if "fires" in expected:
            fires = expected.pop("fires")
            expected["exp_alerts"] = [
                {"exp_labels": {**labels, **severity[expected["alertname"]]}}
                for labels in (fires if isinstance(fires, list) else [fires])
            ]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules), encoding="utf-8")
    (tmp_path / "story.yaml").write_text(yaml.safe_dump(story), encoding="utf-8")
    _run(promtool, "test", "rules", "story.yaml", cwd=tmp_path)
