"""A stage: one station of a rollout. A strategy is nothing but the list of stages it compiles to.

The engine walks the list; it knows no strategy by name. That is why a new strategy is one file.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class StageKind(StrEnum):
    """What a stage is for; shown to people, and the engine treats only FULL, BAKE and PAUSE apart."""

    SHADOW = "Shadow"
    """The candidate gets copies of requests and answers nobody."""
    STEP = "Step"
    """The candidate answers a share of the requests."""
    PAUSE = "Pause"
    """Nothing changes until a person promotes."""
    PREVIEW = "Preview"
    """The candidate stands in full size without traffic."""
    FULL = "Full"
    """The candidate answers everything; stable stands whole."""
    BAKE = "Bake"
    """Watching after 100 %; when it passes, the roles change."""


@dataclass(frozen=True)
class Stage:
    """One station.

    Attributes:
        kind: what it is for.
        label: how people see it, such as ``step 2/4``.
        weight: percent of answers from the candidate.
        mirror: percent of requests copied to the candidate.
        hold: least time from the verified route to the end of the stage.
        approval: a person must release the end of this stage, whatever ``automation`` says.
        full_size: the candidate has all replicas, whatever its weight.
        replicas: least number of candidate pods, when the user asked for more than the weight needs.
        budget: bad requests a minute that the weight may risk; only the rungs of a ramp have one.
    """

    kind: StageKind
    label: str
    weight: int = 0
    mirror: int = 0
    hold: timedelta = timedelta()
    approval: bool = False
    full_size: bool = False
    replicas: int | None = None
    budget: float | None = None
