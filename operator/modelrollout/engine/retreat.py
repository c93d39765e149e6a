"""A candidate that answers clients and has lost its last Ready pod: stable answers meanwhile, and then the stage starts anew.

It is no verdict. A node that was drained says nothing about a model, and a crash is for the gates and the progress deadline to
judge. But no client may wait for either of them.
"""

from modelrollout.domain.route import Arm, Route
from modelrollout.engine.context import Context
from modelrollout.engine.lifecycle import enter


def deserted(context: Context) -> bool:
    """Return whether the candidate is asked to answer, cannot, and stable can."""
    rollout, asked = context.progressing, context.status.route
    if rollout is None or rollout.previous is None or asked is None or not asked.route.weight(rollout.revision):
        return False
    return not context.seen.ready_pods(rollout.revision) and bool(context.seen.ready_pods(rollout.previous))


def retreat(context: Context) -> Context:
    """Begin the current stage anew when the candidate is deserted: its clocks and numbers belong to a route that ends now."""
    rollout = context.progressing
    if rollout is None or rollout.verified_at is None or not deserted(context):
        return context
    return enter(context, rollout.stage)


def way_home(context: Context) -> Route:
    """Return the route on which stable answers everything."""
    rollout = context.progressing
    assert rollout is not None
    assert rollout.previous is not None
    return Route(arms=(Arm(revision=rollout.previous, weight=100),))
