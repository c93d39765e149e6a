"""The report that docs/verdicts.md shows is the one of the rollout that it is said to be of."""

import re
from pathlib import Path

import pytest
import yaml

from modelrollout.cli.report import read_reports
from modelrollout.simulation.behaviour import Behaviour
from modelrollout.simulation.cluster import Cluster
from modelrollout.simulation.trial import Setting, run_trial
from tests.docs.examples import ROOT

PAGE = ROOT / "docs" / "verdicts.md"
EXAMPLE = ROOT / "manifests" / "examples" / "canary-compare.yaml"
SEED = 7
_SHOWN = re.compile(r"^```\n(## What was measured\n.*?)\n```$", re.DOTALL | re.MULTILINE)


async def test_the_report_on_the_page_is_that_of_the_candidate_with_5_percent_errors(request: pytest.FixtureRequest):
    document, clusters = _document(EXAMPLE), list[Cluster]()
    setting = Setting(document=document, rate=10, stable=Behaviour(errors=0.005), candidate=Behaviour(errors=0.05))
    await run_trial(setting, SEED, clusters.append)
    newest = read_reports(clusters[0].store.every("ConfigMap"))[0]
    text = PAGE.read_text()
    shown = _SHOWN.search(text)
    assert shown is not None
    middle = _middle(newest.page)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(text.replace(shown[1], middle))
    else:
        assert shown[1] == middle


def _document(path: Path) -> dict:
    return next(one for one in yaml.safe_load_all(path.read_text()) if one["kind"] == "ModelDeployment")


def _middle(report: str) -> str:
    return report[report.index("## What was measured") : report.index("\n## ", report.index("## Evidence") + 1)].strip()
