"""Golden examples in the walk through the stages: when they are due, what holds the route back, and what the gate says.

They are due before the first route that gives the candidate requests or copies, and again in each later stage once its route
is verified. Probes are sent in the background and a pass only reads what is known, so a model that does not answer delays no
abort. What was answered is kept in the status: a new leader repeats at most the run that was under way.
"""

from modelrollout.api.golden import GATE, Golden
from modelrollout.domain.golden import GoldenRun, GoldenWants, Probes, Target
from modelrollout.domain.reading import State
from modelrollout.domain.stage import StageKind
from modelrollout.domain.status import Rollout
from modelrollout.domain.verdict import Gate, Verdict
from modelrollout.engine.context import Context

LONGEST_TEXT = 512


def golden_wants(context: Context) -> GoldenWants | None:
    """Return what is to be sent to the candidate's pods, None when nothing is."""
    golden, rollout = _settings(context), context.progressing
    if golden is None or rollout is None:
        return None
    examples = _due(context) and _run(context) is None
    # The pods of a first install are not held back, so nobody waits for them to be warm.
    warm_up = golden.warm_up.requests if golden.warm_up and rollout.previous and _rises(context) else 0
    revision = context.revision(rollout.revision)
    pods = tuple(
        Target(pod.uid, pod.name, pod.address) for pod in context.seen.ready_pods(rollout.revision) if pod.address
    )
    if revision is None or not pods or not (examples or warm_up):
        return None
    return GoldenWants(
        question=_question(rollout, golden),
        namespace=context.seen.namespace,
        config_map=golden.config_map,
        pods=pods,
        port=revision.port,
        timeout=golden.timeout,
        failures=golden.failures,
        examples=examples,
        warm_up=warm_up,
    )


def note(context: Context) -> Context:
    """Keep a run of the examples once it is over: all of them are answered, or too many are wrong."""
    golden, rollout, probes = _settings(context), context.progressing, _probes(context)
    if golden is None or rollout is None or probes is None or not _due(context) or _run(context) is not None:
        return context
    passed = len(probes.failed) <= golden.failures
    if not probes.total or (passed and len(probes.results) < probes.total):
        return context
    run = GoldenRun(
        config_map=golden.config_map,
        stage=rollout.stage,
        stage_label=rollout.stage_label,
        since=rollout.stage_at,
        at=probes.at,
        before_traffic=_before_traffic(context),
        passed=passed,
        total=probes.total,
        examples=tuple(sorted(probes.results, key=lambda result: result.ok)),
    )
    return context.with_rollout(golden=run)


def golden_gates(context: Context) -> tuple[Gate, ...]:
    """Return the gate of the examples; none where they are not due."""
    golden, run, probes = _settings(context), _run(context), _probes(context)
    if golden is None or not (_due(context) or run):
        return ()
    failed = run.failed if run else probes.failed if probes else ()
    answered = len(run.examples) if run else len(probes.results) if probes else 0
    state, verdict, message = State.VALUE, Verdict.PASS, ""
    if run is None:
        verdict, message = Verdict.UNDECIDED, _words(context)
        state = State.ERROR if probes is not None and probes.problem else State.VALUE
    elif not run.passed:
        verdict, message = Verdict.FAIL, run.blame()
    return (
        Gate(
            name=GATE,
            verdict=verdict,
            state=state,
            value=None if state is State.ERROR else float(len(failed)),
            limit=f"≤ {golden.failures} failed",
            requests=answered,
            at=run.at if run else None,
            message=message[:LONGEST_TEXT],
        ),
    )


def unanswered(context: Context) -> str:
    """Return what the examples of the current stage wait for; empty: for nothing. Only then may the stage end."""
    rollout = context.progressing
    if rollout is None or rollout.previous is None or _settings(context) is None or not _due(context):
        return ""
    return "" if _run(context) is not None else f"golden examples: {_words(context)}"


def failure(context: Context) -> str:
    """Return why a person must decide about the current stage, with the example; empty: nobody need.

    Wherever the operator acts alone a failure has sent traffic home by now.
    """
    rollout, run = context.progressing, _run(context)
    if rollout is None or rollout.previous is None or run is None or run.passed or rollout.approved >= rollout.stage:
        return ""
    return f"{GATE}: {run.blame()}"


def held_back(context: Context) -> str | None:
    """Return why the candidate may get no requests yet, or no more of them; None when it may."""
    golden, rollout = _settings(context), context.progressing
    if golden is None or rollout is None or rollout.previous is None or not _rises(context):
        return None
    if _before_traffic(context) and (why := unanswered(context) or failure(context)):
        return why
    return _cold(context) if golden.warm_up is not None else None


def _settings(context: Context) -> Golden | None:
    analysis = context.spec.analysis
    return analysis.golden if analysis is not None else None


def _question(rollout: Rollout, golden: Golden) -> str:
    begun, entered = rollout.started_at.isoformat(), rollout.stage_at.isoformat()
    return f"{rollout.revision}/{rollout.attempt}/{begun}/{rollout.stage}/{entered}/{golden.config_map}"


def _probes(context: Context) -> Probes | None:
    """Return what is known about the current question."""
    golden, rollout, probes = _settings(context), context.progressing, context.seen.probes
    if golden is None or rollout is None or probes is None or probes.question != _question(rollout, golden):
        return None
    return probes


def _run(context: Context) -> GoldenRun | None:
    """Return how the examples of this visit of this stage were answered, None while they are not."""
    golden, rollout = _settings(context), context.progressing
    run = rollout.golden if rollout is not None else None
    if golden is None or rollout is None or run is None:
        return None
    here = (golden.config_map, rollout.stage, rollout.stage_at)
    return run if (run.config_map, run.stage, run.since) == here else None


def _before_traffic(context: Context) -> bool:
    """Whether the candidate has had no requests and has not shown yet that it may have some."""
    rollout, ask = context.progressing, context.status.route
    if rollout is None or (rollout.golden is not None and rollout.golden.passed):
        return False
    return ask is None or not (ask.route.weight(rollout.revision) or ask.route.mirrored(rollout.revision))


def _due(context: Context) -> bool:
    """Whether the examples must be answered in the current stage, as things stand."""
    rollout, stage = context.progressing, context.stage
    if rollout is None or stage is None:
        return False
    if rollout.previous is None or _before_traffic(context):
        return True
    # The run before traffic is that of its stage. In a pause nothing changes.
    return rollout.verified_at is not None and stage.kind is not StageKind.PAUSE


def _rises(context: Context) -> bool:
    """Whether the current stage gives the candidate more than it was last asked to get."""
    rollout, stage, ask = context.progressing, context.stage, context.status.route
    if rollout is None or stage is None:
        return False
    route = ask.route if ask is not None else None
    weight, mirrored = (route.weight(rollout.revision), route.mirrored(rollout.revision)) if route else (0, 0)
    return stage.weight > weight or stage.mirror > mirrored


def _words(context: Context) -> str:
    """Return how far the examples are."""
    golden, rollout, probes = _settings(context), context.progressing, _probes(context)
    assert golden is not None
    assert rollout is not None
    if not context.seen.ready_pods(rollout.revision):
        return f"no pod of {rollout.revision} is Ready to answer them"
    if probes is not None and probes.problem:
        return probes.problem
    if probes is None or not probes.total:
        return "none is answered yet"
    words = f"{len(probes.results)} of {probes.total} answered"
    return f"{words}; {probes.silent}" if probes.silent else words


def _cold(context: Context) -> str | None:
    """Return how many pods are still being warmed."""
    golden, rollout, probes = _settings(context), context.progressing, context.seen.probes
    assert golden is not None
    assert rollout is not None
    ready = context.seen.ready_pods(rollout.revision)
    known = probes.warm if probes is not None else frozenset()
    warm = sum(pod.uid in known for pod in ready)
    if warm == len(ready):
        return None
    why = (probes.problem or probes.silent or probes.cold) if probes is not None else ""
    return f"warm-up: {warm} of {len(ready)} pods are warm{f'; {why}' if why else ''}"
