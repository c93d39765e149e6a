"""What a router's status page says of the requests that it has sent."""

import pytest

from modelrollout.routers.envoy import PLUGIN
from tests.unit.sources.instant import page as recorded


def page(**counters: int) -> str:
    return "".join(
        f'envoy_cluster_upstream_rq_{name}{{envoy_cluster_name="new"}} {value}\n' for name, value in counters.items()
    )


@pytest.mark.parametrize(
    ("counters", "requests"),
    [
        ({"total": 102, "completed": 100}, 102),
        ({"total": 8, "pending_overflow": 1, "active_overflow": 1, "completed": 10}, 10),
        ({"pending_failure_eject": 9, "pending_overflow": 1, "completed": 10}, 10),
        ({"total": 10, "pending_failure_eject": 4, "retry": 4, "completed": 10}, 10),
        ({"total": 30, "retry": 20}, 10),
        ({"completed": 10}, 0),
    ],
    ids=["some-wait", "some-refused", "none-reached", "tried-after-none-reached", "tried-again", "unknown"],
)
def test_for_how_many_requests_a_revision_was_chosen(counters: dict[str, int], requests: int) -> None:
    report = PLUGIN.parse(page(**counters))
    assert report.tries.get("new", 0) - report.retries.get("new", 0) == requests


def test_a_recorded_page_tells_it_of_every_cluster() -> None:
    report = PLUGIN.parse(recorded("envoy-1.40"))
    assert report.tries == {"candidate": 19, "candidate-mirror": 0, "stable": 41, "third": 0}
    assert not any(report.retries.values())
