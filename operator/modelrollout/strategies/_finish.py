"""How every strategy ends: a person may have to release the move to 100 %, and the bake watches after it."""

from dataclasses import replace
from datetime import timedelta
from typing import Literal

from modelrollout.domain.stage import Stage, StageKind

Promotion = Literal["automatic", "manual"]


def finish(trial: list[Stage], promotion: Promotion, bake: timedelta | None) -> tuple[Stage, ...]:
    """Return the stages of the trial, then FULL, then the bake if there is one.

    Args:
        trial: at least one stage.
        promotion: ``manual``: the last stage of the trial waits for a person.
        bake: how long to watch after 100 %.
    """
    *before, last = trial
    full = Stage(StageKind.FULL, "full", weight=100, full_size=True)
    stages = [*before, replace(last, approval=last.approval or promotion == "manual"), full]
    if bake is not None:
        stages.append(replace(full, kind=StageKind.BAKE, label="bake", hold=bake))
    return tuple(stages)
