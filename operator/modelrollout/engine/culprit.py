"""Whose doing a drift after a promotion is: only what the stable revision does alone may take traffic back.

What a model is asked changes without anybody rolling anything out, and whatever else drifts meanwhile may follow from it. One
version looks the same in both cases, so inputs decide:

==========================================================  =========================================================
what drifts                                                 whose doing
==========================================================  =========================================================
a metric of what is asked                                   the world's, and with it all that drifts beside it
a limit on what the version does: errors, latency, labels   the version's
how its answers are spread, while what is asked is seen     the version's
to be spread as it was
the same, where nobody sees how what is asked is spread     nobody can tell
==========================================================  =========================================================

A detector of inputs may speak later than one of outputs. So where inputs are watched at all, the version's own drift must have
lasted for some polls without one of theirs.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from modelrollout.api.watched import Watched
from modelrollout.domain.monitoring import Monitoring
from modelrollout.domain.tally import Features
from modelrollout.domain.verdict import Mode, Verdict


@dataclass(frozen=True)
class Culprit:
    """Whether what drifts is the version's own doing.

    Attributes:
        excuse: why it is not, or is not known to be; empty when it is.
        until: when it will be, if nothing else happens; None when that is no matter of time.
    """

    excuse: str = ""
    until: datetime | None = None


def of_inputs(one: Watched) -> bool:
    """Return whether a metric is about what is asked, whoever answers."""
    return one.source.of_inputs(one.source_config)


def of_spread(one: Watched) -> bool:
    """Return whether a metric is about how values are spread, which follows from what is asked."""
    return Features in one.source.forms(one.source_config)


def culprit(metrics: tuple[Watched, ...], monitor: Monitoring, now: datetime, patience: timedelta) -> Culprit:
    """Return whose doing it is that something drifts.

    Args:
        metrics: all that are watched.
        monitor: with gates and drifts of this pass.
        now: the time.
        patience: how long what the version does must have drifted alone, where inputs are watched.
    """
    drifting = {one.metric: one for one in monitor.drifting}
    asked = [one for one in metrics if of_inputs(one)]
    if moved := [one.name for one in asked if one.name in drifting]:
        return Culprit(f"inputs moved ({', '.join(moved)}), and that is no version's doing")
    own = [
        one
        for one in metrics
        if one.name in drifting and drifting[one.name].passing_since is None and one.mode is Mode.GATE
    ]
    if not own:
        return Culprit("what drifted passes again, or may only be told (mode)")
    passed = {gate.name for gate in monitor.gates if gate.verdict is Verdict.PASS}
    seen = any(of_spread(one) and one.name in passed for one in asked)
    told = [one for one in own if seen or not of_spread(one)]
    if not told:
        return Culprit("nobody sees whether inputs moved, too: no metric of inputs passes by drift")
    lasted = min(drifting[one.name].since for one in told) + patience
    if asked and now < lasted:
        return Culprit("inputs may turn out to have moved, too, within the first ten polls of a drift", lasted)
    return Culprit()
