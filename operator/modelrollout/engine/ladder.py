"""The automation ladder: how far a rollout goes forward alone. Backward it goes by itself on every rung but the lowest.

On the rung ``shadow`` no request is answered by the candidate. Whoever lowers a running rollout to it wants the candidate out of
the way of clients at once, and does not want to lose what is known: traffic goes home as for an abort, the attempt stays, and
the rollout stands in its stage with copies again.
"""

from modelrollout.api.golden import GATE
from modelrollout.domain.stage import Stage, StageKind
from modelrollout.domain.verdict import Verdict
from modelrollout.engine.analysis import conclude
from modelrollout.engine.context import Context
from modelrollout.engine.facts import unacknowledged
from modelrollout.engine.lifecycle import enter
from modelrollout.engine.proof import standing
from modelrollout.engine.ramp import next_rung
from modelrollout.engine.retreat import way_home
from modelrollout.names import mirror_cluster

RAISE = "Set spec.automation to assist, partial or full to go on."


def pinned(context: Context) -> bool:
    """Return whether the candidate may answer nobody. A first install may: nobody else could."""
    rollout = context.progressing
    return rollout is not None and rollout.previous is not None and context.spec.automation == "shadow"


def pin(context: Context) -> Context:
    """Leave a stage in which the candidate answers, or is asked to: its clocks and numbers belong to a route that ends now.

    What people have released so far was released for another rung, and is asked again.
    """
    rollout = context.progressing
    if rollout is None or not pinned(context):
        return context
    answers = context.stages[min(rollout.stage, len(context.stages) - 1)].weight > 0
    if not answers and not (context.asked_weight and rollout.verified_at is not None):
        return context
    index = _last_copies(context.stages) if answers else rollout.stage
    return enter(context.with_rollout(approved=-1, released=-1, full=False), index)


def leaves(context: Context) -> bool:
    """Return whether traffic that the candidate still has must go home first, and every router say that it has."""
    rollout, asked = context.progressing, context.status.route
    if rollout is None or asked is None or not pinned(context):
        return False
    if context.asked_weight:
        return True
    # Copies need a cluster that routers know only in a stage with copies. Traffic comes first.
    unknown = mirror_cluster(rollout.revision) not in asked.clusters and rollout.revision in asked.clusters
    return unknown and asked.route == way_home(context) and unacknowledged(context, asked) is not None


def ceiling(context: Context, following: int) -> str:
    """Return why a stage is not entered, for people; empty when it may be."""
    if not pinned(context) or not context.stages[following].weight:
        return ""
    return f"automation: shadow gives the candidate copies and no answers, and {context.stages[following].label} would. {RAISE}"


def next_index(context: Context, upper: float | None, rps: float | None) -> int | None:
    """Return the stage that follows the current one, None after the last."""
    rollout = context.progressing
    if rollout is None or rollout.stage + 1 >= len(context.stages):
        return None
    rung = next_rung(context.stages, rollout.stage, upper, rps)
    return rung if rung is not None else rollout.stage + 1


def needs_person(context: Context, stage: Stage) -> bool:
    """Return whether only a person may let this stage go, now that its metrics do not hold it up any more."""
    rollout = context.progressing
    if rollout is None or rollout.previous is None or stage.kind is StageKind.FULL:
        return False
    if stage.approval:
        return True
    match context.spec.automation:
        case "full" | "shadow":
            return False
        case "partial":
            # When the bake begins everything is decided but what only time can tell.
            return stage.kind is not StageKind.BAKE and not clear(context, stage)
        case _:
            return stage.kind is not StageKind.BAKE


def clear(context: Context, stage: Stage) -> bool:
    """Return whether metrics let this stage go. A hold that is over measures nothing, nor do golden examples."""
    gates = tuple(gate for gate in standing(context, stage) if gate.name != GATE)
    return bool(gates) and conclude(gates)[0] is Verdict.PASS


def promotes_undecided(context: Context, stage: Stage) -> bool:
    """Return whether ``onInconclusive: promote`` is obeyed; on the rung below ``full`` it is a person who decides that."""
    return context.spec.automation != "partial" and not needs_person(context, stage)


def _last_copies(stages: tuple[Stage, ...]) -> int:
    """Return the last stage with copies before the first one in which the candidate answers."""
    first = next((index for index, stage in enumerate(stages) if stage.weight), len(stages))
    return max((index for index in range(first) if stages[index].mirror), default=0)
