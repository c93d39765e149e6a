"""Whatever happens to the collector, no client notices: a minute of it on the real Envoy."""

from collections.abc import Iterator

import pytest

from tests.api.envoy import binary
from tests.soak.faults import FAULTS, Fault, broken, suffer
from tests.soak.place import Place, place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(binary(tmp_path_factory.mktemp("envoy")), tmp_path_factory.mktemp("place")) as one:
        yield one


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_no_client_notices_a_collector_that(fault: Fault, made: Place):
    assert not broken(fault, await suffer(made, fault))
