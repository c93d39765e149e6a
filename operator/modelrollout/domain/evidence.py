"""Evidence: what a sequential test has gathered so far, as it is shown, stored in the status and combined with others.

All evidence is a natural logarithm of an e-value: 0 is none, ln 20 = 3.0 is what α = 5 % asks for. It may fall again.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from modelrollout.schema import ApiModel

Text = Annotated[str, Field(max_length=63)]


class Evidence(ApiModel):
    """What speaks for and against the candidate in one metric."""

    slice: Text = ""
    """The part of the traffic; empty: all of it."""
    about: Text = ""
    """What the values are of, such as `p99` or `above 0.4`; empty: the metric itself."""
    against: float = 0.0
    """ln E that the candidate is beyond the margin. Rollback at ln(1/α), of all metrics together."""
    within: float = 0.0
    """ln E that it is within the margin. A pass at ln(1/β)."""
    worse: float = 0.0
    """ln E that it is worse at all, be it within the margin. The weight stays where it is at ln(1/α)."""
    candidate: float | None = None
    """The candidate's value in this attempt, in the metric's unit."""
    stable: float | None = None
    """Stable's value over the same minutes."""
    low: float | None = None
    """Lower end of the confidence sequence for candidate − stable (1 − α, at any time)."""
    high: float | None = None
    """Upper end of it."""
    enough: bool = False
    """The candidate has as many requests as the metric asks for, so that a step may end."""
    requests: Annotated[int, Field(ge=0)] = 0
    """Requests of the candidate that it rests on."""
    stable_requests: Annotated[int, Field(ge=0)] = 0
    """Requests of stable that it rests on."""
    per_second: float | None = None
    """Requests per second of the candidate, lately."""
    stable_per_second: float | None = None
    """Requests per second of stable, lately."""
    alarm: bool = False
    """While the candidate answers everything: the change detector speaks, and nothing else is needed for a rollback."""
    needed: Annotated[int, Field(ge=0)] | None = None
    """Further requests of the candidate until a pass is to be expected, if it is as good as stable; None: unknown."""
    verdict: Literal["Pass", "Fail", "Undecided"] | None = None
    """Of a part of the traffic: Pass, Fail or Undecided. It holds the rollout only as long as it may still turn out to fail."""
    failures: Annotated[int, Field(ge=1)] | None = None
    """Of a part of the traffic under a plain limit: windows in a row outside it."""
    moved: Literal["world", "candidate", "inputs"] | None = None
    """What has drifted: world, both versions away from the reference; candidate, only what the candidate answers; inputs, what
    both versions are asked, which is the routing's fault. Only the second speaks against the candidate; the others hold it."""
    pace: Literal["sudden", "gradual"] | None = None
    """How it has drifted: within two of the stretches of time that are remembered, 24 at most, or over more of them."""
    reference: float | None = None
    """The value when the reference was made; absent without one."""
    at: datetime | None = None
    """When its last window was closed."""
    noise: Annotated[float, Field(ge=1)] = 1.0
    """φ: how much more stable's own pods differ than chance lets them; evidence is divided by it."""

    @property
    def both_per_second(self) -> float | None:
        """Requests per second of both, lately; None where one of them is unknown."""
        if self.per_second is None or self.stable_per_second is None:
            return None
        return self.per_second + self.stable_per_second
