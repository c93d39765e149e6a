"""A route: which revision answers which share of the requests, and who gets copies.

Lists on purpose: two arms are what a rollout needs today, three with a second copy of stable for statistics.
"""

from typing import Annotated

from pydantic import Field

from modelrollout.names import mirror_cluster
from modelrollout.schema import ApiModel


class Arm(ApiModel):
    """One revision and its share of the answers."""

    revision: Annotated[str, Field(max_length=63)]
    """Name of the revision."""
    weight: Annotated[int, Field(ge=0, le=100)]
    """Percent of requests that it answers."""


class Mirror(ApiModel):
    """One revision and its share of copied requests; its answers are thrown away."""

    revision: Annotated[str, Field(max_length=63)]
    """Name of the revision."""
    percent: Annotated[int, Field(ge=1, le=100)]
    """Percent of requests that are copied to it."""


class Route(ApiModel):
    """What clients get. Arms with weight 0 are left out; the weights sum to 100."""

    arms: Annotated[tuple[Arm, ...], Field(max_length=8)] = ()
    """Who answers."""
    mirrors: Annotated[tuple[Mirror, ...], Field(max_length=8)] = ()
    """Who gets copies."""
    preview: Annotated[str, Field(max_length=63)] | None = None
    """The revision that answers requests with the preview header, if any."""

    def weight(self, revision: str) -> int:
        """Return the percent of answers a revision gives, 0 when it is not in the route."""
        return sum(arm.weight for arm in self.arms if arm.revision == revision)

    def mirrored(self, revision: str) -> int:
        """Return the percent of requests copied to a revision."""
        return sum(mirror.percent for mirror in self.mirrors if mirror.revision == revision)

    def revisions(self) -> frozenset[str]:
        """Return every revision that can receive a request through this route."""
        preview = {self.preview} if self.preview else set()
        return frozenset({arm.revision for arm in self.arms} | {mirror.revision for mirror in self.mirrors} | preview)

    def clusters(self) -> frozenset[str]:
        """Return the names of the upstream clusters that a proxy needs for this route."""
        answering = {arm.revision for arm in self.arms} | ({self.preview} if self.preview else set())
        return frozenset(answering | {mirror_cluster(mirror.revision) for mirror in self.mirrors})


class RouteAsk(ApiModel):
    """What the data plane has been asked for. Persisted in status before it is written, with a serial that only grows.

    ``clusters`` may name more than the route needs: a cluster is added one acknowledged change before the route that names it,
    and removed one acknowledged change after; together in one update they lose requests.
    """

    serial: Annotated[int, Field(ge=0)]
    """Grows by one with every change."""
    route: Route
    """Who answers and who gets copies."""
    clusters: Annotated[tuple[Annotated[str, Field(max_length=63)], ...], Field(max_length=16)]
    """Upstream clusters, sorted."""
