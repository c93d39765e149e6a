"""The machine has the programs that a cluster needs, as after its first `up`."""

import pytest

from tests.cluster import preflight


@pytest.fixture(scope="session", autouse=True)
def prepared():
    preflight.check()
