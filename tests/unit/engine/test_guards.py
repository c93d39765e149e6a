"""What stands in the way: the first that speaks is the reason, and a word of the runbook."""

import pytest

from modelrollout.engine.context import contextualize
from modelrollout.engine.guards import CHAIN, find_trouble
from tests.unit.engine.world import World, analysis, template


def troubled(*reasons: str) -> World:
    """Return a world in which some things are wrong at the same time."""
    world = World()
    if "ProgressDeadlineExceeded" in reasons:
        world.ready[world.name(1)] = 0
        world.wait(700)
    else:
        world.install()
    if "RolloutAborted" in reasons:
        world.apply(template=template(2))
        world.wait(5)
        world.abort_now()
        world.wait(5)
    if "ObjectRejected" in reasons:
        world.rejected[("Deployment", "digits-b")] = "exceeded quota: gpus"
        world.rejected[("Deployment", "digits-a")] = "exceeded quota: pods"
    if "NameConflict" in reasons:
        world.foreign = frozenset({("Service", "digits-b"), ("Deployment", "digits-a")})
    if "InvalidSpec" in reasons:
        world.apply(paused="yes", analysis=analysis(deadline="soon"))
    return world


@pytest.mark.parametrize(
    ("reasons", "first", "words"),
    [
        ((), None, ""),
        (("InvalidSpec",), "InvalidSpec", "spec.analysis.deadline"),
        (("NameConflict",), "NameConflict", "Deployment digits-a, Service digits-b"),
        (("ObjectRejected",), "ObjectRejected", "Deployment digits-a: exceeded quota: pods"),
        (("ProgressDeadlineExceeded",), "ProgressDeadlineExceeded", "not Available after 10m"),
        (("RolloutAborted",), "RolloutAborted", "`kubectl modelrollout retry digits`"),
        (("RolloutAborted", "ObjectRejected"), "ObjectRejected", ""),
        (("ProgressDeadlineExceeded", "ObjectRejected"), "ObjectRejected", ""),
        (("ObjectRejected", "NameConflict"), "NameConflict", ""),
        (("NameConflict", "InvalidSpec", "ObjectRejected"), "InvalidSpec", ""),
    ],
)
def test_the_first_that_speaks_is_the_reason(reasons: tuple[str, ...], first: str | None, words: str) -> None:
    world = troubled(*reasons)
    context = contextualize(world.look(), world.limits, world.now)
    assert context is not None
    trouble = find_trouble(context)
    assert (trouble.reason if trouble else None) == first
    if trouble is not None:
        assert words in trouble.message
        assert trouble.message.rstrip().endswith((".", "`."))


def test_each_guard_speaks_for_itself_alone() -> None:
    said = set()
    for reason in ("InvalidSpec", "NameConflict", "ObjectRejected", "ProgressDeadlineExceeded", "RolloutAborted"):
        world = troubled(reason)
        context = contextualize(world.look(), now=world.now)
        assert context is not None
        spoken = [trouble.reason for guard in CHAIN if (trouble := guard(context)) is not None]
        assert spoken == [reason]
        said.update(spoken)
    assert len(said) == len(CHAIN)
