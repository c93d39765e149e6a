"""There is an example of how to scrape every server that has presets, and it finds the pods of both versions, once each."""

from pathlib import Path

import pytest
import yaml

from modelrollout.names import COMPONENT_MODEL, LABEL_COMPONENT, LABEL_NAME
from modelrollout.sources._presets import PRESETS

PLACE = Path(__file__).parents[3] / "manifests" / "prometheus" / "podmonitors"
SERVERS = sorted({name.partition("/")[0] for name in PRESETS})


def test_every_server_has_one_and_the_readme_names_it() -> None:
    assert [file.stem for file in sorted(PLACE.glob("*.yaml"))] == SERVERS
    readme = (PLACE / "README.md").read_text(encoding="utf-8")
    for server in SERVERS:
        assert f"({server}.yaml): port " in readme


@pytest.mark.parametrize("server", SERVERS)
def test_it_scrapes_the_pods_of_one_model_once(server: str) -> None:
    text = (PLACE / f"{server}.yaml").read_text(encoding="utf-8")
    monitor = yaml.safe_load(text)
    assert (monitor["apiVersion"], monitor["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert monitor["spec"]["selector"]["matchLabels"] == {LABEL_NAME: "digits", LABEL_COMPONENT: COMPONENT_MODEL}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint.keys() == {"port", "path", "interval"}
    assert f"`{endpoint['port']}`" in text.splitlines()[0]
    readme = (PLACE / "README.md").read_text(encoding="utf-8")
    assert f"`{endpoint['path']}`" in next(line for line in readme.splitlines() if f"({server}.yaml)" in line)
