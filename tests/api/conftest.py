import time

import pytest

from modelrollout.api.crd import crd
from tests.api.apiserver import ApiServer, start

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def bare_server(tmp_path_factory):
    with start(tmp_path_factory.mktemp("apiserver")) as server:
        yield server


@pytest.fixture(scope="session")
def server(bare_server) -> ApiServer:
    """An API server that knows our CRD."""
    definition = crd()
    name = definition["metadata"]["name"]
    status, answer = bare_server.apply(f"{CRDS}/{name}", definition)
    assert status == 201, answer["message"]
    end = time.monotonic() + 10
    while time.monotonic() < end:
        conditions = bare_server.request("GET", f"{CRDS}/{name}")[1]["status"]["conditions"] or ()
        if any(each["type"] == "Established" and each["status"] == "True" for each in conditions):
            break
        time.sleep(0.05)
    # Established comes before the handler answers.
    while bare_server.request("GET", "/apis/modelrollout.dev/v1alpha1/modeldeployments")[0] == 404:
        assert time.monotonic() < end
        time.sleep(0.05)
    return bare_server
